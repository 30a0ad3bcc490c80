//! Applying, editing, labelling, patching, replacing and deleting.

use serde_json::{Value, json};

use crate::harness::{Kubectl, Server, eventually, on_shared_server, run};

on_shared_server![
    creating_twice_is_refused,
    deleting_what_is_not_there_is_refused,
    replacing_what_is_not_there_is_refused,
    a_label_is_overwritten_only_on_demand,
    applying_twice_changes_nothing,
    applying_fewer_fields_removes_the_others,
    applying_keeps_what_others_have_set,
    several_documents_are_applied_in_one_call,
    a_diff_shows_what_apply_would_change_and_changes_nothing,
    labels_and_annotations_are_set_and_removed,
    patches_of_all_three_types_are_applied,
    an_object_is_replaced,
    an_object_is_edited,
    a_rehearsal_on_the_server_persists_nothing,
    all_objects_of_a_kind_are_deleted,
    objects_are_deleted_by_their_manifest,
    objects_are_deleted_by_label,
    a_wait_ends_when_the_field_has_its_value,
    a_wait_for_deletion_ends_with_the_object,
    a_wait_that_is_in_vain_fails_in_time,
];

const ONE: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: one}, data: {a: '1', b: '2'}}";

/// kubectl in a namespace of its own that holds [`ONE`].
fn with_one(server: &Server) -> Kubectl {
    let kubectl = server.kubectl(&server.namespace("changes"));
    assert_eq!(kubectl.apply(ONE).ok(), "configmap/one created\n");
    kubectl
}

fn data(kubectl: &Kubectl) -> Value {
    serde_json::from_str(&kubectl.field("configmap/one", "{.data}")).expect("an object is shown as JSON")
}

fn creating_twice_is_refused(server: &Server) {
    let kubectl = with_one(server);
    let complaint = kubectl.read(&["create", "-f", "-"], ONE).fails();
    assert!(
        complaint.contains("(AlreadyExists)") && complaint.contains("configmaps \"one\" already exists"),
        "{complaint}"
    );
}

fn deleting_what_is_not_there_is_refused(server: &Server) {
    let kubectl = server.kubectl("default");
    let complaint = kubectl.run(&["delete", "configmap", "absent"]).fails();
    assert_eq!(complaint, "Error from server (NotFound): configmaps \"absent\" not found\n");
    kubectl.run(&["delete", "configmap", "absent", "--ignore-not-found"]).ok();
    let complaint = kubectl.run(&["get", "nonsenses"]).fails();
    assert!(complaint.contains("the server doesn't have a resource type \"nonsenses\""), "{complaint}");
}

fn replacing_what_is_not_there_is_refused(server: &Server) {
    let kubectl = server.kubectl(&server.namespace("changes"));
    let complaint = kubectl.read(&["replace", "-f", "-"], ONE).fails();
    assert!(complaint.contains("(NotFound)"), "{complaint}");
}

fn a_label_is_overwritten_only_on_demand(server: &Server) {
    let kubectl = with_one(server);
    kubectl.run(&["label", "configmap", "one", "color=red"]).ok();
    let complaint = kubectl.run(&["label", "configmap", "one", "color=green"]).fails();
    assert!(complaint.contains("--overwrite is false"), "{complaint}");
    kubectl.run(&["label", "configmap", "one", "color=green", "--overwrite"]).ok();
    assert_eq!(kubectl.field("configmap/one", "{.metadata.labels.color}"), "green");
}

fn applying_twice_changes_nothing(server: &Server) {
    let kubectl = with_one(server);
    let before = kubectl.field("configmap/one", "{.metadata.resourceVersion}");
    assert_eq!(kubectl.apply(ONE).ok(), "configmap/one unchanged\n");
    assert_eq!(kubectl.field("configmap/one", "{.metadata.resourceVersion}"), before);
}

fn applying_fewer_fields_removes_the_others(server: &Server) {
    let kubectl = with_one(server);
    let fewer = "{apiVersion: v1, kind: ConfigMap, metadata: {name: one}, data: {b: '3'}}";
    assert_eq!(kubectl.apply(fewer).ok(), "configmap/one configured\n");
    assert_eq!(data(&kubectl), json!({"b": "3"}));
}

