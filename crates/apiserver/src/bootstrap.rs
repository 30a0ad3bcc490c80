//! What is there from the first moment: the namespaces that every client expects.

use api::core::v1::namespace;
use serde_json::json;
use store::{CommitError, Expect, Transaction};

use crate::kinds;
use crate::object::{Object, rfc3339};
use crate::server::Inner;
use crate::status::Failure;
use crate::write::store_failure;

/// The namespace of the platform's own services.
const TRIREME_SYSTEM: &str = "trireme-system";

/// Creates the namespaces that are missing.
///
/// # Errors
/// When the store takes no writes.
pub(crate) async fn namespaces(server: &Inner) -> Result<(), Failure> {
    let registry = server.registry();
    let resource =
        registry.get("", "v1", "namespaces").ok_or_else(|| Failure::internal("namespaces are not served"))?;
    let rules = kinds::builtin("", "Namespace").ok_or_else(|| Failure::internal("namespaces have no rules"))?;
    let snapshot = server.store.snapshot();
    let mut transaction = Transaction::new();
    for name in namespace::INITIAL.into_iter().chain([TRIREME_SYSTEM]) {
        let key = resource.key(None, name)?;
        if snapshot.get(&key).is_some() {
            continue;
        }
        let metadata = json!({"name": name, "uid": Inner::uid(), "creationTimestamp": rfc3339(server.now())});
        let mut object = Object::from_value(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))?;
        rules.prepare_create(&mut object);
        transaction = transaction.require(key.clone(), Expect::Absent).put(key, object.encode()?);
    }
    match server.store.commit(transaction).await {
        // Another start of this server cannot interfere: the store is locked.
        Ok(_) | Err(CommitError::Conflict { .. }) => Ok(()),
        Err(error) => Err(store_failure(&error)),
    }
}
