//! `Deployment`: pods of one template, replaced step by step when the template changes.

use crate::builtin::{Column, Description, Facts, Name, Update};

/// The facts of the kind.
pub const FACTS: Facts = Facts {
    group: "apps",
    version: "v1",
    kind: "Deployment",
    name: Name::Subdomain,
    update: Update { unconditional: true, creates: false },
    selectable_fields: &[],
    columns: &[
        Column::NAME,
        Column::text("Ready", Description::Text("Number of the pod with ready state")),
        status("Up-to-date", "updatedReplicas"),
        status("Available", "availableReplicas"),
        Column::AGE,
        Column::CONTAINERS,
        Column::IMAGES,
        Column::text(
            "Selector",
            Description::Property { definition: "io.k8s.api.apps.v1.DeploymentSpec", property: "selector" },
        )
        .wide(),
    ],
};

/// Annotation with the number of the roll-out that an object belongs to, on the Deployment and on its ReplicaSets.
/// `kubectl rollout undo` and `history` read it.
pub const REVISION_ANNOTATION: &str = "deployment.kubernetes.io/revision";

/// The label by which the ReplicaSets of a Deployment, and their pods, are told apart: a hash of the template.
pub const POD_TEMPLATE_HASH_LABEL: &str = "pod-template-hash";

const fn status(name: &'static str, property: &'static str) -> Column {
    Column::text(name, Description::Property { definition: "io.k8s.api.apps.v1.DeploymentStatus", property })
}
