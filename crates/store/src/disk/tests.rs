//! Opening, reopening, and what compaction keeps.

use std::os::unix::fs::PermissionsExt;

use redb::{Database, ReadableDatabase, ReadableTableMetadata, TableDefinition};

use super::{LOG, META};
use crate::tests::{Home, delete, key, names, put, revision, until};
use crate::{History, OpenError, Options, Revision, Store, WatchError};

#[test]
fn a_missing_folder_is_named() {
    let home = Home::new();
    let path = home.path().join("deeper");
    let refused = Store::open(Options::new(&path)).unwrap_err();
    assert!(matches!(&refused, OpenError::File { path: found, .. } if *found == path), "{refused}");
}

#[test]
fn a_file_that_is_open_elsewhere_is_refused() {
    let home = Home::new();
    let _first = home.open();
    assert!(matches!(Store::open(home.options()), Err(OpenError::Locked { .. })));
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let home = Home::new();
    drop(home.open());
    let set = |format: u64| {
        let write = Database::open(home.path()).unwrap().begin_write().unwrap();
        write.open_table(META).unwrap().insert("format", format).unwrap();
        write.commit().unwrap();
    };
    set(2);
    let refused = Store::open(home.options()).unwrap_err();
    assert!(matches!(refused, OpenError::NewerFormat { found: 2, supported: 1, .. }), "{refused}");
    set(1);
    assert!(Store::open(home.options()).is_ok());
}

#[test]
fn a_foreign_file_is_refused() {
    let home = Home::new();
    std::fs::write(home.path(), b"not a database at all").unwrap();
    assert!(matches!(Store::open(home.options()), Err(OpenError::Failed { .. })));
}

/// What a crash leaves between making the file and making the database in it.
#[tokio::test]
async fn an_empty_file_becomes_a_store() {
    let home = Home::new();
    std::fs::write(home.path(), b"").unwrap();
    assert_eq!(put(&home.open(), "a").await, revision(2));
    drop(Database::create(home.path().with_extension("bare")).unwrap());
    let store = Store::open(Options::new(home.path().with_extension("bare"))).unwrap();
    assert_eq!(put(&store, "a").await, revision(2));
}

#[test]
fn a_foreign_database_is_refused() {
    let home = Home::new();
    let write = Database::create(home.path()).unwrap().begin_write().unwrap();
    write.open_table(TableDefinition::<u64, u64>::new("other")).unwrap();
    write.commit().unwrap();
    assert!(matches!(Store::open(home.options()), Err(OpenError::Failed { .. })));
}

#[test]
fn only_the_owner_may_read_the_file() {
    let home = Home::new();
    let _store = home.open();
    assert_eq!(std::fs::metadata(home.path()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn an_empty_store_stands_at_the_first_revision() {
    let store = Home::new().open();
    assert_eq!(store.snapshot().revision(), Revision::FIRST);
    assert!(store.watch("things", "", Revision::FIRST).is_ok());
}

#[tokio::test]
async fn values_and_revisions_survive_a_restart() {
    let home = Home::new();
    let store = home.open();
    put(&store, "a").await;
    put(&store, "b").await;
    put(&store, "a").await;
    let deleted = delete(&store, "b").await;
    store.close().await;
    drop(store);

    let store = home.open();
    assert_eq!(store.snapshot().revision(), deleted);
    let snapshot = store.snapshot();
    let entry = snapshot.get(&key("a")).unwrap();
    assert_eq!((entry.created, entry.revision, entry.value.as_ref()), (revision(2), revision(4), &b"a@4"[..]));
    assert_eq!(names(&store), ["a"]);
    assert_eq!(put(&store, "c").await, deleted.next());
}

/// Records in the log of a closed store.
fn log_len(home: &Home) -> u64 {
    Database::open(home.path()).unwrap().begin_read().unwrap().open_table(LOG).unwrap().len().unwrap()
}

async fn open_with_history(home: &Home, history: History) -> Store {
    Store::open(Options { history, ..home.options() }).unwrap()
}

#[tokio::test]
async fn history_is_bounded_by_revisions_and_current_values_stay() {
    let home = Home::new();
    let store = open_with_history(&home, History { revisions: 10, bytes: u64::MAX }).await;
    put(&store, "old").await;
    put(&store, "gone").await;
    delete(&store, "gone").await;
    for _ in 0..50 {
        put(&store, "busy").await;
    }
    let head = store.snapshot().revision();
    let compacted = store.snapshot().compacted();
    assert_eq!(head.since(compacted), 10);
    let refused = store.watch("things", "", revision(compacted.get() - 1)).unwrap_err();
    assert_eq!(refused, WatchError::Compacted { compacted });
    let events = until(&mut store.watch("things", "", compacted).unwrap(), head).await;
    assert_eq!(events.len(), 10);
    assert!(events.iter().all(|event| event.previous.as_ref().unwrap().revision.next() == event.revision));
    assert_eq!(names(&store), ["busy", "old"]);

    store.close().await;
    // The two current values, and the values that the last ten writes superseded.
    assert_eq!(log_len(&home), 2 + 10);
    assert_eq!(home.open().snapshot().compacted(), compacted);
}

#[tokio::test]
async fn history_is_bounded_by_bytes() {
    let home = Home::new();
    // A value is `busy@` and one to three digits.
    let store = open_with_history(&home, History { revisions: u64::MAX, bytes: 100 }).await;
    for _ in 0..50 {
        put(&store, "busy").await;
    }
    let kept = store.snapshot().revision().since(store.snapshot().compacted());
    assert!((100 / 8 - 1..=100 / 6).contains(&kept), "{kept} writes are kept");
}

#[tokio::test]
async fn a_long_history_shrinks_faster_than_it_grows_after_its_limit_was_lowered() {
    let home = Home::new();
    let store = home.open();
    for _ in 0..200 {
        put(&store, "busy").await;
    }
    store.close().await;
    drop(store);
    let store = open_with_history(&home, History { revisions: 5, bytes: u64::MAX }).await;
    let mut kept = vec![store.snapshot().revision().since(store.snapshot().compacted())];
    while *kept.last().unwrap() > 5 {
        put(&store, "busy").await;
        kept.push(store.snapshot().revision().since(store.snapshot().compacted()));
        assert!(kept.len() < 20, "{kept:?}");
    }
    assert!(kept.windows(2).all(|pair| pair[0] - pair[1] <= 40), "one commit does all the work: {kept:?}");
}
