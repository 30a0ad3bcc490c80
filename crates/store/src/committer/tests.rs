//! Snapshots, groups, failures below the database, and the end.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::Poll;

use tokio::task::JoinSet;

use crate::disk::faults::Faults;
use crate::tests::{Home, key, names, next, numbers, put, revision, try_put, until};
use crate::{CommitError, Expect, HealthError, HoldLimits, Options, Store, Template, Transaction};

fn open_faulty(home: &Home) -> (Store, Arc<Faults>) {
    let faults = Arc::new(Faults::default());
    let options = Options { faults: Some(faults.clone()), ..home.options() };
    (Store::open(options).unwrap(), faults)
}

#[tokio::test]
async fn a_snapshot_does_not_change() {
    let store = Home::new().open();
    put(&store, "a").await;
    let before = store.snapshot();
    put(&store, "b").await;
    put(&store, "a").await;
    assert_eq!(before.count("things", ""), 1);
    assert_eq!(before.get(&key("a")).unwrap().value, "a@2");
    assert_eq!(store.snapshot().get(&key("a")).unwrap().value, "a@4");
}

#[tokio::test]
async fn a_scan_is_ordered_and_bounded_by_prefix_and_start() {
    let store = Home::new().open();
    for name in ["b/2", "a", "b/10", "b", "c/1", "b/1", "bb"] {
        put(&store, name).await;
    }
    let snapshot = store.snapshot();
    let check = |prefix, after, expected: &[&str]| {
        let found: Vec<_> = snapshot.scan("things", prefix, after).map(|entry| entry.key.name()).collect();
        assert_eq!(found, expected, "{prefix:?} after {after:?}");
    };
    check("", None, &["a", "b", "b/1", "b/10", "b/2", "bb", "c/1"]);
    check("b/", None, &["b/1", "b/10", "b/2"]);
    check("b/", Some("b/1"), &["b/10", "b/2"]);
    check("b/", Some("b/100"), &["b/2"]);
    check("b/", Some("a"), &["b/1", "b/10", "b/2"]);
    check("b/", Some("c"), &[]);
    check("x", None, &[]);
    assert_eq!((snapshot.count("things", "b/"), snapshot.count("things", ""), snapshot.count("none", "")), (3, 7, 0));
}

#[tokio::test]
async fn concurrent_writers_get_distinct_revisions_and_one_wins() {
    let store = Home::new().open();
    let mut writers = JoinSet::new();
    for n in 0..64 {
        let store = store.clone();
        let create = Transaction::new()
            .require(key("one"), Expect::Absent)
            .put(key("one"), Template::new(n.to_string(), 0).unwrap());
        writers.spawn(async move { (store.commit(create).await.is_ok(), put(&store, &format!("own-{n}")).await) });
    }
    let (won, mut own): (Vec<_>, Vec<_>) = writers.join_all().await.into_iter().unzip();
    assert_eq!(won.into_iter().filter(|won| *won).count(), 1);
    own.sort_unstable();
    own.dedup();
    assert_eq!(own.len(), 64);
    assert_eq!(store.snapshot().revision(), revision(1 + 64 + 1));
}

#[tokio::test]
async fn held_snapshots_are_bounded_by_number() {
    let home = Home::new();
    let hold = HoldLimits { snapshots: 2, revisions: u64::MAX };
    let store = Store::open(Options { hold, ..home.options() }).unwrap();
    let mut snapshots = Vec::new();
    for _ in 0..3 {
        put(&store, "a").await;
        snapshots.push(store.snapshot().revision());
        store.hold(&store.snapshot());
        // Used again and again, the first outlives the second.
        assert!(store.held(snapshots[0]).is_some());
    }
    let held: Vec<_> = snapshots.iter().map(|revision| store.held(*revision).is_some()).collect();
    assert_eq!(held, [true, false, true]);
    assert_eq!(store.held(snapshots[0]).unwrap().get(&key("a")).unwrap().value, "a@2");
    assert!(store.held(revision(1)).is_none());
}

