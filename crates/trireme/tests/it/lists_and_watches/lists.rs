//! Lists: pages that fit together, selectors, tables.

use serde_json::{Value, json};

use crate::harness::{Server, config_map, escape, names, on_shared_server, revision};

use super::{TABLE, filled, labelled};

on_shared_server![
    parameters_that_contradict_each_other_are_refused,
    selectors_that_cannot_be_read_are_refused,
    a_revision_from_the_future_is_refused,
    a_list_is_in_stable_order,
    pages_come_from_one_state,
    the_rest_of_a_selection_is_not_counted,
    an_exact_revision_is_read_or_refused,
    labels_select,
    fields_select,
    a_table_has_columns_and_rows,
];

fn parameters_that_contradict_each_other_are_refused(server: &Server) {
    let mut api = server.api();
    for query in [
        "resourceVersion=abc",
        "resourceVersion=-1",
        "resourceVersion=01x",
        "resourceVersionMatch=Exact",
        "resourceVersionMatch=Exact&resourceVersion=0",
        "resourceVersionMatch=Sometimes&resourceVersion=1",
        "sendInitialEvents=true",
        "limit=x",
        "limit=-1",
        "watch=maybe",
        "watch=true&resourceVersionMatch=Exact&resourceVersion=1",
        "continue=nonsense",
    ] {
        let answer = api.get(&format!("/api/v1/configmaps?{query}"));
        assert!(matches!(answer.status, 400 | 422), "{query}: {} {}", answer.status, answer.text());
        assert_eq!(answer.json()["kind"], "Status", "{query}");
    }
}

fn selectors_that_cannot_be_read_are_refused(server: &Server) {
    let mut api = server.api();
    for selector in ["a in", "a in (", "=", "a=b=c", "!", "a b", "a notin b", "-a=b", "a=-b"] {
        let path = format!("/api/v1/configmaps?labelSelector={}", escape(selector));
        let answer = api.get(&path);
        assert_eq!(answer.status, 400, "{selector}: {}", answer.text());
    }
    for selector in ["metadata.name", "spec.replicas=1", "nonsense!=x", "metadata.labels=x"] {
        let path = format!("/api/v1/configmaps?fieldSelector={}", escape(selector));
        let answer = api.get(&path);
        assert_eq!(answer.status, 400, "{selector}: {}", answer.text());
    }
}

fn a_revision_from_the_future_is_refused(server: &Server) {
    let mut api = server.api();
    let future = "999999999999";
    let list = api.get(&format!("/api/v1/configmaps?resourceVersion={future}&resourceVersionMatch=NotOlderThan"));
    let status = list.refused(504, "Timeout");
    assert!(status["message"].as_str().is_some_and(|text| text.contains("Too large resource version")), "{status}");
    let watch = api.get(&format!("/api/v1/configmaps?watch=true&resourceVersion={future}&timeoutSeconds=1"));
    assert_eq!(watch.status, 504, "{}", watch.text());
}

fn a_list_is_in_stable_order(server: &Server) {
    let mut api = server.api();
    let path = filled(server, &mut api, &["c", "a-1", "a", "b.1", "a.1"]);
    let list = api.get(&path).expect(200);
    assert_eq!(list["kind"], "ConfigMapList");
    assert_eq!(names(&list), ["a", "a-1", "a.1", "b.1", "c"]);
}

fn pages_come_from_one_state(server: &Server) {
    let mut api = server.api();
    let path = filled(server, &mut api, &["a", "b", "c", "d", "e"]);
    let first = api.get(&format!("{path}?limit=2")).expect(200);
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    // Writes go on between the pages.
    api.delete(&format!("{path}/c")).expect(200);
    api.post(&path, &config_map("bb", &json!({}))).expect(201);
    api.post(&path, &config_map("f", &json!({}))).expect(201);
    api.patch(&format!("{path}/e"), "merge", &json!({"data": {"changed": "yes"}})).expect(200);
    let token = |page: &Value| escape(page["metadata"]["continue"].as_str().expect("there is more"));
    let second = api.get(&format!("{path}?limit=2&continue={}", token(&first))).expect(200);
    assert_eq!(names(&second), ["c", "d"]);
    assert_eq!(second["metadata"]["remainingItemCount"], 1);
    let third = api.get(&format!("{path}?limit=2&continue={}", token(&second))).expect(200);
    assert_eq!(names(&third), ["e"]);
    assert_eq!(third["items"][0]["data"].get("changed"), None);
    assert_eq!(third["metadata"].get("continue").and_then(Value::as_str).unwrap_or_default(), "");
    assert_eq!(third["metadata"].get("remainingItemCount"), None);
    assert!([&second, &third].iter().all(|page| revision(page) == revision(&first)));
    assert_eq!(names(&api.get(&path).expect(200)), ["a", "b", "bb", "d", "e", "f"]);
}

