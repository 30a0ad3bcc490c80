//! Tables, YAML, names, JSONPath, descriptions, watches, and what kubectl knows of the server's kinds.

use crate::harness::{Kubectl, Server, on_shared_server};

on_shared_server![
    what_is_not_there_is_said_to_be_missing,
    an_empty_list_says_so,
    a_table_has_the_columns_of_its_kind,
    objects_are_shown_as_yaml_json_and_names,
    fields_are_picked_by_json_path_and_columns,
    objects_are_selected_and_sorted,
    long_lists_are_read_in_chunks,
    an_object_is_described_with_its_events,
    a_watch_prints_each_change_as_a_row,
    all_namespaces_are_listed,
    fields_are_explained_from_the_schema,
    kinds_and_versions_are_listed,
];

fn filled(server: &Server, names: &[&str]) -> Kubectl {
    let kubectl = server.kubectl(&server.namespace("output"));
    let documents: String = names
        .iter()
        .map(|name| {
            let metadata = format!("{{name: {name}, labels: {{part: {name}}}}}");
            format!("{{apiVersion: v1, kind: ConfigMap, metadata: {metadata}, data: {{key: {name}}}}}\n---\n")
        })
        .collect();
    kubectl.apply(&documents).ok();
    kubectl
}

/// The cells of a table, line by line.
fn cells(table: &str) -> Vec<Vec<&str>> {
    table.lines().map(|line| line.split_whitespace().collect()).collect()
}

fn what_is_not_there_is_said_to_be_missing(server: &Server) {
    let complaint = server.kubectl("default").run(&["get", "configmap", "absent"]).fails();
    assert_eq!(complaint, "Error from server (NotFound): configmaps \"absent\" not found\n");
}

fn an_empty_list_says_so(server: &Server) {
    let namespace = server.namespace("output");
    let ran = server.kubectl(&namespace).run(&["get", "secrets"]);
    assert_eq!(ran.stderr, format!("No resources found in {namespace} namespace.\n"));
    assert_eq!(ran.code, 0);
}

fn a_table_has_the_columns_of_its_kind(server: &Server) {
    let kubectl = filled(server, &["a", "b"]);
    let table = kubectl.run(&["get", "configmaps"]).ok();
    let cells = cells(&table);
    assert_eq!(cells[0], ["NAME", "DATA", "AGE"]);
    assert_eq!(cells[1][..2], ["a", "1"]);
    assert_eq!(cells[2][..2], ["b", "1"]);
    assert!(cells[1][2].ends_with('s'), "an age in seconds: {}", cells[1][2]);
    let labels = kubectl.run(&["get", "configmaps", "--show-labels", "--no-headers"]).ok();
    assert!(labels.lines().next().is_some_and(|line| line.ends_with("part=a")), "{labels}");
    let column = kubectl.run(&["get", "configmaps", "-L", "part"]).ok();
    assert!(column.lines().next().is_some_and(|line| line.ends_with("PART")), "{column}");
}

