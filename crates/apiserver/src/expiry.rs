//! Events are kept for an hour after they were last seen, then they go.

use std::sync::Arc;
use std::time::Duration;

use api::core::v1::event::TIME_TO_LIVE;
use jiff::{SignedDuration, Timestamp};
use store::{CommitError, Entry, Expect, Transaction};
use task::CancellationToken;

use crate::object::Object;
use crate::resource::collection;
use crate::server::Inner;
use crate::write::store_failure;

/// How often expired events are looked for: they live at most this much too long.
const EVERY: Duration = Duration::from_secs(60);

/// Runs until told to stop.
pub(crate) async fn run(server: Arc<Inner>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => sweep(&server).await,
        }
    }
}

async fn sweep(server: &Inner) {
    let snapshot = server.store.snapshot();
    let deadline = server.now() - SignedDuration::try_from(TIME_TO_LIVE).unwrap_or(SignedDuration::MAX);
    for entry in snapshot.scan(&collection("", "events"), "", None) {
        if let Some(object) = Object::decode(&entry.value).ok().filter(|object| last_seen(object) < Some(deadline)) {
            delete(server, entry, &object).await;
        }
    }
}

async fn delete(server: &Inner, entry: &Arc<Entry>, object: &Object) {
    let Ok(template) = object.encode() else { return };
    let key = entry.key.clone();
    let transaction = Transaction::new().require(key.clone(), Expect::At(entry.revision)).delete(key, template);
    match server.store.commit(transaction).await {
        Ok(_) | Err(CommitError::Conflict { .. }) => {}
        Err(error) => tracing::warn!(error = %store_failure(&error), "an expired event could not be deleted"),
    }
}

/// When an event was last written about: the latest of its times.
fn last_seen(object: &Object) -> Option<Timestamp> {
    let paths: [&[&str]; 5] = [
        &["series", "lastObservedTime"],
        &["lastTimestamp"],
        &["eventTime"],
        &["firstTimestamp"],
        &["metadata", "creationTimestamp"],
    ];
    paths.iter().filter_map(|path| object.text(path).parse().ok()).max()
}
