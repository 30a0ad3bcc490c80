//! Every namespace has the service account `default`, which pods run as that name none.
//!
//! It is made again when it is deleted, and not made in a namespace that is being deleted. `plan` decides, `reconcile`
//! creates. What a service account may do, and its tokens, are not this controller's business.

mod plan;
mod reconcile;

pub(crate) use reconcile::Accounts;

#[cfg(test)]
mod tests;
