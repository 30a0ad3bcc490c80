//! Deletes the objects of a definition that is being deleted, and lets the definition go when the last one is gone.

use std::sync::Arc;
use std::time::Duration;

use api::apiextensions::v1::custom_resource_definition::CLEANUP_FINALIZER;
use futures_util::future::select_all;
use http::HeaderMap;
use store::{Expect, Revision, Transaction, Watch};
use task::CancellationToken;

use super::{GROUP, PLURAL, Stored, all, refresh};
use crate::context::Context;
use crate::negotiate::View;
use crate::object::Object;
use crate::request::{Query, ResourcePath};
use crate::resource::collection;
use crate::server::Inner;
use crate::status::Failure;
use crate::write::{overwrite, store_failure};

/// After a failure that is logged, the next attempt waits this long.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Runs until told to stop, or until the store is closed.
pub(crate) async fn run(server: Arc<Inner>, stop: CancellationToken) {
    loop {
        // The watches start before the look at the state, so that no change falls between the two.
        let seen = server.store.snapshot().revision();
        let wait = match turn(&server).await {
            Ok(waiting_for) => changes(&server, &waiting_for, seen),
            Err(failure) => {
                tracing::error!(error = %failure, "definitions could not be cleaned up");
                Vec::new()
            }
        };
        let closed = async {
            if wait.is_empty() {
                tokio::time::sleep(RETRY_AFTER).await;
                return false;
            }
            let next = wait.into_iter().map(|mut watch| Box::pin(async move { watch.next().await }));
            // A watch ends with its store only. Looking again would find the same, without end.
            matches!(select_all(next).await.0, Ok(None))
        };
        tokio::select! {
            () = stop.cancelled() => return,
            closed = closed => if closed { return },
        }
    }
}

/// Watches over the definitions and over the collections that must become empty.
fn changes(server: &Inner, collections: &[Arc<str>], seen: Revision) -> Vec<Watch> {
    let definitions = collection(GROUP, PLURAL);
    let watched = collections.iter().chain([&definitions]);
    watched.filter_map(|collection| server.store.watch(collection, "", seen).ok()).collect()
}

/// One look at all definitions; the collections that still have objects.
async fn turn(server: &Arc<Inner>) -> Result<Vec<Arc<str>>, Failure> {
    let mut waiting_for = Vec::new();
    for stored in all(server)? {
        let held = stored.object.finalizers().contains(&CLEANUP_FINALIZER);
        if !stored.object.is_terminating() || !held {
            continue;
        }
        let instances =
            collection(stored.object.text(&["spec", "group"]), stored.object.text(&["spec", "names", "plural"]));
        if delete_instances(server, &stored.object).await? {
            release(server, &stored).await?;
        } else {
            waiting_for.push(instances);
        }
    }
    Ok(waiting_for)
}

/// Deletes what is not being deleted yet. True when nothing is left.
async fn delete_instances(server: &Arc<Inner>, definition: &Object) -> Result<bool, Failure> {
    let (group, plural) = (definition.text(&["spec", "group"]), definition.text(&["spec", "names", "plural"]));
    let instances = collection(group, plural);
    if server.store.snapshot().count(&instances, "") == 0 {
        return Ok(true);
    }
    let registry = server.registry();
    // Of a definition that never held its names there is no resource, but then there are no objects either.
    let Some(resource) = registry.all().find(|resource| *resource.collection == *instances).cloned() else {
        return Ok(true);
    };
    let path = ResourcePath {
        group: group.to_owned(),
        version: resource.version.clone(),
        namespace: None,
        plural: plural.to_owned(),
        name: None,
        subresource: None,
    };
    let ctx = Context {
        server: server.clone(),
        resource,
        path,
        query: Query::default(),
        headers: HeaderMap::new(),
        view: View::Partial,
    };
    crate::delete::collection(&ctx, b"").await?;
    Ok(server.store.snapshot().count(&instances, "") == 0)
}

/// Takes the finalizer away; without another one the definition goes with it.
async fn release(server: &Inner, stored: &Stored) -> Result<(), Failure> {
    let mut object = stored.object.clone();
    let left: Vec<String> =
        object.finalizers().into_iter().filter(|name| *name != CLEANUP_FINALIZER).map(str::to_owned).collect();
    object.set_finalizers(&left);
    if left.is_empty() {
        let expected = Expect::At(stored.entry.revision);
        let key = stored.entry.key.clone();
        let transaction = Transaction::new().require(key.clone(), expected).delete(key, object.encode()?);
        match server.store.commit(transaction).await {
            Ok(_) | Err(store::CommitError::Conflict { .. }) => {}
            Err(error) => return Err(store_failure(&error)),
        }
    } else if let Some(resource) = server.registry().get(GROUP, "v1", PLURAL) {
        overwrite(server, resource, &stored.entry, &object).await?;
    }
    refresh(server).await
}