fn objects_are_shown_as_yaml_json_and_names(server: &Server) {
    let kubectl = filled(server, &["a", "b"]);
    let yaml = kubectl.run(&["get", "configmap", "a", "-o", "yaml"]).ok();
    assert!(yaml.starts_with("apiVersion: v1\ndata:\n  key: a\nkind: ConfigMap\nmetadata:\n"), "{yaml}");
    let json: serde_json::Value =
        serde_json::from_str(&kubectl.run(&["get", "configmaps", "-o", "json"]).ok()).expect("it is JSON");
    assert_eq!(json["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(json["items"][0]["kind"], "ConfigMap");
    assert_eq!(kubectl.run(&["get", "configmaps", "-o", "name"]).ok(), "configmap/a\nconfigmap/b\n");
}

fn fields_are_picked_by_json_path_and_columns(server: &Server) {
    let kubectl = filled(server, &["a", "b"]);
    let picked = kubectl.run(&["get", "configmaps", "-o", "jsonpath={.items[*].data.key}"]).ok();
    assert_eq!(picked, "a b");
    let picked = kubectl.run(&["get", "configmaps", "-o", "custom-columns=N:.metadata.name,K:.data.key"]).ok();
    assert_eq!(cells(&picked), [["N", "K"], ["a", "a"], ["b", "b"]]);
    let picked = kubectl.run(&["get", "cm", "a", "-o", "go-template={{.data.key}}"]).ok();
    assert_eq!(picked, "a");
}

fn objects_are_selected_and_sorted(server: &Server) {
    let kubectl = filled(server, &["a", "b", "c"]);
    let names = |arguments: &[&str]| {
        let listed = kubectl.run(&[&["get", "configmaps", "-o", "name"], arguments].concat()).ok();
        listed.replace("configmap/", "").replace('\n', " ")
    };
    assert_eq!(names(&["-l", "part in (a, c)"]), "a c ");
    assert_eq!(names(&["--field-selector", "metadata.name!=b"]), "a c ");
    assert_eq!(names(&["-l", "part=b", "--field-selector", "metadata.name=b"]), "b ");
    assert_eq!(names(&["--sort-by", "{.data.key}"]), "a b c ");
}

fn long_lists_are_read_in_chunks(server: &Server) {
    let kubectl = filled(server, &["a", "b", "c", "d", "e"]);
    let listed = kubectl.run(&["get", "configmaps", "--chunk-size=2", "-o", "name"]).ok();
    assert_eq!(listed.lines().count(), 5);
    let table = kubectl.run(&["get", "configmaps", "--chunk-size=2"]).ok();
    assert_eq!(table.lines().count(), 6, "{table}");
}

fn an_object_is_described_with_its_events(server: &Server) {
    let kubectl = filled(server, &["a"]);
    let namespace = kubectl.field("configmap/a", "{.metadata.namespace}");
    let uid = kubectl.field("configmap/a", "{.metadata.uid}");
    let event = format!(
        "{{apiVersion: v1, kind: Event, metadata: {{name: a.1}}, type: Warning, reason: Tested, message: it was tested, \
         count: 1, firstTimestamp: '2026-01-02T03:04:05Z', lastTimestamp: '2026-01-02T03:04:05Z', \
         source: {{component: tests}}, \
         involvedObject: {{apiVersion: v1, kind: ConfigMap, name: a, namespace: {namespace}, uid: {uid}}}}}"
    );
    kubectl.apply(&event).ok();
    let described = kubectl.run(&["describe", "configmap", "a"]).ok();
    for part in ["Name:         a", "Labels:       part=a", "key:\n----\na", "Warning  Tested", "it was tested"] {
        assert!(described.contains(part), "{part} is missing in\n{described}");
    }
    let events = kubectl.run(&["events", "--for", "configmap/a"]).ok();
    assert!(events.contains("it was tested"), "{events}");
}

fn a_watch_prints_each_change_as_a_row(server: &Server) {
    let kubectl = filled(server, &["a"]);
    let mut rows = kubectl.stream(&["get", "configmaps", "--watch"]);
    assert_eq!(rows.line().split_whitespace().collect::<Vec<_>>(), ["NAME", "DATA", "AGE"]);
    assert!(rows.line().starts_with("a "));
    kubectl.run(&["patch", "configmap", "a", "-p", r#"{"data": {"more": "x"}}"#]).ok();
    assert_eq!(rows.line().split_whitespace().nth(1), Some("2"));
    let mut events = kubectl.stream(&["get", "cm", "--watch-only", "--output-watch-events", "-o", "name"]);
    // Which changes come before the second watch begins is open; the deletion of b comes after its creation.
    let seen = std::iter::from_fn(|| {
        kubectl.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: b}}").ok();
        kubectl.run(&["delete", "configmap", "b"]).ok();
        Some(events.line())
    });
    assert!(seen.take(2).all(|line| line.ends_with("configmap/b")));
}

fn all_namespaces_are_listed(server: &Server) {
    let kubectl = filled(server, &["only-here"]);
    let namespace = kubectl.field("configmap/only-here", "{.metadata.namespace}");
    let table = kubectl.run(&["get", "configmaps", "-A"]).ok();
    assert_eq!(cells(&table)[0], ["NAMESPACE", "NAME", "DATA", "AGE"]);
    assert!(cells(&table).iter().any(|row| row[..2] == [namespace.as_str(), "only-here"]), "{table}");
}

fn fields_are_explained_from_the_schema(server: &Server) {
    let kubectl = server.kubectl("default");
    let explained = kubectl.run(&["explain", "configmap.immutable"]).ok();
    assert!(explained.contains("FIELD: immutable <boolean>"), "{explained}");
    let explained = kubectl.run(&["explain", "lease.spec"]).ok();
    assert!(explained.contains("GROUP:      coordination.k8s.io"), "{explained}");
    assert!(explained.contains("holderIdentity\t<string>"), "{explained}");
    let tree = kubectl.run(&["explain", "crd", "--recursive"]).ok();
    assert!(tree.contains("additionalPrinterColumns"), "{tree}");
    let complaint = kubectl.run(&["explain", "configmap.nonsense"]).fails();
    assert!(complaint.contains("field \"nonsense\" does not exist"), "{complaint}");
}

fn kinds_and_versions_are_listed(server: &Server) {
    let kubectl = server.kubectl("default");
    let listed = kubectl.run(&["api-resources", "--no-headers"]).ok();
    let rows = cells(&listed);
    for row in [
        &["configmaps", "cm", "v1", "true", "ConfigMap"][..],
        &["namespaces", "ns", "v1", "false", "Namespace"],
        &["serviceaccounts", "sa", "v1", "true", "ServiceAccount"],
        &["events", "ev", "v1", "true", "Event"],
        &["secrets", "v1", "true", "Secret"],
        &["leases", "coordination.k8s.io/v1", "true", "Lease"],
        &["customresourcedefinitions", "crd,crds", "apiextensions.k8s.io/v1", "false", "CustomResourceDefinition"],
    ] {
        assert!(rows.iter().any(|found| found == row), "{row:?} is missing in\n{listed}");
    }
    let versions = kubectl.run(&["api-versions"]).ok();
    assert!(versions.lines().any(|line| line == "v1"), "{versions}");
    assert!(versions.lines().any(|line| line == "apiextensions.k8s.io/v1"), "{versions}");
}
