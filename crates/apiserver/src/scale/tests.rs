//! Tests of the scale of custom resources; those of built-in kinds are with the kinds.

use serde_json::{Value, json};

use crate::fixture::{Fixture, with};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const FLEETS: &str = "/apis/a.example/v1/namespaces/default/fleets";

/// A server with a kind whose scale has these paths, and one object of it.
async fn with_fleet(scale: Value) -> Fixture {
    let server = Fixture::start().await;
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "fleets.a.example"},
        "spec": {
            "group": "a.example",
            "scope": "Namespaced",
            "names": {"plural": "fleets", "kind": "Fleet"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": schema},
                "subresources": {"status": {}, "scale": scale},
            }],
        },
    });
    server.post(DEFINITIONS, definition).await.ok();
    let fleet = json!({
        "apiVersion": "a.example/v1", "kind": "Fleet", "metadata": {"name": "f"}, "spec": {"size": 2},
    });
    server.post(FLEETS, fleet).await.ok();
    server.patch(&format!("{FLEETS}/f/status"), json!({"status": {"size": 1, "selector": "app=f"}})).await.ok();
    server
}

#[tokio::test]
async fn a_custom_resource_is_scaled_along_its_paths() {
    let paths = json!({
        "specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size", "labelSelectorPath": ".status.selector",
    });
    let server = with_fleet(paths).await;
    let path = format!("{FLEETS}/f/scale");
    let scale = server.get(&path).await.ok();
    assert_eq!(
        (&scale["spec"], &scale["status"]),
        (&json!({"replicas": 2}), &json!({"replicas": 1, "selector": "app=f"}))
    );
    server.put(&path, with(scale, &[("/spec/replicas", json!(7))])).await.ok();
    assert_eq!(server.get(&format!("{FLEETS}/f")).await.ok()["spec"]["size"], 7);
}

#[tokio::test]
async fn without_a_selector_path_there_is_no_selector() {
    let server = with_fleet(json!({"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"})).await;
    let scale = server.get(&format!("{FLEETS}/f/scale")).await.ok();
    assert_eq!(scale["status"], json!({"replicas": 1}));
}

#[tokio::test]
async fn a_kind_without_a_scale_has_none() {
    let server = Fixture::start().await;
    assert_eq!(server.get("/api/v1/namespaces/default/pods/web/scale").await.code, 404);
}
