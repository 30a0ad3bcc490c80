//! Names that any object may carry: annotations and finalizers with a meaning to the API itself.
//!
//! Names that only one kind gives a meaning are in the file of that kind.

/// Annotation in which `kubectl apply` keeps the manifest that it applied last, as JSON. The next apply takes from it
/// which fields to remove.
pub const LAST_APPLIED_CONFIGURATION_ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Annotation of the bookmark that ends the initial events of a watch (KEP-3157); its value is `true`.
pub const INITIAL_EVENTS_END_ANNOTATION: &str = "k8s.io/initial-events-end";

/// Finalizer of an object that is deleted with `propagationPolicy: Foreground`: it stays until the dependents that block
/// its deletion are gone. Only the garbage collector removes it.
pub const FOREGROUND_DELETION_FINALIZER: &str = "foregroundDeletion";

/// Finalizer of an object that is deleted with `propagationPolicy: Orphan`: it stays until no dependent refers to it.
/// Only the garbage collector removes it.
pub const ORPHAN_FINALIZER: &str = "orphan";
