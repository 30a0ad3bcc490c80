//! `Node`: a machine that pods run on.

use crate::builtin::{Column, Description, Facts, Name, SelectableField, Update};

/// The facts of the kind.
pub const FACTS: Facts = Facts {
    group: "",
    version: "v1",
    kind: "Node",
    name: Name::Subdomain,
    update: Update { unconditional: true, creates: false },
    selectable_fields: &[SelectableField::flag(&["spec.unschedulable"])],
    columns: &[
        Column::NAME,
        Column::text("Status", Description::Text("The status of the node")),
        Column::text("Roles", Description::Text("The roles of the node")),
        Column::AGE,
        system("Version", "kubeletVersion"),
        addresses("Internal-IP"),
        addresses("External-IP"),
        system("OS-Image", "osImage").wide(),
        system("Kernel-Version", "kernelVersion").wide(),
        system("Container-Runtime", "containerRuntimeVersion").wide(),
    ],
};

/// Labels that start so name a role of the node by the rest of their key.
pub const ROLE_LABEL_PREFIX: &str = "node-role.kubernetes.io/";

/// The label that names a role of the node by its value.
pub const ROLE_LABEL: &str = "kubernetes.io/role";

const fn system(name: &'static str, property: &'static str) -> Column {
    Column::text(name, Description::Property { definition: "io.k8s.api.core.v1.NodeSystemInfo", property })
}

const fn addresses(name: &'static str) -> Column {
    let description = Description::Property { definition: "io.k8s.api.core.v1.NodeStatus", property: "addresses" };
    Column::text(name, description).wide()
}
