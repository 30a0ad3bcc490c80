//! The scheduler: which node a pod runs on.
//!
//! It looks at all pods without a node at once, whenever something changes that could matter to one of them, and binds them
//! through `pods/binding`. It filters by what a node offers and refuses (readiness, `spec.unschedulable`, taints, node
//! selectors and affinity, host ports, resources, number of pods) and prefers the emptier node. Pods whose demands it
//! cannot judge (affinity to other pods, required topology spread, persistent volumes, resource claims) stay unscheduled
//! and say so. It does not evict pods for others, so priority only decides who comes first; preferences with regard to
//! other pods are not weighed. Pods that name another scheduler are left alone.
//!
//! `plan` decides, purely, from the [`demand`]s of pods and what [`node`]s have; `round` does it. Start reading at `plan`.

mod affinity;
mod demand;
mod node;
mod plan;
mod resources;
mod round;

use client::kinds::core::v1::{Node, Pod};
use client::{Cache, Client, Controller, Key, KindExt, Leadership, Queue};
use stdx::Clock;
use task::CancellationToken;

use round::{Round, Scheduler};

/// The name under which pods ask for this scheduler; the API server fills it in.
const NAME: &str = "default-scheduler";

/// Schedules pods until `stop`. `client` must be allowed to read pods and nodes, to bind pods, to write their status and to
/// create events. Nothing is lost when it is dropped at any moment.
pub async fn run(client: Client, clock: Clock, leadership: Leadership, stop: CancellationToken) {
    let queue = Queue::new();
    let (pods, nodes) = (client.cache::<Pod>(), client.cache::<Node>());
    let ready = async { tokio::join!(pods.complete(), nodes.complete()) };
    tokio::select! {
        () = stop.cancelled() => return,
        _ = ready => {}
    }
    let (changed, known) = (queue.clone(), pods.clone());
    let _pods = pods.subscribe(move |pod| {
        if is_waiting(pod) || frees_room(pod, &known) {
            changed.add(Round);
        }
    });
    let changed = queue.clone();
    let _nodes = nodes.subscribe(move |_| changed.add(Round));
    let scheduler = Scheduler::new(client, clock);
    Controller { name: "scheduler", concurrency: 1, queue, leadership }.run(&scheduler, stop).await;
}

/// Whether the pod asks for a node here.
fn is_waiting(pod: &Pod) -> bool {
    let spec = pod.spec.as_ref();
    let asks = spec.and_then(|spec| spec.scheduler_name.as_deref()).unwrap_or(NAME) == NAME;
    asks && bound_to(pod).is_none() && !has_ended(pod) && pod.metadata.deletion_timestamp.is_none()
}

/// Whether the pod has just left its node, so that another may fit.
fn frees_room(pod: &Pod, pods: &Cache<Pod>) -> bool {
    let gone = || pods.get(&Key::of(pod)).is_none_or(|current| current.uid() != pod.uid());
    bound_to(pod).is_some() && (has_ended(pod) || gone())
}

/// The node that the pod is bound to.
fn bound_to(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).filter(|node| !node.is_empty())
}

/// Whether all containers have ended for good. What they used is free.
fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

#[cfg(test)]
mod tests;
