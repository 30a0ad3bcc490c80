//! Deleting, and what holds an object.

use serde_json::json;

use crate::harness::{Server, config_map, config_maps, eventually, on_shared_server, revision};

use super::first_config_map;

on_shared_server![
    a_deletion_whose_preconditions_fail_deletes_nothing,
    finalizers_hold_an_object,
    a_held_object_takes_no_new_finalizers,
    deleting_a_collection_takes_what_is_selected,
];

fn a_deletion_whose_preconditions_fail_deletes_nothing(server: &Server) {
    let mut api = server.api();
    let (path, created) = first_config_map(server, &mut api);
    api.delete_with(&path, &json!({"preconditions": {"uid": "other"}})).refused(409, "Conflict");
    api.delete_with(&path, &json!({"preconditions": {"resourceVersion": "1"}})).refused(409, "Conflict");
    assert_eq!(api.get(&path).expect(200), created);
    let metadata = &created["metadata"];
    let met = json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {
        "uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"],
    }});
    let status = api.delete_with(&path, &met).expect(200);
    assert_eq!((&status["kind"], &status["status"]), (&json!("Status"), &json!("Success")));
    assert_eq!(status["details"], json!({"name": "first", "kind": "configmaps", "uid": metadata["uid"]}));
    api.delete(&path).refused(404, "NotFound");
}

fn finalizers_hold_an_object(server: &Server) {
    let mut api = server.api();
    let (path, _) = first_config_map(server, &mut api);
    api.patch(&path, "merge", &json!({"metadata": {"finalizers": ["example.com/hold"]}})).expect(200);
    let held = api.delete(&path).expect(200);
    assert!(held["metadata"]["deletionTimestamp"].is_string(), "{held}");
    assert_eq!(held["metadata"]["deletionGracePeriodSeconds"], 0, "{held}");
    let again = api.delete(&path).expect(200);
    assert_eq!(again["metadata"]["deletionTimestamp"], held["metadata"]["deletionTimestamp"]);
    assert_eq!(again["metadata"]["resourceVersion"], held["metadata"]["resourceVersion"]);
    let collection = path.strip_suffix("/first").expect("the path of the object");
    api.post(collection, &config_map("first", &json!({}))).refused(409, "AlreadyExists");
    let released = api.patch(&path, "merge", &json!({"metadata": {"finalizers": null}})).expect(200);
    assert!(revision(&released) > revision(&held), "{released}");
    api.get(&path).refused(404, "NotFound");
}

fn a_held_object_takes_no_new_finalizers(server: &Server) {
    let mut api = server.api();
    let (path, _) = first_config_map(server, &mut api);
    api.patch(&path, "merge", &json!({"metadata": {"finalizers": ["example.com/hold"]}})).expect(200);
    api.delete(&path).expect(200);
    let patch = json!({"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}});
    let status = api.patch(&path, "merge", &patch).refused(422, "Invalid");
    assert_eq!(status["details"]["causes"][0]["field"], "metadata.finalizers", "{status}");
    api.patch(&path, "json", &json!([{"op": "remove", "path": "/metadata/finalizers/0"}])).expect(200);
    api.get(&path).refused(404, "NotFound");
}

fn deleting_a_collection_takes_what_is_selected(server: &Server) {
    let path = config_maps(&server.namespace("collection"));
    let mut api = server.api();
    for (name, color) in [("a", "red"), ("b", "red"), ("c", "green")] {
        let mut body = config_map(name, &json!({}));
        body["metadata"]["labels"] = json!({"color": color});
        api.post(&path, &body).expect(201);
    }
    let deleted = api.delete(&format!("{path}?labelSelector=color%3Dred")).expect(200);
    assert_eq!(deleted["kind"], "ConfigMapList");
    assert_eq!(deleted["items"].as_array().map(Vec::len), Some(2));
    let left = api.get(&path).expect(200);
    assert_eq!(left["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(left["items"][0]["metadata"]["name"], "c");
    api.delete(&format!("{path}?fieldSelector=metadata.name%3Dc")).expect(200);
    eventually("the collection is empty", || {
        api.get(&path).expect(200)["items"].as_array().is_some_and(Vec::is_empty).then_some(())
    });
}
