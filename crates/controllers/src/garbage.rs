//! Garbage collection by owner references.
//!
//! An object whose owners are all gone is deleted. An owner that is deleted in the foreground waits for the dependents that
//! block it; one that is deleted with `Orphan` lets them go first. Who an owner is, is decided by uid alone: another
//! object of the same name is not it. A namespaced owner is looked for in the namespace of its dependent only; elsewhere it
//! counts as absent, which an event tells (`OwnerRefInvalidNamespace`).
//!
//! `graph` holds what the watches say, `plan` decides (both pure), `reconcile` asks the API before it acts on either. The
//! rules are those of Kubernetes ("Garbage Collection" in its documentation); no state is kept outside the objects.
//! Start reading at [`plan::next`].

mod graph;
mod plan;
mod recent;
mod reconcile;

pub(crate) use reconcile::Collector;

#[cfg(test)]
mod tests;
