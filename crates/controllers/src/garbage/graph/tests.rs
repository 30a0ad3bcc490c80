use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use client::meta::ObjectMeta;
use client::{ApiResource, Resource, Scope};
use proptest::prelude::*;
use serde_json::json;

use super::{Graph, Uid};
use crate::garbage::plan::{self, Step};
use crate::inventory::{Departure, Feed, FeedId};

fn feed(id: u32) -> Feed {
    let names = ApiResource {
        group: String::new(),
        version: "v1".to_owned(),
        api_version: "v1".to_owned(),
        kind: "ConfigMap".to_owned(),
        plural: "configmaps".to_owned(),
    };
    Feed { id: FeedId(id), resource: Arc::new(Resource { names, scope: Scope::Namespaced, verbs: BTreeSet::new() }) }
}

/// A graph that has seen all of one feed, which had nothing.
fn graph() -> (Graph, Feed) {
    let (mut graph, feed) = (Graph::new(), feed(0));
    graph.add_feed(&feed);
    graph.discovered();
    graph.restart(&feed);
    graph.complete(&feed);
    (graph, feed)
}

#[derive(Debug, Clone, Copy)]
struct Reference {
    owner: u8,
    blocks: bool,
}

/// An object whose name is its uid.
#[derive(Debug, Clone)]
struct Object {
    uid: u8,
    namespace: &'static str,
    owners: Vec<Reference>,
    /// The finalizers of an object that is being deleted.
    deleting: Option<&'static [&'static str]>,
}

impl Object {
    fn metadata(&self) -> ObjectMeta {
        let owner = |Reference { owner, blocks }: &Reference| {
            json!({"apiVersion": "v1", "kind": "ConfigMap", "name": owner.to_string(), "uid": owner.to_string(),
                "blockOwnerDeletion": blocks})
        };
        let owners: Vec<_> = self.owners.iter().map(owner).collect();
        let metadata = json!({
            "name": self.uid.to_string(),
            "uid": self.uid.to_string(),
            "namespace": self.namespace,
            "ownerReferences": owners,
            "finalizers": self.deleting.unwrap_or_default(),
            "deletionTimestamp": self.deleting.map(|_| "2026-01-01T00:00:00Z"),
        });
        serde_json::from_value(metadata).expect("metadata")
    }
}

fn object(uid: u8, owners: &[u8]) -> Object {
    let owners = owners.iter().map(|owner| Reference { owner: *owner, blocks: true }).collect();
    Object { uid, namespace: "default", owners, deleting: None }
}

#[test]
fn a_graph_is_complete_when_every_feed_has_told_all() {
    let (mut graph, other) = (Graph::new(), feed(1));
    assert!(!graph.is_complete(), "resources are not known yet");
    graph.add_feed(&other);
    graph.discovered();
    assert!(!graph.is_complete());
    graph.restart(&other);
    assert!(!graph.is_complete());
    graph.complete(&other);
    assert!(graph.is_complete());
    let late = feed(2);
    graph.add_feed(&late);
    assert_eq!(graph.awaited().count(), 1);
    graph.give_up(&late);
    assert!(graph.is_complete());
}

#[test]
fn what_a_new_list_does_not_have_is_gone() {
    let (mut graph, feed) = graph();
    graph.observe(&feed, &object(1, &[]).metadata());
    graph.observe(&feed, &object(2, &[1]).metadata());
    graph.restart(&feed);
    graph.observe(&feed, &object(2, &[1]).metadata());
    let affected = graph.complete(&feed);
    assert!(affected.contains(&Uid::from("2")), "its owner is gone: {affected:?}");
    assert!(graph.is_gone(&Uid::from("1")) && graph.node("1").is_none());
}

#[test]
fn objects_of_a_resource_that_is_not_served_are_not_gone_for_good() {
    let (mut graph, feed) = graph();
    graph.observe(&feed, &object(1, &[]).metadata());
    graph.remove_feed(&feed, Departure::Withdrawn);
    assert!(graph.node("1").is_none() && !graph.is_gone(&Uid::from("1")));
}

