//! The server role: listeners, API server, controllers, in the order in which they need one another.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use apiserver::{ApiServer, serve};
use container::{Runtime, Zygote};
use pki::{Authority, ServerName};
use serde_json::json;
use stdx::Clock;
use task::{Class, Group};
use tokio::signal::unix::{SignalKind, signal};

use super::data_directory::DataDirectory;
use super::{control, http, kubeconfig, node};

/// How long a stop may take, less a second for closing the database.
const DRAIN: Duration = Duration::from_secs(8);
/// The user of the first kubeconfig, as kubeadm calls it.
const ADMINISTRATOR: (&str, &str) = ("kubernetes-admin", "system:masters");
/// Names under which the API server is reached; addresses are added.
const NAMES: [&str; 5] =
    ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"];

/// What a server is told.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) data_dir: PathBuf,
    pub(crate) http: SocketAddr,
    pub(crate) api: SocketAddr,
    /// What becomes of the pods when the server stops.
    pub(crate) pods: Pods,
    /// Where processes of containers come from.
    pub(crate) zygote: Zygote,
}

/// What becomes of pods when their server stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pods {
    /// They go on; the next start adopts them.
    Keep,
    /// They are ended and removed.
    Stop,
}

/// Runs until a signal, or until a part of it has failed.
pub(crate) fn run(options: Options) -> Result<()> {
    let began = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start a runtime")?;
    runtime.block_on(serve_until_stopped(options, began))
}

async fn serve_until_stopped(options: Options, began: Instant) -> Result<()> {
    // Signals first: one that comes during the start must not be lost.
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let directory = DataDirectory::open(&options.data_dir)?;
    let http_listener = bind(&directory, "http", options.http)?;
    let api_listener = bind(&directory, "api", options.api)?;
    let tasks = Group::new();
    let started = tokio::select! {
        started = start(&directory, Parts { http: http_listener, api: api_listener, zygote: options.zygote }, &tasks) => started,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    let started = started?;
    tracing::info!(
        kubeconfig = %directory.kubeconfig().display(),
        seconds = began.elapsed().as_secs_f64(),
        "server ready"
    );
    let failed = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        task = tasks.failed() => Some(task),
    };
    directory.withdraw()?;
    tokio::select! {
        stopped = stop(&tasks, &started, options.pods) => stopped?,
        _ = interrupt.recv() => return Err(anyhow!("stopped at once by a second Ctrl-C; nothing acknowledged is lost")),
    }
    match failed {
        None => Ok(()),
        Some(task) => Err(anyhow!("the task \"{task}\" failed; its log line has the reason")),
    }
}

/// What the roles are given by the process.
struct Parts {
    http: TcpListener,
    api: TcpListener,
    zygote: Zygote,
}

/// What is needed again at the end.
struct Started {
    server: ApiServer,
    containers: Runtime,
}

async fn start(directory: &DataDirectory, parts: Parts, tasks: &Group) -> Result<Started> {
    let clock = Clock::system();
    let now = jiff::Timestamp::try_from(clock.now()).context("the machine's clock is out of range")?;
    let authority = Authority::open(&directory.join("pki"), now)?;
    let api = parts.api.local_addr().context("cannot read the address of the API port")?;
    let http = parts.http.local_addr().context("cannot read the address of the http port")?;
    let addresses = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST), api.ip()];
    let mut names: Vec<ServerName> = NAMES.iter().map(|name| ServerName::Dns((*name).to_owned())).collect();
    names.extend(addresses.into_iter().map(ServerName::Address));
    let tls = serve::Tls {
        pair: authority.issue_server("kube-apiserver", &names, now)?,
        client_authority: authority.certificate().to_owned(),
    };
    let slot = node::Slot::default();
    let options = apiserver::Options {
        database: directory.join("state.redb"),
        clock: clock.clone(),
        tasks: tasks.clone(),
        nodes: Some(slot.api()),
    };
    let server = ApiServer::start(options).await?;
    control::start(&server, &clock, tasks);
    let node = node::Options { directory, server: &server, zygote: parts.zygote, clock, tasks };
    let containers = node::start(node, &slot).await?;
    http::serve(parts.http, server.clone(), tasks.token(Class::Ingress))?;
    let listener = tokio::net::TcpListener::from_std(parts.api).context("cannot prepare the API port")?;
    serve::listen(server.clone(), listener, &tls, tasks)?;
    let endpoints = json!({"http": format!("http://{http}"), "api": format!("https://{api}")});
    let client = authority.issue_client(ADMINISTRATOR.0, ADMINISTRATOR.1, now)?;
    let kubeconfig = kubeconfig::render(&format!("https://{api}"), authority.certificate(), &client)?;
    directory.announce(&endpoints.to_string(), &kubeconfig)?;
    Ok(Started { server, containers })
}

/// Listens on an address; a port of 0 is chosen once and kept.
fn bind(directory: &DataDirectory, name: &str, asked: SocketAddr) -> Result<TcpListener> {
    let address = directory.settled(name, asked)?;
    let listener = TcpListener::bind(address).with_context(|| {
        format!("cannot listen on {address}; stop what uses the port, or choose another with --{name}")
    })?;
    listener.set_nonblocking(true).with_context(|| format!("cannot prepare {address}"))?;
    if asked.port() == 0 {
        let chosen = listener.local_addr().with_context(|| format!("cannot read the port of {address}"))?;
        directory.remember_port(name, chosen.port())?;
    }
    Ok(listener)
}

/// Stops all tasks, then the pods if they are not to go on, then closes the database.
async fn stop(tasks: &Group, started: &Started, pods: Pods) -> Result<()> {
    tracing::info!("stopping");
    if !tasks.stop(DRAIN).await {
        tracing::warn!("some requests did not finish in time and are cut off");
    }
    started.server.close().await;
    match pods {
        Pods::Stop => node::remove_all(&started.containers).await,
        Pods::Keep => node::clear_if_empty(&started.containers).await,
    }
}