fn the_rest_of_a_selection_is_not_counted(server: &Server) {
    let mut api = server.api();
    let path = filled(server, &mut api, &["a", "b", "c"]);
    let page = api.get(&format!("{path}?limit=1&labelSelector=%21x")).expect(200);
    assert!(page["metadata"]["continue"].is_string(), "{page}");
    assert_eq!(page["metadata"].get("remainingItemCount"), None);
    let whole = api.get(&format!("{path}?limit=3")).expect(200);
    assert_eq!(whole["metadata"].get("continue").and_then(Value::as_str).unwrap_or_default(), "", "{whole}");
}

fn an_exact_revision_is_read_or_refused(server: &Server) {
    let mut api = server.api();
    let path = filled(server, &mut api, &["a", "b"]);
    let exact = |at: u64| format!("{path}?resourceVersionMatch=Exact&resourceVersion={at}");
    let page = api.get(&format!("{path}?limit=1")).expect(200);
    api.post(&path, &config_map("c", &json!({}))).expect(201);
    // A state that pages are being read from is still there.
    assert_eq!(names(&api.get(&exact(revision(&page))).expect(200)), ["a", "b"]);
    assert_eq!(names(&api.get(&format!("{path}?resourceVersion=0")).expect(200)), ["a", "b", "c"]);
    let not_older = format!("{path}?resourceVersionMatch=NotOlderThan&resourceVersion={}", revision(&page));
    assert_eq!(names(&api.get(&not_older).expect(200)), ["a", "b", "c"]);
    // Another may be, or is refused; what must not come is a state of another time.
    let first = api.get(&exact(1));
    if first.status == 200 {
        assert_eq!(names(&first.json()), Vec::<&str>::new());
    } else {
        first.refused(410, "Expired");
    }
}

fn labels_select(server: &Server) {
    let mut api = server.api();
    let path = filled(server, &mut api, &["plain"]);
    for (name, labels) in [
        ("red", json!({"color": "red", "size": "1"})),
        ("green", json!({"color": "green"})),
        ("empty", json!({"color": "", "example.com/part": "x"})),
    ] {
        api.post(&path, &labelled(name, &labels)).expect(201);
    }
    for (selector, expected) in [
        ("color=red", vec!["red"]),
        ("color==red", vec!["red"]),
        ("color!=red", vec!["empty", "green", "plain"]),
        ("color", vec!["empty", "green", "red"]),
        ("!color", vec!["plain"]),
        ("color in (red,green)", vec!["green", "red"]),
        ("color notin (red, green)", vec!["empty", "plain"]),
        ("color=red,size=1", vec!["red"]),
        ("color=red,size!=1", vec![]),
        ("color=", vec!["empty"]),
        ("example.com/part in (x)", vec!["empty"]),
        ("size>0", vec!["red"]),
        ("size<1", vec![]),
    ] {
        let list = api.get(&format!("{path}?labelSelector={}", escape(selector))).expect(200);
        assert_eq!(names(&list), expected, "{selector}");
    }
}

fn fields_select(server: &Server) {
    let mut api = server.api();
    let namespace = server.namespace("fields");
    let path = format!("/api/v1/namespaces/{namespace}/secrets");
    for (name, kind) in [("a", "Opaque"), ("b", "example.com/other")] {
        let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": kind});
        api.post(&path, &body).expect(201);
    }
    for (selector, expected) in [
        ("metadata.name=a", vec!["a"]),
        ("metadata.name!=a", vec!["b"]),
        ("type=Opaque", vec!["a"]),
        ("type=example.com/other,metadata.name=b", vec!["b"]),
        ("metadata.namespace=nowhere", vec![]),
    ] {
        let list = api.get(&format!("{path}?fieldSelector={}", escape(selector))).expect(200);
        assert_eq!(names(&list), expected, "{selector}");
    }
    let everywhere = format!("/api/v1/secrets?fieldSelector=metadata.namespace%3D{namespace}");
    assert_eq!(names(&api.get(&everywhere).expect(200)), ["a", "b"]);
}

fn a_table_has_columns_and_rows(server: &Server) {
    let mut api = server.api();
    let path = filled(server, &mut api, &["a"]);
    let table = api.get_as(&path, TABLE).expect(200);
    let columns: Vec<&str> = table["columnDefinitions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|column| column["name"].as_str())
        .collect();
    assert_eq!(columns, ["Name", "Data", "Age"]);
    assert_eq!(table["rows"][0]["cells"].as_array().map(Vec::len), Some(3));
    assert!(table["metadata"]["resourceVersion"].is_string());
    let object = |include: &str| {
        let table = server.api().get_as(&format!("{path}?includeObject={include}"), TABLE).expect(200);
        table["rows"][0]["object"]["kind"].clone()
    };
    assert_eq!(object("Object"), "ConfigMap");
    assert_eq!(object("Metadata"), "PartialObjectMetadata");
    assert_eq!(object("None"), Value::Null);
    let one = api.get_as(&format!("{path}/a"), TABLE).expect(200);
    assert_eq!((&one["kind"], one["rows"].as_array().map(Vec::len)), (&json!("Table"), Some(1)));
    assert_eq!(api.get_as(&format!("{path}/b"), TABLE).status, 404);
}
