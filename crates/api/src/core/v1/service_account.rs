//! `ServiceAccount`: who a program is.

use crate::builtin::{Column, Description, Facts, Name, Update};

/// The facts of the kind.
pub const FACTS: Facts = Facts {
    group: "",
    version: "v1",
    kind: "ServiceAccount",
    name: Name::Subdomain,
    update: Update { unconditional: true, creates: false },
    selectable_fields: &[],
    columns: &[
        Column::NAME,
        Column::text(
            "Secrets",
            Description::Property { definition: "io.k8s.api.core.v1.ServiceAccount", property: "secrets" },
        ),
        Column::AGE,
    ],
};

/// The service account that each namespace has, and that pods run as unless they name one.
pub const DEFAULT_NAME: &str = "default";
