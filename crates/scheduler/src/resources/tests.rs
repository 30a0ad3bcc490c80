use client::kinds::core::v1::PodSpec;
use serde_json::{Value, json};

use super::{CPU, MEMORY, requests};

fn container(name: &str, cpu: &str) -> Value {
    json!({"name": name, "resources": {"requests": {"cpu": cpu}}})
}

fn sidecar(name: &str, cpu: &str) -> Value {
    json!({"name": name, "restartPolicy": "Always", "resources": {"requests": {"cpu": cpu}}})
}

/// Thousandths of a core.
fn millis(spec: Value) -> i128 {
    let spec: PodSpec = serde_json::from_value(spec).unwrap();
    requests(&spec).get(CPU) / 1_000_000
}

#[test]
fn containers_run_together() {
    assert_eq!(millis(json!({"containers": [container("a", "100m"), container("b", "1.5")]})), 1600);
}

#[test]
fn init_containers_count_only_where_they_need_more() {
    let containers = [container("a", "300m")];
    let spec = |init: Value| json!({"containers": containers, "initContainers": init});
    assert_eq!(millis(spec(json!([container("i", "200m"), container("j", "250m")]))), 300);
    assert_eq!(millis(spec(json!([container("i", "200m"), container("j", "800m")]))), 800);
}

#[test]
fn side_cars_run_beside_what_follows_them() {
    let spec = |init: Value| json!({"containers": [container("a", "300m")], "initContainers": init});
    assert_eq!(millis(spec(json!([sidecar("s", "100m")]))), 400);
    assert_eq!(millis(spec(json!([sidecar("s", "100m"), container("i", "500m")]))), 600);
    assert_eq!(millis(spec(json!([container("i", "500m"), sidecar("s", "100m")]))), 500);
}

#[test]
fn requests_of_the_pod_replace_the_sum_and_overhead_comes_on_top() {
    let spec = json!({
        "containers": [{"name": "a", "resources": {"requests": {"cpu": "100m", "memory": "1Gi"}}}],
        "resources": {"requests": {"cpu": "2"}},
        "overhead": {"cpu": "50m"},
    });
    let spec: PodSpec = serde_json::from_value(spec).unwrap();
    let requests = requests(&spec);
    assert_eq!(requests.get(CPU), 2_050_000_000);
    assert_eq!(requests.get(MEMORY), (1 << 30) * 1_000_000_000);
}