#[tokio::test]
async fn held_snapshots_are_bounded_by_age() {
    let home = Home::new();
    let hold = HoldLimits { snapshots: 2, revisions: 3 };
    let store = Store::open(Options { hold, ..home.options() }).unwrap();
    let held = store.snapshot().revision();
    store.hold(&store.snapshot());
    for _ in 0..3 {
        put(&store, "a").await;
    }
    assert!(store.held(held).is_some());
    put(&store, "a").await;
    assert!(store.held(held).is_none());
}

#[tokio::test]
async fn a_full_disk_refuses_writes_until_there_is_room() {
    let home = Home::new();
    let (store, faults) = open_faulty(&home);
    put(&store, "a").await;
    let before = store.snapshot().revision();
    faults.size.store(std::fs::metadata(home.path()).unwrap().len() + 4096, SeqCst);
    let large = || Transaction::new().put(key("large"), Template::new(vec![b'x'; 1 << 20], 0).unwrap());
    for _ in 0..3 {
        let refused = store.commit(large()).await.unwrap_err();
        assert!(matches!(refused, CommitError::StorageFull { .. }), "{refused:?}");
        assert!(matches!(store.health(), Err(HealthError::Failing { .. })));
        assert_eq!((store.snapshot().revision(), names(&store)), (before, vec!["a".to_owned()]));
    }
    faults.size.store(0, SeqCst);
    assert_eq!(store.commit(large()).await.unwrap().revision, before.next());
    assert!(store.health().is_ok());
    store.close().await;
    drop(store);
    assert_eq!(names(&home.open()), ["a", "large"]);
}

/// One more change of the file goes through before each failure, until a commit has fewer changes than that.
#[tokio::test]
async fn a_failure_at_any_moment_of_a_commit_leaves_all_or_nothing() {
    let mut visible = Vec::new();
    loop {
        let home = Home::new();
        let (store, faults) = open_faulty(&home);
        let first = put(&store, "a").await;
        let mut watch = store.watch("things", "", first).unwrap();
        faults.fail_at.store(visible.len() as u64 + 1, SeqCst);
        let two = Transaction::new()
            .put(key("b"), Template::new(vec![b'x'; 10_000], 0).unwrap())
            .delete(key("a"), Template::new("", 0).unwrap());
        let answer = store.commit(two).await;
        if faults.fail_at.load(SeqCst) > 0 {
            assert!(answer.is_ok());
            break;
        }
        assert!(matches!(answer, Err(CommitError::Failed { .. })), "{answer:?}");
        // A fault happens once, so the repair and the next write find a good disk.
        let last = put(&store, "c").await;
        let in_memory = names(&store);
        assert!([&["a", "c"][..], &["b", "c"][..]].iter().any(|names| in_memory == *names), "{in_memory:?}");
        let told = numbers(&until(&mut watch, last).await);
        assert_eq!(told, (first.get() + 1..=last.get()).collect::<Vec<_>>());
        store.close().await;
        drop(store);
        assert_eq!(names(&home.open()), in_memory);
        visible.push(in_memory[0] == "b");
    }
    assert!(visible.len() > 3, "a commit writes pages and a header, and syncs");
    assert!(visible.contains(&false), "no failure came early enough to leave nothing");
    assert!(visible.contains(&true), "no failure came late enough to leave everything");
}

#[tokio::test]
async fn a_failed_sync_is_never_acknowledged_and_readers_see_what_the_file_has() {
    let home = Home::new();
    let (store, faults) = open_faulty(&home);
    let first = put(&store, "a").await;
    let mut watch = store.watch("things", "", first).unwrap();
    faults.sync.store(true, SeqCst);
    let refused = try_put(&store, key("b")).await.unwrap_err();
    assert!(matches!(refused, CommitError::Failed { .. }), "{refused:?}");
    assert_eq!(names(&store), ["a"]);
    assert!(store.health().is_err());

    faults.sync.store(false, SeqCst);
    let last = put(&store, "c").await;
    let seen = until(&mut watch, last).await;
    // Whether the failed write is there is the disk's to say, but snapshot, watch and file must say the same.
    let told: Vec<_> = seen.iter().map(|event| event.entry.key.name().to_owned()).collect();
    assert_eq!(numbers(&seen), (first.get() + 1..=last.get()).collect::<Vec<_>>());
    assert_eq!(names(&store)[1..], told);
    let in_memory = names(&store);
    store.close().await;
    drop(store);
    assert_eq!(names(&home.open()), in_memory);
}