fn applying_keeps_what_others_have_set(server: &Server) {
    let kubectl = with_one(server);
    kubectl.run(&["patch", "configmap", "one", "-p", r#"{"data": {"other": "kept"}}"#]).ok();
    kubectl.run(&["label", "configmap", "one", "by=hand"]).ok();
    kubectl.apply(&ONE.replace("a: '1'", "a: '9'")).ok();
    assert_eq!(data(&kubectl), json!({"a": "9", "b": "2", "other": "kept"}));
    assert_eq!(kubectl.field("configmap/one", "{.metadata.labels.by}"), "hand");
}

fn several_documents_are_applied_in_one_call(server: &Server) {
    let kubectl = server.kubectl(&server.namespace("changes"));
    let list = r#"{"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "b"}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "account"}}]}"#;
    // kubectl validates a List by itself, and for that wants the older schemas, which are not served.
    let said = kubectl.read(&["apply", "--validate=false", "-f", "-"], list).ok();
    assert_eq!(said, "secret/s created\nserviceaccount/account created\n");
    let documents = format!("{ONE}\n---\n{}\n---\n", ONE.replace("name: one", "name: two"));
    assert_eq!(kubectl.apply(&documents).ok(), "configmap/one created\nconfigmap/two created\n");
}

fn a_diff_shows_what_apply_would_change_and_changes_nothing(server: &Server) {
    let kubectl = with_one(server);
    kubectl.read(&["diff", "-f", "-"], ONE).ok();
    let changed = ONE.replace("a: '1'", "a: '9'");
    let ran = kubectl.read(&["diff", "-f", "-"], &changed);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stdout.contains("-  a: \"1\"") && ran.stdout.contains("+  a: \"9\""), "{}", ran.stdout);
    let fresh = kubectl.read(&["diff", "-f", "-"], &ONE.replace("name: one", "name: fresh"));
    assert_eq!(fresh.code, 1, "{}", fresh.stderr);
    assert_eq!(data(&kubectl), json!({"a": "1", "b": "2"}));
    kubectl.run(&["get", "configmap", "fresh"]).fails();
}

fn labels_and_annotations_are_set_and_removed(server: &Server) {
    let kubectl = with_one(server);
    assert_eq!(kubectl.run(&["label", "configmap/one", "a=b", "c=d"]).ok(), "configmap/one labeled\n");
    assert_eq!(kubectl.run(&["label", "configmap/one", "a-"]).ok(), "configmap/one unlabeled\n");
    assert_eq!(kubectl.field("configmap/one", "{.metadata.labels}"), r#"{"c":"d"}"#);
    assert_eq!(kubectl.run(&["annotate", "configmap/one", "note=some text"]).ok(), "configmap/one annotated\n");
    assert_eq!(kubectl.field("configmap/one", "{.metadata.annotations.note}"), "some text");
    kubectl.run(&["annotate", "configmap/one", "note-"]).ok();
    assert_eq!(kubectl.field("configmap/one", "{.metadata.annotations.note}"), "");
    let complaint = kubectl.run(&["label", "configmap/one", "bad=with space"]).fails();
    assert!(complaint.contains("with space"), "{complaint}");
}

fn patches_of_all_three_types_are_applied(server: &Server) {
    let kubectl = with_one(server);
    for (kind, patch) in [
        ("strategic", r#"{"data": {"s": "strategic"}}"#),
        ("merge", r#"{"data": {"m": "merge", "a": null}}"#),
        (
            "json",
            r#"[{"op": "test", "path": "/data/b", "value": "2"}, {"op": "move", "from": "/data/b", "path": "/data/j"}]"#,
        ),
    ] {
        let said = kubectl.run(&["patch", "configmap", "one", "--type", kind, "-p", patch]).ok();
        assert_eq!(said, "configmap/one patched\n", "{kind}");
    }
    assert_eq!(data(&kubectl), json!({"s": "strategic", "m": "merge", "j": "2"}));
    let again =
        kubectl.run(&["patch", "configmap", "one", "--type", "merge", "-p", r#"{"data": {"m": "merge"}}"#]).ok();
    assert_eq!(again, "configmap/one patched (no change)\n");
}

fn an_object_is_replaced(server: &Server) {
    let kubectl = with_one(server);
    let uid = kubectl.field("configmap/one", "{.metadata.uid}");
    let other = "{apiVersion: v1, kind: ConfigMap, metadata: {name: one}, data: {c: '3'}}";
    assert_eq!(kubectl.read(&["replace", "-f", "-"], other).ok(), "configmap/one replaced\n");
    assert_eq!(data(&kubectl), json!({"c": "3"}));
    assert_eq!(kubectl.field("configmap/one", "{.metadata.uid}"), uid);
    kubectl.read(&["replace", "--force", "-f", "-"], other).ok();
    assert_ne!(kubectl.field("configmap/one", "{.metadata.uid}"), uid);
}

fn an_object_is_edited(server: &Server) {
    let kubectl = with_one(server);
    kubectl.run(&["patch", "configmap", "one", "-p", r#"{"data": {"a": "before"}}"#]).ok();
    let mut edit = kubectl.command(&["edit", "configmap", "one"]);
    // Edits what kubectl wrote into a file, as a person's editor does.
    edit.env("KUBE_EDITOR", "sed -i s/before/after/");
    assert_eq!(run(&edit).ok(), "configmap/one edited\n");
    assert_eq!(data(&kubectl), json!({"a": "after", "b": "2"}));
}

fn a_rehearsal_on_the_server_persists_nothing(server: &Server) {
    let kubectl = with_one(server);
    let said = kubectl.read(&["apply", "--dry-run=server", "-f", "-"], &ONE.replace("'1'", "'9'")).ok();
    assert_eq!(said, "configmap/one configured (server dry run)\n");
    kubectl.run(&["delete", "--dry-run=server", "configmap", "one"]).ok();
    kubectl.read(&["create", "--dry-run=server", "-f", "-"], &ONE.replace("name: one", "name: two")).ok();
    assert_eq!(data(&kubectl), json!({"a": "1", "b": "2"}));
    assert_eq!(kubectl.run(&["get", "configmap", "-o", "name"]).ok(), "configmap/one\n");
}

fn all_objects_of_a_kind_are_deleted(server: &Server) {
    let kubectl = with_one(server);
    kubectl.apply(&ONE.replace("name: one", "name: two")).ok();
    let said = kubectl.run(&["delete", "configmaps", "--all"]).ok();
    assert!(said.contains("configmap \"one\" deleted") && said.contains("configmap \"two\" deleted"), "{said}");
    assert_eq!(kubectl.run(&["get", "configmaps", "-o", "name"]).ok(), "");
}

fn objects_are_deleted_by_their_manifest(server: &Server) {
    let kubectl = with_one(server);
    let said = kubectl.read(&["delete", "-f", "-"], ONE).ok();
    assert!(said.starts_with("configmap \"one\" deleted"), "{said}");
    kubectl.run(&["get", "configmap", "one"]).fails();
}

fn objects_are_deleted_by_label(server: &Server) {
    let kubectl = with_one(server);
    kubectl.apply(&ONE.replace("{name: one}", "{name: two, labels: {color: red}}")).ok();
    kubectl.run(&["delete", "configmap", "-l", "color in (red)"]).ok();
    assert_eq!(kubectl.run(&["get", "configmaps", "-o", "name"]).ok(), "configmap/one\n");
}

fn a_wait_ends_when_the_field_has_its_value(server: &Server) {
    let kubectl = with_one(server);
    let waiting = kubectl.stream(&["wait", "configmap/one", "--for=jsonpath={.data.a}=ready", "--timeout=20s"]);
    kubectl.run(&["patch", "configmap", "one", "-p", r#"{"data": {"a": "ready"}}"#]).ok();
    assert_eq!(waiting.exit_code(), Some(0));
}

fn a_wait_for_deletion_ends_with_the_object(server: &Server) {
    let kubectl = with_one(server);
    kubectl.run(&["patch", "configmap", "one", "-p", r#"{"metadata": {"finalizers": ["example.com/hold"]}}"#]).ok();
    kubectl.run(&["delete", "configmap", "one", "--wait=false"]).ok();
    let waiting = kubectl.stream(&["wait", "configmap/one", "--for=delete", "--timeout=20s"]);
    assert_ne!(kubectl.field("configmap/one", "{.metadata.deletionTimestamp}"), "");
    kubectl.run(&["patch", "configmap", "one", "--type", "merge", "-p", r#"{"metadata": {"finalizers": null}}"#]).ok();
    assert_eq!(waiting.exit_code(), Some(0));
    eventually("the object is gone", || (kubectl.run(&["get", "configmap", "one"]).code != 0).then_some(()));
}

fn a_wait_that_is_in_vain_fails_in_time(server: &Server) {
    let kubectl = with_one(server);
    let waiting = ["wait", "configmap/one", "--for=jsonpath={.data.a}=never", "--timeout=1s"];
    let complaint = kubectl.run(&waiting).fails();
    assert!(complaint.contains("timed out waiting for the condition on configmaps/one"), "{complaint}");
}
