//! What answers look like: refusals, representations, compression, discovery and schemas.

use serde_json::{Value, json};

use crate::harness::{Request, Server, on_shared_server, run};

on_shared_server![
    paths_that_are_not_served_are_not_found,
    an_object_that_is_not_there_is_named,
    a_method_that_a_resource_lacks_is_not_allowed,
    a_representation_that_is_not_served_is_not_acceptable,
    discovery_names_kinds_verbs_and_short_names,
    the_schemas_are_indexed_by_version,
    large_answers_are_compressed_when_asked_for,
];

fn paths_that_are_not_served_are_not_found(server: &Server) {
    let mut api = server.api();
    for path in [
        "/nothing",
        "/api/v2",
        "/apis/nothing.example.com",
        "/apis/nothing.example.com/v1",
        "/api/v1/nothings",
        "/api/v1/namespaces/default/nothings/x",
        "/api/v1/namespaces/default/configmaps/x/status",
        "/openapi/v3/apis/nothing.example.com/v1",
    ] {
        let answer = api.get(path);
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
        answer.refused(404, "NotFound");
    }
}

fn an_object_that_is_not_there_is_named(server: &Server) {
    let mut api = server.api();
    let status = api.get("/api/v1/namespaces/default/secrets/absent").refused(404, "NotFound");
    assert_eq!(status["message"], "secrets \"absent\" not found");
    assert_eq!(status["details"], json!({"kind": "secrets", "name": "absent"}));
    let path = "/apis/coordination.k8s.io/v1/namespaces/default/leases/absent";
    let status = api.get(path).refused(404, "NotFound");
    assert_eq!(status["message"], "leases.coordination.k8s.io \"absent\" not found");
    assert_eq!(status["details"], json!({"group": "coordination.k8s.io", "kind": "leases", "name": "absent"}));
}

fn a_method_that_a_resource_lacks_is_not_allowed(server: &Server) {
    let mut api = server.api();
    for (method, path) in [
        ("PUT", "/api/v1/namespaces"),
        ("POST", "/api/v1/namespaces/default"),
        ("POST", "/api/v1/configmaps"),
        ("DELETE", "/api/v1/namespaces"),
        ("POST", "/version"),
    ] {
        let answer = api.send(&Request::new(method, path).json(&json!({})));
        assert_eq!(answer.status, 405, "{method} {path}: {}", answer.text());
        answer.refused(405, "MethodNotAllowed");
    }
}

fn a_representation_that_is_not_served_is_not_acceptable(server: &Server) {
    let mut api = server.api();
    for accept in ["text/html", "application/json;as=Table;v=v99;g=meta.k8s.io", "application/vnd.kubernetes.protobuf"]
    {
        api.get_as("/api/v1/namespaces", accept).refused(406, "NotAcceptable");
    }
    // What clients really send: their favourite first, and JSON after it.
    let list = api.get_as("/api/v1/namespaces", "application/vnd.kubernetes.protobuf,application/json").expect(200);
    assert_eq!(list["kind"], "NamespaceList");
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
    assert_eq!(api.get_as("/api/v1/namespaces", table).expect(200)["kind"], "Table");
    let partial = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    let list = api.get_as("/api/v1/namespaces", partial).expect(200);
    assert_eq!(list["kind"], "PartialObjectMetadataList");
    assert_eq!(list["items"][0]["kind"], "PartialObjectMetadata");
    assert_eq!(list["items"][0].get("spec"), None);
}

fn discovery_names_kinds_verbs_and_short_names(server: &Server) {
    let mut api = server.api();
    let core = api.get("/api/v1").expect(200);
    assert_eq!((&core["kind"], &core["groupVersion"]), (&json!("APIResourceList"), &json!("v1")));
    let find = |list: &Value, name: &str| {
        let resources = list["resources"].as_array().expect("a list").clone();
        resources.into_iter().find(|resource| resource["name"] == name).unwrap_or_else(|| panic!("no {name}"))
    };
    let config_maps = find(&core, "configmaps");
    assert_eq!(config_maps["shortNames"], json!(["cm"]));
    assert_eq!(config_maps["singularName"], "configmap");
    assert_eq!(config_maps["namespaced"], true);
    let mut verbs: Vec<&str> =
        config_maps["verbs"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    verbs.sort_unstable();
    assert_eq!(verbs, ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]);
    find(&core, "namespaces/finalize");
    let groups = api.get("/apis").expect(200);
    let names: Vec<&Value> = groups["groups"].as_array().into_iter().flatten().map(|group| &group["name"]).collect();
    assert!(names.contains(&&json!("coordination.k8s.io")), "{names:?}");
    assert!(names.contains(&&json!("apiextensions.k8s.io")), "{names:?}");
    assert_eq!(api.get("/apis/coordination.k8s.io").expect(200)["preferredVersion"]["version"], "v1");
}

fn the_schemas_are_indexed_by_version(server: &Server) {
    let mut api = server.api();
    let index = api.get("/openapi/v3").expect(200);
    let url = index["paths"]["api/v1"]["serverRelativeURL"].as_str().expect("an address").to_owned();
    assert!(url.starts_with("/openapi/v3/api/v1?hash="), "{url}");
    let answer = api.get(&url);
    let document = answer.expect(200);
    assert_eq!(document["openapi"], "3.0.0");
    let etag = answer.header("etag").expect("documents have a tag").to_owned();
    assert_eq!(api.send(&Request::new("GET", &url).header("If-None-Match", &etag)).status, 304);
    let schemas = document["components"]["schemas"].as_object().expect("an object");
    let config_map = &schemas["io.k8s.api.core.v1.ConfigMap"];
    assert_eq!(config_map["x-kubernetes-group-version-kind"][0]["kind"], "ConfigMap");
    let patch = &document["paths"]["/api/v1/namespaces/{namespace}/configmaps/{name}"]["patch"];
    let parameters: Vec<&Value> =
        patch["parameters"].as_array().into_iter().flatten().map(|parameter| &parameter["name"]).collect();
    for name in ["fieldValidation", "dryRun", "fieldManager", "force"] {
        assert!(parameters.contains(&&json!(name)), "{name}: {parameters:?}");
    }
}

fn large_answers_are_compressed_when_asked_for(server: &Server) {
    let namespace = server.namespace("gzip");
    let path = format!("/api/v1/namespaces/{namespace}/configmaps");
    let text = "all work and no play ".repeat(15_000);
    let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "large"}, "data": {"text": text}});
    let mut api = server.api();
    api.post(&path, &body).expect(201);
    let plain = api.get(&path);
    assert_eq!(plain.header("content-encoding"), None);
    let compressed = api.send(&Request::new("GET", &path).header("Accept-Encoding", "gzip"));
    assert_eq!(compressed.header("content-encoding"), Some("gzip"));
    assert!(compressed.body.len() * 10 < plain.body.len(), "{} of {}", compressed.body.len(), plain.body.len());
    let mut curl = server.curl(&path);
    curl.arg("--compressed");
    assert_eq!(run(&curl).ok().len(), plain.body.len());
    let small = api.send(&Request::new("GET", "/version").header("Accept-Encoding", "gzip"));
    assert_eq!(small.header("content-encoding"), None);
}
