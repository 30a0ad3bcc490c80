//! `trireme server`: everything on this machine, in the foreground.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::Args;

use super::Failure;
use crate::roles::server;

const EXAMPLES: &str = "\
Examples:
  trireme server                              data in ~/.trireme, API on 127.0.0.1:6443
  trireme server --data-dir /var/lib/trireme  data elsewhere
  trireme server --api 127.0.0.1:0            a free port, chosen once and kept

  export KUBECONFIG=~/.trireme/kubeconfig     in another terminal, once the server is ready
  kubectl get namespaces";

/// Run everything on this machine, in the foreground
///
/// Listens on loopback only. Ready when the file `kubeconfig` appears in the data directory. SIGTERM and Ctrl-C drain
/// and exit within 10 seconds; a second Ctrl-C exits at once.
#[derive(Debug, Args)]
#[command(before_long_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Where all state is kept [default: ~/.trireme]
    #[arg(long, value_name = "DIR", env = "TRIREME_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// End all pods when the server stops; without it they go on, and the next start adopts them
    #[arg(long)]
    stop_pods: bool,
    /// YAML files with options, read while running (no option exists yet) [default: ./config if there]
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// Health, later console and git
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// The Kubernetes API
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:6443")]
    api: SocketAddr,
    /// Plain traffic to services (not served yet)
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    gateway: SocketAddr,
    /// TLS traffic to services (not served yet)
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    gateway_tls: SocketAddr,
    /// Container images (not served yet)
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5000")]
    registry: SocketAddr,
    /// OpenTelemetry (not served yet)
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4317")]
    otlp: SocketAddr,
}

/// Runs until a signal.
pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    // Before anything that could start a thread: what is forked later comes from a process that has one only.
    let zygote = container::zygote::start()
        .context("cannot start the process that containers come from")
        .map_err(Failure::usage)?;
    observe::init("info").map_err(|error| Failure::usage(error.into()))?;
    let Arguments { data_dir, stop_pods, config: _, http, api, gateway: _, gateway_tls: _, registry: _, otlp: _ } =
        arguments;
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::usage(anyhow!("trireme server needs root to run containers; start it with sudo")));
    }
    for (flag, address) in [("--http", http), ("--api", api)] {
        if !address.ip().is_loopback() {
            let why = anyhow!(
                "{flag} {address}: only loopback addresses are served, for example 127.0.0.1:{}",
                address.port()
            );
            return Err(Failure::usage(why));
        }
    }
    let data_dir = match data_dir {
        Some(directory) => directory,
        None => std::env::home_dir()
            .map(|home| home.join(".trireme"))
            .context("there is no home directory; name one with --data-dir")
            .map_err(Failure::usage)?,
    };
    let pods = if stop_pods { server::Pods::Stop } else { server::Pods::Keep };
    Ok(server::run(server::Options { data_dir, http, api, pods, zygote })?)
}
