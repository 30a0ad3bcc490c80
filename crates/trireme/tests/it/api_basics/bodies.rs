//! Request bodies: their size, format, depth, and whether they fit the path.

use serde_json::{Value, json};

use crate::harness::{Definition, Request, Response, Server, on_shared_server};

on_shared_server![
    a_body_over_three_mebibytes_is_refused,
    a_body_of_just_under_three_mebibytes_is_read,
    protobuf_bodies_are_refused_and_json_is_named,
    unknown_patch_types_are_refused,
    broken_json_is_a_bad_request,
    deep_nesting_is_a_bad_request,
    the_body_must_be_of_the_kind_of_the_path,
    the_body_must_fit_the_namespace_and_name_of_the_path,
    names_are_checked,
    a_namespace_that_is_not_there_takes_no_objects,
    yaml_bodies_are_read,
];

/// A ConfigMap whose JSON has exactly so many bytes.
fn config_map_of(bytes: usize) -> String {
    let body = |text: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "big"}, "data": {"text": text}})
            .to_string()
    };
    body(&"a".repeat(bytes - body("").len()))
}

const LIMIT: usize = 3 * 1024 * 1024;

fn post_text(server: &Server, path: &str, body: &str) -> Response {
    server.api().send(&Request::new("POST", path).content("application/json", body))
}

fn a_body_over_three_mebibytes_is_refused(server: &Server) {
    let path = "/api/v1/namespaces/default/configmaps";
    let status = post_text(server, path, &config_map_of(LIMIT + 1)).refused(413, "RequestEntityTooLarge");
    assert!(status["message"].as_str().is_some_and(|message| message.contains("3145728")), "{status}");
}

fn a_body_of_just_under_three_mebibytes_is_read(server: &Server) {
    // It is read, and then found to be more than a ConfigMap may hold.
    let path = "/api/v1/namespaces/default/configmaps";
    let status = post_text(server, path, &config_map_of(LIMIT)).refused(422, "Invalid");
    assert!(status["message"].as_str().is_some_and(|message| message.contains("Too long")), "{status}");
}

fn protobuf_bodies_are_refused_and_json_is_named(server: &Server) {
    let request = Request::new("POST", "/api/v1/namespaces/default/configmaps");
    let answer = server.api().send(&request.content("application/vnd.kubernetes.protobuf", b"k8s\0"));
    let status = answer.refused(415, "UnsupportedMediaType");
    assert!(status["message"].as_str().is_some_and(|message| message.contains("application/json")), "{status}");
    // kubectl's typed clients, which imperative commands use, send protobuf: its user must learn why it is refused.
    let complaint = server.kubectl("default").run(&["create", "configmap", "imperative", "--from-literal=a=b"]).fails();
    assert!(complaint.contains("application/json"), "{complaint}");
}

fn unknown_patch_types_are_refused(server: &Server) {
    let namespace = server.namespace("patch-types");
    let path = format!("/api/v1/namespaces/{namespace}");
    let request = Request::new("PATCH", &path).json(&json!({}));
    let status = server.api().send(&request).refused(415, "UnsupportedMediaType");
    for accepted in
        ["application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json"]
    {
        assert!(status["message"].as_str().is_some_and(|message| message.contains(accepted)), "{status}");
    }
}

fn broken_json_is_a_bad_request(server: &Server) {
    let path = "/api/v1/namespaces/default/configmaps";
    for body in
        ["", "{", "[]", "null", "\"text\"", "{\"apiVersion\": \"v1\",}", "{\"kind\": \"ConfigMap\"} {}", "\u{0}"]
    {
        let answer = post_text(server, path, body);
        assert_eq!(answer.status, 400, "{body:?}: {}", answer.text());
        answer.refused(400, "BadRequest");
    }
}

fn deep_nesting_is_a_bad_request(server: &Server) {
    let definition = Definition::new("deep");
    definition.install(server);
    let path = definition.path("default");
    let deep = format!("{}{}", "{\"a\":".repeat(100_000), "1".to_owned() + &"}".repeat(100_000));
    let object = definition.widget("deep", &json!({"size": 1, "anything": "DEEP"})).to_string();
    let answer = post_text(server, &path, &object.replace("\"DEEP\"", &deep));
    answer.refused(400, "BadRequest");
    let lists = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    post_text(server, &path, &object.replace("\"DEEP\"", &format!("{{\"a\":{lists}}}"))).refused(400, "BadRequest");
    server.api().get(&path).expect(200);
}

fn the_body_must_be_of_the_kind_of_the_path(server: &Server) {
    let path = "/api/v1/namespaces/default/configmaps";
    let mut api = server.api();
    for (api_version, kind) in [("v1", "Secret"), ("v2", "ConfigMap"), ("", "ConfigMap"), ("v1", "")] {
        let body = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "other"}});
        let answer = api.post(path, &body);
        assert_eq!(answer.status, 400, "{api_version} {kind}: {}", answer.text());
        answer.refused(400, "BadRequest");
    }
}

fn the_body_must_fit_the_namespace_and_name_of_the_path(server: &Server) {
    let namespace = server.namespace("fit");
    let path = format!("/api/v1/namespaces/{namespace}/configmaps");
    let body = |metadata: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
    let mut api = server.api();
    let status = api.post(&path, &body(json!({"name": "a", "namespace": "default"}))).refused(400, "BadRequest");
    let why = "the namespace of the provided object does not match the namespace sent on the request";
    assert_eq!(status["message"], why);
    api.post(&path, &body(json!({"name": "a"}))).expect(201);
    let status = api.put(&format!("{path}/a"), &body(json!({"name": "b"}))).refused(400, "BadRequest");
    assert_eq!(status["message"], "the name of the object (b) does not match the name on the URL (a)");
}

fn names_are_checked(server: &Server) {
    let mut api = server.api();
    for name in ["Upper", "under_score", "-dash", "dot.", "", &"x".repeat(254), "a/b", "ä"] {
        let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        let status = api.post("/api/v1/namespaces/default/configmaps", &body).refused(422, "Invalid");
        assert_eq!(status["details"]["causes"][0]["field"], "metadata.name", "{name}: {status}");
    }
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "with.dot"}});
    api.post("/api/v1/namespaces", &body).refused(422, "Invalid");
}

fn a_namespace_that_is_not_there_takes_no_objects(server: &Server) {
    let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "lost"}});
    let status = server.api().post("/api/v1/namespaces/absent/configmaps", &body).refused(404, "NotFound");
    assert_eq!(status["message"], "namespaces \"absent\" not found");
}

fn yaml_bodies_are_read(server: &Server) {
    let namespace = server.namespace("yaml");
    let path = format!("/api/v1/namespaces/{namespace}/configmaps");
    let body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: plain}\ndata:\n  text: |\n    one\n    two\n  answer: \"no\"\n";
    let created = server.api().send(&Request::new("POST", &path).content("application/yaml", body)).expect(201);
    assert_eq!(created["data"], json!({"text": "one\ntwo\n", "answer": "no"}));
}
