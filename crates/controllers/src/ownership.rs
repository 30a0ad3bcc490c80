//! How a controller knows the objects that it owns: by their controller reference, by its selector, by its own writes.
//!
//! [`Owned`] finds objects of an owner in the shared cache, `claim` says which of them to adopt, keep or let go, a
//! [`Ledger`] remembers what was written and the cache does not show yet, and [`Dependents`] puts the three together.
//! Nothing here knows what kinds mean. The rules are those of the Kubernetes documentation on owners and dependents. Start
//! reading at [`Dependents`], then `ledger`.

mod claim;
mod dependents;
mod index;
mod ledger;

pub(crate) use claim::{Owner, controller, controller_reference, reference};
pub(crate) use dependents::{ClaimError, Dependents};
pub(crate) use index::Owned;
pub(crate) use ledger::{Ledger, Ledgers, OVERDUE};
