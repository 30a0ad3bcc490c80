//! Pods: from what the API says to what runs on the machine, and back.
//!
//! [`plan`] decides and [`status`] tells, both pure and from one [`plan::World`]; [`reconcile`] looks, acts and writes. A
//! pod's containers live in one sandbox; each attempt to run one is a container of its own in the runtime, so that the last
//! end of a container can be seen beside its present. Start reading at [`reconcile`].

pub(crate) mod admission;
pub(crate) mod back_off;
pub(crate) mod identity;
pub(crate) mod plan;
pub(crate) mod reconcile;
pub(crate) mod record;
pub(crate) mod resources;
pub(crate) mod spec;
pub(crate) mod start;
pub(crate) mod state;
pub(crate) mod status;
pub(crate) mod values;
pub(crate) mod volumes;

#[cfg(test)]
mod tests;