#[tokio::test]
async fn reads_and_live_watches_go_on_while_the_file_cannot_be_opened() {
    let home = Home::new();
    let (store, faults) = open_faulty(&home);
    let first = put(&store, "a").await;
    faults.sync.store(true, SeqCst);
    faults.read.store(true, SeqCst);
    for _ in 0..3 {
        assert!(matches!(try_put(&store, key("b")).await, Err(CommitError::Failed { .. })));
        assert_eq!(names(&store), ["a"]);
    }
    let mut watch = store.watch("things", "", first).unwrap();
    faults.sync.store(false, SeqCst);
    faults.read.store(false, SeqCst);
    let last = put(&store, "c").await;
    assert_eq!(until(&mut watch, last).await.last().unwrap().entry.key, key("c"));
    assert!(store.health().is_ok());
}

#[tokio::test]
async fn a_closed_store_refuses_writes_and_ends_watches() {
    let home = Home::new();
    let store = home.open();
    let mut live = store.watch("things", "", revision(1)).unwrap();
    put(&store, "a").await;
    assert_eq!(next(&mut live).await.revision, revision(2));
    put(&store, "b").await;
    let mut behind = store.watch("things", "", revision(1)).unwrap();
    store.close().await;
    store.close().await;
    assert!(matches!(try_put(&store, key("c")).await, Err(CommitError::Closed)));
    assert!(matches!(store.health(), Err(HealthError::Ended)));
    assert_eq!(next(&mut live).await.revision, revision(3));
    assert!(live.next().await.unwrap().is_none());
    assert!(behind.next().await.unwrap().is_none());
    assert_eq!(names(&store), ["a", "b"]);
    assert!(Store::open(home.options()).is_ok(), "the file is free although a handle is left");
}

#[tokio::test]
async fn what_was_queued_is_written_before_the_end() {
    let home = Home::new();
    let store = home.open();
    let mut writers = JoinSet::new();
    let queued = Arc::new(tokio::sync::Barrier::new(33));
    for n in 0..32 {
        let (store, queued) = (store.clone(), queued.clone());
        writers.spawn(async move {
            let name = format!("n-{n:02}");
            let mut write = Box::pin(try_put(&store, key(&name)));
            // Polled once, the transaction is in the queue.
            let polled = std::future::poll_fn(|cx| Poll::Ready(write.as_mut().poll(cx))).await;
            queued.wait().await;
            match polled {
                Poll::Ready(answer) => answer.is_ok(),
                Poll::Pending => write.await.is_ok(),
            }
        });
    }
    queued.wait().await;
    store.close().await;
    drop(store);
    assert!(writers.join_all().await.into_iter().all(|written| written));
    assert_eq!(home.open().snapshot().count("things", ""), 32);
}

#[tokio::test]
async fn the_last_handle_closes_the_file() {
    let home = Home::new();
    let store = home.open();
    let watch = store.watch("things", "", revision(1)).unwrap();
    put(&store, "a").await;
    drop(store.clone());
    assert!(store.health().is_ok());
    drop(store);
    assert_eq!(names(&home.open()), ["a"]);
    drop(watch);
}

#[tokio::test]
async fn a_write_whose_caller_has_left_harms_nobody() {
    let store = Home::new().open();
    let mut write = Box::pin(try_put(&store, key("a")));
    std::future::poll_fn(|cx| Poll::Ready(write.as_mut().poll(cx).is_ready())).await;
    drop(write);
    put(&store, "b").await;
    assert!(store.health().is_ok());
    assert_eq!(names(&store).last().unwrap(), "b");
}
