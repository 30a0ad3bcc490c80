//! Patches of all types, and rehearsals.

use serde_json::{Value, json};

use crate::harness::{Definition, Server, config_map, on_shared_server};

use super::first_config_map;

on_shared_server![
    a_patch_that_does_not_fit_changes_nothing,
    patches_merge_as_their_type_says,
    a_strategic_patch_of_a_custom_object_is_refused,
    a_rehearsed_write_persists_nothing,
    a_rehearsed_write_is_checked_all_the_same,
];

fn a_patch_that_does_not_fit_changes_nothing(server: &Server) {
    let mut api = server.api();
    let (path, created) = first_config_map(server, &mut api);
    let failing_test = json!([
        {"op": "replace", "path": "/data/a", "value": "2"},
        {"op": "test", "path": "/data/a", "value": "1"},
    ]);
    api.patch(&path, "json", &failing_test).refused(422, "Invalid");
    api.patch(&path, "json", &json!([{"op": "remove", "path": "/data/absent"}])).refused(422, "Invalid");
    api.patch(&path, "json", &json!([{"op": "twist", "path": "/data"}])).refused(400, "BadRequest");
    api.patch(&path, "json", &json!({"op": "remove", "path": "/data"})).refused(400, "BadRequest");
    api.patch(&path, "merge", &json!([])).refused(400, "BadRequest");
    api.patch(&path, "merge", &json!({"metadata": {"name": "other"}})).refused(400, "BadRequest");
    api.patch(&path, "merge", &json!({"data": "text"})).refused(400, "BadRequest");
    api.patch(&format!("{path}-absent"), "merge", &json!({})).refused(404, "NotFound");
    assert_eq!(api.get(&path).expect(200), created);
}

fn patches_merge_as_their_type_says(server: &Server) {
    let path = format!("/api/v1/namespaces/{}/serviceaccounts", server.namespace("patches"));
    let mut api = server.api();
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "s"},
        "secrets": [{"name": "a"}, {"name": "b"}],
    });
    api.post(&path, &account).expect(201);
    let path = format!("{path}/s");
    let names = |object: &Value| -> Vec<String> {
        let secrets = object["secrets"].as_array().cloned().unwrap_or_default();
        secrets.iter().filter_map(|secret| secret["name"].as_str()).map(str::to_owned).collect()
    };
    // Secrets merge by name.
    let merged = api.patch(&path, "strategic-merge", &json!({"secrets": [{"name": "c"}]})).expect(200);
    let mut merged = names(&merged);
    merged.sort();
    assert_eq!(merged, ["a", "b", "c"]);
    let deleted = json!({"secrets": [{"$patch": "delete", "name": "a"}]});
    let mut left = names(&api.patch(&path, "strategic-merge", &deleted).expect(200));
    left.sort();
    assert_eq!(left, ["b", "c"]);
    let replaced = json!({"secrets": [{"$patch": "replace"}, {"name": "d"}]});
    assert_eq!(names(&api.patch(&path, "strategic-merge", &replaced).expect(200)), ["d"]);
    assert_eq!(names(&api.patch(&path, "merge", &json!({"secrets": [{"name": "e"}]})).expect(200)), ["e"]);
    let added = json!([{"op": "add", "path": "/secrets/-", "value": {"name": "f"}}]);
    assert_eq!(names(&api.patch(&path, "json", &added).expect(200)), ["e", "f"]);
}

fn a_strategic_patch_of_a_custom_object_is_refused(server: &Server) {
    let definition = Definition::new("strategic");
    definition.install(server);
    let namespace = server.namespace("strategic");
    let mut api = server.api();
    api.post(&definition.path(&namespace), &definition.widget("w", &json!({"size": 1}))).expect(201);
    let path = definition.object_path(&namespace, "w");
    api.patch(&path, "strategic-merge", &json!({"spec": {"size": 2}})).refused(415, "UnsupportedMediaType");
}

fn a_rehearsed_write_persists_nothing(server: &Server) {
    let mut api = server.api();
    let (path, created) = first_config_map(server, &mut api);
    let collection = path.strip_suffix("/first").expect("the path of the object").to_owned();
    let dry = |path: &str| format!("{path}?dryRun=All");
    let rehearsed = api.post(&dry(&collection), &config_map("dry", &json!({"a": "1"}))).expect(201);
    assert!(rehearsed["metadata"]["uid"].is_string(), "{rehearsed}");
    let patched = api.patch(&dry(&path), "merge", &json!({"data": {"a": "2"}})).expect(200);
    assert_eq!(patched["data"]["a"], "2");
    let put = api.put(&dry(&path), &config_map("first", &json!({"a": "3"}))).expect(200);
    assert_eq!(put["data"]["a"], "3");
    api.delete(&dry(&path)).expect(200);
    api.delete(&dry(&collection)).expect(200);
    api.delete_with(&path, &json!({"dryRun": ["All"]})).expect(200);
    assert_eq!(api.get(&path).expect(200), created);
    api.get(&format!("{collection}/dry")).refused(404, "NotFound");
}

fn a_rehearsed_write_is_checked_all_the_same(server: &Server) {
    let mut api = server.api();
    let (path, _) = first_config_map(server, &mut api);
    let collection = format!("{}?dryRun=All", path.strip_suffix("/first").expect("the path of the object"));
    api.post(&collection, &config_map("first", &json!({}))).refused(409, "AlreadyExists");
    api.post(&collection, &config_map("Wrong", &json!({}))).refused(422, "Invalid");
    assert!(matches!(api.post(&collection.replace("All", "Some"), &config_map("b", &json!({}))).status, 400 | 422));
    api.delete_with(&path, &json!({"dryRun": ["All"], "preconditions": {"uid": "other"}})).refused(409, "Conflict");
}
