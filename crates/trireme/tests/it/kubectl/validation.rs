//! What people mistype, and what they are told.

use serde_json::json;

use crate::harness::{Definition, Request, Server, on_shared_server};

on_shared_server![
    a_mistyped_field_is_refused_by_its_path,
    a_mistyped_field_of_a_custom_kind_is_refused_by_its_path,
    a_mistyped_field_is_warned_about_on_demand,
    a_mistyped_field_is_ignored_on_demand,
    a_mistyped_field_in_a_patch_is_refused,
    a_field_that_is_there_twice_is_refused,
    a_value_of_the_wrong_type_is_refused,
    a_kind_that_is_not_served_is_named,
    an_invalid_object_is_refused_with_all_its_faults,
];

const TYPO: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: typo, lables: {a: b}}, dta: {a: b}}";

fn a_mistyped_field_is_refused_by_its_path(server: &Server) {
    let complaint = server.kubectl("default").apply(TYPO).fails();
    assert!(complaint.starts_with("Error from server (BadRequest): error when creating \"STDIN\": "), "{complaint}");
    let why = "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: ";
    assert!(complaint.contains(why), "{complaint}");
    for field in ["unknown field \"dta\"", "unknown field \"metadata.lables\""] {
        assert!(complaint.contains(field), "{complaint}");
    }
}

fn a_mistyped_field_of_a_custom_kind_is_refused_by_its_path(server: &Server) {
    let definition = Definition::new("typo");
    definition.install(server);
    let mut widget =
        definition.widget("typo", &json!({"size": 1, "colour": "red", "parts": [{"name": "a", "cuont": 2}]}));
    widget["metadata"]["lables"] = json!({});
    let complaint = server.kubectl("default").apply(&widget.to_string()).fails();
    let why = "Widget in version \"v1\" cannot be handled as a Widget: strict decoding error: ";
    assert!(complaint.contains(why), "{complaint}");
    for field in ["spec.colour", "spec.parts[0].cuont", "metadata.lables"] {
        assert!(complaint.contains(&format!("unknown field \"{field}\"")), "{field}: {complaint}");
    }
}

fn a_mistyped_field_is_warned_about_on_demand(server: &Server) {
    let kubectl = server.kubectl(&server.namespace("validation"));
    let ran = kubectl.read(&["apply", "--validate=warn", "-f", "-"], TYPO);
    assert!(ran.stderr.contains("Warning: unknown field \"dta\""), "{}", ran.stderr);
    assert_eq!(ran.ok(), "configmap/typo created\n");
}

fn a_mistyped_field_is_ignored_on_demand(server: &Server) {
    let kubectl = server.kubectl(&server.namespace("validation"));
    let ran = kubectl.read(&["apply", "--validate=ignore", "-f", "-"], TYPO);
    assert_eq!(ran.stderr, "");
    ran.ok();
    assert_eq!(kubectl.field("configmap/typo", "{.dta}"), "");
}

fn a_mistyped_field_in_a_patch_is_refused(server: &Server) {
    let namespace = server.namespace("validation");
    let path = format!("/api/v1/namespaces/{namespace}/configmaps");
    let mut api = server.api();
    api.post(&path, &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}})).expect(201);
    let answer = api.patch(&format!("{path}/c?fieldValidation=Strict"), "merge", &json!({"dta": {"a": "b"}}));
    assert!(matches!(answer.status, 400 | 422), "{}", answer.text());
    let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("strict decoding error: unknown field \"dta\""), "{message}");
    let warned = api.patch(&format!("{path}/c"), "merge", &json!({"dta": {"a": "b"}}));
    assert_eq!(warned.header("warning"), Some("299 - \"unknown field \\\"dta\\\"\""));
}

fn a_field_that_is_there_twice_is_refused(server: &Server) {
    let path = format!("/api/v1/namespaces/{}/configmaps", server.namespace("validation"));
    let json = br#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":{"a":"1","a":"2"}}"#;
    let yaml = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  a: '1'\n  a: '2'\n";
    let mut api = server.api();
    for (format, body) in [("application/json", &json[..]), ("application/yaml", yaml)] {
        let strict = format!("{path}?fieldValidation=Strict");
        let answer = api.send(&Request::new("POST", &strict).content(format, body));
        let status = answer.refused(400, "BadRequest");
        assert!(status["message"].as_str().is_some_and(|text| text.contains("strict decoding error")), "{status}");
        assert!(
            status["message"].as_str().is_some_and(|text| text.contains("data.a") || text.contains("\"a\"")),
            "{status}"
        );
    }
    let answer = api.send(&Request::new("POST", &path).content("application/json", json));
    assert_eq!(answer.expect(201)["data"]["a"], "2", "the last one counts");
    assert!(answer.header("warning").is_some_and(|warning| warning.contains("duplicate field")));
}

fn a_value_of_the_wrong_type_is_refused(server: &Server) {
    let kubectl = server.kubectl("default");
    let complaint = kubectl.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: 1}}").fails();
    assert!(complaint.contains("(BadRequest)"), "{complaint}");
    assert!(complaint.contains("ConfigMap in version \"v1\" cannot be handled as a ConfigMap"), "{complaint}");
    let complaint = kubectl.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: c, labels: [a]}}").fails();
    assert!(complaint.contains("labels"), "{complaint}");
}

fn a_kind_that_is_not_served_is_named(server: &Server) {
    let kubectl = server.kubectl("default");
    let manifest = "{apiVersion: nothing.example.com/v1, kind: Nothing, metadata: {name: nothing}}";
    // With validation, kubectl first asks for the older schemas, which are not served.
    let complaint = kubectl.read(&["apply", "--validate=false", "-f", "-"], manifest).fails();
    assert!(complaint.contains("no matches for kind \"Nothing\" in version \"nothing.example.com/v1\""), "{complaint}");
    assert!(complaint.contains("ensure CRDs are installed first"), "{complaint}");
}

fn an_invalid_object_is_refused_with_all_its_faults(server: &Server) {
    let definition = Definition::new("faults");
    definition.install(server);
    let spec = json!({"size": 101, "color": "blue", "note": "x".repeat(21), "port": {}, "parts": [{}]});
    let complaint = server.kubectl("default").apply(&definition.widget("faulty", &spec).to_string()).fails();
    assert!(complaint.starts_with("The Widget \"faulty\" is invalid: "), "{complaint}");
    for fault in [
        "spec.size: Invalid value: 101: spec.size in body should be less than or equal to 100",
        "spec.color: Unsupported value: \"blue\": supported values: \"red\", \"green\"",
        "spec.note: Too long: may not be more than 20 bytes",
        "spec.parts[0].name: Required value",
        "spec.port",
    ] {
        assert!(complaint.contains(fault), "{fault} is missing in\n{complaint}");
    }
    let complaint = server.kubectl("default").apply(&definition.widget("faulty", &json!({})).to_string()).fails();
    assert!(complaint.contains("spec.size: Required value"), "{complaint}");
}
