//! Tests of the whole store, and what all tests use.

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use crate::{CommitError, Committed, Event, Key, Options, Revision, Store, Template, Transaction, Watch};

mod full;
mod kill;
mod model;

/// How long a test waits for what must happen. Long, because it only ends tests that have failed.
const DEADLINE: Duration = Duration::from_secs(30);

/// A folder for one database.
pub(crate) struct Home {
    folder: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("store.redb")
    }

    pub(crate) fn options(&self) -> Options {
        Options::new(self.path())
    }

    pub(crate) fn open(&self) -> Store {
        Store::open(self.options()).unwrap()
    }
}

pub(crate) fn key(name: &str) -> Key {
    Key::new("things", name).unwrap()
}

pub(crate) fn revision(number: u64) -> Revision {
    Revision::new(number).unwrap()
}

/// A value that reads `<text>@<revision>`.
pub(crate) fn template(text: &str) -> Template {
    Template::new(format!("{text}@"), text.len() + 1).unwrap()
}

pub(crate) async fn put(store: &Store, name: &str) -> Revision {
    put_key(store, key(name)).await
}

pub(crate) async fn put_key(store: &Store, key: Key) -> Revision {
    try_put(store, key).await.unwrap().revision
}

pub(crate) async fn try_put(store: &Store, key: Key) -> Result<Committed, CommitError> {
    let template = template(key.name());
    store.commit(Transaction::new().put(key, template)).await
}

pub(crate) async fn delete(store: &Store, name: &str) -> Revision {
    let transaction = Transaction::new().delete(key(name), template("gone"));
    store.commit(transaction).await.unwrap().revision
}

pub(crate) async fn next(watch: &mut Watch) -> Event {
    tokio::time::timeout(DEADLINE, watch.next()).await.expect("an event is due").unwrap().expect("the store is open")
}

/// The next events, up to the one with that revision.
pub(crate) async fn until(watch: &mut Watch, last: Revision) -> Vec<Event> {
    let mut events = vec![next(watch).await];
    while events.last().is_some_and(|event| event.revision < last) {
        events.push(next(watch).await);
    }
    events
}

pub(crate) fn numbers(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.revision.get()).collect()
}

pub(crate) fn names(store: &Store) -> Vec<String> {
    store.snapshot().scan("things", "", None).map(|entry| entry.key.name().to_owned()).collect()
}
