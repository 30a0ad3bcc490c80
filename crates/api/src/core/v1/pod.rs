//! `Pod`: containers that run together on one node.

use crate::builtin::{Column, Description, Facts, Name, SelectableField, Update};

/// The facts of the kind.
pub const FACTS: Facts = Facts {
    group: "",
    version: "v1",
    kind: "Pod",
    name: Name::Subdomain,
    update: Update { unconditional: true, creates: false },
    selectable_fields: &[
        SelectableField::flag(&["spec.hostNetwork"]),
        SelectableField::at(&["spec.nodeName"]),
        SelectableField::at(&["spec.restartPolicy"]),
        SelectableField::at(&["spec.schedulerName"]),
        SelectableField::at(&["spec.serviceAccountName"]),
        SelectableField::at(&["status.nominatedNodeName"]),
        SelectableField::at(&["status.phase"]),
        SelectableField::at(&["status.podIP"]),
        // Selects by the first address, which is that of `status.podIP`.
        SelectableField { name: "status.podIPs", paths: &["status.podIP"], absent: "" },
    ],
    columns: &[
        Column::NAME,
        Column::text("Ready", Description::Text("The aggregate readiness state of this pod for accepting traffic.")),
        Column::text("Status", Description::Text("The aggregate status of the containers in this pod.")),
        Column::text(
            "Restarts",
            Description::Text(
                "The number of times the containers in this pod have been restarted and when the last container in \
                 this pod has restarted.",
            ),
        ),
        Column::AGE,
        wide("IP", STATUS, "podIP"),
        wide("Node", SPEC, "nodeName"),
        wide("Nominated Node", STATUS, "nominatedNodeName"),
        wide("Readiness Gates", SPEC, "readinessGates"),
    ],
};

const SPEC: &str = "io.k8s.api.core.v1.PodSpec";
const STATUS: &str = "io.k8s.api.core.v1.PodStatus";

const fn wide(name: &'static str, definition: &'static str, property: &'static str) -> Column {
    Column::text(name, Description::Property { definition, property }).wide()
}

/// The scheduler of pods that name none.
pub const DEFAULT_SCHEDULER_NAME: &str = "default-scheduler";

/// How long the containers of a pod that says nothing else have to end by themselves, in seconds.
pub const DEFAULT_TERMINATION_GRACE_SECONDS: i64 = 30;

/// Annotation with the name of the container that is meant when a client names none.
pub const DEFAULT_CONTAINER_ANNOTATION: &str = "kubectl.kubernetes.io/default-container";

/// Annotation of a ReplicaSet's pod: pods with lower costs (32-bit integers, 0 without it) are removed first (KEP-2255).
pub const DELETION_COST_ANNOTATION: &str = "controller.kubernetes.io/pod-deletion-cost";

/// Condition: the pod has a node.
pub const SCHEDULED_CONDITION: &str = "PodScheduled";

/// Condition: all init containers have done their work.
pub const INITIALIZED_CONDITION: &str = "Initialized";

/// Condition: the pod takes traffic.
pub const READY_CONDITION: &str = "Ready";

/// Condition: all containers of the pod are ready.
pub const CONTAINERS_READY_CONDITION: &str = "ContainersReady";

/// Condition: the pod ends because of a disruption, such as an eviction (KEP-3329).
pub const DISRUPTION_TARGET_CONDITION: &str = "DisruptionTarget";
