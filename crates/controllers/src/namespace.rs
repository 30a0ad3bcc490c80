//! The end of a namespace: its content is deleted, then its finalizer is removed, and the API lets it go.
//!
//! Pods go first and everything else when they are gone, so that what they need while they stop is still there (KEP-5080).
//! What could not be deleted, and what waits for finalizers, is told in the namespace's conditions, in the words of
//! Kubernetes. Which resources there are is asked anew each time: one that is missed would leave objects behind that nobody
//! can reach. `plan` decides what the conditions are, `reconcile` deletes. Start reading at [`Lifecycle`].

mod plan;
mod reconcile;
mod waiting;

pub(crate) use reconcile::Lifecycle;

#[cfg(test)]
mod tests;
