//! The node agent: runs the pods that are bound to this machine and tells the API how they are.
//!
//! It speaks the Kubernetes API above, through `client`, and `container` below; it knows neither the API server nor the
//! scheduler. Pods have a network of their own with nothing but a loopback interface: `status.podIP` stays empty, and what a
//! pod wants of the network beyond itself is refused. Images other than `host` cannot be pulled.
//!
//! All that it remembers of a pod beyond what runtime and API have is one small file, so a server can be killed at any
//! moment: the next one adopts what runs. Start reading at [`Agent::start`], then `pod::reconcile`.

mod agent;
mod environment;
mod event;
mod fields;
mod image;
mod logs;
mod node;
mod patch;
mod pod;
mod probe;
mod source;
mod users;
mod volume;

pub use agent::{Agent, Options, StartError};
pub use image::toolchains::{HostImage, Surroundings, detect};
pub use pod::back_off::BackOff;

/// Begins the ids of containers in a status, before the id of the runtime.
pub(crate) const RUNTIME_SCHEME: &str = "trireme://";
