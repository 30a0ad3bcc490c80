//! All objects of the cluster as a stream of metadata: one watch for each resource, also for those that come and go.
//!
//! The resources are those of discovery, read once, and those of CustomResourceDefinitions, followed by a watch: a
//! definition is served at once and its resource is known from the definition itself, so that nothing is polled. Groups of
//! aggregated servers that appear later are not noticed. Nothing is kept but the names of resources; what an observer needs
//! of the objects it keeps itself. Start reading at [`Inventory::run`].

mod definition;
mod feed;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use client::{Client, Discovered, Event, Key, Metadata, Resource, Watch, discover};
use futures_util::StreamExt;
use futures_util::stream::SelectAll;
use task::CancellationToken;
use tokio::time::{Instant, sleep_until};

use definition::Definition;
use feed::{Running, Told};

/// What a watch over a resource needs, and a garbage collector.
const NEEDED_VERBS: [&str; 4] = ["delete", "get", "list", "watch"];
/// Events own nothing, are owned by nothing that matters, and are many.
const IGNORED_KIND: &str = "Event";
const IGNORED_GROUPS: [&str; 2] = ["", "events.k8s.io"];
/// The pause before discovery is tried again when it failed, in part or as a whole.
const DISCOVERY_RETRY: Duration = Duration::from_secs(5);

/// One resource that is watched, for as long as it is.
#[derive(Debug)]
pub(crate) struct Feed {
    /// Never used again for another feed, also of the same resource.
    pub(crate) id: FeedId,
    pub(crate) resource: Arc<Resource>,
}

/// Which feed an object came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FeedId(pub(crate) u32);

/// What an observer is told.
#[derive(Debug)]
pub(crate) enum Change<'a> {
    /// A resource is going to be watched.
    Added(&'a Feed),
    /// All resources that there are at the start have been added.
    Discovered,
    /// Something happened to the objects of a resource.
    Event(&'a Feed, &'a Event<Metadata>),
    /// The objects of a resource cannot be listed, for so long that waiting for them makes no sense.
    Late(&'a Feed),
    /// A resource is no longer watched.
    Removed(&'a Feed, Departure),
}

/// Why a resource is no longer watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Departure {
    /// Its definition is gone, and its objects with it.
    Deleted,
    /// It is not served at present, or is served in another version; its objects may exist.
    Withdrawn,
}

/// Someone who follows all objects. Called in order, from one task; it must not block.
pub(crate) trait Observer: Send + Sync {
    fn observe(&self, change: Change<'_>);
}

/// The resources that there are, by group and kind.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    resources: RwLock<HashMap<(String, String), Arc<Resource>>>,
}

impl Catalogue {
    /// The resource of a kind in any of its versions, if it is known.
    pub(crate) fn resolve(&self, group: &str, kind: &str) -> Option<Arc<Resource>> {
        let resources = self.resources.read().unwrap_or_else(PoisonError::into_inner);
        resources.get(&(group.to_owned(), kind.to_owned())).cloned()
    }

    fn insert(&self, resource: Arc<Resource>) {
        let name = (resource.names.group.clone(), resource.names.kind.clone());
        self.resources.write().unwrap_or_else(PoisonError::into_inner).insert(name, resource);
    }

    fn remove(&self, resource: &Resource) {
        let name = (resource.names.group.clone(), resource.names.kind.clone());
        self.resources.write().unwrap_or_else(PoisonError::into_inner).remove(&name);
    }
}

/// Watches everything and tells its observers.
pub(crate) struct Inventory {
    client: Client,
    catalogue: Arc<Catalogue>,
    observers: Vec<Arc<dyn Observer>>,
    /// By group and plural.
    feeds: HashMap<(String, String), Running>,
    streams: SelectAll<feed::Stream>,
    next_id: u32,
    /// The definitions that there were when their watch began anew, and have not been seen since.
    unseen: HashSet<String>,
    /// The resource that each definition makes, by the name of the definition.
    defined: HashMap<String, (String, String)>,
    discovery: Discovery,
}

/// How far discovery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Discovery {
    /// It begins when all definitions are known, to tell apart what they make.
    WaitsForDefinitions,
    Due(Instant),
    Done,
}

impl Inventory {
    pub(crate) fn new(client: Client, catalogue: Arc<Catalogue>, observers: Vec<Arc<dyn Observer>>) -> Self {
        Self {
            client,
            catalogue,
            observers,
            feeds: HashMap::new(),
            streams: SelectAll::new(),
            next_id: 0,
            unseen: HashSet::new(),
            defined: HashMap::new(),
            discovery: Discovery::WaitsForDefinitions,
        }
    }

