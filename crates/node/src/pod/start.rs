//! Starts one attempt of a container: image, values, specification, then the runtime.
//!
//! Changes nothing in the state; what has come of it is an [`Outcome`]. Start reading at [`start`].

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;

use client::kinds::core::v1::{Container, Pod, PodSpec};
use container::{ContainerSpec, Error as RuntimeError, Status};

use super::identity::{Attempt, Directory, Uid};
use super::spec::{Parts, SpecError, container_spec, hostname};
use super::values::{self, Facts, ValueError};
use crate::agent::Inner;
use crate::image;
use crate::source::Reader;

/// A container may leave its last words whoever it runs as.
const MESSAGE_MODE: u32 = 0o666;

/// What has come of a start.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It runs, or has run.
    Status(Status),
    /// It could not be asked for, for this reason.
    Trouble { reason: &'static str, message: String },
}

/// Why nothing is known of a start. Retry.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot read the values of a container")]
    Api(#[source] client::Error),
    #[error("cannot make the files of a container")]
    Files(#[source] io::Error),
    #[error("the runtime failed")]
    Runtime(#[source] RuntimeError),
}

/// Everything that a start needs.
#[derive(Clone, Copy)]
pub(crate) struct Order<'a> {
    pub agent: &'a Inner,
    pub pod: &'a Pod,
    pub spec: &'a PodSpec,
    pub uid: &'a Uid,
    pub container: &'a Container,
    pub attempt: Attempt,
    pub directory: &'a Directory,
    pub first_user: u32,
}

/// Starts an attempt. The same one may have been begun before.
///
/// # Errors
/// [`Error`]; nothing of the attempt runs.
pub(crate) async fn start(order: Order<'_>) -> Result<Outcome, Error> {
    let container = order.container;
    let name = container.image.as_deref().unwrap_or_default();
    let rootfs = match image::root(name, container.image_pull_policy.as_deref(), &order.agent.toolchains) {
        Ok(rootfs) => rootfs,
        Err(image::Unavailable { reason, message }) => return Ok(Outcome::Trouble { reason, message }),
    };
    let variables = match variables(order).await {
        Ok(variables) => variables,
        Err(ValueError::Api(error)) => return Err(Error::Api(error)),
        Err(error) => return Ok(config_error(error.to_string())),
    };
    let parts = Parts {
        pod: order.pod,
        spec: order.spec,
        container,
        uid: order.uid,
        attempt: order.attempt,
        directory: order.directory,
        rootfs,
        variables,
        first_user: order.first_user,
        machine_bytes: order.agent.allocatable.memory_bytes,
    };
    let spec = match container_spec(parts) {
        Ok(spec) => spec,
        Err(error @ SpecError::NoCommand) => {
            return Ok(Outcome::Trouble { reason: "CreateContainerError", message: error.to_string() });
        }
        Err(error) => return Ok(config_error(error.to_string())),
    };
    run(order, spec).await
}

fn config_error(message: String) -> Outcome {
    Outcome::Trouble { reason: "CreateContainerConfigError", message }
}

async fn variables(order: Order<'_>) -> Result<crate::environment::Builder, ValueError> {
    let agent = order.agent;
    let mut image = agent.environment.clone();
    image.push(("HOSTNAME".to_owned(), hostname(order.pod, order.spec)));
    let facts = Facts { pod: order.pod, host_ip: &agent.host_ip, allocatable: agent.allocatable, image: &image };
    let namespace = order.pod.metadata.namespace.as_deref().unwrap_or_default();
    values::variables(order.container, facts, &mut Reader::new(&agent.client, namespace)).await
}

async fn run(order: Order<'_>, spec: ContainerSpec) -> Result<Outcome, Error> {
    let (runtime, id) = (&order.agent.runtime, spec.id.clone());
    let (directory, attempt) = (order.directory.clone(), order.attempt);
    task::blocking(move || make_files(&directory, attempt)).await.map_err(Error::Files)?;
    match runtime.create_container(spec.clone()).await {
        Ok(()) => {}
        // Values may have changed since an earlier try, which has run nothing.
        Err(RuntimeError::ContainerDiffers { .. }) => {
            runtime.remove(&id).await.map_err(Error::Runtime)?;
            runtime.create_container(spec).await.map_err(Error::Runtime)?;
        }
        Err(error @ RuntimeError::Spec { .. }) => return Ok(config_error(stdx::error_chain(&error).to_string())),
        Err(error) => return Err(Error::Runtime(error)),
    }
    match runtime.start(&id).await {
        Ok(status) => Ok(Outcome::Status(status)),
        Err(RuntimeError::Start { source, .. }) => {
            Ok(Outcome::Status(Status::StartFailed { error: source, at: order.agent.now() }))
        }
        Err(error) => Err(Error::Runtime(error)),
    }
}

fn make_files(directory: &Directory, attempt: Attempt) -> io::Result<()> {
    fs::create_dir_all(directory.container(attempt.slot))?;
    let path = directory.message(attempt);
    OpenOptions::new().create(true).append(true).open(&path)?;
    fs::set_permissions(path, Permissions::from_mode(MESSAGE_MODE))
}
