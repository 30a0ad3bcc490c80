//! What a node has, and what is left of it.
//!
//! Pure. Start reading at [`NodeState`].

use client::KindExt;
use client::kinds::core::v1::{Node, Taint};

use crate::affinity::Labels;
use crate::demand::{Demand, HostPort};
use crate::resources::{Amounts, Assumed};

/// A node with the pods that are placed on it so far.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NodeState {
    /// Its name.
    pub(crate) name: String,
    /// Its labels.
    pub(crate) labels: Labels,
    /// Whether somebody said that no more pods shall come (`kubectl cordon`).
    pub(crate) cordoned: bool,
    /// Its taints; one that is not ready has the taint that says so.
    pub(crate) taints: Vec<Taint>,
    /// What pods may use.
    pub(crate) allocatable: Amounts,
    /// What the placed pods request.
    pub(crate) used: Amounts,
    /// What the placed pods are taken to use, when nodes are compared.
    pub(crate) assumed: Assumed,
    /// The ports that the placed pods use.
    pub(crate) ports: Vec<HostPort>,
    /// How many pods are placed.
    pub(crate) pods: usize,
}

impl NodeState {
    /// The node without pods.
    pub(crate) fn of(node: &Node) -> Self {
        let spec = node.spec.as_ref();
        let mut taints = spec.and_then(|spec| spec.taints.clone()).unwrap_or_default();
        taints.extend(readiness(node).filter(|own| !taints.iter().any(|taint| taint.key == own.key)));
        let status = node.status.as_ref();
        let allocatable = status.and_then(|status| status.allocatable.as_ref().or(status.capacity.as_ref()));
        let allocatable = allocatable.into_iter().flatten().map(|(name, amount)| (name, amount.0.as_str()));
        Self {
            name: node.name_any(),
            labels: node.labels().clone(),
            cordoned: spec.and_then(|spec| spec.unschedulable).unwrap_or(false),
            taints,
            allocatable: Amounts::read(allocatable),
            used: Amounts::default(),
            assumed: Assumed::default(),
            ports: Vec::new(),
            pods: 0,
        }
    }

    /// Takes away what a pod demands.
    pub(crate) fn place(&mut self, demand: &Demand) {
        let assumed = demand.requests.assumed();
        self.assumed.cpu += assumed.cpu;
        self.assumed.memory += assumed.memory;
        self.used.add(&demand.requests);
        self.ports.extend(demand.ports.iter().cloned());
        self.pods += 1;
    }
}

/// Readiness as a taint, as kube-controller-manager's node life cycle sets it on clusters that have it.
fn readiness(node: &Node) -> Option<Taint> {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let ready = conditions.into_iter().find(|condition| condition.type_ == "Ready");
    let key = match ready.map(|ready| ready.status.as_str()) {
        Some("True") => return None,
        Some("Unknown") => "node.kubernetes.io/unreachable",
        _ => "node.kubernetes.io/not-ready",
    };
    Some(Taint { key: key.to_owned(), effect: "NoSchedule".to_owned(), ..Taint::default() })
}
