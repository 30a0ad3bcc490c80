//! Keys, certificates and the identities in them.
//!
//! One certificate [`Authority`] per data directory signs the API server's certificate and the client certificates of
//! users. What a certificate says about its holder is an [`Identity`], in Kubernetes' mapping: common name = user,
//! organizations = groups. Does not speak TLS; that belongs to whoever listens. Start reading at [`Authority`].

mod authority;
mod identity;

pub use authority::{Authority, Error, Pair, ServerName};
pub use identity::{Identity, IdentityError};

#[cfg(test)]
mod tests;
