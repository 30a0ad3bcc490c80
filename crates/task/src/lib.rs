//! The one place that starts tasks and threads, and the order in which they stop.
//!
//! A [`Group`] owns the tasks of one process role. Each task has a [`Class`]; [`Group::stop`] cancels class after class
//! and waits for each, so that nothing is taken away from under a task that still needs it. A task that panics cancels
//! the whole group: a half-alive process is worse than a stopped one. Start reading at [`Group`].

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// When a task is stopped, relative to the others of its group. Lower classes stop first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Accepts work from outside: listeners and their connections.
    Ingress,
    /// Reacts to state: controllers, node agents.
    Controller,
    /// What the others write to and read from.
    Core,
}

impl Class {
    const STOP_ORDER: [Class; 3] = [Class::Ingress, Class::Controller, Class::Core];

    fn index(self) -> usize {
        match self {
            Class::Ingress => 0,
            Class::Controller => 1,
            Class::Core => 2,
        }
    }
}

/// The tasks of one process role. Clones share the same tasks.
#[derive(Debug, Clone, Default)]
pub struct Group {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    lanes: [Lane; 3],
    failed: CancellationToken,
    first_failure: Mutex<Option<&'static str>>,
}

#[derive(Debug, Default)]
struct Lane {
    token: CancellationToken,
    tracker: TaskTracker,
}

impl Group {
    /// A group without tasks. Tasks run on the tokio runtime that is current at each spawn.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts `run` with the token that tells it to stop. `name` is for logs and for what [`Group::stop`] reports.
    pub fn spawn<F, Fut>(&self, class: Class, name: &'static str, run: F)
    where
        F: FnOnce(CancellationToken) -> Fut,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let lane = &self.inner.lanes[class.index()];
        let guard = FailureGuard { group: self.clone(), name, finished: false };
        let future = run(lane.token.clone());
        #[expect(clippy::disallowed_methods, reason = "this crate is the one spawner")]
        tokio::task::spawn(lane.tracker.track_future(async move {
            let mut guard = guard;
            future.await;
            guard.finished = true;
        }));
    }

    /// The token of a class, for code that must end with it but is not a task of its own.
    pub fn token(&self, class: Class) -> CancellationToken {
        self.inner.lanes[class.index()].token.clone()
    }

    /// Resolves when a task has panicked, with the name of the first one.
    pub async fn failed(&self) -> &'static str {
        self.inner.failed.cancelled().await;
        self.inner.first_failure.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or("unknown")
    }

    /// Cancels class after class and waits for each, all within `grace`. False if something was still running then: the
    /// classes whose turn did not come are then cancelled too, and not waited for.
    pub async fn stop(&self, grace: Duration) -> bool {
        let all = async {
            for class in Class::STOP_ORDER {
                let lane = &self.inner.lanes[class.index()];
                lane.token.cancel();
                lane.tracker.close();
                lane.tracker.wait().await;
            }
        };
        let finished = tokio::time::timeout(grace, all).await.is_ok();
        if !finished {
            self.inner.lanes.iter().for_each(|lane| lane.token.cancel());
        }
        finished
    }
}

/// Sees the end of a task, however it ends.
struct FailureGuard {
    group: Group,
    name: &'static str,
    finished: bool,
}

impl Drop for FailureGuard {
    fn drop(&mut self) {
        if self.finished || !std::thread::panicking() {
            return;
        }
        tracing::error!(task = self.name, "task panicked");
        self.group.inner.first_failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(self.name);
        self.group.inner.failed.cancel();
    }
}

/// Starts a named thread, for work that blocks for long: a committer, a loop around a system call.
///
/// # Errors
/// The operating system's refusal to start a thread.
pub fn thread<T, F>(name: &str, run: F) -> std::io::Result<JoinHandle<T>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    std::thread::Builder::new().name(name.to_owned()).spawn(run)
}

/// Runs `work`, which may block for more than half a millisecond, on the runtime's pool of blocking threads.
///
/// # Panics
/// If `work` panics.
pub async fn blocking<T, F>(work: F) -> T
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

#[cfg(test)]
mod tests;
