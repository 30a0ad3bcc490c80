use client::kinds::core::v1::Pod;
use serde_json::{Value, json};

use super::{Demand, HostPort};

fn demand(mut spec: Value) -> Demand {
    if spec.get("containers").is_none() {
        spec["containers"] = json!([{"name": "a"}]);
    }
    Demand::of(&serde_json::from_value::<Pod>(json!({"metadata": {"name": "a"}, "spec": spec})).unwrap())
}

#[test]
fn demands_that_cannot_be_judged_are_named_and_preferences_are_not_demands() {
    let term = json!({"topologyKey": "zone", "labelSelector": {}});
    let affinity = |kind: &str, strength: &str, terms: Value| json!({"affinity": {kind: {strength: terms}}});
    let (required, preferred) =
        ("requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution");
    let spread = |action: &str| json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": action}]});
    let weighted = json!([{"weight": 1, "podAffinityTerm": term}]);
    let table = [
        (affinity("podAffinity", required, json!([term])), Some("required pod affinity is not supported")),
        (affinity("podAntiAffinity", required, json!([term])), Some("required pod anti-affinity is not supported")),
        (affinity("podAntiAffinity", preferred, weighted), None),
        (spread("DoNotSchedule"), Some("required topology spread constraints are not supported")),
        (spread("ScheduleAnyway"), None),
        (
            json!({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}),
            Some("persistent volume claims are not supported"),
        ),
        (json!({"volumes": [{"name": "v", "emptyDir": {}}]}), None),
        (json!({"resourceClaims": [{"name": "c"}]}), Some("resource claims are not supported")),
        (json!({}), None),
    ];
    for (spec, expected) in table {
        assert_eq!(demand(spec.clone()).unsupported, expected, "{spec}");
    }
}

#[test]
fn ports_of_the_node_are_read_with_their_defaults() {
    let spec = json!({"containers": [
        {"name": "a", "ports": [{"containerPort": 80, "hostPort": 8080}, {"containerPort": 81}]},
        {"name": "b", "ports": [{"containerPort": 53, "hostPort": 53, "protocol": "UDP", "hostIP": "10.0.0.1"}]},
    ]});
    let port =
        |address: &str, protocol: &str, port| HostPort { address: address.into(), protocol: protocol.into(), port };
    assert_eq!(demand(spec).ports, [port("0.0.0.0", "TCP", 8080), port("10.0.0.1", "UDP", 53)]);
}

#[test]
fn ports_conflict_where_address_protocol_and_number_meet() {
    let port =
        |address: &str, protocol: &str, port| HostPort { address: address.into(), protocol: protocol.into(), port };
    let taken = port("10.0.0.1", "TCP", 80);
    let table = [
        (port("10.0.0.1", "TCP", 80), true),
        (port("0.0.0.0", "TCP", 80), true),
        (port("10.0.0.2", "TCP", 80), false),
        (port("10.0.0.1", "UDP", 80), false),
        (port("10.0.0.1", "TCP", 81), false),
    ];
    for (wanted, expected) in table {
        assert_eq!((taken.conflicts(&wanted), wanted.conflicts(&taken)), (expected, expected), "{wanted:?}");
    }
}
