//! `ReplicaSet`: a number of pods of one template.

use crate::builtin::{Column, Description, Facts, Name, Update};

/// The facts of the kind.
pub const FACTS: Facts = Facts {
    group: "apps",
    version: "v1",
    kind: "ReplicaSet",
    name: Name::Subdomain,
    update: Update { unconditional: true, creates: false },
    selectable_fields: &[],
    columns: &[
        Column::NAME,
        count("Desired", SPEC, "replicas"),
        count("Current", STATUS, "replicas"),
        count("Ready", STATUS, "readyReplicas"),
        Column::AGE,
        Column::CONTAINERS,
        Column::IMAGES,
        Column::text("Selector", Description::Property { definition: SPEC, property: "selector" }).wide(),
    ],
};

const SPEC: &str = "io.k8s.api.apps.v1.ReplicaSetSpec";
const STATUS: &str = "io.k8s.api.apps.v1.ReplicaSetStatus";

const fn count(name: &'static str, definition: &'static str, property: &'static str) -> Column {
    Column { r#type: "integer", ..Column::text(name, Description::Property { definition, property }) }
}
