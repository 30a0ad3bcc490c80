//! The proxy process from start to stop.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use stdx::error_chain;
use task::{CancellationToken, Class, Group};

use crate::link::Link;
use crate::random::Random;
use crate::stats::Stats;
use crate::table::Table;
use crate::worker::{self, Shared, Worker};
use crate::{Options, handover, state};

/// Why the proxy does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused a thread or a runtime.
    #[error("cannot start a worker")]
    Worker(#[source] io::Error),
    /// A part of the process panicked; the name is that of its task.
    #[error("task '{0}' panicked")]
    Panicked(&'static str),
}

/// What is left after draining: the last batch of events and the end of idle connections.
const STOP_REST: Duration = Duration::from_secs(2);

/// The data plane, not yet running.
#[derive(Debug)]
pub struct Service {
    options: Options,
}

/// Runs the data plane as this process's main work; see [`Service::run`]. Raises the limit of open files as far as allowed.
///
/// # Errors
/// Those of [`Service::run`].
pub async fn run(options: Options, cancel: CancellationToken) -> Result<(), Error> {
    let files = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: files.maximum, maximum: files.maximum }) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
    Service::new(options).run(cancel).await
}

impl Service {
    /// The data plane as `options` say.
    pub fn new(options: Options) -> Self {
        Self { options }
    }

    /// Forwards traffic until `cancel`; then accepts nothing more, lets requests in flight finish within
    /// [`Options::drain`] and delivers the last counts. Serves the snapshot of the state file at once, if there is one.
    ///
    /// The control side runs on the caller's runtime, traffic on threads with runtimes of their own. Dropping the future
    /// instead of cancelling leaves those threads behind.
    ///
    /// # Errors
    /// When a worker cannot start, or a task panicked. The process should end then.
    pub async fn run(self, cancel: CancellationToken) -> Result<(), Error> {
        let shared = self.shared();
        restore(&shared).await;
        let stopped = CancellationToken::new();
        let mut threads = Vec::new();
        for index in 0..shared.options.workers.max(1) {
            let started = start_worker(index, shared.clone(), stopped.clone());
            threads.push(started.inspect_err(|_error| stopped.cancel()).map_err(Error::Worker)?);
        }
        let group = shared.group.clone();
        group.spawn(Class::Controller, "listener handover", |stop| handover::run(shared.clone(), stop));
        let link = Link::new(shared.clone(), format!("{:016x}{:016x}", shared.random.next(), fresh_number()));
        group.spawn(Class::Controller, "control plane link", |stop| link.run(stop));
        let ended = tokio::select! {
            () = cancel.cancelled() => Ok(()),
            name = group.failed() => Err(Error::Panicked(name)),
        };
        if !group.stop(shared.options.drain + STOP_REST).await {
            tracing::warn!("requests in flight were cut off at the end of the time for draining");
        }
        stopped.cancel();
        let joined = task::blocking(move || threads.into_iter().all(|thread| thread.join().is_ok())).await;
        if joined { ended } else { ended.and(Err(Error::Panicked("worker"))) }
    }

    fn shared(self) -> Arc<Shared> {
        let group = Group::new();
        let stats = Arc::new(Stats::default());
        let random = Random::new(self.options.seed.unwrap_or_else(fresh_number));
        let table = Table::new(stats.clone(), &self.options, group.token(Class::Ingress));
        Arc::new(Shared { options: self.options, table, stats, random, group })
    }
}

/// A number that differs on every call and in every process; std seeds its hashers from the operating system.
fn fresh_number() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// Puts the snapshot of the state file in force.
async fn restore(shared: &Arc<Shared>) {
    let from = shared.clone();
    let restored = task::blocking(move || {
        let loaded = state::load(&from.options.state_file);
        loaded.inspect(|snapshot| snapshot.iter().for_each(|snapshot| from.table.apply(snapshot)))
    });
    match restored.await {
        Ok(Some(snapshot)) => tracing::info!(version = %snapshot.version, "snapshot of the last run in force"),
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(error = %error_chain(&error), "no use of the state file; the control plane's snapshot replaces it");
        }
    }
}

fn start_worker(index: usize, shared: Arc<Shared>, stopped: CancellationToken) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    task::thread(&format!("proxy-{index}"), move || {
        runtime.block_on(worker::run(Arc::new(Worker::new(index, shared)), stopped));
    })
}
