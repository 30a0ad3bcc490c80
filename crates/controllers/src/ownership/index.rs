//! The objects of a shared cache by their controller.
//!
//! An index over the cache, kept by a subscription; the objects themselves stay in the cache. Start reading at [`Owned`].

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use client::{Cache, Key, Kind, KindExt, Subscription};

use super::controller;

/// Finds objects of a kind by the uid of their controller.
pub(crate) struct Owned<K> {
    cache: Cache<K>,
    keys: Arc<Mutex<Keys>>,
    _subscription: Subscription,
}

impl<K> fmt::Debug for Owned<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owned").field("cache", &self.cache).finish_non_exhaustive()
    }
}

type Keys = HashMap<Holder, HashSet<Key>>;

/// Where an object is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Holder {
    /// With the controller of this uid.
    Controller(String),
    /// Among those of a namespace that have no controller.
    Nobody(Option<String>),
}

impl Holder {
    fn of<K: Kind>(object: &K) -> Self {
        match controller(object) {
            Some(uid) => Self::Controller(uid.to_owned()),
            None => Self::Nobody(object.meta().namespace.clone()),
        }
    }
}

impl<K: Kind<DynamicType = ()> + Send + Sync + 'static> Owned<K> {
    /// An index over `cache`. `changed` is called for each object that is there, comes, changes or goes, after the index
    /// has followed, and must not block.
    pub(crate) fn new(cache: Cache<K>, changed: impl Fn(&K) + Send + Sync + 'static) -> Self {
        let keys: Arc<Mutex<Keys>> = Arc::default();
        let (indexed, source) = (keys.clone(), cache.clone());
        let subscription = cache.subscribe(move |object: &K| {
            let key = Key::of(object);
            let there = source.get(&key).is_some_and(|current| current.uid() == object.uid());
            let mut keys = lock(&indexed);
            let holder = Holder::of(object);
            if there {
                keys.entry(holder).or_default().insert(key);
            } else {
                remove(&mut keys, &holder, &[key]);
            }
            drop(keys);
            changed(object);
        });
        Self { cache, keys, _subscription: subscription }
    }

    /// The objects whose controller has this uid.
    pub(crate) fn of_controller(&self, uid: &str) -> Vec<Arc<K>> {
        self.held_by(&Holder::Controller(uid.to_owned()))
    }

    /// The objects of a namespace that have no controller.
    pub(crate) fn orphans(&self, namespace: Option<&str>) -> Vec<Arc<K>> {
        self.held_by(&Holder::Nobody(namespace.map(str::to_owned)))
    }

    /// Entries of objects that have another holder by now are dropped on the way.
    fn held_by(&self, holder: &Holder) -> Vec<Arc<K>> {
        let mut keys = lock(&self.keys);
        let Some(held) = keys.get(holder) else { return Vec::new() };
        let (mut objects, mut stale) = (Vec::with_capacity(held.len()), Vec::new());
        for key in held {
            match self.cache.get(key).filter(|object| Holder::of(&**object) == *holder) {
                Some(object) => objects.push(object),
                None => stale.push(key.clone()),
            }
        }
        remove(&mut keys, holder, &stale);
        objects
    }
}

fn lock(keys: &Mutex<Keys>) -> MutexGuard<'_, Keys> {
    keys.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remove(keys: &mut Keys, holder: &Holder, gone: &[Key]) {
    let Some(held) = keys.get_mut(holder) else { return };
    held.retain(|key| !gone.contains(key));
    if held.is_empty() {
        keys.remove(holder);
    }
}
