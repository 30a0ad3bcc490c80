//! Who owns whom, as the watches tell it.
//!
//! The graph has a node for each object, with or without owners, and knows the dependents of each uid, also of uids that
//! it has never seen. It is a moment behind the API and decides nothing; each change answers which objects are worth a
//! look. No I/O, no clock. Start reading at [`Graph::observe`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use api::meta::{FOREGROUND_DELETION_FINALIZER, ORPHAN_FINALIZER};
use client::meta::ObjectMeta;
use client::{Key, Resource};

use super::recent::Recent;
use crate::inventory::{Departure, Feed, FeedId};

/// How many of the uids that went last are remembered: as many dependents are spared a request for their owner.
const REMEMBERED: usize = 4096;

/// The identity of an object, as text that only the API server gives a meaning.
pub(super) type Uid = Arc<str>;

/// Where an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) resource: Arc<Resource>,
    pub(super) key: Key,
    pub(super) uid: Uid,
}

/// A reference to an owner.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Owner {
    pub(super) uid: Uid,
    pub(super) api_version: Box<str>,
    pub(super) kind: Box<str>,
    pub(super) name: Box<str>,
    /// Whether the owner's deletion in the foreground waits for this dependent.
    pub(super) blocks: bool,
}

/// Whether an object is being deleted, and what becomes of its dependents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deletion {
    None,
    /// It waits until no dependent refers to it.
    Orphan,
    /// It waits for the dependents that block it.
    Foreground,
    /// It waits for others.
    Plain,
}

/// What the graph knows of an object.
#[derive(Debug)]
pub(super) struct Node {
    resource: Arc<Resource>,
    key: Key,
    feed: FeedId,
    /// The list of its feed in which it was seen last.
    list: u32,
    pub(super) owners: Box<[Owner]>,
    pub(super) deletion: Deletion,
}

#[derive(Debug)]
struct Source {
    resource: Arc<Resource>,
    /// Counts how often the feed began anew.
    list: u32,
    awaited: bool,
}

/// Who owns whom.
#[derive(Debug)]
pub(super) struct Graph {
    nodes: HashMap<Uid, Node>,
    dependents: HashMap<Uid, HashSet<Uid>>,
    sources: BTreeMap<FeedId, Source>,
    discovered: bool,
    gone: Recent<Uid>,
    orphaned: Recent<Uid>,
}

/// The owners that metadata names.
pub(super) fn owners(metadata: &ObjectMeta) -> Box<[Owner]> {
    let references = metadata.owner_references.as_deref().unwrap_or_default();
    let owner = |reference: &client::meta::OwnerReference| Owner {
        uid: reference.uid.as_str().into(),
        api_version: reference.api_version.as_str().into(),
        kind: reference.kind.as_str().into(),
        name: reference.name.as_str().into(),
        blocks: reference.block_owner_deletion == Some(true),
    };
    references.iter().map(owner).collect()
}

/// How far the deletion of an object is, by its metadata.
pub(super) fn deletion(metadata: &ObjectMeta) -> Deletion {
    let finalizers = metadata.finalizers.as_deref().unwrap_or_default();
    let waits_for = |finalizer: &str| finalizers.iter().any(|present| present == finalizer);
    match metadata.deletion_timestamp {
        None => Deletion::None,
        Some(_) if waits_for(ORPHAN_FINALIZER) => Deletion::Orphan,
        Some(_) if waits_for(FOREGROUND_DELETION_FINALIZER) => Deletion::Foreground,
        Some(_) => Deletion::Plain,
    }
}

impl Graph {
    pub(super) fn new() -> Self {
        Self {
            nodes: HashMap::new(),
            dependents: HashMap::new(),
            sources: BTreeMap::new(),
            discovered: false,
            gone: Recent::new(REMEMBERED),
            orphaned: Recent::new(REMEMBERED),
        }
    }

