//! What only some kinds know: immutable data, types of secrets, leases, events.

use serde_json::{Value, json};

use crate::harness::{Server, config_map, on_shared_server, unique};

use super::first_config_map;

on_shared_server![
    a_config_map_may_be_updated_blindly,
    an_immutable_config_map_stays_as_it_is,
    an_immutable_secret_stays_as_it_is,
    a_secret_keeps_its_type,
    secrets_are_checked_by_their_type,
    string_data_is_written_as_data_and_never_shown,
    a_lease_is_checked,
    an_event_is_checked,
];

fn a_config_map_may_be_updated_blindly(server: &Server) {
    let mut api = server.api();
    let (path, _) = first_config_map(server, &mut api);
    let updated = api.put(&path, &config_map("first", &json!({"b": "2"}))).expect(200);
    assert_eq!(updated["data"], json!({"b": "2"}));
}

/// An object of `kind` that is marked immutable keeps its `data`, and its mark, but not its labels.
fn check_immutable(server: &Server, kind: &str, plural: &str) {
    let path = format!("/api/v1/namespaces/{}/{plural}", server.namespace("immutable"));
    let body =
        json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "i"}, "data": {"a": "YQ=="}, "immutable": true});
    let mut api = server.api();
    api.post(&path, &body).expect(201);
    let path = format!("{path}/i");
    for (patch, field) in [
        (json!({"data": {"a": "Yg=="}}), "data"),
        (json!({"data": {"b": "Yg=="}}), "data"),
        (json!({"immutable": false}), "immutable"),
        (json!({"immutable": null}), "immutable"),
    ] {
        let status = api.patch(&path, "merge", &patch).refused(422, "Invalid");
        let causes = status["details"]["causes"].as_array().cloned().unwrap_or_default();
        assert!(causes.iter().any(|cause| cause["field"] == field), "{patch}: {status}");
        assert!(status["message"].as_str().is_some_and(|text| text.contains("field is immutable")), "{status}");
    }
    api.patch(&path, "merge", &json!({"metadata": {"labels": {"a": "b"}}})).expect(200);
    api.delete(&path).expect(200);
}

fn an_immutable_config_map_stays_as_it_is(server: &Server) {
    check_immutable(server, "ConfigMap", "configmaps");
}

fn an_immutable_secret_stays_as_it_is(server: &Server) {
    check_immutable(server, "Secret", "secrets");
}

fn secret(name: &str, kind: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": kind, "data": data})
}

fn a_secret_keeps_its_type(server: &Server) {
    let path = format!("/api/v1/namespaces/{}/secrets", server.namespace("secret-type"));
    let mut api = server.api();
    let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}});
    assert_eq!(api.post(&path, &body).expect(201)["type"], "Opaque");
    let status = api.patch(&format!("{path}/s"), "merge", &json!({"type": "other"})).refused(422, "Invalid");
    assert_eq!(status["details"]["causes"][0]["field"], "type", "{status}");
}

fn secrets_are_checked_by_their_type(server: &Server) {
    let path = format!("/api/v1/namespaces/{}/secrets", server.namespace("secret-checks"));
    let mut api = server.api();
    for (kind, data, field) in [
        ("kubernetes.io/tls", json!({"tls.crt": "YQ=="}), "data[tls.key]"),
        ("kubernetes.io/dockerconfigjson", json!({}), "data[.dockerconfigjson]"),
        ("kubernetes.io/dockerconfigjson", json!({".dockerconfigjson": "bm8ganNvbg=="}), "data[.dockerconfigjson]"),
        ("kubernetes.io/ssh-auth", json!({}), "data[ssh-privatekey]"),
        ("Opaque", json!({"a b": "YQ=="}), "data[a b]"),
    ] {
        let status = api.post(&path, &secret("s", kind, &data)).refused(422, "Invalid");
        let causes = status["details"]["causes"].as_array().cloned().unwrap_or_default();
        assert!(causes.iter().any(|cause| cause["field"] == field), "{kind}: {status}");
    }
    let status = api.post(&path, &secret("s", "Opaque", &json!({"a": "no base64!"}))).refused(400, "BadRequest");
    assert!(status["message"].as_str().is_some_and(|text| text.contains("base64")), "{status}");
}

fn string_data_is_written_as_data_and_never_shown(server: &Server) {
    let path = format!("/api/v1/namespaces/{}/secrets", server.namespace("string-data"));
    let mut body = secret("s", "Opaque", &json!({"kept": "a2VwdA==", "over": "b2xk"}));
    body["stringData"] = json!({"over": "new", "text": "plain"});
    let mut api = server.api();
    let created = api.post(&path, &body).expect(201);
    let data = json!({"kept": "a2VwdA==", "over": "bmV3", "text": "cGxhaW4="});
    assert_eq!((&created["data"], created.get("stringData")), (&data, None));
    let patched = api.patch(&format!("{path}/s"), "merge", &json!({"stringData": {"text": "other"}})).expect(200);
    assert_eq!((&patched["data"]["text"], patched.get("stringData")), (&json!("b3RoZXI="), None));
}

fn a_lease_is_checked(server: &Server) {
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", server.namespace("lease"));
    let lease = |spec: Value| {
        let name = unique("l");
        json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name}, "spec": spec})
    };
    let mut api = server.api();
    for spec in [json!({"leaseDurationSeconds": 0}), json!({"leaseTransitions": -1})] {
        api.post(&path, &lease(spec)).refused(422, "Invalid");
    }
    api.post(&path, &lease(json!({"renewTime": "yesterday"}))).refused(400, "BadRequest");
    let good = json!({"holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": "2026-01-02T03:04:05.678901Z"});
    assert_eq!(api.post(&path, &lease(good)).expect(201)["spec"]["renewTime"], "2026-01-02T03:04:05.678901Z");
}

fn an_event_is_checked(server: &Server) {
    let namespace = server.namespace("event");
    let path = format!("/api/v1/namespaces/{namespace}/events");
    let event = |involved: &str| {
        json!({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": unique("e")}, "type": "Normal", "reason": "Tested",
            "message": "it was tested", "involvedObject": {"kind": "ConfigMap", "name": "c", "namespace": involved},
        })
    };
    let mut api = server.api();
    let status = api.post(&path, &event("default")).refused(422, "Invalid");
    assert_eq!(status["details"]["causes"][0]["field"], "involvedObject.namespace", "{status}");
    api.post(&path, &event(&namespace)).expect(201);
    let selected = format!("{path}?fieldSelector=involvedObject.name%3Dc%2Creason%3DTested");
    assert_eq!(api.get(&selected).expect(200)["items"].as_array().map(Vec::len), Some(1));
    let none = format!("{path}?fieldSelector=reason%21%3DTested");
    assert_eq!(api.get(&none).expect(200)["items"].as_array().map(Vec::len), Some(0));
}
