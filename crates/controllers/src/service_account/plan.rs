//! Whether a namespace lacks its service account. Pure.

use client::kinds::core::v1::Namespace;

/// Whether a namespace takes new objects. One that has no status yet does.
pub(super) fn is_active(namespace: &Namespace) -> bool {
    let phase = namespace.status.as_ref().and_then(|status| status.phase.as_deref());
    namespace.metadata.deletion_timestamp.is_none() && phase != Some("Terminating")
}

#[cfg(test)]
mod tests {
    use client::kinds::core::v1::Namespace;
    use serde_json::{Value, json};

    use super::is_active;

    fn active(namespace: Value) -> bool {
        is_active(&serde_json::from_value::<Namespace>(namespace).expect("a namespace"))
    }

    #[test]
    fn a_namespace_that_is_being_deleted_takes_no_account() {
        assert!(!active(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})));
        assert!(!active(json!({"metadata": {}, "status": {"phase": "Terminating"}})));
        assert!(active(json!({"metadata": {}, "status": {"phase": "Active"}})));
        assert!(active(json!({"metadata": {}})));
    }
}