    /// Whether every object has been told that there was when its resource began to be watched. Without that, who has no
    /// owner or no dependents cannot be said.
    pub(super) fn is_complete(&self) -> bool {
        self.discovered && self.sources.values().all(|source| !source.awaited)
    }

    pub(super) fn discovered(&mut self) {
        self.discovered = true;
    }

    pub(super) fn add_feed(&mut self, feed: &Feed) {
        let source = Source { resource: feed.resource.clone(), list: 0, awaited: true };
        self.sources.insert(feed.id, source);
    }

    /// The list of a feed begins anew.
    pub(super) fn restart(&mut self, feed: &Feed) {
        if let Some(source) = self.sources.get_mut(&feed.id) {
            source.list += 1;
        }
    }

    /// An object is there, as its metadata says. Answers which objects are worth a look for it.
    pub(super) fn observe(&mut self, feed: &Feed, metadata: &ObjectMeta) -> Vec<Uid> {
        let Some(uid) = metadata.uid.as_deref().map(Uid::from) else { return Vec::new() };
        let list = self.sources.get(&feed.id).map(|source| source.list).unwrap_or_default();
        let (owners, deletion) = (owners(metadata), deletion(metadata));
        if let Some(node) = self.nodes.get_mut(&uid) {
            (node.feed, node.list) = (feed.id, list);
            if node.owners == owners && node.deletion == deletion {
                return Vec::new();
            }
        }
        let node = Node {
            resource: feed.resource.clone(),
            key: Key { namespace: metadata.namespace.clone(), name: metadata.name.clone().unwrap_or_default() },
            feed: feed.id,
            list,
            owners,
            deletion,
        };
        self.replace(uid, node)
    }

    fn replace(&mut self, uid: Uid, node: Node) -> Vec<Uid> {
        let mut affected = Vec::new();
        for owner in &node.owners {
            self.dependents.entry(owner.uid.clone()).or_default().insert(uid.clone());
            // It lets its dependents go, and here is one more.
            affected.extend(self.is(&owner.uid, Deletion::Orphan).then(|| owner.uid.clone()));
        }
        if !node.owners.is_empty() || matches!(node.deletion, Deletion::Orphan | Deletion::Foreground) {
            affected.push(uid.clone());
        }
        // Dependents look at whether their owner is there, and whether it waits for them.
        let waits = |node: &Node| node.deletion == Deletion::Foreground;
        if self.nodes.get(&uid).is_none_or(|before| waits(before) != waits(&node)) {
            affected.extend(self.dependents(&uid));
        }
        if let Some(before) = self.nodes.insert(uid.clone(), node) {
            affected.extend(self.let_go(&uid, &before.owners));
        }
        affected
    }

    fn is(&self, uid: &Uid, deletion: Deletion) -> bool {
        self.nodes.get(uid).is_some_and(|node| node.deletion == deletion)
    }

    /// Forgets `owners` of an object as far as its node does not name them. Answers those that may have waited for that.
    fn let_go(&mut self, uid: &Uid, owners: &[Owner]) -> Vec<Uid> {
        let mut affected = Vec::new();
        for owner in owners {
            let mut references = self.nodes.get(uid).into_iter().flat_map(|node| &*node.owners);
            let still = references.clone().any(|now| now.uid == owner.uid);
            let blocks = references.any(|now| now.uid == owner.uid && now.blocks);
            if !still && let Some(dependents) = self.dependents.get_mut(&owner.uid) {
                dependents.remove(uid);
                if dependents.is_empty() {
                    self.dependents.remove(&owner.uid);
                }
            }
            let waits = !blocks && self.is(&owner.uid, Deletion::Foreground);
            let orphans = !still && self.is(&owner.uid, Deletion::Orphan);
            affected.extend((waits || orphans).then(|| owner.uid.clone()));
        }
        affected
    }

    /// An object is gone for good. Answers which objects are worth a look for it.
    pub(super) fn remove(&mut self, uid: &Uid) -> Vec<Uid> {
        self.gone.insert(uid.clone());
        self.forget(uid)
    }

