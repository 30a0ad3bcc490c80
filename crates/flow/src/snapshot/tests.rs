//! A snapshot is accepted whole or refused with the fields that are wrong.

use crate::{Invalid, Snapshot, wire};

fn valid() -> wire::Snapshot {
    wire::Snapshot {
        version: "1".into(),
        listeners: vec![listener("gw", wire::ListenerProtocol::Http), listener("raw", wire::ListenerProtocol::Tcp)],
        rules: vec![rule("forward:a", &["gw", "raw"])],
        clusters: vec![cluster("a")],
    }
}

fn listener(id: &str, protocol: wire::ListenerProtocol) -> wire::Listener {
    wire::Listener {
        id: id.into(),
        protocol: protocol.into(),
        purpose: wire::ListenerPurpose::Gateway.into(),
        description: "Gateway default/shop".into(),
    }
}

fn rule(action: &str, listeners: &[&str]) -> wire::FlowRule {
    wire::FlowRule {
        action: action.into(),
        listeners: listeners.iter().copied().map(str::to_owned).collect(),
        ..wire::FlowRule::default()
    }
}

fn cluster(name: &str) -> wire::Cluster {
    wire::Cluster {
        name: name.into(),
        protocol: wire::ClusterProtocol::Plain.into(),
        endpoints: vec![wire::Endpoint { address: "10.0.0.1".into(), port: 80, weight: 0, ready: true }],
        connect_timeout_ms: 0,
    }
}

fn check(change: impl FnOnce(&mut wire::Snapshot), expected: &str) {
    let mut snapshot = valid();
    change(&mut snapshot);
    let refusal = Snapshot::try_from(snapshot).unwrap_err().to_string();
    assert!(refusal.contains(expected), "{refusal}");
}

#[test]
fn references_must_lead_somewhere() {
    check(|s| s.rules[0].action = "forward:b".into(), "rules[0].action: there is no cluster 'b'");
    check(|s| s.rules[0].listeners.push("x".into()), "rules[0].listeners[2]: there is no listener 'x'");
}

#[test]
fn names_are_taken_once() {
    check(|s| s.clusters.push(cluster("a")), "clusters[1].name: 'a' is taken");
    check(|s| s.listeners[1].id = "gw".into(), "listeners[1].id: 'gw' is taken");
}

#[test]
fn http_criteria_are_refused_where_bytes_pass() {
    let put = |s: &mut wire::Snapshot| s.rules[0].r#match.insert("http.path".into(), "/".into());
    check(|s| drop(put(s)), "rules[0].listeners[1]: 'raw' passes bytes");
}

#[test]
fn missing_and_impossible_fields_are_named() {
    check(|s| s.version.clear(), "version: is missing");
    check(|s| s.listeners[0].id.clear(), "listeners[0].id: is missing");
    check(|s| s.listeners[0].protocol = 9, "listeners[0].protocol: is missing or unknown");
    check(|s| s.listeners[0].purpose = 0, "listeners[0].purpose: is missing or unknown");
    check(|s| s.clusters[0].protocol = 0, "clusters[0].protocol: is missing or unknown");
    check(|s| s.clusters[0].endpoints[0].port = 0, "clusters[0].endpoints[0].port: 0 is no port");
    check(
        |s| s.clusters[0].endpoints[0].address = "a".into(),
        "clusters[0].endpoints[0].address: 'a' is no IP address",
    );
}

#[test]
fn all_violations_are_reported_up_to_a_limit() {
    let mut snapshot = valid();
    snapshot.rules = vec![rule("none", &[]); 100];
    let Invalid { violations } = Snapshot::try_from(snapshot).unwrap_err();
    assert_eq!(violations.len(), Invalid::REPORTED);
    assert_eq!(violations[15].field, "rules[15].action");
}

#[test]
fn a_valid_snapshot_survives_the_wire_and_nameless_rules_get_names() {
    let snapshot = Snapshot::try_from(valid()).unwrap();
    assert_eq!(snapshot.rules[0].id, "rule-0");
    assert_eq!(snapshot.clusters[0].endpoints[0].weight, 1);
    assert_eq!(Snapshot::try_from(wire::Snapshot::from(&snapshot)).unwrap(), snapshot);
}

#[test]
fn an_invalid_backend_needs_no_cluster() {
    let mut message = valid();
    message.rules[0].action = "forward".into();
    message.rules[0].backends = vec![wire::Backend {
        cluster: "gone".into(),
        weight: 1,
        invalid: "no such Service".into(),
        ..Default::default()
    }];
    assert!(Snapshot::try_from(message).is_ok());
}
