//! From CustomResourceDefinitions to served resources.
//!
//! Definitions and their status are objects like all others. Whenever one changes, [`refresh`] reads them all, decides
//! which names hold ([`plan`], pure), writes what changed in their status and puts a new registry in place: before the
//! writer is answered, so that whoever creates a definition can use it at once. Several writers take turns.

mod cleanup;
mod plan;
mod resources;

use std::sync::Arc;

use store::Entry;

use crate::object::Object;
use crate::resource::{Registry, Resource};
use crate::server::Inner;
use crate::status::Failure;
use crate::write::overwrite;

pub(crate) use cleanup::run as run_cleanup;

/// The group of CustomResourceDefinitions.
pub(crate) const GROUP: &str = "apiextensions.k8s.io";
const PLURAL: &str = "customresourcedefinitions";

/// The resource of definitions themselves.
pub(crate) fn is_definition(resource: &Resource) -> bool {
    resource.group == GROUP && resource.plural == PLURAL
}

/// A stored definition.
pub(crate) struct Stored {
    pub(crate) entry: Arc<Entry>,
    pub(crate) object: Object,
}

/// All definitions, in the order of their names.
///
/// # Errors
/// 500 when a stored definition is damaged.
pub(crate) fn all(server: &Inner) -> Result<Vec<Stored>, Failure> {
    let snapshot = server.store.snapshot();
    snapshot
        .scan(&crate::resource::collection(GROUP, PLURAL), "", None)
        .map(|entry| Ok(Stored { entry: entry.clone(), object: Object::decode(&entry.value)? }))
        .collect()
}

/// Brings status and registry in line with the definitions that are stored.
///
/// # Errors
/// When a definition is damaged or its status cannot be written; the registry then stays as it was.
pub(crate) async fn refresh(server: &Inner) -> Result<(), Failure> {
    let _turn = server.definitions_turn.lock().await;
    let resource = server
        .registry()
        .get(GROUP, "v1", PLURAL)
        .cloned()
        .ok_or_else(|| Failure::internal("definitions are not served"))?;
    loop {
        let definitions = all(server)?;
        let builtin: Vec<&Resource> = server.builtin.iter().map(Arc::as_ref).collect();
        let objects: Vec<&Object> = definitions.iter().map(|stored| &stored.object).collect();
        let planned = plan::statuses(&objects, &builtin, server.now());
        let mut raced = false;
        for (stored, status) in definitions.iter().zip(&planned) {
            if stored.object.fields().get("status") != Some(status) {
                let mut object = stored.object.clone();
                object.set("status", Some(status.clone()));
                raced |= overwrite(server, &resource, &stored.entry, &object).await?.is_none();
            }
        }
        if raced {
            continue;
        }
        let custom = resources::build(&objects, &planned, &server.registry());
        let registry = Registry::new(server.builtin.iter().cloned().chain(custom));
        resources::end_replaced(&server.registry(), &registry);
        server.set_registry(registry);
        return Ok(());
    }
}
