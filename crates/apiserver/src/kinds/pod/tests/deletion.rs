//! The two phases in which a pod goes: the client asks, the node confirms.

use std::time::Duration;

use serde_json::{Value, json};

use super::{PODS, WEB, with_bound_pod};
use crate::fixture::{Fixture, pod, with};

#[tokio::test]
async fn a_running_pod_waits_for_its_node() {
    let server = with_bound_pod().await;
    let marked = server.delete(WEB, Value::Null).await.ok();
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 30);
    assert_eq!(marked["metadata"]["deletionTimestamp"], "2026-01-01T00:00:30Z");
    assert_eq!(marked["metadata"]["generation"], 2);
    // Reports of the node do not end it before its time.
    server.patch(&format!("{WEB}/status"), json!({"status": {"phase": "Running"}})).await.ok();
    assert_eq!(server.get(WEB).await.ok()["metadata"]["deletionGracePeriodSeconds"], 30);
    let uid = marked["metadata"]["uid"].clone();
    let gone = server.delete(WEB, json!({"gracePeriodSeconds": 0, "preconditions": {"uid": uid}})).await.ok();
    assert_eq!(gone["kind"], "Pod");
    assert_eq!(server.get(WEB).await.code, 404);
}

#[tokio::test]
async fn a_confirmation_that_means_another_pod_is_refused() {
    let server = with_bound_pod().await;
    let answer = server.delete(WEB, json!({"gracePeriodSeconds": 0, "preconditions": {"uid": "another"}})).await;
    assert_eq!(answer.code, 409);
    assert_eq!(server.get(WEB).await.ok()["metadata"]["deletionTimestamp"], Value::Null);
}

#[tokio::test]
async fn the_client_may_grant_less_and_never_more() {
    let server = with_bound_pod().await;
    server.delete(&format!("{WEB}?gracePeriodSeconds=20"), Value::Null).await.ok();
    server.clock.advance(Duration::from_secs(5));
    let unchanged = server.delete(WEB, json!({"gracePeriodSeconds": 60})).await.ok();
    assert_eq!(unchanged["metadata"]["deletionGracePeriodSeconds"], 20);
    let shorter = server.delete(WEB, json!({"gracePeriodSeconds": 10})).await.ok();
    assert_eq!(shorter["metadata"]["deletionGracePeriodSeconds"], 10);
    assert_eq!(shorter["metadata"]["deletionTimestamp"], "2026-01-01T00:00:10Z");
    assert_eq!(shorter["metadata"]["generation"], 2);
    let negative = server.delete(WEB, json!({"gracePeriodSeconds": -7})).await.ok();
    assert_eq!(negative["metadata"]["deletionGracePeriodSeconds"], 1);
}

#[tokio::test]
async fn a_pod_that_nothing_runs_goes_at_once() {
    let server = Fixture::start().await;
    server.post(PODS, pod("web")).await.ok();
    let gone = server.delete(WEB, Value::Null).await.ok();
    assert_eq!((&gone["kind"], &gone["metadata"]["deletionGracePeriodSeconds"]), (&json!("Pod"), &json!(0)));
    assert_eq!(server.get(WEB).await.code, 404);
    for phase in ["Succeeded", "Failed"] {
        let server = with_bound_pod().await;
        server.patch(&format!("{WEB}/status"), json!({"status": {"phase": phase}})).await.ok();
        server.delete(WEB, Value::Null).await.ok();
        assert_eq!(server.get(WEB).await.code, 404, "{phase}");
    }
}

#[tokio::test]
async fn finalizers_outlast_the_confirmation() {
    let server = with_bound_pod().await;
    server.patch(WEB, json!({"metadata": {"finalizers": ["a.b/c"]}})).await.ok();
    server.delete(WEB, Value::Null).await.ok();
    let confirmed = server.delete(WEB, json!({"gracePeriodSeconds": 0})).await.ok();
    assert_eq!(confirmed["metadata"]["deletionGracePeriodSeconds"], 0);
    assert_eq!(server.get(WEB).await.code, 200);
    server.patch(WEB, json!({"metadata": {"finalizers": null}})).await.ok();
    assert_eq!(server.get(WEB).await.code, 404);
}

#[tokio::test]
async fn the_last_finalizer_of_a_running_pod_leaves_it_its_time() {
    let server = with_bound_pod().await;
    server.patch(WEB, json!({"metadata": {"finalizers": ["a.b/c"]}})).await.ok();
    server.delete(WEB, Value::Null).await.ok();
    server.patch(WEB, json!({"metadata": {"finalizers": null}})).await.ok();
    assert_eq!(server.get(WEB).await.code, 200);
    server.delete(WEB, json!({"gracePeriodSeconds": 0})).await.ok();
    assert_eq!(server.get(WEB).await.code, 404);
}

#[tokio::test]
async fn a_rehearsal_marks_nothing() {
    let server = with_bound_pod().await;
    let rehearsed = server.delete(&format!("{WEB}?dryRun=All"), Value::Null).await.ok();
    assert_eq!(rehearsed["metadata"]["deletionGracePeriodSeconds"], 30);
    assert_eq!(server.get(WEB).await.ok()["metadata"]["deletionTimestamp"], Value::Null);
}

#[tokio::test]
async fn a_collection_grants_each_pod_its_own_time() {
    let server = with_bound_pod().await;
    server.post(PODS, with(pod("idle"), &[])).await.ok();
    server.delete(&format!("{PODS}?labelSelector=app%3Dweb"), Value::Null).await.ok();
    let left = server.get(PODS).await.ok();
    let names: Vec<_> =
        left["items"].as_array().unwrap().iter().map(|pod| pod["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["web"]);
}
