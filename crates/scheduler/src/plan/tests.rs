use std::sync::Arc;

use client::kinds::core::v1::{Node, Pod};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Decision, Waiting, decide};
use crate::demand::Demand;
use crate::node::NodeState;
use crate::resources::{CPU, PODS};

fn node(name: &str, cpu: &str) -> Value {
    json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {},
        "status": {
            "allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    })
}

fn states(nodes: Vec<Value>) -> Vec<NodeState> {
    nodes.into_iter().map(|node| NodeState::of(&serde_json::from_value::<Node>(node).unwrap())).collect()
}

fn waiting(uid: &str, spec: &Value) -> Waiting {
    let mut pod = json!({"metadata": {"name": uid}, "spec": {"containers": [{"name": "a"}]}});
    for (field, value) in spec.as_object().unwrap() {
        pod["spec"][field] = value.clone();
    }
    let demand = Demand::of(&serde_json::from_value::<Pod>(pod).unwrap());
    Waiting { uid: uid.to_owned(), created: 0, demand: Arc::new(demand) }
}

fn requesting(cpu: &str) -> Value {
    json!({"containers": [{"name": "a", "resources": {"requests": {"cpu": cpu}}}]})
}

/// The node that one pod goes to, or the reason why it goes nowhere.
fn fate(nodes: Vec<Value>, spec: &Value) -> String {
    match decide(&mut states(nodes), vec![waiting("a", spec)]).remove(0).1 {
        Decision::Bind(node) => node,
        Decision::Unschedulable(reason) => reason,
    }
}

#[test]
fn reasons_are_counted_and_told_in_kube_schedulers_words() {
    let mut cordoned = node("cordoned", "4");
    cordoned["spec"]["unschedulable"] = json!(true);
    let mut tainted = node("tainted", "4");
    tainted["spec"]["taints"] = json!([{"key": "gpu", "effect": "NoSchedule"}]);
    let mut silent = node("silent", "4");
    silent["status"]["conditions"][0]["status"] = json!("Unknown");
    let small = || node("small", "100m");
    let mut full = node("full", "100m");
    full["status"]["allocatable"]["pods"] = json!("0");
    let big = || requesting("2");
    let ports = json!({"containers": [{"name": "a", "ports": [{"containerPort": 80, "hostPort": 80}]}]});
    let table = [
        (vec![], big(), "no nodes available to schedule pods"),
        (vec![small()], big(), "0/1 nodes are available: 1 Insufficient cpu."),
        (
            vec![small(), small(), cordoned.clone(), tainted, silent, full],
            big(),
            "0/6 nodes are available: 1 Too many pods, 1 node(s) were unschedulable, 2 node(s) had untolerated taint(s), \
             3 Insufficient cpu.",
        ),
        (
            vec![node("one", "4")],
            json!({"nodeSelector": {"disk": "fast"}}),
            "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
        ),
        (
            vec![node("one", "4"), node("two", "4")],
            json!({"resourceClaims": [{"name": "c"}]}),
            "0/2 nodes are available: resource claims are not supported.",
        ),
        (
            vec![node("one", "4")],
            json!({"containers": [{"name": "a", "resources": {"requests": {"example.com/gpu": "1"}}}]}),
            "0/1 nodes are available: 1 Insufficient example.com/gpu.",
        ),
        (vec![node("one", "4")], ports.clone(), "one"),
        (
            vec![cordoned],
            json!({"tolerations": [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]}),
            "cordoned",
        ),
    ];
    for (nodes, spec, expected) in table {
        assert_eq!(fate(nodes, &spec), expected, "{spec}");
    }
    let decisions = decide(&mut states(vec![node("one", "4")]), vec![waiting("a", &ports), waiting("b", &ports)]);
    let reason = "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.";
    assert_eq!(decisions[1].1, Decision::Unschedulable(reason.to_owned()));
}

#[test]
fn a_node_that_is_not_ready_takes_only_pods_that_tolerate_it() {
    let mut unready = node("unready", "4");
    unready["status"]["conditions"] = json!([]);
    let tolerant = json!({"tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists"}]});
    assert_eq!(fate(vec![unready.clone()], &tolerant), "unready");
    assert_eq!(fate(vec![unready], &json!({})), "0/1 nodes are available: 1 node(s) had untolerated taint(s).");
}

#[test]
fn the_emptier_node_is_preferred_also_by_pods_that_request_nothing() {
    let mut nodes = states(vec![node("one", "4"), node("two", "4")]);
    let pods = (0..6).map(|number| waiting(&number.to_string(), &json!({}))).collect();
    let decisions = decide(&mut nodes, pods);
    let on = |name: &str| decisions.iter().filter(|(_, decision)| *decision == Decision::Bind(name.to_owned())).count();
    assert_eq!((on("one"), on("two")), (3, 3));
    assert_eq!(fate(vec![node("small", "1"), node("big", "16")], &requesting("500m")), "big");
}

#[test]
fn preferences_outweigh_room() {
    let term = json!({"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["small"]}]});
    let preferred = json!([{"weight": 1, "preference": term}]);
    let spec = json!({"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}});
    assert_eq!(fate(vec![node("small", "1"), node("big", "16")], &spec), "small");
    let mut discouraged = node("big", "16");
    discouraged["spec"]["taints"] = json!([{"key": "k", "effect": "PreferNoSchedule"}]);
    assert_eq!(fate(vec![node("small", "1"), discouraged], &json!({})), "small");
}

#[test]
fn higher_priority_comes_first_and_then_age() {
    let pod = |uid: &str, priority: i32, created: i64| {
        let mut spec = requesting("1");
        spec["priority"] = json!(priority);
        Waiting { created, ..waiting(uid, &spec) }
    };
    let pods = vec![pod("young", 0, 30), pod("old", 0, 10), pod("important", 100, 50)];
    let decisions = decide(&mut states(vec![node("one", "2")]), pods);
    let order: Vec<&str> = decisions.iter().map(|(uid, _)| uid.as_str()).collect();
    assert_eq!(order, ["important", "old", "young"]);
    assert!(matches!(decisions[2].1, Decision::Unschedulable(_)));
}

proptest! {
    #[test]
    fn no_node_is_given_more_than_it_has(
        nodes in proptest::collection::vec((1..8_i64, 1..20_i64), 1..5),
        pods in proptest::collection::vec(0..4000_i64, 0..60),
    ) {
        let nodes = nodes.into_iter().enumerate().map(|(number, (cpu, pods))| {
            let mut node = node(&number.to_string(), &cpu.to_string());
            node["status"]["allocatable"]["pods"] = json!(pods.to_string());
            node
        });
        let mut nodes = states(nodes.collect());
        let waiting: Vec<Waiting> = pods
            .iter()
            .enumerate()
            .map(|(number, millis)| waiting(&format!("{number}"), &requesting(&format!("{millis}m"))))
            .collect();
        let decisions = decide(&mut nodes, waiting.clone());
        prop_assert_eq!(decisions.len(), pods.len());
        for node in &nodes {
            prop_assert!(node.used.get(CPU) <= node.allocatable.get(CPU));
            prop_assert!(i128::try_from(node.pods).unwrap() * 1_000_000_000 <= node.allocatable.get(PODS));
        }
        // Who was refused would still not fit.
        let left_over: Vec<Waiting> = waiting
            .into_iter()
            .filter(|pod| decisions.iter().any(|(uid, fate)| *uid == pod.uid && matches!(fate, Decision::Unschedulable(_))))
            .collect();
        for (_, decision) in decide(&mut nodes, left_over) {
            prop_assert!(matches!(decision, Decision::Unschedulable(_)));
        }
    }
}
