//! Creating and updating: conflicts, generations, the status apart, and no update lost.

use serde_json::{Value, json};

use crate::harness::{Api, Definition, Server, config_map, config_maps, on_shared_server, revision};

use super::first_config_map;

on_shared_server![
    a_stale_revision_is_rejected,
    a_name_that_is_taken_is_rejected,
    a_new_object_must_not_name_a_revision,
    an_update_of_something_else_with_the_same_name_is_rejected,
    a_custom_object_is_not_updated_blindly,
    what_the_server_decides_cannot_be_written,
    names_are_generated,
    a_write_that_changes_nothing_is_no_write,
    only_a_change_of_the_spec_is_a_new_generation,
    the_status_is_written_by_its_sub_resource_only,
    concurrent_writers_lose_no_update,
];

fn a_stale_revision_is_rejected(server: &Server) {
    let mut api = server.api();
    let (path, old) = first_config_map(server, &mut api);
    let mut next = old.clone();
    next["data"]["a"] = json!("2");
    let new = api.put(&path, &next).expect(200);
    assert!(revision(&new) > revision(&old));
    let status = api.put(&path, &next).refused(409, "Conflict");
    assert_eq!(
        status["message"],
        "Operation cannot be fulfilled on configmaps \"first\": the object has been modified; please apply your changes \
         to the latest version and try again"
    );
    assert_eq!(status["details"], json!({"kind": "configmaps", "name": "first"}));
    let patch = json!({"metadata": {"resourceVersion": old["metadata"]["resourceVersion"]}, "data": {"a": "3"}});
    api.patch(&path, "merge", &patch).refused(409, "Conflict");
    assert_eq!(api.get(&path).expect(200), new);
}

fn a_name_that_is_taken_is_rejected(server: &Server) {
    let mut api = server.api();
    let (path, created) = first_config_map(server, &mut api);
    let collection = path.strip_suffix("/first").expect("the path of the object");
    let status = api.post(collection, &config_map("first", &json!({}))).refused(409, "AlreadyExists");
    assert_eq!(status["message"], "configmaps \"first\" already exists");
    assert_eq!(api.get(&path).expect(200), created);
}

fn a_new_object_must_not_name_a_revision(server: &Server) {
    let mut body = config_map("new", &json!({}));
    body["metadata"]["resourceVersion"] = json!("1");
    let status = server.api().post(&config_maps("default"), &body).refused(400, "BadRequest");
    assert_eq!(status["message"], "resourceVersion should not be set on objects to be created");
}

fn an_update_of_something_else_with_the_same_name_is_rejected(server: &Server) {
    let mut api = server.api();
    let (path, mut object) = first_config_map(server, &mut api);
    object["metadata"]["uid"] = json!("00000000-0000-4000-8000-000000000000");
    object["metadata"].as_object_mut().map(|metadata| metadata.remove("resourceVersion"));
    api.put(&path, &object).refused(409, "Conflict");
}

fn a_custom_object_is_not_updated_blindly(server: &Server) {
    let definition = Definition::new("blind");
    definition.install(server);
    let namespace = server.namespace("blind");
    let mut api = server.api();
    api.post(&definition.path(&namespace), &definition.widget("w", &json!({"size": 1}))).expect(201);
    let path = definition.object_path(&namespace, "w");
    let status = api.put(&path, &definition.widget("w", &json!({"size": 2}))).refused(422, "Invalid");
    assert_eq!(status["details"]["causes"][0]["field"], "metadata.resourceVersion");
    assert!(
        status["message"].as_str().is_some_and(|text| text.contains("must be specified for an update")),
        "{status}"
    );
}

fn what_the_server_decides_cannot_be_written(server: &Server) {
    let mut api = server.api();
    let (path, created) = first_config_map(server, &mut api);
    let uid = created["metadata"]["uid"].as_str().expect("an object has a uid");
    assert_eq!(uid.len(), 36, "{uid}");
    let time = created["metadata"]["creationTimestamp"].as_str().expect("an object has a time");
    assert!(time.len() == 20 && time.ends_with('Z'), "{time}");
    let patch = json!({"metadata": {
        "creationTimestamp": "2001-01-01T00:00:00Z",
        "deletionTimestamp": "2001-01-01T00:00:00Z",
        "generation": 7,
    }});
    let patched = api.patch(&path, "merge", &patch).expect(200);
    assert_eq!(patched, created);
    let mut body = config_map("second", &json!({}));
    body["metadata"]["uid"] = json!("mine");
    body["metadata"]["creationTimestamp"] = json!("2001-01-01T00:00:00Z");
    let second = api.post(path.strip_suffix("/first").unwrap_or(&path), &body).expect(201);
    assert_ne!(second["metadata"]["uid"], "mine");
    assert_ne!(second["metadata"]["creationTimestamp"], "2001-01-01T00:00:00Z");
}

