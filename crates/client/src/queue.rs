//! A queue of keys that want to be reconciled: each key at most once, never twice at the same time.
//!
//! It holds keys, not events: a key that is added many times before its turn has one turn, and one that is added during
//! its turn has another after it. So it needs no limit of its own; it cannot grow beyond the number of different keys.
//! Any number of tasks add; one [`crate::Controller`] takes. Start reading at [`Queue::add`].

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// The pause after the first failure of a key; it doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_millis(50);
/// The longest pause between two tries of a key that keeps failing.
const LAST_RETRY: Duration = Duration::from_secs(60);

/// A queue of keys. Clones share the queue.
#[derive(Debug)]
pub struct Queue<K> {
    inner: Arc<Inner<K>>,
}

impl<K> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

#[derive(Debug)]
struct Inner<K> {
    state: Mutex<State<K>>,
    changed: Notify,
}

#[derive(Debug)]
struct State<K> {
    keys: HashMap<K, Entry>,
    /// In the order of their turns.
    ready: BTreeMap<u64, K>,
    later: BTreeMap<Turn, K>,
    /// Numbers the turns, so that no two are the same.
    turns: u64,
}

#[derive(Debug)]
struct Entry {
    phase: Phase,
    /// Failures since the last success.
    failures: u32,
}

#[derive(Debug)]
enum Phase {
    Ready(u64),
    Running { again: bool },
    Later(Turn),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    at: Instant,
    number: u64,
}

/// How the turn of a key ended, other than by a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All is done until the key is added again.
    Done,
    /// All is done until then, or until the key is added again.
    After(Duration),
    /// Not really had: the key wants another turn.
    Interrupted,
}

/// What is known of a key that has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed {
    /// How often in a row.
    pub(crate) failures: u32,
    /// When it is tried again, unless it is added before.
    pub(crate) retry_in: Duration,
}

impl<K: Clone + Eq + Hash> Default for Queue<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Clone + Eq + Hash> Queue<K> {
    /// A queue without keys.
    pub fn new() -> Self {
        let state = State { keys: HashMap::new(), ready: BTreeMap::new(), later: BTreeMap::new(), turns: 0 };
        Self { inner: Arc::new(Inner { state: Mutex::new(state), changed: Notify::new() }) }
    }

    /// Asks for a turn of `key`, as soon as possible, also if it waits for a later one.
    pub fn add(&self, key: K) {
        self.lock().add(key);
        self.inner.changed.notify_one();
    }

    /// Takes `key` out, unless it has its turn just now: there is nothing to reconcile any more. Without this, the queue of
    /// a process that does not lead would keep the keys of all objects that there ever were.
    pub fn remove(&self, key: &K) {
        self.lock().remove(key);
    }

    /// The number of keys that wait for their turn or have it.
    pub fn len(&self) -> usize {
        self.lock().keys.len()
    }

    /// Whether no key waits for its turn or has it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next key whose turn it is; it stays in the queue until [`Queue::finish`]. Cancel safe.
    pub(crate) async fn next(&self) -> K {
        loop {
            let changed = self.inner.changed.notified();
            let next_turn = {
                let mut state = self.lock();
                if let Some(key) = state.take(Instant::now()) {
                    return key;
                }
                state.later.keys().next().map(|turn| turn.at)
            };
            match next_turn {
                Some(at) => {
                    tokio::select! {
                        () = changed => {}
                        () = tokio::time::sleep_until(at) => {}
                    }
                }
                None => changed.await,
            }
        }
    }

    /// Ends the turn of `key`.
    pub(crate) fn finish(&self, key: &K, outcome: Outcome) {
        self.lock().finish(key, outcome, Instant::now());
        self.inner.changed.notify_one();
    }

    /// Ends the turn of `key`, which is to be tried again after a pause.
    pub(crate) fn fail(&self, key: &K) -> Failed {
        let failed = self.lock().fail(key, Instant::now());
        self.inner.changed.notify_one();
        failed
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash> State<K> {
    fn add(&mut self, key: K) {
        match self.keys.get_mut(&key).map(|entry| &mut entry.phase) {
            Some(Phase::Ready(_)) => {}
            Some(Phase::Running { again }) => *again = true,
            Some(Phase::Later(turn)) => {
                self.later.remove(turn);
                self.ready_now(&key);
            }
            None => {
                self.keys.insert(key.clone(), Entry { phase: Phase::Running { again: false }, failures: 0 });
                self.ready_now(&key);
            }
        }
    }

    fn remove(&mut self, key: &K) {
        match self.keys.get(key).map(|entry| &entry.phase) {
            Some(Phase::Ready(number)) => drop(self.ready.remove(number)),
            Some(Phase::Later(turn)) => drop(self.later.remove(turn)),
            Some(Phase::Running { .. }) | None => return,
        }
        self.keys.remove(key);
    }

    fn take(&mut self, now: Instant) -> Option<K> {
        while let Some(first) = self.later.first_entry().filter(|first| first.key().at <= now) {
            let key = first.remove();
            self.ready_now(&key);
        }
        let (_, key) = self.ready.pop_first()?;
        if let Some(entry) = self.keys.get_mut(&key) {
            entry.phase = Phase::Running { again: false };
        }
        Some(key)
    }

    fn finish(&mut self, key: &K, outcome: Outcome, now: Instant) {
        let Some(entry) = self.keys.get_mut(key) else { return };
        entry.failures = 0;
        match (outcome, &entry.phase) {
            (Outcome::Interrupted, _) | (_, Phase::Running { again: true }) => self.ready_now(key),
            (Outcome::After(pause), _) => self.later(key, now + pause),
            (Outcome::Done, _) => {
                self.keys.remove(key);
            }
        }
    }

    fn fail(&mut self, key: &K, now: Instant) -> Failed {
        let Some(entry) = self.keys.get_mut(key) else { return Failed { failures: 0, retry_in: Duration::ZERO } };
        entry.failures = entry.failures.saturating_add(1);
        let failures = entry.failures;
        if let Phase::Running { again: true } = entry.phase {
            // What was added meanwhile may be what the failure waited for.
            self.ready_now(key);
            return Failed { failures, retry_in: Duration::ZERO };
        }
        let retry_in = retry_after(failures);
        self.later(key, now + retry_in);
        Failed { failures, retry_in }
    }

    fn ready_now(&mut self, key: &K) {
        let number = self.number();
        if let Some(entry) = self.keys.get_mut(key) {
            entry.phase = Phase::Ready(number);
            self.ready.insert(number, key.clone());
        }
    }

    fn later(&mut self, key: &K, at: Instant) {
        let turn = Turn { at, number: self.number() };
        if let Some(entry) = self.keys.get_mut(key) {
            entry.phase = Phase::Later(turn);
            self.later.insert(turn, key.clone());
        }
    }

    fn number(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }
}

fn retry_after(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    (FIRST_RETRY * (1 << doublings)).min(LAST_RETRY)
}

#[cfg(test)]
mod tests;
