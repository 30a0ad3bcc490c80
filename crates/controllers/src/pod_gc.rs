//! Pod garbage: pods that nobody will end or remove any more.
//!
//! `plan` says which, `reconcile` removes them by force. Pods whose owner is gone are not meant; they are the garbage
//! collector's. Start reading at `plan`, then [`PodGc::run`].

mod plan;
mod reconcile;

use std::fmt;
use std::time::Duration;

use client::kinds::core::v1::{Node, Pod};
use client::{Cache, Client, Controller, Key, Leadership, Queue};
use stdx::Clock;
use task::CancellationToken;

use crate::pod_state;
use reconcile::Reconciler;

/// The one key of the queue: all pods are looked at together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct AllPods;

impl fmt::Display for AllPods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("all pods")
    }
}

/// A node is given up when it is missing for so long: its agent may be about to register it again (the value of
/// kube-controller-manager).
const QUARANTINE: Duration = Duration::from_secs(40);

/// Removes garbage among pods.
#[derive(Debug)]
pub(crate) struct PodGc {
    client: Client,
    clock: Clock,
    quarantine: Duration,
}

impl PodGc {
    /// A collector that has not begun.
    pub(crate) fn new(client: Client, clock: Clock) -> Self {
        Self { client, clock, quarantine: QUARANTINE }
    }

    /// Removes garbage until `stop`.
    pub(crate) async fn run(self, leadership: Leadership, stop: CancellationToken) {
        let queue = Queue::new();
        let (pods, nodes) = (self.client.cache::<Pod>(), self.client.cache::<Node>());
        let ready = async { tokio::join!(pods.complete(), nodes.complete()) };
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ready => {}
        }
        let (changed, known) = (queue.clone(), nodes.clone());
        let _pods = pods.subscribe(move |pod| {
            if may_be_garbage(pod, &known) {
                changed.add(AllPods);
            }
        });
        let (changed, known) = (queue.clone(), nodes.clone());
        let _nodes = nodes.subscribe(move |node| {
            if known.get(&Key::of(node)).is_none() || plan::is_out_of_service(node) {
                changed.add(AllPods);
            }
        });
        let reconciler = Reconciler::new(self.client, self.clock, self.quarantine);
        Controller { name: "pod garbage", concurrency: 1, queue, leadership }.run(&reconciler, stop).await;
    }
}

fn may_be_garbage(pod: &Pod, nodes: &Cache<Node>) -> bool {
    let lost = || pod_state::node(pod).is_some_and(|node| nodes.get(&Key::cluster(node)).is_none());
    pod_state::has_ended(pod) || pod.metadata.deletion_timestamp.is_some() || lost()
}

#[cfg(test)]
mod tests;
