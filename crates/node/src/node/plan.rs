//! What the Node object of this machine is to look like.
//!
//! Pure. Labels and thresholds are those of a kubelet (reference of well-known labels; documentation of node-pressure
//! eviction). Nothing is evicted yet: the pressure conditions only tell.

use std::net::IpAddr;

use client::kinds::core::v1::{Node, NodeCondition, NodeStatus};
use client::meta::Time;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::machine::{Load, Machine};

/// Below this much free memory the machine is under pressure, in bytes.
const LEAST_MEMORY: u64 = 100 << 20;
/// Below this part of the disk in percent.
const LEAST_DISK_PERCENT: u64 = 10;
/// Above this part of the process ids in percent.
const MOST_PROCESSES_PERCENT: u64 = 95;
/// As many pods as a kubelet takes when it is not told otherwise.
const MOST_PODS: u32 = 110;
/// Conditions that stay the same are written so rarely; the Lease tells that the node lives (KEP-589).
const REPORT_EVERY: SignedDuration = SignedDuration::from_mins(5);

/// What is known about the node.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub name: &'a str,
    pub address: IpAddr,
    pub version: &'a str,
    pub machine: &'a Machine,
    pub load: Load,
    pub now: Timestamp,
}

/// The labels that the node gives itself.
pub(crate) fn labels(facts: &Facts<'_>) -> Value {
    json!({
        "kubernetes.io/hostname": facts.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": facts.machine.architecture,
    })
}

/// The node as it is registered.
pub(crate) fn node(facts: &Facts<'_>) -> Result<Node, serde_json::Error> {
    serde_json::from_value(json!({
        "metadata": {"name": facts.name, "labels": labels(facts)},
        "spec": {},
        "status": status(facts, &NodeStatus::default())?,
    }))
}

/// The status to report, from the one that the API has; conditions keep their times while nothing changes.
pub(crate) fn status(facts: &Facts<'_>, before: &NodeStatus) -> Result<NodeStatus, serde_json::Error> {
    let machine = facts.machine;
    let amounts = json!({
        "cpu": machine.processors.to_string(),
        "memory": format!("{}Ki", machine.memory_bytes / 1024),
        "ephemeral-storage": format!("{}Ki", facts.load.disk_bytes / 1024),
        "pods": MOST_PODS.to_string(),
    });
    let status: NodeStatus = serde_json::from_value(json!({
        "capacity": amounts,
        "allocatable": amounts,
        "addresses": [
            {"type": "InternalIP", "address": facts.address.to_string()},
            {"type": "Hostname", "address": facts.name},
        ],
        "nodeInfo": {
            "machineID": machine.machine_id,
            "systemUUID": machine.system_uuid,
            "bootID": machine.boot_id,
            "kernelVersion": machine.kernel,
            "osImage": machine.os_image,
            "containerRuntimeVersion": format!("trireme://{}", facts.version),
            "kubeletVersion": facts.version,
            "kubeProxyVersion": "",
            "operatingSystem": "linux",
            "architecture": machine.architecture,
        },
    }))?;
    let conditions = conditions(facts, before.conditions.as_deref().unwrap_or_default());
    Ok(NodeStatus { conditions: Some(conditions), ..status })
}

fn conditions(facts: &Facts<'_>, before: &[NodeCondition]) -> Vec<NodeCondition> {
    let load = &facts.load;
    let memory = load.memory_available_bytes < LEAST_MEMORY;
    let disk = load.disk_available_bytes < load.disk_bytes / 100 * LEAST_DISK_PERCENT;
    let processes = load.processes > load.most_processes / 100 * MOST_PROCESSES_PERCENT;
    let pressures = PRESSURES.iter().zip([memory, disk, processes]).map(|(pressure, holds)| {
        let (status, [reason, message]) = if holds { ("True", pressure.present) } else { ("False", pressure.absent) };
        (pressure.kind, status, reason, message)
    });
    let ready = ("Ready", "True", "KubeletReady", "the node agent is running");
    let verdicts: Vec<Verdict> = pressures.chain([ready]).collect();
    // Conditions of others are theirs to keep.
    let foreign = before.iter().filter(|known| !verdicts.iter().any(|verdict| verdict.0 == known.type_)).cloned();
    let own = verdicts.iter().map(|(kind, status, reason, message)| {
        let known = before.iter().find(|known| known.type_ == *kind);
        let same = known.filter(|known| known.status == *status);
        let now = Timestamp::from_second(facts.now.as_second()).unwrap_or(facts.now);
        let recent = same.and_then(|same| same.last_heartbeat_time.clone());
        let recent = recent.filter(|at| facts.now.duration_since(at.0) < REPORT_EVERY);
        NodeCondition {
            type_: (*kind).to_owned(),
            status: (*status).to_owned(),
            reason: Some((*reason).to_owned()),
            message: Some((*message).to_owned()),
            last_heartbeat_time: Some(recent.unwrap_or(Time(now))),
            last_transition_time: same.and_then(|same| same.last_transition_time.clone()).or(Some(Time(now))),
        }
    });
    foreign.chain(own).collect()
}

type Verdict = (&'static str, &'static str, &'static str, &'static str);

/// A condition that is good when it does not hold.
struct Pressure {
    kind: &'static str,
    /// Reason and message while it holds.
    present: [&'static str; 2],
    /// Reason and message while it does not.
    absent: [&'static str; 2],
}

const PRESSURES: [Pressure; 3] = [
    Pressure {
        kind: "MemoryPressure",
        present: ["KubeletHasInsufficientMemory", "kubelet has insufficient memory available"],
        absent: ["KubeletHasSufficientMemory", "kubelet has sufficient memory available"],
    },
    Pressure {
        kind: "DiskPressure",
        present: ["KubeletHasDiskPressure", "kubelet has disk pressure"],
        absent: ["KubeletHasNoDiskPressure", "kubelet has no disk pressure"],
    },
    Pressure {
        kind: "PIDPressure",
        present: ["KubeletHasInsufficientPID", "kubelet has insufficient PID available"],
        absent: ["KubeletHasSufficientPID", "kubelet has sufficient PID available"],
    },
];