fn names_are_generated(server: &Server) {
    let path = config_maps(&server.namespace("generated"));
    let mut api = server.api();
    let mut body = config_map("", &json!({}));
    body["metadata"] = json!({"generateName": "made-"});
    let mut names: Vec<String> = (0..20)
        .map(|_| api.post(&path, &body).expect(201)["metadata"]["name"].as_str().unwrap_or_default().to_owned())
        .collect();
    for name in &names {
        let suffix = name.strip_prefix("made-").expect("the name begins as asked");
        assert!(suffix.len() == 5 && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{name}");
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 20);
    // What would be too long for a label is cut.
    body["metadata"] = json!({"generateName": "n".repeat(200)});
    let long = api.post(&path, &body).expect(201);
    assert_eq!(long["metadata"]["name"].as_str().map(str::len), Some(63), "{long}");
    body["metadata"] = json!({"generateName": "n".repeat(254)});
    api.post(&path, &body).refused(422, "Invalid");
}

fn a_write_that_changes_nothing_is_no_write(server: &Server) {
    let mut api = server.api();
    let (path, created) = first_config_map(server, &mut api);
    assert_eq!(api.put(&path, &created).expect(200), created);
    assert_eq!(api.patch(&path, "merge", &json!({"data": {"a": "1"}})).expect(200), created);
    assert_eq!(api.patch(&path, "json", &json!([])).expect(200), created);
    assert_eq!(api.get(&path).expect(200), created);
}

fn only_a_change_of_the_spec_is_a_new_generation(server: &Server) {
    let definition = Definition::new("generation");
    definition.install(server);
    let namespace = server.namespace("generation");
    let mut api = server.api();
    let created = api.post(&definition.path(&namespace), &definition.widget("w", &json!({"size": 1}))).expect(201);
    assert_eq!(created["metadata"]["generation"], 1);
    let path = definition.object_path(&namespace, "w");
    let generation = |object: &Value| object["metadata"]["generation"].as_u64();
    let labelled = api.patch(&path, "merge", &json!({"metadata": {"labels": {"a": "b"}}})).expect(200);
    assert_eq!(generation(&labelled), Some(1));
    let changed = api.patch(&path, "merge", &json!({"spec": {"size": 2}})).expect(200);
    assert_eq!(generation(&changed), Some(2));
    let status = api.patch(&format!("{path}/status"), "merge", &json!({"status": {"phase": "Up"}})).expect(200);
    assert_eq!(generation(&status), Some(2));
    let scaled = api.patch(&format!("{path}/scale"), "merge", &json!({"spec": {"replicas": 5}})).expect(200);
    assert_eq!((&scaled["kind"], &scaled["spec"]["replicas"]), (&json!("Scale"), &json!(5)));
    assert_eq!(generation(&api.get(&path).expect(200)), Some(3));
    // Kinds without a spec count no generations.
    let (_, config_map) = first_config_map(server, &mut api);
    assert_eq!(config_map["metadata"].get("generation"), None);
}

fn the_status_is_written_by_its_sub_resource_only(server: &Server) {
    let definition = Definition::new("status");
    definition.install(server);
    let namespace = server.namespace("status");
    let mut api = server.api();
    let mut body = definition.widget("w", &json!({"size": 1}));
    body["status"] = json!({"phase": "Forged"});
    let created = api.post(&definition.path(&namespace), &body).expect(201);
    assert_eq!(created.get("status"), None);
    let path = definition.object_path(&namespace, "w");
    let patch = json!({"spec": {"size": 9}, "metadata": {"labels": {"x": "y"}}, "status": {"phase": "Up"}});
    let status = api.patch(&format!("{path}/status"), "merge", &patch).expect(200);
    assert_eq!((&status["spec"]["size"], &status["status"]["phase"]), (&json!(1), &json!("Up")));
    let main = api.patch(&path, "merge", &json!({"spec": {"size": 2}, "status": {"phase": "Down"}})).expect(200);
    assert_eq!((&main["spec"]["size"], &main["status"]["phase"]), (&json!(2), &json!("Up")));
    assert_eq!(api.get(&format!("{path}/status")).expect(200), main);
    let mut put = main.clone();
    put["status"] = json!({"phase": "Down"});
    put["spec"]["size"] = json!(3);
    let put = api.put(&format!("{path}/status"), &put).expect(200);
    assert_eq!((&put["spec"]["size"], &put["status"]["phase"]), (&json!(2), &json!("Down")));
}

const WRITERS: usize = 32;

/// Adds one to a counter as a client does that honours conflicts; returns how often it lost.
fn count_up(api: &mut Api, path: &str) -> usize {
    for lost in 0.. {
        let mut object = api.get(path).expect(200);
        let count: u32 = object["data"]["count"].as_str().unwrap_or_default().parse().expect("a number");
        object["data"]["count"] = json!((count + 1).to_string());
        match api.put(path, &object).status {
            200 => return lost,
            409 => {}
            other => panic!("unexpected answer {other}"),
        }
    }
    unreachable!("a writer tries until it succeeds")
}

fn concurrent_writers_lose_no_update(server: &Server) {
    let path = config_maps(&server.namespace("writers"));
    let mut api = server.api();
    let created = api.post(&path, &config_map("counter", &json!({"count": "0"}))).expect(201);
    let path = format!("{path}/counter");
    std::thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| count_up(&mut server.api(), &path));
        }
        // Others patch at the same time, without a revision: the server has to start over for them.
        for writer in 0..WRITERS {
            let path = &path;
            let patch = json!({"data": {format!("writer-{writer}"): "was here"}});
            scope.spawn(move || server.api().patch(path, "merge", &patch).expect(200));
        }
    });
    let counted = api.get(&path).expect(200);
    assert_eq!(counted["data"]["count"], WRITERS.to_string());
    assert_eq!(counted["data"].as_object().map(serde_json::Map::len), Some(WRITERS + 1));
    assert!(revision(&counted) >= revision(&created) + 2 * WRITERS as u64);
}
