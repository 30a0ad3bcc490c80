//! `Event`: something that happened to an object, kept for a while.

use std::time::Duration;

use crate::builtin::{Column, Description, Facts, Name, SelectableField, Update};

/// The facts of the kind.
pub const FACTS: Facts = Facts {
    group: "",
    version: "v1",
    kind: "Event",
    // Other kinds check more. Clients have always put whatever they liked into these names.
    name: Name::PathSegment,
    update: Update { unconditional: true, creates: true },
    selectable_fields: &[
        SelectableField::at(&["involvedObject.apiVersion"]),
        SelectableField::at(&["involvedObject.fieldPath"]),
        SelectableField::at(&["involvedObject.kind"]),
        SelectableField::at(&["involvedObject.name"]),
        SelectableField::at(&["involvedObject.namespace"]),
        SelectableField::at(&["involvedObject.resourceVersion"]),
        SelectableField::at(&["involvedObject.uid"]),
        SelectableField::at(&["reason"]),
        SelectableField::at(&["reportingComponent"]),
        SelectableField { name: "source", paths: &["source.component", "reportingComponent"], absent: "" },
        SelectableField::at(&["type"]),
    ],
    columns: &[
        field("Last Seen", "lastTimestamp"),
        field("Type", "type"),
        field("Reason", "reason"),
        field("Object", "involvedObject"),
        Column::text(
            "Subobject",
            Description::Property { definition: "io.k8s.api.core.v1.ObjectReference", property: "fieldPath" },
        )
        .wide(),
        field("Source", "source").wide(),
        field("Message", "message"),
        field("First Seen", "firstTimestamp").wide(),
        field("Count", "count").wide(),
        Column::NAME.wide(),
    ],
};

/// How long an event is kept after it was written last: the default of Kubernetes.
pub const TIME_TO_LIVE: Duration = Duration::from_secs(60 * 60);

const fn field(name: &'static str, property: &'static str) -> Column {
    Column::text(name, Description::Property { definition: "io.k8s.api.core.v1.Event", property })
}
