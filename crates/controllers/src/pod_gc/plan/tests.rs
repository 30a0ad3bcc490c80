use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use client::KindExt;
use client::kinds::core::v1::{Node, Pod};
use serde_json::{Value, json};

use super::{Reason, World, garbage, missing_nodes};

fn pod(name: &str, node: Option<&str>, phase: &str) -> Value {
    json!({"metadata": {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": {"nodeName": node, "containers": []},
        "status": {"phase": phase}})
}

fn deleted(mut pod: Value, grace: i64) -> Value {
    pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    pod["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
    pod
}

fn nodes() -> BTreeMap<String, Arc<Node>> {
    let node = |ready: &str, taints: Value| {
        let node = json!({"metadata": {}, "spec": {"taints": taints}, "status": {"conditions": [{"type": "Ready", "status": ready}]}});
        Arc::new(serde_json::from_value::<Node>(node).unwrap())
    };
    let out = json!([{"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"}]);
    BTreeMap::from([
        ("fine".to_owned(), node("True", json!([]))),
        ("silent".to_owned(), node("Unknown", json!([]))),
        ("out".to_owned(), node("Unknown", out.clone())),
        ("out but back".to_owned(), node("True", out)),
    ])
}

fn check(pods: Vec<Value>, ended_limit: usize, expected: &[(&str, Reason)]) {
    let pods: Vec<Arc<Pod>> = pods.into_iter().map(|pod| Arc::new(serde_json::from_value(pod).unwrap())).collect();
    let gone = BTreeSet::from(["gone".to_owned()]);
    let nodes = nodes();
    let found = garbage(&World { pods: &pods, nodes: &nodes, gone: &gone, ended_limit });
    let found: Vec<(String, Reason)> = found.into_iter().map(|(pod, reason)| (pod.name_any(), reason)).collect();
    let expected: Vec<(String, Reason)> = expected.iter().map(|(name, reason)| ((*name).to_owned(), *reason)).collect();
    assert_eq!(found, expected);
}

#[test]
fn pods_are_garbage_when_nobody_is_left_to_end_them() {
    let pods = vec![
        pod("a", Some("gone"), "Running"),
        deleted(pod("b", Some("gone"), "Running"), 30),
        deleted(pod("c", Some("gone"), "Running"), 0),
        pod("d", Some("fine"), "Running"),
        deleted(pod("e", Some("silent"), "Running"), 30),
        deleted(pod("f", Some("out"), "Running"), 30),
        pod("g", Some("out"), "Running"),
        deleted(pod("h", Some("out but back"), "Running"), 30),
        deleted(pod("i", None, "Pending"), 30),
        deleted(pod("j", None, "Pending"), 0),
        pod("k", None, "Pending"),
        pod("l", Some("missing, perhaps only for a moment"), "Running"),
    ];
    let expected =
        [("a", Reason::NodeGone), ("b", Reason::NodeGone), ("f", Reason::OutOfService), ("i", Reason::Unscheduled)];
    check(pods, 10, &expected);
}

#[test]
fn of_too_many_ended_pods_the_evicted_and_then_the_oldest_go() {
    let mut old = pod("old", Some("fine"), "Succeeded");
    old["metadata"]["creationTimestamp"] = json!("2025-01-01T00:00:00Z");
    let mut evicted = pod("evicted", Some("fine"), "Failed");
    evicted["status"]["reason"] = json!("Evicted");
    let pods = vec![pod("young", Some("fine"), "Failed"), old, evicted, pod("runs", Some("fine"), "Running")];
    check(pods.clone(), 3, &[]);
    check(pods.clone(), 2, &[("evicted", Reason::Ended)]);
    check(pods.clone(), 1, &[("evicted", Reason::Ended), ("old", Reason::Ended)]);
    check(pods, 0, &[("evicted", Reason::Ended), ("old", Reason::Ended), ("young", Reason::Ended)]);
}

#[test]
fn nodes_are_missing_when_pods_are_bound_to_them_and_they_are_not_there() {
    let pods = [pod("a", Some("gone"), "Running"), pod("b", Some("fine"), "Running"), pod("c", None, "Pending")];
    let pods: Vec<Arc<Pod>> = pods.into_iter().map(|pod| Arc::new(serde_json::from_value(pod).unwrap())).collect();
    assert_eq!(missing_nodes(&pods, &nodes()), BTreeSet::from(["gone".to_owned()]));
}