    fn forget(&mut self, uid: &Uid) -> Vec<Uid> {
        let mut affected: Vec<Uid> = self.dependents(uid).collect();
        if let Some(node) = self.nodes.remove(uid) {
            affected.extend(self.let_go(uid, &node.owners));
        }
        affected
    }

    /// All objects of a feed have been told: those that were not are gone. Answers which objects are worth a look.
    pub(super) fn complete(&mut self, feed: &Feed) -> Vec<Uid> {
        let Some(source) = self.sources.get_mut(&feed.id) else { return Vec::new() };
        source.awaited = false;
        let list = source.list;
        let mut affected = Vec::new();
        for uid in self.uids(|node| node.feed == feed.id && node.list != list) {
            affected.extend(self.remove(&uid));
        }
        // Dependents whose owners are of this kind may have waited for it to be known.
        affected.extend(self.uids(|node| node.owners.iter().any(|owner| owner.is_of(&feed.resource))));
        affected
    }

    /// The objects of a feed are not worth waiting for.
    pub(super) fn give_up(&mut self, feed: &Feed) {
        if let Some(source) = self.sources.get_mut(&feed.id) {
            source.awaited = false;
        }
    }

    /// The resources that are still being listed.
    pub(super) fn awaited(&self) -> impl Iterator<Item = &Resource> {
        self.sources.values().filter(|source| source.awaited).map(|source| &*source.resource)
    }

    /// A feed has ended. Answers which objects are worth a look for that.
    pub(super) fn remove_feed(&mut self, feed: &Feed, departure: Departure) -> Vec<Uid> {
        self.sources.remove(&feed.id);
        let mut affected = Vec::new();
        for uid in self.uids(|node| node.feed == feed.id) {
            affected.extend(match departure {
                Departure::Deleted => self.remove(&uid),
                Departure::Withdrawn => self.forget(&uid),
            });
        }
        affected
    }

    fn uids(&self, chosen: impl Fn(&Node) -> bool) -> Vec<Uid> {
        self.nodes.iter().filter(|(_, node)| chosen(node)).map(|(uid, _)| uid.clone()).collect()
    }

    pub(super) fn node(&self, uid: &str) -> Option<&Node> {
        self.nodes.get(uid)
    }

    pub(super) fn target(&self, uid: &Uid) -> Option<Target> {
        let node = self.nodes.get(uid)?;
        Some(Target { resource: node.resource.clone(), key: node.key.clone(), uid: uid.clone() })
    }

    /// The objects that refer to an owner.
    pub(super) fn dependents(&self, owner: &Uid) -> impl Iterator<Item = Uid> {
        self.dependents.get(owner).into_iter().flatten().cloned()
    }

    /// Whether an object of this uid was there and is not any more. False also for what is long gone.
    pub(super) fn is_gone(&self, uid: &Uid) -> bool {
        self.gone.contains(uid)
    }

    /// An object is about to go that let its dependents go.
    pub(super) fn remember_orphaned(&mut self, owner: &Uid) {
        self.orphaned.insert(owner.clone());
    }

    /// Whether an owner let its dependents go: whoever still refers to it was not known then, and stays.
    pub(super) fn is_orphaned(&self, owner: &Uid) -> bool {
        self.orphaned.contains(owner)
    }
}

impl Owner {
    /// The group of the owner's kind.
    pub(super) fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    fn is_of(&self, resource: &Resource) -> bool {
        *self.kind == resource.names.kind && self.group() == resource.names.group
    }
}

impl Node {
    pub(super) fn namespace(&self) -> Option<&str> {
        self.key.namespace.as_deref()
    }

    /// Whether this is the object that a reference means, as far as names go.
    pub(super) fn is_meant_by(&self, owner: &Owner) -> bool {
        owner.is_of(&self.resource) && *owner.name == *self.key.name
    }
}

#[cfg(test)]
mod tests;
