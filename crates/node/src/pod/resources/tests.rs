use client::kinds::core::v1::PodSpec;
use serde_json::{Value, from_value, json};

use super::{Quality, bytes, limits};

fn pod(resources: &[Value]) -> PodSpec {
    let containers: Vec<Value> =
        resources.iter().map(|resources| json!({"name": "c", "resources": resources})).collect();
    from_value(json!({"containers": containers})).unwrap()
}

#[test]
fn quality_follows_from_requests_and_limits() {
    let exact = json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1Gi"}});
    for (resources, expected) in [
        (vec![json!({})], Quality::BestEffort),
        (vec![json!({"requests": {"cpu": "0"}})], Quality::BestEffort),
        (vec![exact.clone()], Quality::Guaranteed),
        (vec![json!({"limits": {"cpu": "1", "memory": "1Gi"}})], Quality::Guaranteed),
        (vec![exact.clone(), json!({})], Quality::Burstable),
        (vec![json!({"limits": {"cpu": "1"}})], Quality::Burstable),
        (vec![json!({"requests": {"memory": "1"}})], Quality::Burstable),
    ] {
        assert_eq!(Quality::of(&pod(&resources)), expected, "{resources:?}");
    }
}

#[test]
fn scores_only_go_up() {
    let spec = pod(&[json!({"requests": {"memory": "512Mi"}})]);
    let score = |quality: Quality| quality.out_of_memory_score(&spec.containers[0], 1 << 30);
    assert_eq!(score(Quality::Guaranteed), None);
    assert_eq!(score(Quality::BestEffort), Some(1000));
    assert_eq!(score(Quality::Burstable), Some(500));
    let all = pod(&[json!({"requests": {"memory": "1Gi"}})]);
    assert_eq!(Quality::Burstable.out_of_memory_score(&all.containers[0], 1 << 30), Some(3));
}

#[test]
fn limits_fit_the_kernel() {
    let of = |resources: Value| limits(&pod(&[resources]).containers[0]);
    let none = of(json!({}));
    assert_eq!((none.memory, none.cpu_millis, none.cpu_shares), (None, None, Some(2)));
    let some = of(json!({"limits": {"cpu": "1500m", "memory": "64Mi"}, "requests": {"cpu": "250m"}}));
    assert_eq!((some.memory, some.cpu_millis, some.cpu_shares), (Some(64 << 20), Some(1500), Some(256)));
    let small = of(json!({"limits": {"cpu": "1m"}, "requests": {"cpu": "1000"}}));
    assert_eq!((small.cpu_millis, small.cpu_shares), (Some(10), Some(262_144)));
}

#[test]
fn sizes_are_rounded_up() {
    assert_eq!(bytes("1500m"), Some(2));
    assert_eq!(bytes("2Mi"), Some(2 << 20));
    assert_eq!(bytes("much"), None);
}
