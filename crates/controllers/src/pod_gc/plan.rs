//! Which pods are garbage.
//!
//! Pure: the nodes that are missing for long enough are an argument. The cases are those of kube-controller-manager's pod
//! garbage collector. Start reading at [`garbage`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use client::KindExt;
use client::kinds::core::v1::{Node, Pod};

use crate::pod_state::{has_ended, node};

/// So many pods that have ended are kept for people to look at (the default of kube-controller-manager).
pub(crate) const ENDED_LIMIT: usize = 12_500;

const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// What there is.
#[derive(Debug)]
pub(crate) struct World<'a> {
    /// All pods.
    pub(crate) pods: &'a [Arc<Pod>],
    /// All nodes, by name.
    pub(crate) nodes: &'a BTreeMap<String, Arc<Node>>,
    /// Nodes of which it is certain that they are gone.
    pub(crate) gone: &'a BTreeSet<String>,
    /// See [`ENDED_LIMIT`].
    pub(crate) ended_limit: usize,
}

/// Why a pod is garbage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// Its node is gone.
    NodeGone,
    /// It is being deleted, and its node was declared out of service while it does not answer.
    OutOfService,
    /// It is being deleted and was never bound to a node, so that no node will confirm it.
    Unscheduled,
    /// It has ended, as too many others have after it.
    Ended,
}

/// The garbage among the pods.
pub(crate) fn garbage(world: &World<'_>) -> Vec<(Arc<Pod>, Reason)> {
    let mut garbage: Vec<(Arc<Pod>, Reason)> =
        world.pods.iter().filter_map(|pod| Some((pod.clone(), lost(pod, world)?))).collect();
    let mut ended: Vec<&Arc<Pod>> =
        world.pods.iter().filter(|pod| has_ended(pod) && lost(pod, world).is_none()).collect();
    let excess = ended.len().saturating_sub(world.ended_limit);
    if excess > 0 {
        ended.sort_by_cached_key(|pod| (!is_evicted(pod), created(pod), pod.name_any()));
        garbage.extend(ended.into_iter().take(excess).map(|pod| (pod.clone(), Reason::Ended)));
    }
    garbage
}

/// The nodes that pods are bound to and that are not there.
pub(crate) fn missing_nodes(pods: &[Arc<Pod>], nodes: &BTreeMap<String, Arc<Node>>) -> BTreeSet<String> {
    let bound = pods.iter().filter_map(|pod| node(pod));
    bound.filter(|node| !nodes.contains_key(*node)).map(str::to_owned).collect()
}

fn lost(pod: &Pod, world: &World<'_>) -> Option<Reason> {
    let terminating = pod.metadata.deletion_timestamp.is_some();
    // A second forced deletion changes nothing: what is left are finalizers, which are somebody else's.
    let forced = terminating && pod.metadata.deletion_grace_period_seconds == Some(0);
    match node(pod) {
        Some(node) if world.gone.contains(node) => (!forced).then_some(Reason::NodeGone),
        Some(node) => {
            let out = world.nodes.get(node).is_some_and(|node| is_out_of_service(node) && !is_ready(node));
            (out && terminating && !forced).then_some(Reason::OutOfService)
        }
        None => (terminating && !forced).then_some(Reason::Unscheduled),
    }
}

/// Whether somebody said that the node will not come back by itself.
pub(crate) fn is_out_of_service(node: &Node) -> bool {
    let taints = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
    taints.into_iter().any(|taint| taint.key == OUT_OF_SERVICE)
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn is_evicted(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    status
        .is_some_and(|status| status.phase.as_deref() == Some("Failed") && status.reason.as_deref() == Some("Evicted"))
}

fn created(pod: &Pod) -> Option<jiff::Timestamp> {
    pod.metadata.creation_timestamp.as_ref().map(|time| time.0)
}

#[cfg(test)]
mod tests;
