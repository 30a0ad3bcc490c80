//! Each built-in kind from its manifest to its deletion.

use crate::harness::{Server, on_shared_server, unique};

on_shared_server![
    a_namespace_is_made_shown_and_described,
    the_first_namespaces_are_there_and_default_stays,
    a_config_map_keeps_text_and_bytes,
    a_secret_is_shown_without_its_values,
    a_service_account_is_made_and_shown,
    an_event_is_made_and_shown,
    a_lease_is_made_and_shown,
    a_definition_is_made_and_shown,
];

/// Applies a manifest of one object and looks at its table, then changes, describes and deletes it.
struct Walk<'a> {
    manifest: &'a str,
    /// `kind/name` as kubectl prints it.
    object: &'a str,
    header: &'a [&'a str],
    /// What the row begins with.
    row: &'a [&'a str],
    described: &'a [&'a str],
}

fn check(server: &Server, walk: &Walk<'_>) {
    let kubectl = server.kubectl(&server.namespace("kinds"));
    assert_eq!(kubectl.apply(walk.manifest).ok(), format!("{} created\n", walk.object));
    assert_eq!(kubectl.apply(walk.manifest).ok(), format!("{} unchanged\n", walk.object));
    let table = kubectl.run(&["get", walk.object]).ok();
    let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(rows.next().expect("a header"), walk.header, "{table}");
    assert!(rows.next().expect("a row").starts_with(walk.row), "{table}");
    assert_eq!(kubectl.run(&["label", walk.object, "tested=yes"]).ok(), format!("{} labeled\n", walk.object));
    assert_eq!(kubectl.apply(walk.manifest).ok(), format!("{} unchanged\n", walk.object));
    let described = kubectl.run(&["describe", walk.object]).ok();
    for part in walk.described.iter().chain(&["tested=yes"]) {
        assert!(described.contains(part), "{part} is missing in\n{described}");
    }
    let wide = kubectl.run(&["get", walk.object, "-o", "wide"]).ok();
    assert!(wide.lines().count() == 2 && wide.lines().next() >= table.lines().next(), "{wide}");
    kubectl.run(&["delete", walk.object]).ok();
    let complaint = kubectl.run(&["get", walk.object]).fails();
    assert!(complaint.contains("(NotFound)"), "{complaint}");
}

fn a_namespace_is_made_shown_and_described(server: &Server) {
    let name = unique("made");
    check(
        server,
        &Walk {
            manifest: &format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}"),
            object: &format!("namespace/{name}"),
            header: &["NAME", "STATUS", "AGE"],
            row: &[&name, "Active"],
            described: &[&name, "Status:       Active", &format!("kubernetes.io/metadata.name={name}")],
        },
    );
}

fn the_first_namespaces_are_there_and_default_stays(server: &Server) {
    let kubectl = server.kubectl("default");
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        assert_eq!(kubectl.field(&format!("namespace/{name}"), "{.status.phase}"), "Active");
    }
    for name in ["default", "kube-system"] {
        let complaint = kubectl.run(&["delete", "namespace", name]).fails();
        assert!(complaint.contains("(Forbidden)") && complaint.contains("may not be deleted"), "{complaint}");
    }
}

fn a_config_map_keeps_text_and_bytes(server: &Server) {
    check(
        server,
        &Walk {
            manifest: "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {t: text}, binaryData: {b: AAEC}}",
            object: "configmap/c",
            header: &["NAME", "DATA", "AGE"],
            row: &["c", "2"],
            described: &["t:\n----\ntext", "BinaryData\n====\nb: 3 bytes"],
        },
    );
}

fn a_secret_is_shown_without_its_values(server: &Server) {
    check(
        server,
        &Walk {
            manifest: "{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {password: c2VjcmV0}}",
            object: "secret/s",
            header: &["NAME", "TYPE", "DATA", "AGE"],
            row: &["s", "Opaque", "1"],
            described: &["Type:  Opaque", "password:  6 bytes"],
        },
    );
}

fn a_service_account_is_made_and_shown(server: &Server) {
    check(
        server,
        &Walk {
            manifest: "{apiVersion: v1, kind: ServiceAccount, metadata: {name: robot}, secrets: [{name: s}], imagePullSecrets: [{name: s}]}",
            object: "serviceaccount/robot",
            header: &["NAME", "SECRETS", "AGE"],
            row: &["robot", "1"],
            described: &["Image pull secrets:  s"],
        },
    );
}

fn an_event_is_made_and_shown(server: &Server) {
    let namespace = server.namespace("kinds");
    let kubectl = server.kubectl(&namespace);
    let manifest = format!(
        "{{apiVersion: v1, kind: Event, metadata: {{name: e, namespace: {namespace}}}, type: Normal, reason: Tested, \
         message: it was tested, involvedObject: {{kind: Secret, name: s, namespace: {namespace}}}}}"
    );
    kubectl.apply(&manifest).ok();
    let table = kubectl.run(&["get", "event/e"]).ok();
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows[0].split_whitespace().collect::<Vec<_>>(), ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]);
    assert!(
        rows[1].contains("Normal") && rows[1].contains("secret/s") && rows[1].ends_with("it was tested"),
        "{table}"
    );
    let wide = kubectl.run(&["get", "event/e", "-o", "wide"]).ok();
    assert!(wide.contains("SUBOBJECT") && wide.contains("FIRST SEEN"), "{wide}");
    kubectl.run(&["delete", "event/e"]).ok();
}

fn a_lease_is_made_and_shown(server: &Server) {
    check(
        server,
        &Walk {
            manifest: "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: l}, spec: {holderIdentity: me}}",
            object: "lease.coordination.k8s.io/l",
            header: &["NAME", "HOLDER", "AGE"],
            row: &["l", "me"],
            described: &["Holder Identity:  me"],
        },
    );
}

fn a_definition_is_made_and_shown(server: &Server) {
    let definition = crate::harness::Definition::new("shown");
    check(
        server,
        &Walk {
            manifest: &definition.manifest.to_string(),
            object: &format!("customresourcedefinition.apiextensions.k8s.io/{}", definition.name()),
            header: &["NAME", "CREATED", "AT"],
            row: &[&definition.name()],
            described: &["Established", "NamesAccepted"],
        },
    );
}
