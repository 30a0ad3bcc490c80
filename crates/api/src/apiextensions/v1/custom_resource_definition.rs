//! `CustomResourceDefinition`: a kind that users define; it is served once its conditions say so.

use crate::builtin::{Column, Facts, Name, Update};

/// The facts of the kind.
pub const FACTS: Facts = Facts {
    group: "apiextensions.k8s.io",
    version: "v1",
    kind: "CustomResourceDefinition",
    name: Name::PluralAndGroup,
    update: Update { unconditional: false, creates: false },
    selectable_fields: &[],
    columns: &[Column::NAME, Column::CREATED_AT],
};

/// The finalizer that a definition gets when it is deleted. It is removed once the last of its objects is gone.
pub const CLEANUP_FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Condition: no other definition of the group uses the same names, so the ones that were asked for hold.
pub const NAMES_ACCEPTED_CONDITION: &str = "NamesAccepted";

/// Condition: the kind is served. Once true it stays true.
pub const ESTABLISHED_CONDITION: &str = "Established";

/// Condition: the definition is being deleted and its objects with it.
pub const TERMINATING_CONDITION: &str = "Terminating";

/// Condition: a definition in a group that belongs to Kubernetes carries a valid [`APPROVED_ANNOTATION`].
pub const APPROVED_CONDITION: &str = "KubernetesAPIApprovalPolicyConformant";

/// Annotation that a definition in a group that belongs to Kubernetes (`k8s.io`, `kubernetes.io` and below) must carry:
/// the address of the approval, or `unapproved` with a reason (KEP-1111).
pub const APPROVED_ANNOTATION: &str = "api-approved.kubernetes.io";
