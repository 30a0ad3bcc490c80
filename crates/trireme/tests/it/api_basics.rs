//! The protocol below the kinds.
//!
//! [`access`]: TLS and who may ask; [`bodies`]: what is sent; [`answers`]: what comes back. Requests that are refused come
//! first in each.

pub(crate) mod access;
pub(crate) mod answers;
pub(crate) mod bodies;
