//! `Namespace`: the room that namespaced objects are in. Deleting it deletes them, which its own finalizer waits for.

use crate::builtin::{Column, Description, Facts, Name, SelectableField, Update};

/// The facts of the kind.
pub const FACTS: Facts = Facts {
    group: "",
    version: "v1",
    kind: "Namespace",
    name: Name::Label,
    update: Update { unconditional: true, creates: false },
    selectable_fields: &[SelectableField::at(&["status.phase"])],
    columns: &[Column::NAME, Column::text("Status", Description::Text("The status of the namespace")), Column::AGE],
};

/// The finalizer in `spec.finalizers` (not in `metadata`) that each namespace is created with. It is removed, through the
/// `finalize` subresource, once the namespace is empty.
pub const FINALIZER: &str = "kubernetes";

/// The label that each namespace has, with its name as the value, so that selectors can name it (KEP-2161).
pub const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The namespace of requests that name none.
pub const DEFAULT: &str = "default";

/// The namespace of the platform's own objects.
pub const SYSTEM: &str = "kube-system";

/// The namespace whose objects everybody may read.
pub const PUBLIC: &str = "kube-public";

/// The namespace of the leases by which nodes say that they live.
pub const NODE_LEASE: &str = "kube-node-lease";

/// The namespaces that exist from the first start.
pub const INITIAL: [&str; 4] = [DEFAULT, NODE_LEASE, PUBLIC, SYSTEM];