    /// Runs until told to stop.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut definitions = Watch::new(self.client.projected::<Definition>(&definition::names()));
        loop {
            let due = match self.discovery {
                Discovery::Due(at) => Some(at),
                Discovery::WaitsForDefinitions | Discovery::Done => None,
            };
            tokio::select! {
                () = stop.cancelled() => return,
                event = definitions.next() => self.definition_event(event),
                Some((feed, told)) = self.streams.next() => self.told(&feed, &told),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    if stop.run_until_cancelled(self.discover()).await.is_none() {
                        return;
                    }
                }
            }
        }
    }

    fn tell(&self, change: impl Fn() -> Change<'static>) {
        self.observers.iter().for_each(|observer| observer.observe(change()));
    }

    fn told(&self, feed: &Feed, told: &Told) {
        for observer in &self.observers {
            observer.observe(match told {
                Some(event) => Change::Event(feed, event),
                None => Change::Late(feed),
            });
        }
    }

    fn definition_event(&mut self, event: Event<Definition>) {
        match event {
            Event::Restarted => self.unseen = self.defined.keys().cloned().collect(),
            Event::Object(definition) => {
                let name = Key::of(&definition).name;
                self.unseen.remove(&name);
                self.defined(name, definition::resource(&definition));
            }
            Event::Removed(definition) => self.definition_gone(&Key::of(&definition).name),
            Event::Complete => {
                for name in std::mem::take(&mut self.unseen) {
                    self.definition_gone(&name);
                }
                if self.discovery == Discovery::WaitsForDefinitions {
                    self.discovery = Discovery::Due(Instant::now());
                }
            }
        }
    }

    /// A definition makes this resource now, or none.
    fn defined(&mut self, definition: String, resource: Option<Resource>) {
        let before = self.defined.get(&definition).cloned();
        let Some(resource) = resource else {
            if let Some(id) = before {
                self.remove(&id, Departure::Withdrawn);
            }
            return;
        };
        let id = identity(&resource);
        if let Some(before) = before.filter(|before| *before != id) {
            self.remove(&before, Departure::Withdrawn);
        }
        self.defined.insert(definition, id.clone());
        if self.feeds.get(&id).is_none_or(|running| *running.feed.resource != resource) {
            self.remove(&id, Departure::Withdrawn);
            self.add(resource);
        }
    }

    fn definition_gone(&mut self, definition: &str) {
        if let Some(id) = self.defined.remove(definition) {
            self.remove(&id, Departure::Deleted);
        }
    }

    async fn discover(&mut self) {
        let failures = match discover(&self.client).await {
            Ok(Discovered { resources, failures }) => {
                for resource in resources {
                    if !self.feeds.contains_key(&identity(&resource)) {
                        self.add(resource);
                    }
                }
                self.tell(|| Change::Discovered);
                failures
            }
            Err(error) => vec![("all groups".to_owned(), error)],
        };
        for (group_version, error) in &failures {
            tracing::warn!(group_version, error = %stdx::error_chain(error), "discovery failed, to be tried again");
        }
        self.discovery = match failures.is_empty() {
            true => Discovery::Done,
            false => Discovery::Due(Instant::now() + DISCOVERY_RETRY),
        };
    }

    fn add(&mut self, resource: Resource) {
        let resource = Arc::new(resource);
        self.catalogue.insert(resource.clone());
        let ignored = resource.names.kind == IGNORED_KIND && IGNORED_GROUPS.contains(&resource.names.group.as_str());
        if ignored || !resource.supports(&NEEDED_VERBS) {
            return;
        }
        let id = FeedId(self.next_id);
        self.next_id += 1;
        let feed = Arc::new(Feed { id, resource: resource.clone() });
        for observer in &self.observers {
            observer.observe(Change::Added(&feed));
        }
        let (running, stream) = feed::start(&self.client, feed);
        self.streams.push(stream);
        self.feeds.insert(identity(&resource), running);
    }

    fn remove(&mut self, id: &(String, String), departure: Departure) {
        let Some(running) = self.feeds.remove(id) else { return };
        self.catalogue.remove(&running.feed.resource);
        for observer in &self.observers {
            observer.observe(Change::Removed(&running.feed, departure));
        }
    }
}

fn identity(resource: &Resource) -> (String, String) {
    let (group, plural) = resource.group_and_plural();
    (group.to_owned(), plural.to_owned())
}
