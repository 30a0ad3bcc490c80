//! The harness of reconcilers: turns with a limit, retries with a pause, one log line for each failure.
//!
//! It takes keys from a [`Queue`] while this process leads and hands them to a [`Reconcile`], several at a time but never
//! the same one twice. What puts keys into the queue is the owner's business: caches, watches, other reconcilers. It
//! starts no tasks; [`Controller::run`] is one future for one task. Start reading there.

use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use task::CancellationToken;
use tracing::Instrument;

use crate::queue::{Failed, Outcome};
use crate::{Error, Leadership, Queue};

/// Brings the world in line with what an object says. Level-triggered: it is told a key, not what happened.
pub trait Reconcile<K>: Send + Sync {
    /// Why a try failed.
    type Error: std::error::Error + Send + Sync + 'static;

    /// One try. A second one on unchanged state writes nothing. It may be dropped at any await: when the process stops,
    /// and when it loses the leadership.
    fn reconcile(&self, key: &K) -> impl Future<Output = Result<Next, Self::Error>> + Send;
}

/// When a key that was reconciled wants its next turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// When something changes.
    OnChange,
    /// After this time, or earlier when something changes.
    After(Duration),
}

/// Runs a reconciler over a queue.
#[derive(Debug)]
pub struct Controller<K> {
    /// The name in logs.
    pub name: &'static str,
    /// How many keys have their turn at the same time.
    pub concurrency: usize,
    /// The keys.
    pub queue: Queue<K>,
    /// Whether this process may write.
    pub leadership: Leadership,
}

impl<K: Clone + Eq + Hash + fmt::Display + Send + Sync> Controller<K> {
    /// Reconciles until `stop`. Turns that are under way are then dropped, and so they are when the leadership is lost;
    /// in that case their keys have another turn once it is back.
    pub async fn run<R: Reconcile<K>>(mut self, reconciler: &R, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.leadership.held() => {}
            }
            let mut turns = Turns { keys: Vec::new(), running: FuturesUnordered::new() };
            let mut leadership = self.leadership.clone();
            tokio::select! {
                () = stop.cancelled() => return,
                () = leadership.lost() => tracing::info!(controller = self.name, "leadership lost"),
                () = self.take_turns(reconciler, &mut turns) => {}
            }
            for key in turns.keys {
                self.queue.finish(&key, Outcome::Interrupted);
            }
        }
    }

    /// Never ends.
    async fn take_turns<'a, R: Reconcile<K>>(&'a self, reconciler: &'a R, turns: &mut Turns<'a, K>) {
        loop {
            let free = turns.keys.len() < self.concurrency;
            tokio::select! {
                Some((key, outcome)) = turns.running.next() => {
                    turns.keys.retain(|running| *running != key);
                    self.conclude(&key, outcome);
                }
                key = self.queue.next(), if free => {
                    turns.keys.push(key.clone());
                    turns.running.push(Box::pin(self.turn(reconciler, key)));
                }
            }
        }
    }

    async fn turn<R: Reconcile<K>>(&self, reconciler: &R, key: K) -> (K, Result<Next, Failure>) {
        let span = tracing::info_span!("reconcile", controller = self.name, key = %key);
        let outcome = reconciler.reconcile(&key).instrument(span).await;
        (key, outcome.map_err(|error| Box::new(error) as Failure))
    }

    fn conclude(&self, key: &K, outcome: Result<Next, Failure>) {
        let error = match outcome {
            Ok(Next::OnChange) => return self.queue.finish(key, Outcome::Done),
            Ok(Next::After(pause)) => return self.queue.finish(key, Outcome::After(pause)),
            Err(error) => error,
        };
        let Failed { failures, retry_in } = self.queue.fail(key);
        let chain = stdx::error_chain(&*error);
        let retry_in = retry_in.as_secs_f64();
        if is_conflict(&*error) {
            // Somebody else wrote first, and the next try sees what.
            tracing::debug!(controller = self.name, %key, failures, retry_in, error = %chain, "reconcile lost a race");
        } else {
            tracing::warn!(controller = self.name, %key, failures, retry_in, error = %chain, "reconcile failed");
        }
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Turn<'a, K> = Pin<Box<dyn Future<Output = (K, Result<Next, Failure>)> + Send + 'a>>;

/// The turns that are under way. The keys are kept beside, so that they are known when the turns are dropped.
struct Turns<'a, K> {
    keys: Vec<K>,
    running: FuturesUnordered<Turn<'a, K>>,
}

fn is_conflict(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<Error>().is_some_and(Error::is_conflict) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests;
