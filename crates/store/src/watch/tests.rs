//! Where watches start, what they tell, how far behind they may be, and what they have seen.

use std::sync::Arc;
use std::task::Poll;

use tokio::task::JoinSet;

use crate::tests::{Home, delete, key, next, numbers, put, put_key, revision, template, until};
use crate::{Event, EventKind, History, Key, Options, Store, Transaction, Watch, WatchError, feed};

fn other(name: &str) -> Key {
    Key::new("others", name).unwrap()
}

#[tokio::test]
async fn a_revision_of_the_future_is_refused() {
    let store = Home::new().open();
    let current = put(&store, "a").await;
    assert_eq!(store.watch("things", "", current.next()).unwrap_err(), WatchError::Future { current });
}

#[tokio::test]
async fn events_tell_what_was_and_what_is() {
    let store = Home::new().open();
    put(&store, "a").await;
    put(&store, "a").await;
    let last = delete(&store, "a").await;
    let events = until(&mut store.watch("things", "", revision(1)).unwrap(), last).await;
    let told: Vec<_> = events
        .iter()
        .map(|Event { kind, entry, previous, .. }| (*kind, &*entry.value, previous.as_ref().map(|entry| &*entry.value)))
        .collect();
    let expected: [(_, &[u8], Option<&[u8]>); 3] = [
        (EventKind::Created, b"a@2", None),
        (EventKind::Updated, b"a@3", Some(b"a@2")),
        (EventKind::Deleted, b"gone@4", Some(b"a@3")),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn the_log_and_the_live_feed_tell_the_same() {
    let store = Home::new().open();
    let mut live = store.watch("things", "", revision(1)).unwrap();
    let mut told = Vec::new();
    for _ in 0..2 {
        put(&store, "a").await;
        told.push(next(&mut live).await);
    }
    let last = delete(&store, "a").await;
    told.push(next(&mut live).await);
    assert_eq!(until(&mut store.watch("things", "", revision(1)).unwrap(), last).await, told);
}

#[tokio::test]
async fn a_watch_tells_its_collection_and_prefix_only() {
    let store = Home::new().open();
    let mut early = store.watch("things", "x/", revision(1)).unwrap();
    put(&store, "x/1").await;
    put_key(&store, other("x/1")).await;
    put(&store, "y/1").await;
    let last = put(&store, "x/2").await;
    assert_eq!(numbers(&until(&mut early, last).await), [2, 5]);
    put(&store, "x").await;
    let last = put(&store, "x/3").await;
    assert_eq!(numbers(&until(&mut early, last).await), [7]);
    let mut late = store.watch("things", "x/", revision(2)).unwrap();
    assert_eq!(numbers(&until(&mut late, last).await), [5, 7]);
}

/// Between subscribing and asking for the head, a write can come into both the feed and the log.
#[tokio::test]
async fn an_event_that_is_in_the_log_and_in_the_feed_is_told_once() {
    let store = Home::new().open();
    let mut watch = store.watch("things", "", revision(1)).unwrap();
    watch.live = watch.shared.feeds.subscribe(&watch.collection);
    watch.until = put(&store, "a").await;
    let last = put(&store, "b").await;
    assert_eq!(numbers(&until(&mut watch, last).await), [2, 3]);
}

/// Far more events than the feed holds, written by many at once while many watches read from different places.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_and_fast_watches_miss_nothing_under_load() {
    const WRITERS: u64 = 16;
    const WRITES: u64 = 100;
    let store = Arc::new(Home::new().open());
    let last = revision(1 + WRITERS * WRITES);
    let mut watchers = JoinSet::new();
    for n in 0..8 {
        let store = store.clone();
        watchers.spawn(async move {
            let mut watch = store.watch("things", "", revision(1)).unwrap();
            let mut numbers = Vec::new();
            while numbers.last() != Some(&last.get()) {
                // The slow ones let the feed run ahead, so that it overruns them.
                while n % 2 == 0 && numbers.len() == 1 && store.snapshot().revision() < last {
                    tokio::task::yield_now().await;
                }
                numbers.push(next(&mut watch).await.revision.get());
            }
            numbers
        });
    }
    let mut writers = JoinSet::new();
    for n in 0..WRITERS {
        let store = store.clone();
        writers.spawn(async move {
            for _ in 0..WRITES {
                put(&store, &format!("n-{n}")).await;
            }
        });
    }
    writers.join_all().await;
    let expected: Vec<_> = (2..=last.get()).collect();
    for told in watchers.join_all().await {
        assert_eq!(told, expected);
    }
    const { assert!(WRITERS * WRITES > feed::CAPACITY as u64 * 4) };
}

#[tokio::test]
async fn a_watch_that_the_history_has_left_behind_is_told() {
    let home = Home::new();
    let history = History { revisions: 10, bytes: u64::MAX };
    let store = Store::open(Options { history, ..home.options() }).unwrap();
    let mut watch = store.watch("things", "", revision(1)).unwrap();
    let first = put(&store, "a").await;
    assert_eq!(next(&mut watch).await.revision, first);
    for _ in 0..feed::CAPACITY + 50 {
        put(&store, "a").await;
    }
    let lagged = watch.next().await.unwrap_err();
    assert_eq!(lagged.after, first);
    assert!(lagged.source.is_none());
}

#[tokio::test]
async fn a_quiet_watch_has_seen_what_was_written_elsewhere() {
    let store = Home::new().open();
    let mut watch = store.watch("things", "", revision(1)).unwrap();
    put(&store, "a").await;
    assert_eq!(watch.seen(), revision(1), "an event waits");
    next(&mut watch).await;
    let elsewhere = put_key(&store, other("b")).await;
    // The revision of a write is seen once its events were sent, which is a moment after the write returns.
    while watch.seen() < elsewhere {
        assert!(watch.seen() >= revision(2));
        tokio::task::yield_now().await;
    }
    let waiting = put(&store, "c").await;
    put_key(&store, other("d")).await;
    assert!(watch.seen() < waiting);
    assert_eq!(next(&mut watch).await.revision, waiting);
}

/// Whatever a watch says it has seen, no event at or before it may follow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_seen_does_not_come_again() {
    let store = Home::new().open();
    let writer = store.clone();
    let mut writes = JoinSet::new();
    writes.spawn(async move {
        for _ in 0..300 {
            let both = Transaction::new().put(other("b"), template("")).put(key("a"), template(""));
            writer.commit(both).await.unwrap();
        }
        put(&writer, "end").await
    });
    let mut watch = store.watch("things", "", revision(1)).unwrap();
    loop {
        let seen = watch.seen();
        // Asks what was seen as often as possible, not only when an event is there.
        let Some(event) = poll_next(&mut watch).await else {
            tokio::task::yield_now().await;
            continue;
        };
        assert!(event.revision > seen, "{} came after {seen} was seen", event.revision);
        if event.entry.key == key("end") {
            break;
        }
    }
    writes.join_all().await;
}

