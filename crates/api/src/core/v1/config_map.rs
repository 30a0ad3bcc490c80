//! `ConfigMap`: configuration as texts and binary values by key.

use crate::builtin::{Column, Description, Facts, Name, Update};

/// The facts of the kind.
pub const FACTS: Facts = Facts {
    group: "",
    version: "v1",
    kind: "ConfigMap",
    name: Name::Subdomain,
    update: Update { unconditional: true, creates: false },
    selectable_fields: &[],
    columns: &[
        Column::NAME,
        Column::text("Data", Description::Property { definition: "io.k8s.api.core.v1.ConfigMap", property: "data" }),
        Column::AGE,
    ],
};

/// The most bytes that the values of `data` and `binaryData` may have in total; keys do not count.
pub const MAX_VALUES_BYTES: usize = 1024 * 1024;

/// The ConfigMap in each namespace with the certificate of the API server's authority, under the key `ca.crt`. Clients in
/// pods trust it, so it is made again when it is deleted or changed.
pub const ROOT_CA_NAME: &str = "kube-root-ca.crt";
