//! What a pod demands of a node.
//!
//! Pure. Start reading at [`Demand`].

use client::kinds::core::v1::{Container, Pod, PodSpec, Toleration};

use crate::affinity::Wishes;
use crate::resources::{Amounts, requests};

/// See the module.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Demand {
    /// The resources that it requests.
    pub(crate) requests: Amounts,
    /// The ports of the node that it uses.
    pub(crate) ports: Vec<HostPort>,
    /// What it says about nodes.
    pub(crate) wishes: Wishes,
    /// The taints that it does not mind.
    pub(crate) tolerations: Vec<Toleration>,
    /// A demand that this scheduler cannot judge, in words.
    pub(crate) unsupported: Option<&'static str>,
    /// Who comes first: higher before lower.
    pub(crate) priority: i32,
}

/// A port of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostPort {
    /// `0.0.0.0` stands for all addresses.
    pub(crate) address: String,
    /// `TCP`, `UDP` or `SCTP`.
    pub(crate) protocol: String,
    /// The port.
    pub(crate) port: i32,
}

const ANY_ADDRESS: &str = "0.0.0.0";

impl HostPort {
    /// Whether the two cannot be used at the same time.
    pub(crate) fn conflicts(&self, other: &Self) -> bool {
        let any = self.address == ANY_ADDRESS || other.address == ANY_ADDRESS;
        self.port == other.port && self.protocol == other.protocol && (any || self.address == other.address)
    }
}

impl Demand {
    /// What the pod demands.
    pub(crate) fn of(pod: &Pod) -> Self {
        let Some(spec) = &pod.spec else { return Self::default() };
        Self {
            requests: requests(spec),
            ports: host_ports(spec),
            wishes: Wishes::of(spec),
            tolerations: spec.tolerations.clone().unwrap_or_default(),
            unsupported: unsupported(spec),
            priority: spec.priority.unwrap_or(0),
        }
    }
}

fn host_ports(spec: &PodSpec) -> Vec<HostPort> {
    let sidecar = |container: &&Container| container.restart_policy.as_deref() == Some("Always");
    let sidecars = spec.init_containers.iter().flatten().filter(sidecar);
    let ports = spec.containers.iter().chain(sidecars).flat_map(|container| container.ports.iter().flatten());
    let used = ports.filter(|port| port.host_port.is_some_and(|port| port > 0));
    let filled = |text: &Option<String>, default: &str| match text.as_deref() {
        None | Some("") => default.to_owned(),
        Some(text) => text.to_owned(),
    };
    used.map(|port| HostPort {
        address: filled(&port.host_ip, ANY_ADDRESS),
        protocol: filled(&port.protocol, "TCP"),
        port: port.host_port.unwrap_or(0),
    })
    .collect()
}

/// A demand that would be ignored if the pod were bound.
fn unsupported(spec: &PodSpec) -> Option<&'static str> {
    let affinity = spec.affinity.as_ref();
    let near = affinity.and_then(|affinity| affinity.pod_affinity.as_ref());
    let near = near.and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
    let apart = affinity.and_then(|affinity| affinity.pod_anti_affinity.as_ref());
    let apart = apart.and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
    let spread =
        || spec.topology_spread_constraints.iter().flatten().any(|rule| rule.when_unsatisfiable != "ScheduleAnyway");
    let mut volumes = spec.volumes.iter().flatten();
    if near.is_some_and(|terms| !terms.is_empty()) {
        Some("required pod affinity is not supported")
    } else if apart.is_some_and(|terms| !terms.is_empty()) {
        Some("required pod anti-affinity is not supported")
    } else if spread() {
        Some("required topology spread constraints are not supported")
    } else if volumes.any(|volume| volume.persistent_volume_claim.is_some() || volume.ephemeral.is_some()) {
        Some("persistent volume claims are not supported")
    } else if spec.resource_claims.as_ref().is_some_and(|claims| !claims.is_empty()) {
        Some("resource claims are not supported")
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