/// Watches that start while writes are under way join the live feed at every possible moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_that_starts_between_two_writes_misses_and_repeats_nothing() {
    let store = Home::new().open();
    let writer = store.clone();
    let stop = task::CancellationToken::new();
    let (stopped, _stop_on_panic) = (stop.clone(), stop.clone().drop_guard());
    let mut writes = JoinSet::new();
    writes.spawn(async move {
        while !stopped.is_cancelled() {
            put(&writer, "a").await;
        }
    });
    for _ in 0..400 {
        let after = store.snapshot().revision();
        let mut watch = store.watch("things", "", after).unwrap();
        let told = [next(&mut watch).await.revision, next(&mut watch).await.revision];
        assert_eq!(told, [after.next(), after.next().next()]);
    }
    stop.cancel();
    writes.join_all().await;
}

/// The next event, if it is there already. Reading the log takes a moment, which is waited for.
async fn poll_next(watch: &mut Watch) -> Option<Event> {
    if watch.live.is_none() || watch.position < watch.until {
        return Some(next(watch).await);
    }
    let mut waiting = Box::pin(watch.next());
    match std::future::poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx))).await {
        Poll::Ready(event) => Some(event.unwrap().unwrap()),
        Poll::Pending => None,
    }
}

#[tokio::test]
async fn a_cancelled_next_takes_no_event() {
    let store = Home::new().open();
    let mut watch = store.watch("things", "", revision(1)).unwrap();
    let mut told = Vec::new();
    for _ in 0..20 {
        put(&store, "a").await;
        told.push(match poll_next(&mut watch).await {
            Some(event) => event,
            None => next(&mut watch).await,
        });
    }
    assert_eq!(numbers(&told), (2..=21).collect::<Vec<_>>());
}
