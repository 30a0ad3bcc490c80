use serde_json::{Value, json};

use crate::fixture::{Fixture, with};

const NODES: &str = "/api/v1/nodes";

fn node(name: &str, changes: &[(&str, Value)]) -> Value {
    with(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}), changes)
}

#[tokio::test]
async fn a_node_brings_its_status_and_what_it_has_is_allocatable() {
    let server = Fixture::start().await;
    let made = server.post(NODES, node("n1", &[("/status/capacity", json!({"cpu": "2", "memory": "4Gi"}))])).await.ok();
    assert_eq!(made["status"]["allocatable"], json!({"cpu": "2", "memory": "4Gi"}));
    let spec_only = server.patch("/api/v1/nodes/n1", json!({"status": {"capacity": {"cpu": "9"}}})).await.ok();
    assert_eq!(spec_only["status"]["capacity"]["cpu"], "2");
}

#[tokio::test]
async fn taints_are_unique_and_have_an_effect() {
    let server = Fixture::start().await;
    let taints = json!([
        {"key": "a", "effect": "NoSchedule"},
        {"key": "a", "effect": "NoSchedule"},
        {"key": "b", "effect": "Never"},
    ]);
    let answer = server.post(NODES, node("n1", &[("/spec/taints", taints)])).await;
    let (code, message) = answer.refused();
    assert_eq!(code, 422);
    assert!(message.contains("taints must be unique by key and effect pair"), "{message}");
    assert!(message.contains("metadata.taints[2].effect: Unsupported value: \"Never\""), "{message}");
}

#[tokio::test]
async fn the_range_of_its_pods_is_given_once() {
    let server = Fixture::start().await;
    let made = server.post(NODES, node("n1", &[("/spec/podCIDR", json!("10.1.0.0/24"))])).await.ok();
    assert_eq!(made["spec"]["podCIDRs"], json!(["10.1.0.0/24"]));
    let answer = server.patch("/api/v1/nodes/n1", json!({"spec": {"podCIDR": "10.2.0.0/24"}})).await;
    let why = "Node \"n1\" is invalid: spec.podCIDRs: Forbidden: node updates may not change podCIDR except from \"\" to valid";
    assert_eq!(answer.refused(), (422, why));
}

#[tokio::test]
async fn nodes_that_take_pods_are_selected_by_a_field_that_is_mostly_absent() {
    let server = Fixture::start().await;
    server.post(NODES, node("open", &[])).await.ok();
    server.post(NODES, node("shut", &[("/spec/unschedulable", json!(true))])).await.ok();
    for (value, name) in [("false", "open"), ("true", "shut")] {
        let list = server.get(&format!("{NODES}?fieldSelector=spec.unschedulable%3D{value}")).await.ok();
        let names: Vec<&str> =
            list["items"].as_array().unwrap().iter().map(|node| node["metadata"]["name"].as_str().unwrap()).collect();
        assert_eq!(names, [name]);
    }
}

#[tokio::test]
async fn the_table_tells_state_roles_and_what_the_node_is() {
    let server = Fixture::start().await;
    let ready = node(
        "n1",
        &[
            ("/metadata/labels", json!({"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "edge"})),
            ("/spec/unschedulable", json!(true)),
            ("/status/conditions", json!([{"type": "Ready", "status": "True"}])),
            ("/status/addresses", json!([{"type": "InternalIP", "address": "10.0.0.1"}])),
            (
                "/status/nodeInfo",
                json!({
                    "kubeletVersion": "v1.34.2", "osImage": "Debian", "kernelVersion": "6.1", "containerRuntimeVersion": "trireme://1",
                    "architecture": "amd64", "bootID": "b", "kubeProxyVersion": "", "machineID": "m", "operatingSystem": "linux", "systemUUID": "s",
                }),
            ),
        ],
    );
    server.post(NODES, ready).await.ok();
    server
        .post(NODES, node("n2", &[("/status/conditions", json!([{"type": "Ready", "status": "Unknown"}]))]))
        .await
        .ok();
    server.post(NODES, node("n3", &[])).await.ok();
    let rows = server.rows(NODES).await;
    let row = |state: &[&str]| json!(state);
    assert_eq!(
        json!(rows),
        json!([
            row(&[
                "n1",
                "Ready,SchedulingDisabled",
                "edge,worker",
                "0s",
                "v1.34.2",
                "10.0.0.1",
                "<none>",
                "Debian",
                "6.1",
                "trireme://1"
            ]),
            row(&["n2", "NotReady", "<none>", "0s", "", "<none>", "<none>", "<unknown>", "<unknown>", "<unknown>"]),
            row(&["n3", "Unknown", "<none>", "0s", "", "<none>", "<none>", "<unknown>", "<unknown>", "<unknown>"]),
        ])
    );
}
