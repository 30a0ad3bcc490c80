//! The node role: this machine as a node, its agent, and the way by which the API server reaches that agent.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result};
use apiserver::{ApiServer, BoxError, NodeApi, NodeService, User};
use axum::body::Body;
use client::Client;
use container::{Runtime, Zygote};
use futures_util::future::join_all;
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use stdx::Clock;
use task::Group;
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

use super::data_directory::DataDirectory;

/// Run-time directories of servers: short names, because socket paths are limited to 107 bytes.
const RUN: &str = "/run/trireme";

/// The agent of this machine once it runs; before, the API server answers that the node is not reachable.
#[derive(Clone, Default)]
pub(crate) struct Slot(Arc<OnceLock<Connected>>);

struct Connected {
    name: String,
    service: NodeService,
}

impl Slot {
    /// What the API server asks for nodes.
    pub(crate) fn api(&self) -> NodeApi {
        let slot = self.0.clone();
        NodeApi::new(move |name| slot.get().filter(|node| node.name == name).map(|node| node.service.clone()))
    }

    fn connect(&self, name: String, router: axum::Router) {
        let service = router
            .map_request(|request: axum::http::Request<_>| request.map(Body::new))
            .map_response(|response: axum::http::Response<Body>| {
                response.map(|body| body.map_err(|error| -> BoxError { error.into() }).boxed_unsync())
            })
            .map_err(|never: Infallible| -> BoxError { match never {} });
        // A server has one agent; a second one would be a defect of `roles`.
        drop(self.0.set(Connected { name, service: BoxCloneSyncService::new(service) }));
    }
}

/// What the node role is told.
pub(crate) struct Options<'a> {
    pub(crate) directory: &'a DataDirectory,
    pub(crate) server: &'a ApiServer,
    pub(crate) zygote: Zygote,
    pub(crate) clock: Clock,
    pub(crate) tasks: &'a Group,
}

/// Opens the container runtime, starts the agent and connects it. The runtime is for whoever stops the pods.
pub(crate) async fn start(options: Options<'_>, slot: &Slot) -> Result<Runtime> {
    let Options { directory, server, zygote, clock, tasks } = options;
    let name = name()?;
    let identity = identity(directory);
    let runtime = Runtime::open(container::Options {
        data_dir: directory.join("containers"),
        runtime_dir: PathBuf::from(RUN).join(&identity),
        cgroup_parent: format!("trireme-{identity}"),
        zygote,
    })
    .await
    .context("cannot run containers on this machine")?;
    let user = User::new(format!("system:node:{name}"), ["system:nodes".to_owned()]);
    // What is not text is none of the settings that are looked for.
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let surroundings = node::Surroundings { home: std::env::home_dir().unwrap_or_default(), variables };
    let host = task::blocking(move || node::detect(&surroundings)).await;
    let agent = node::Agent::start(node::Options {
        name: name.clone(),
        // Pods have no network beyond themselves, so the machine is known to them by its loopback address only.
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        data_dir: directory.join("node"),
        client: Client::in_process(server.local(user), tasks),
        containers: runtime.clone(),
        toolchains: host.toolchains,
        environment: host.environment,
        clock,
        tasks: tasks.clone(),
        back_off: node::BackOff::default(),
        version: format!("v{}", env!("CARGO_PKG_VERSION")),
    })
    .await
    .context("the node agent cannot start")?;
    slot.connect(name, agent.router());
    Ok(runtime)
}

/// How long containers have to end by themselves when their server takes them with it.
const GRACE: Duration = Duration::from_secs(2);

/// Ends and removes all containers, and what the runtime has made on the machine.
pub(crate) async fn remove_all(containers: &Runtime) -> Result<()> {
    let listed = containers.list().await.context("cannot list the containers")?;
    let removals = listed.into_iter().map(|container| async move {
        match containers.stop(&container.id, GRACE).await {
            Ok(_) | Err(container::Error::NotRunning { .. }) => {}
            Err(error) => return Err(error).with_context(|| format!("cannot end {}", container.id)),
        }
        containers.remove(&container.id).await.with_context(|| format!("cannot remove {}", container.id))
    });
    for removal in join_all(removals).await {
        removal?;
    }
    for sandbox in containers.sandboxes().await.context("cannot list the sandboxes")? {
        containers.remove_sandbox(&sandbox.id).await.with_context(|| format!("cannot remove {}", sandbox.id))?;
    }
    clear(containers).await
}

/// Removes what the runtime has made on the machine, if nothing runs in it.
pub(crate) async fn clear_if_empty(containers: &Runtime) -> Result<()> {
    let empty = containers.list().await.context("cannot list the containers")?.is_empty()
        && containers.sandboxes().await.context("cannot list the sandboxes")?.is_empty();
    if empty { clear(containers).await } else { Ok(()) }
}

async fn clear(containers: &Runtime) -> Result<()> {
    containers.clear().await.context("cannot remove what the containers have left behind")
}

/// The node's name: the machine's, as names of objects have to be.
fn name() -> Result<String> {
    let system = rustix::system::uname();
    let name = system.nodename().to_str().context("the machine's name is not UTF-8")?.to_lowercase();
    Ok(name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect())
}

/// A short name for a data directory, so that two servers on one machine do not meet in cgroups and run-time files.
fn identity(directory: &DataDirectory) -> String {
    let digest = Sha256::digest(directory.join("").as_os_str().as_encoded_bytes());
    digest[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}
