//! The objects of a kind as the API has them, a moment ago, shared by everyone in the process who reads that kind.
//!
//! A cache is filled by one [`Watch`] and lives as long as its client's controllers. Readers get shared objects, never
//! copies. Whoever must know the present asks the API. Start reading at [`Cache::subscribe`].

use std::any::{Any, TypeId};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use kube::api::Api;
use kube::core::Resource as Kind;
use serde::de::DeserializeOwned;
use task::{CancellationToken, Class, Group};
use tokio::sync::watch;

use crate::{Event, Key, Watch};

/// The objects of a kind. Clones share them.
pub struct Cache<K> {
    inner: Arc<Inner<K>>,
}

impl<K> Clone for Cache<K> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<K> fmt::Debug for Cache<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("complete", &*self.inner.complete.borrow()).finish_non_exhaustive()
    }
}

type Listener<K> = dyn Fn(&K) + Send + Sync;

struct Inner<K> {
    objects: RwLock<HashMap<Key, Arc<K>>>,
    listeners: Mutex<Vec<Weak<Listener<K>>>>,
    complete: watch::Sender<bool>,
}

/// Ends a subscription when it is dropped.
pub struct Subscription {
    _listener: Arc<dyn Any + Send + Sync>,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

impl<K> Cache<K>
where
    K: Kind + Clone + fmt::Debug + DeserializeOwned + Send + Sync + 'static,
{
    pub(crate) fn start(api: Api<K>, tasks: &Group) -> Self {
        let inner = Arc::new(Inner {
            objects: RwLock::default(),
            listeners: Mutex::default(),
            complete: watch::Sender::new(false),
        });
        let cache = Self { inner: inner.clone() };
        tasks.spawn(Class::Controller, "watch cache", |stop| inner.fill(Watch::new(api), stop));
        cache
    }
}

impl<K> Cache<K> {
    /// The object of a name, if there is one.
    pub fn get(&self, key: &Key) -> Option<Arc<K>> {
        self.inner.read().get(key).cloned()
    }

    /// All objects, in no order.
    pub fn all(&self) -> Vec<Arc<K>> {
        self.inner.read().values().cloned().collect()
    }

    /// Resolves once the cache has seen every object that there was when it began. Never, if its client is stopped
    /// before. Cancel safe.
    pub async fn complete(&self) {
        let mut complete = self.inner.complete.subscribe();
        if complete.wait_for(|complete| *complete).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl<K: Send + Sync + 'static> Cache<K> {
    /// Calls `listener` for each object that is there, and whenever one comes, changes or goes (with its last state, and
    /// after the cache has changed). It must not block: it adds keys to a queue. It is called until the subscription is
    /// dropped, perhaps more often than there are changes.
    pub fn subscribe(&self, listener: impl Fn(&K) + Send + Sync + 'static) -> Subscription {
        let listener = Arc::new(listener);
        let shared: Arc<Listener<K>> = listener.clone();
        self.inner.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&shared));
        for object in self.all() {
            listener(&object);
        }
        // Weak references to `shared` live as long as the value, which the subscription holds.
        Subscription { _listener: listener }
    }
}

impl<K> Inner<K> {
    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<Key, Arc<K>>> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<Key, Arc<K>>> {
        self.objects.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, object: &K) {
        let listeners: Vec<Arc<Listener<K>>> = {
            let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
            listeners.retain(|listener| listener.strong_count() > 0);
            listeners.iter().filter_map(Weak::upgrade).collect()
        };
        listeners.iter().for_each(|listener| listener(object));
    }
}

impl<K> Inner<K>
where
    K: Kind + Clone + fmt::Debug + DeserializeOwned + Send + Sync + 'static,
{
    async fn fill(self: Arc<Self>, mut watch: Watch<K>, stop: CancellationToken) {
        let mut unseen = HashSet::new();
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => return,
                event = watch.next() => event,
            };
            match event {
                Event::Restarted => unseen = self.read().keys().cloned().collect(),
                Event::Object(object) => {
                    let (key, object) = (Key::of(&object), Arc::new(object));
                    unseen.remove(&key);
                    self.write().insert(key, object.clone());
                    self.tell(&object);
                }
                Event::Removed(object) => {
                    self.write().remove(&Key::of(&object));
                    self.tell(&object);
                }
                Event::Complete => {
                    for key in unseen.drain() {
                        let object = self.write().remove(&key);
                        object.iter().for_each(|object| self.tell(object));
                    }
                    self.complete.send_replace(true);
                }
            }
        }
    }
}

/// The caches of a client, by the type that they hold.
#[derive(Default)]
pub(crate) struct Caches {
    by_type: Mutex<HashMap<TypeId, Box<dyn Any + Send + Sync>>>,
}

impl Caches {
    pub(crate) fn get_or_start<K: Send + Sync + 'static>(&self, start: impl FnOnce() -> Cache<K>) -> Cache<K> {
        let mut by_type = self.by_type.lock().unwrap_or_else(PoisonError::into_inner);
        let cache = by_type.entry(TypeId::of::<K>()).or_insert_with(|| Box::new(start()));
        cache.downcast_ref::<Cache<K>>().expect("caches are kept under the type that they hold").clone()
    }
}

#[cfg(test)]
mod tests;
