use std::sync::Arc;
use std::time::Duration;

use client::kinds::apps::v1::ReplicaSet;
use client::kinds::core::v1::Pod;
use jiff::Timestamp;
use serde_json::json;

use super::{Trouble, status};

fn set(min_ready_seconds: i32) -> ReplicaSet {
    serde_json::from_value(json!({
        "metadata": {"name": "web", "generation": 3},
        "spec": {"replicas": 3, "minReadySeconds": min_ready_seconds, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web", "tier": "front"}}}},
    }))
    .unwrap()
}

fn pod(labels: serde_json::Value, ready_since: Option<&str>) -> Arc<Pod> {
    let ready = ready_since.map(|since| json!({"type": "Ready", "status": "True", "lastTransitionTime": since}));
    let pod = json!({"metadata": {"name": "a", "labels": labels}, "status": {"phase": "Running", "conditions": ready.as_slice()}});
    Arc::new(serde_json::from_value(pod).unwrap())
}

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

#[test]
fn pods_are_counted_by_how_far_they_are() {
    let full = || json!({"app": "web", "tier": "front", "more": "x"});
    let pods = [
        pod(full(), Some("2026-01-01T00:00:00Z")),
        pod(json!({"app": "web"}), Some("2026-01-01T00:00:25Z")),
        pod(full(), None),
    ];
    let (status, next) = status(&set(10), &pods, None, at("2026-01-01T00:00:30Z"));
    let counts = (status.replicas, status.fully_labeled_replicas, status.ready_replicas, status.available_replicas);
    assert_eq!(counts, (3, Some(2), Some(2), Some(1)));
    assert_eq!(status.observed_generation, Some(3));
    assert_eq!(next, Some(Duration::from_secs(6)), "the second pod is available after ten seconds");
}

#[test]
fn without_a_minimum_time_a_ready_pod_is_available_at_once() {
    let (status, next) =
        status(&set(0), &[pod(json!({}), Some("2026-01-01T00:00:30Z"))], None, at("2026-01-01T00:00:30Z"));
    assert_eq!((status.available_replicas, next), (Some(1), None));
}

#[test]
fn trouble_is_told_once_and_forgotten_when_it_is_over() {
    let trouble = |message: &str| Trouble { reason: "FailedCreate", message: message.to_owned() };
    let mut set = set(0);
    let (first, _) = status(&set, &[], Some(&trouble("no room")), at("2026-01-01T00:00:00Z"));
    set.status = Some(first.clone());
    let (second, _) = status(&set, &[], Some(&trouble("still no room")), at("2026-01-01T00:01:00Z"));
    assert_eq!(first, second);
    let condition = &second.conditions.unwrap()[0];
    assert_eq!((condition.type_.as_str(), condition.reason.as_deref()), ("ReplicaFailure", Some("FailedCreate")));
    let (third, _) = status(&set, &[], None, at("2026-01-01T00:02:00Z"));
    assert_eq!(third.conditions, None);
}
