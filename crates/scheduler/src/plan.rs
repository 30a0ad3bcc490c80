//! Which node each waiting pod goes to, or why it goes nowhere.
//!
//! Pure. Reasons have the words of kube-scheduler, because people search for them. Start reading at [`decide`].

use std::collections::BTreeMap;
use std::sync::Arc;

use client::kinds::core::v1::Taint;

use crate::affinity::{accepts, liking, tolerates};
use crate::demand::Demand;
use crate::node::NodeState;
use crate::resources::{CPU, MEMORY, PODS};

/// Full marks of one criterion.
const FULL: i64 = 100;
/// How much the criteria weigh, as in kube-scheduler's default profile.
const WEIGHT_OF_ROOM: i64 = 1;
const WEIGHT_OF_LIKING: i64 = 2;
const WEIGHT_OF_TAINTS: i64 = 3;

/// A pod that waits for a node.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    /// Its uid.
    pub(crate) uid: String,
    /// When it was created, in seconds of any epoch.
    pub(crate) created: i64,
    /// What it demands.
    pub(crate) demand: Arc<Demand>,
}

/// What becomes of a waiting pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It goes to the node of this name.
    Bind(String),
    /// It goes nowhere, for this reason.
    Unschedulable(String),
}

/// Decides about all waiting pods: higher priority first, then older ones. Each takes its room before the next is looked
/// at, so that together they fit.
pub(crate) fn decide(nodes: &mut [NodeState], mut waiting: Vec<Waiting>) -> Vec<(String, Decision)> {
    waiting.sort_by(|a, b| {
        let rank = |pod: &Waiting| (-i64::from(pod.demand.priority), pod.created);
        rank(a).cmp(&rank(b)).then_with(|| a.uid.cmp(&b.uid))
    });
    waiting.into_iter().map(|pod| (pod.uid, decide_one(nodes, &pod.demand))).collect()
}

fn decide_one(nodes: &mut [NodeState], demand: &Demand) -> Decision {
    if nodes.is_empty() {
        return Decision::Unschedulable("no nodes available to schedule pods".to_owned());
    }
    if let Some(unsupported) = demand.unsupported {
        return Decision::Unschedulable(format!("0/{} nodes are available: {unsupported}.", nodes.len()));
    }
    let mut reasons = BTreeMap::<String, usize>::new();
    let mut fitting = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        let refusals = refusals(node, demand);
        if refusals.is_empty() {
            fitting.push(at);
        }
        refusals.into_iter().for_each(|reason| *reasons.entry(reason).or_default() += 1);
    }
    match best(nodes, &fitting, demand) {
        Some(at) => {
            nodes[at].place(demand);
            Decision::Bind(nodes[at].name.clone())
        }
        None => Decision::Unschedulable(message(nodes.len(), &reasons)),
    }
}

fn message(nodes: usize, reasons: &BTreeMap<String, usize>) -> String {
    let mut parts: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    parts.sort();
    format!("0/{nodes} nodes are available: {}.", parts.join(", "))
}

/// Why the pod cannot go to the node: what the first failing criterion says. Empty if it can.
fn refusals(node: &NodeState, demand: &Demand) -> Vec<String> {
    let one = |reason: &str| vec![reason.to_owned()];
    if node.cordoned && !tolerates(&demand.tolerations, &cordon()) {
        return one("node(s) were unschedulable");
    }
    let repels = |taint: &&Taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute");
    if node.taints.iter().filter(repels).any(|taint| !tolerates(&demand.tolerations, taint)) {
        return one("node(s) had untolerated taint(s)");
    }
    if !accepts(&demand.wishes, &node.name, &node.labels) {
        return one("node(s) didn't match Pod's node affinity/selector");
    }
    if demand.ports.iter().any(|wanted| node.ports.iter().any(|taken| taken.conflicts(wanted))) {
        return one("node(s) didn't have free ports for the requested pod ports");
    }
    shortages(node, demand)
}

/// A cordoned node is open to pods that tolerate the taint that goes with it.
fn cordon() -> Taint {
    Taint { key: "node.kubernetes.io/unschedulable".to_owned(), effect: "NoSchedule".to_owned(), ..Taint::default() }
}

fn shortages(node: &NodeState, demand: &Demand) -> Vec<String> {
    let units = |count: usize| i128::try_from(count).unwrap_or(i128::MAX / 2).saturating_mul(1_000_000_000);
    let mut shortages = Vec::new();
    if units(node.pods + 1) > node.allocatable.get(PODS) {
        shortages.push("Too many pods".to_owned());
    }
    for (name, amount) in demand.requests.iter().filter(|(_, amount)| *amount > 0) {
        if amount > node.allocatable.get(name) - node.used.get(name) {
            shortages.push(format!("Insufficient {name}"));
        }
    }
    shortages
}

/// The best of the fitting nodes; among equals the one with fewer pods, then the first by name.
fn best(nodes: &[NodeState], fitting: &[usize], demand: &Demand) -> Option<usize> {
    let liking = |node: &NodeState| liking(&demand.wishes, &node.name, &node.labels);
    let disliking = |node: &NodeState| {
        let discourages = |taint: &&Taint| taint.effect == "PreferNoSchedule";
        let taints = node.taints.iter().filter(discourages);
        i64::try_from(taints.filter(|taint| !tolerates(&demand.tolerations, taint)).count()).unwrap_or(i64::MAX)
    };
    let most =
        |marks: &dyn Fn(&NodeState) -> i64| fitting.iter().map(|at| marks(&nodes[*at])).max().unwrap_or(0).max(1);
    let (most_liked, most_disliked) = (most(&liking), most(&disliking));
    let marks = |node: &NodeState| {
        WEIGHT_OF_ROOM * room(node, demand)
            + WEIGHT_OF_LIKING * (FULL * liking(node) / most_liked)
            + WEIGHT_OF_TAINTS * (FULL - FULL * disliking(node) / most_disliked)
    };
    fitting.iter().copied().min_by_key(|at| {
        let node = &nodes[*at];
        (-marks(node), node.pods, node.name.clone())
    })
}

/// How much of the node is left with the pod on it, as the mean over processor time and memory.
fn room(node: &NodeState, demand: &Demand) -> i64 {
    let asked = demand.requests.assumed();
    let left = |used: i128, all: i128| match all {
        ..=0 => 0,
        all => (all - used).max(0) * i128::from(FULL) / all,
    };
    let cpu = left(node.assumed.cpu + asked.cpu, node.allocatable.get(CPU));
    let memory = left(node.assumed.memory + asked.memory, node.allocatable.get(MEMORY));
    i64::try_from(i128::midpoint(cpu, memory)).unwrap_or(FULL)
}

#[cfg(test)]
mod tests;
