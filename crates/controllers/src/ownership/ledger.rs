//! What a controller has written and its cache does not show yet.
//!
//! A cache lags behind the API, so a controller that counts only what the cache shows would create the same pod twice. It
//! therefore counts its own writes as well: each is known by uid and resource version from the answer to the request, and
//! is forgotten once the cache shows that uid at that version or a later one. Nothing is guessed from times or counts, with
//! one exception: an object that was created and deleted while the watch was broken never shows up, so after [`OVERDUE`]
//! the API is asked for it.
//!
//! A request whose outcome is unknown (no answer, or a turn that was cut short) leaves the ledger open: the next turn
//! begins by asking the API for everything ([`Ledger::is_open`]). The ledger lives in memory. A new process needs none: its
//! cache begins with a list that shows all that went before. Resource versions are compared as numbers, which Kubernetes
//! guarantees since KEP-5504. Start reading at [`Ledger::view`].

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client::{Key, Kind, KindExt};
use tokio::time::Instant;

use super::controller;

/// A write that has not shown up for so long is checked. Watches deliver within milliseconds.
pub(crate) const OVERDUE: Duration = Duration::from_secs(5);

/// The writes of one owner. See the module.
#[derive(Debug)]
pub(crate) struct Ledger<K> {
    owner: String,
    written: HashMap<String, Written<K>>,
    deleted: HashMap<String, Deleted>,
    open: bool,
}

#[derive(Debug)]
struct Written<K> {
    object: Arc<K>,
    at: Instant,
    shown: bool,
}

/// A deleted object may be gone before the cache has shown it at all.
#[derive(Debug)]
struct Deleted {
    at: Instant,
    shown: bool,
}

impl<K: Kind<DynamicType = ()>> Ledger<K> {
    /// The ledger of the owner with this uid, empty.
    pub(crate) fn new(owner: &str) -> Self {
        Self { owner: owner.to_owned(), written: HashMap::new(), deleted: HashMap::new(), open: false }
    }

    /// The objects as they are after all writes of this controller, given those that the cache shows.
    pub(crate) fn view(&mut self, cached: Vec<Arc<K>>) -> Vec<Arc<K>> {
        self.written.values_mut().for_each(|written| written.shown = false);
        let mut view: Vec<Arc<K>> = cached.into_iter().map(|object| self.newer(object)).collect();
        let owner = self.owner.as_str();
        self.written.retain(|_, written| written.shown || controller(&*written.object) == Some(owner));
        view.extend(self.written.values().filter(|written| !written.shown).map(|written| written.object.clone()));
        let leaving: HashSet<String> = view
            .iter()
            .filter(|object| object.meta().deletion_timestamp.is_none())
            .filter_map(|object| object.uid())
            .collect();
        self.deleted.retain(|uid, deleted| {
            let leaving = leaving.contains(uid);
            deleted.shown |= leaving;
            leaving || (!deleted.shown && deleted.at.elapsed() < OVERDUE)
        });
        view.retain(|object| object.uid().is_none_or(|uid| !self.deleted.contains_key(&uid)));
        view
    }

    fn newer(&mut self, object: Arc<K>) -> Arc<K> {
        let uid = object.uid().unwrap_or_default();
        let Some(written) = self.written.get_mut(&uid) else { return object };
        if version(&*written.object) > version(&*object) {
            written.shown = true;
            return written.object.clone();
        }
        self.written.remove(&uid);
        object
    }

    /// Notes an object as the API answered a write of it, or as it was read from there.
    pub(crate) fn note(&mut self, object: Arc<K>) {
        let uid = object.uid().unwrap_or_default();
        self.written.insert(uid, Written { object, at: Instant::now(), shown: false });
    }

    /// Notes that an object was deleted.
    pub(crate) fn note_deleted(&mut self, uid: &str) {
        self.written.remove(uid);
        self.deleted.insert(uid.to_owned(), Deleted { at: Instant::now(), shown: false });
    }

    /// Notes that an object turned out not to exist.
    pub(crate) fn forget(&mut self, uid: &str) {
        self.written.remove(uid);
        self.deleted.remove(uid);
    }

    /// The name and uid of each object that should have shown up long ago.
    pub(crate) fn overdue(&self) -> Vec<(String, String)> {
        let overdue = self.written.iter().filter(|(_, written)| !written.shown && written.at.elapsed() >= OVERDUE);
        overdue.map(|(uid, written)| (written.object.name_any(), uid.clone())).collect()
    }

    /// Whether something is written that the cache has not shown.
    pub(crate) fn is_waiting(&self) -> bool {
        self.written.values().any(|written| !written.shown)
    }

    /// Whether a write may have happened of which nothing is known.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Says that writes are about to be made whose objects are not known before the answer.
    pub(crate) fn open(&mut self) {
        self.open = true;
    }

    /// Says that the outcome of all writes is known.
    pub(crate) fn close(&mut self) {
        self.open = false;
    }
}

/// The resource version as a number; 0, older than all, if it is none.
fn version<K: Kind>(object: &K) -> u64 {
    object.meta().resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0)
}

/// The newer one of two states of an object.
fn newest<K: Kind>(cached: Arc<K>, written: Option<Arc<K>>) -> Arc<K> {
    let same = |written: &Arc<K>| written.meta().uid == cached.meta().uid;
    match written.filter(same) {
        Some(written) if version(&*written) > version(&*cached) => written,
        _ => cached,
    }
}

/// The ledgers of all owners that a controller looks after, and the owners themselves as it wrote them last.
#[derive(Debug)]
pub(crate) struct Ledgers<O, K> {
    by_owner: Mutex<HashMap<Key, Account<O, K>>>,
}

#[derive(Debug)]
struct Account<O, K> {
    owner: Option<Arc<O>>,
    ledger: Arc<Mutex<Ledger<K>>>,
}

impl<O, K> Default for Ledgers<O, K> {
    fn default() -> Self {
        Self { by_owner: Mutex::default() }
    }
}

impl<O: Kind<DynamicType = ()>, K: Kind<DynamicType = ()>> Ledgers<O, K> {
    /// The owner as it is after all writes, given what the cache shows, and its ledger. An owner that took the place of
    /// another has a new one.
    pub(crate) fn account(&self, key: &Key, cached: Arc<O>) -> (Arc<O>, Arc<Mutex<Ledger<K>>>) {
        let uid = cached.uid().unwrap_or_default();
        let mut accounts = self.by_owner.lock().unwrap_or_else(PoisonError::into_inner);
        let account = accounts
            .entry(key.clone())
            .or_insert_with(|| Account { owner: None, ledger: Arc::new(Mutex::new(Ledger::new(&uid))) });
        if account.ledger.lock().unwrap_or_else(PoisonError::into_inner).owner != uid {
            account.ledger = Arc::new(Mutex::new(Ledger::new(&uid)));
        }
        let owner = newest(cached.clone(), account.owner.take());
        account.owner = Some(owner.clone()).filter(|owner| !Arc::ptr_eq(owner, &cached));
        (owner, account.ledger.clone())
    }

    /// Notes an owner as the API answered a write of it.
    pub(crate) fn note(&self, key: &Key, owner: Arc<O>) {
        let mut accounts = self.by_owner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = accounts.get_mut(key) {
            account.owner = Some(owner);
        }
    }

    /// Forgets an owner that is gone.
    pub(crate) fn forget(&self, key: &Key) {
        self.by_owner.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

#[cfg(test)]
mod tests;