#[test]
fn objects_of_a_definition_that_is_deleted_are_gone() {
    let (mut graph, feed) = graph();
    graph.observe(&feed, &object(1, &[]).metadata());
    graph.remove_feed(&feed, Departure::Deleted);
    assert!(graph.is_gone(&Uid::from("1")));
}

#[test]
fn an_object_seen_again_as_it_was_is_not_worth_a_look() {
    let (mut graph, feed) = graph();
    assert_eq!(graph.observe(&feed, &object(2, &[1]).metadata()), ["2".into()] as [Uid; 1]);
    assert_eq!(graph.observe(&feed, &object(2, &[1]).metadata()), []);
    assert_eq!(graph.observe(&feed, &object(3, &[]).metadata()), [], "nobody owns it and it owns nothing");
}

#[derive(Debug, Clone)]
enum Change {
    Observe(Object),
    Remove(u8),
    /// A new list that has these objects.
    List(Vec<Object>),
}

const UIDS: u8 = 5;

fn any_object() -> impl Strategy<Value = Object> {
    let reference = (0..UIDS, any::<bool>()).prop_map(|(owner, blocks)| Reference { owner, blocks });
    let finalizers: [Option<&'static [&'static str]>; 4] =
        [None, Some(&["orphan"]), Some(&["foregroundDeletion"]), Some(&["example.com/hold"])];
    let owners = prop::collection::vec(reference, 0..3);
    (0..UIDS, owners, prop::sample::select(finalizers.to_vec())).prop_map(|(uid, owners, deleting)| {
        // Objects do not move: the first is always elsewhere.
        let namespace = if uid == 0 { "sea" } else { "default" };
        Object { uid, namespace, owners, deleting }
    })
}

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => any_object().prop_map(Change::Observe),
        3 => (0..UIDS).prop_map(Change::Remove),
        1 => prop::collection::vec(any_object(), 0..4).prop_map(Change::List),
    ]
}

/// A step in a form that does not depend on the order of a hash table.
fn step(graph: &Graph, uid: &Uid) -> String {
    let mut step = plan::next(graph, uid);
    if let Step::Orphan { dependents, .. } = &mut step {
        dependents.sort_by(|a, b| a.uid.cmp(&b.uid));
    }
    format!("{step:?}")
}

fn steps(graph: &Graph) -> BTreeMap<Uid, String> {
    let uids = (0..UIDS).map(|uid| Uid::from(uid.to_string()));
    uids.map(|uid| (uid.clone(), step(graph, &uid))).filter(|(_, step)| step != "Nothing").collect()
}

fn apply(graph: &mut Graph, feed: &Feed, change: &Change) -> Vec<Uid> {
    match change {
        Change::Observe(object) => graph.observe(feed, &object.metadata()),
        Change::Remove(uid) => graph.remove(&uid.to_string().into()),
        Change::List(objects) => {
            graph.restart(feed);
            let mut affected: Vec<Uid> =
                objects.iter().flat_map(|object| graph.observe(feed, &object.metadata())).collect();
            affected.extend(graph.complete(feed));
            affected
        }
    }
}

proptest! {
    /// Reconciling is level-triggered only if no change is overlooked that makes something to do.
    #[test]
    fn every_object_with_something_new_to_do_is_named(changes in prop::collection::vec(any_change(), 1..40)) {
        let (mut graph, feed) = graph();
        let mut before = BTreeMap::new();
        for change in changes {
            let affected = apply(&mut graph, &feed, &change);
            let after = steps(&graph);
            for (uid, step) in &after {
                let known = before.get(uid) == Some(step);
                prop_assert!(known || affected.contains(uid), "{uid} should {step} after {change:?}: {affected:?}");
            }
            before = after;
        }
    }

    /// What is forgotten leaves no trace: the graph would grow for ever.
    #[test]
    fn an_emptied_graph_holds_nothing(changes in prop::collection::vec(any_change(), 1..40)) {
        let (mut graph, feed) = graph();
        for change in &changes {
            apply(&mut graph, &feed, change);
        }
        apply(&mut graph, &feed, &Change::List(Vec::new()));
        prop_assert!(graph.nodes.is_empty() && graph.dependents.is_empty());
    }
}
