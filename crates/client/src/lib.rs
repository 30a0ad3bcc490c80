//! The one door to the Kubernetes API: client, watches, shared caches, and the harness that reconcilers run in.
//!
//! It is the only crate that names kube and k8s-openapi; what other crates need of them is re-exported here. It speaks to
//! any Kubernetes API server and knows nothing of ours: in one process the server comes in as a `tower` service, see
//! [`Client::in_process`]. It has no opinion on kinds and keeps no state beyond its caches.
//!
//! A reconciler reads objects from a [`Cache`] (one watch per kind and process) or asks live through an [`Api`], is run by
//! a [`Controller`] over a [`Queue`] of keys, and writes only while it holds the [`Leadership`].
//!
//! Own code stands where kube-runtime does not fit: its watcher asks for the same revision again for ever when a watch is
//! answered with HTTP 410, and in a closed loop when watches end at once; its `Controller` spawns tasks by itself and needs
//! a typed cache. Start reading at [`Client`], then `watch`, `controller`.

mod cache;
mod client;
mod controller;
mod discovery;
mod error;
mod event;
mod leadership;
mod queue;
mod resource;
mod watch;

/// Typed objects of the built-in kinds.
pub use k8s_openapi::api as kinds;
/// Metadata types that all kinds share.
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
pub use kube::Api;
pub use kube::api::{
    DeleteParams, DynamicObject, ListParams, Object as Projection, Patch, PatchParams, PostParams, Preconditions,
    PropagationPolicy,
};
pub use kube::client::Body;
pub use kube::core::{ApiResource, PartialObjectMeta};
pub use kube::{Resource as Kind, ResourceExt as KindExt};

pub use cache::{Cache, Subscription};
pub use client::{BoxError, Client};
pub use controller::{Controller, Next, Reconcile};
pub use discovery::{Discovered, discover};
pub use error::{Error, Result};
pub use event::{Recorder, Report, Severity, Subject};
pub use leadership::Leadership;
pub use queue::Queue;
pub use resource::{Key, Resource, Scope};
pub use watch::{Event, Watch};

/// An object of any kind of which only the metadata is known.
pub type Metadata = PartialObjectMeta<DynamicObject>;
