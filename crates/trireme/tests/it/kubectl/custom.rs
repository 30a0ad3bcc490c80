//! Kinds that the tests invent while the server runs.

use serde_json::{Value, json};

use crate::harness::{
    DEFINITIONS, Definition, Kubectl, Server, condition, eventually, on_shared_server, unique, version,
};

on_shared_server![
    a_definition_that_is_no_definition_is_refused,
    a_schema_that_is_not_structural_is_refused,
    a_name_that_is_taken_is_not_accepted,
    a_version_that_objects_are_stored_in_stays,
    objects_are_applied_shown_and_deleted,
    tables_have_the_columns_of_the_definition,
    unknown_fields_are_pruned_and_kept_where_allowed,
    defaults_are_filled_in,
    defaults_that_come_later_are_read,
    objects_are_scaled,
    the_status_is_patched_by_its_sub_resource,
    sub_resources_that_are_not_defined_are_not_there,
    both_versions_are_served,
    a_version_that_is_no_longer_served_is_gone,
    fields_are_explained,
    kinds_are_listed_with_short_names_and_categories,
    cluster_wide_kinds_have_no_namespace,
    objects_go_with_their_definition,
    a_definition_comes_again_without_the_old_objects,
    a_hundred_objects_are_listed_in_pages,
];

fn installed(server: &Server, stem: &str) -> (Definition, Kubectl) {
    let definition = Definition::new(stem);
    definition.install(server);
    let kubectl = server.kubectl(&server.namespace(stem));
    (definition, kubectl)
}

/// The kind as kubectl takes it when several groups have one of that name.
fn resource(definition: &Definition) -> String {
    format!("widgets.{}", definition.group)
}

fn object(definition: &Definition, name: &str) -> String {
    format!("widget.{}/{name}", definition.group)
}

fn a_definition_that_is_no_definition_is_refused(server: &Server) {
    type Spoil = fn(&mut Value);
    let faults: [(&str, Spoil); 8] = [
        ("metadata.name", |crd| crd["metadata"]["name"] = json!("gadgets.example.com")),
        ("spec.scope", |crd| crd["spec"]["scope"] = json!("Global")),
        ("spec.versions", |crd| crd["spec"]["versions"][0]["storage"] = json!(false)),
        ("spec.group", |crd| crd["spec"]["group"] = json!("Example")),
        ("spec.names.kind", |crd| crd["spec"]["names"]["kind"] = json!("not a kind")),
        ("spec.versions[0].name", |crd| crd["spec"]["versions"][0]["name"] = json!("V 1")),
        ("spec.versions[0].additionalPrinterColumns[0].jsonPath", |crd| {
            crd["spec"]["versions"][0]["additionalPrinterColumns"][0]["jsonPath"] = json!("{{");
        }),
        ("spec.versions[0].subresources.scale.specReplicasPath", |crd| {
            crd["spec"]["versions"][0]["subresources"]["scale"]["specReplicasPath"] = json!(".status.size");
        }),
    ];
    let mut api = server.api();
    for (field, spoil) in faults {
        let mut definition = Definition::new("wrong");
        spoil(&mut definition.manifest);
        let status = api.post(DEFINITIONS, &definition.manifest).refused(422, "Invalid");
        let causes = status["details"]["causes"].as_array().cloned().unwrap_or_default();
        assert!(causes.iter().any(|cause| cause["field"] == field), "{field}: {status}");
    }
}

fn a_schema_that_is_not_structural_is_refused(server: &Server) {
    let mut api = server.api();
    for (schema, field) in [
        (json!({"properties": {"spec": {"type": "object"}}}), "type"),
        (json!({"type": "object", "properties": {"spec": {}}}), "properties[spec].type"),
        (
            json!({"type": "object", "properties": {"spec": {"type": "object", "default": {"a": 1}, "properties": {
            "a": {"type": "string"}}}}}),
            "properties[spec].default",
        ),
        (json!({"type": "object", "properties": {"spec": {"type": "array"}}}), "properties[spec].items"),
        (
            json!({"type": "object", "properties": {"spec": {"type": "object", "allOf": [
            {"properties": {"a": {"type": "string"}}}]}}}),
            "properties[spec].allOf[0]",
        ),
    ] {
        let mut definition = Definition::new("unstructured");
        definition.manifest["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = schema.clone();
        definition.manifest["spec"]["versions"][0].as_object_mut().map(|version| version.remove("subresources"));
        let answer = api.post(DEFINITIONS, &definition.manifest);
        assert_eq!(answer.status, 422, "{schema} is taken: {}", answer.text());
        let status = answer.refused(422, "Invalid");
        let message = status["message"].as_str().unwrap_or_default();
        assert!(message.contains(field), "{schema}: {message}");
    }
}

fn a_name_that_is_taken_is_not_accepted(server: &Server) {
    let (first, kubectl) = installed(server, "taken");
    let mut second = first.clone();
    second.manifest["metadata"]["name"] = json!(format!("gadgets.{}", first.group));
    second.manifest["spec"]["names"] = json!({"plural": "gadgets", "kind": "Widget"});
    let mut api = server.api();
    api.post(DEFINITIONS, &second.manifest).expect(201);
    let path = format!("{DEFINITIONS}/gadgets.{}", first.group);
    let refused = eventually("the names are judged", || {
        let definition = api.get(&path).expect(200);
        condition(&definition, "NamesAccepted").map(|accepted| (accepted, definition))
    });
    assert_eq!(refused.0, "False", "{}", refused.1);
    assert_eq!(condition(&refused.1, "Established").as_deref(), Some("False"), "{}", refused.1);
    api.get(&format!("/apis/{}/v1/gadgets", first.group)).refused(404, "NotFound");
    // Once the name is free, it is given.
    kubectl.run(&["delete", "crd", &first.name()]).ok();
    eventually("the names are accepted", || {
        condition(&api.get(&path).expect(200), "Established").filter(|established| established == "True")
    });
    api.get(&format!("/apis/{}/v1/gadgets", first.group)).expect(200);
}

fn a_version_that_objects_are_stored_in_stays(server: &Server) {
    let (definition, _) = installed(server, "stored");
    let mut api = server.api();
    let path = format!("{DEFINITIONS}/{}", definition.name());
    assert_eq!(api.get(&path).expect(200)["status"]["storedVersions"], json!(["v1"]));
    let renamed = json!({"spec": {"versions": [version("v2")]}});
    let status = api.patch(&path, "merge", &renamed).refused(422, "Invalid");
    assert!(status["message"].as_str().is_some_and(|text| text.contains("status.storedVersions")), "{status}");
}

fn objects_are_applied_shown_and_deleted(server: &Server) {
    let (definition, kubectl) = installed(server, "walk");
    let name = object(&definition, "w");
    let widget = |spec: &Value| definition.widget("w", spec).to_string();
    assert_eq!(kubectl.apply(&widget(&json!({"size": 1, "note": "old"}))).ok(), format!("{name} created\n"));
    assert_eq!(kubectl.apply(&widget(&json!({"size": 1, "note": "old"}))).ok(), format!("{name} unchanged\n"));
    assert_eq!(kubectl.apply(&widget(&json!({"size": 2}))).ok(), format!("{name} configured\n"));
    assert_eq!(kubectl.field(&name, "{.spec.size} {.spec.note}"), "2 ");
    let diff = kubectl.read(&["diff", "-f", "-"], &widget(&json!({"size": 3})));
    assert!(diff.code == 1 && diff.stdout.contains("+  size: 3"), "{} {}", diff.stdout, diff.stderr);
    kubectl.run(&["label", &name, "a=b"]).ok();
    kubectl.run(&["annotate", &name, "c=d"]).ok();
    kubectl.run(&["patch", &name, "--type", "merge", "-p", r#"{"spec": {"note": "patched"}}"#]).ok();
    kubectl.run(&["patch", &name, "--type", "json", "-p", r#"[{"op": "remove", "path": "/spec/note"}]"#]).ok();
    let described = kubectl.run(&["describe", &name]).ok();
    assert!(described.contains("Size:   2") && described.contains("Kind:         Widget"), "{described}");
    let said = kubectl.run(&["delete", &name]).ok();
    assert!(said.starts_with(&format!("widget.{} \"w\" deleted", definition.group)), "{said}");
}

fn tables_have_the_columns_of_the_definition(server: &Server) {
    let (definition, kubectl) = installed(server, "columns");
    kubectl.apply(&definition.widget("w", &json!({"size": 7})).to_string()).ok();
    let rows = |arguments: &[&str]| -> Vec<Vec<String>> {
        let table = kubectl.run(&[&["get", &resource(&definition)], arguments].concat()).ok();
        table.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
    };
    let narrow = rows(&[]);
    assert_eq!(narrow[0], ["NAME", "SIZE", "PHASE", "AGE"]);
    assert_eq!(narrow[1][..2], ["w", "7"], "what is missing is left empty");
    assert_eq!(narrow[1].len(), 3);
    let wide = rows(&["-o", "wide"]);
    assert_eq!(wide[0], ["NAME", "SIZE", "PHASE", "COLOR", "AGE"]);
    assert_eq!(wide[1][..3], ["w", "7", "red"]);
}

fn unknown_fields_are_pruned_and_kept_where_allowed(server: &Server) {
    let (definition, kubectl) = installed(server, "prune");
    let spec = json!({"size": 1, "unknown": {"a": 1}, "anything": {"a": {"b": [1]}}, "parts": [{"name": "p", "x": 1}]});
    kubectl.read(&["apply", "--validate=ignore", "-f", "-"], &definition.widget("w", &spec).to_string()).ok();
    let shown: Value =
        serde_json::from_str(&kubectl.field(&object(&definition, "w"), "{.spec}")).expect("an object is shown as JSON");
    let expected =
        json!({"size": 1, "color": "red", "anything": {"a": {"b": [1]}}, "parts": [{"name": "p", "count": 1}]});
    assert_eq!(shown, expected);
}

fn defaults_are_filled_in(server: &Server) {
    let (definition, kubectl) = installed(server, "defaults");
    kubectl.apply(&definition.widget("w", &json!({"size": 1, "parts": [{"name": "a"}]})).to_string()).ok();
    let name = object(&definition, "w");
    assert_eq!(kubectl.field(&name, "{.spec.color} {.spec.parts[0].count}"), "red 1");
    let green = json!({"size": 1, "color": "green", "parts": [{"name": "a", "count": 5}]});
    kubectl.apply(&definition.widget("w", &green).to_string()).ok();
    assert_eq!(kubectl.field(&name, "{.spec.color} {.spec.parts[0].count}"), "green 5");
}

fn defaults_that_come_later_are_read(server: &Server) {
    let (definition, kubectl) = installed(server, "later");
    kubectl.apply(&definition.widget("w", &json!({"size": 1})).to_string()).ok();
    let path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/note/default";
    let patch = json!([{"op": "add", "path": path, "value": "by default"}]).to_string();
    kubectl.run(&["patch", "crd", &definition.name(), "--type", "json", "-p", &patch]).ok();
    eventually("old objects are read with the new default", || {
        (kubectl.field(&object(&definition, "w"), "{.spec.note}") == "by default").then_some(())
    });
}

fn objects_are_scaled(server: &Server) {
    let (definition, kubectl) = installed(server, "scale");
    let name = object(&definition, "w");
    kubectl.apply(&definition.widget("w", &json!({"size": 1})).to_string()).ok();
    assert_eq!(kubectl.run(&["scale", &name, "--replicas=5"]).ok(), format!("{name} scaled\n"));
    assert_eq!(kubectl.field(&name, "{.spec.size} {.metadata.generation}"), "5 2");
    let complaint = kubectl.run(&["scale", &name, "--current-replicas=3", "--replicas=4"]).fails();
    assert!(complaint.contains("Expected replicas to be 3, was 5"), "{complaint}");
    let scale = kubectl.run(&["get", &name, "--subresource=scale", "-o", "jsonpath={.kind} {.apiVersion}"]).ok();
    assert_eq!(scale, "Scale autoscaling/v1");
    let complaint = kubectl.run(&["scale", &name, "--replicas=101"]).fails();
    assert!(complaint.contains("should be less than or equal to 100"), "{complaint}");
}

fn the_status_is_patched_by_its_sub_resource(server: &Server) {
    let (definition, kubectl) = installed(server, "phase");
    let name = object(&definition, "w");
    kubectl.apply(&definition.widget("w", &json!({"size": 1})).to_string()).ok();
    let patch = r#"{"status": {"phase": "Up"}, "spec": {"size": 9}}"#;
    kubectl.run(&["patch", &name, "--subresource=status", "--type", "merge", "-p", patch]).ok();
    assert_eq!(kubectl.field(&name, "{.status.phase} {.spec.size}"), "Up 1");
    let table = kubectl.run(&["get", &resource(&definition), "--no-headers"]).ok();
    assert_eq!(table.split_whitespace().take(3).collect::<Vec<_>>(), ["w", "1", "Up"]);
    let waited = kubectl.run(&["wait", &name, "--for=jsonpath={.status.phase}=Up", "--timeout=5s"]).ok();
    assert_eq!(waited, format!("{name} condition met\n"));
}

fn sub_resources_that_are_not_defined_are_not_there(server: &Server) {
    let mut definition = Definition::new("plain");
    definition.manifest["spec"]["versions"][0].as_object_mut().map(|version| version.remove("subresources"));
    definition.install(server);
    let namespace = server.namespace("plain");
    let mut api = server.api();
    let mut widget = definition.widget("w", &json!({"size": 1}));
    widget["status"] = json!({"phase": "Written"});
    let created = api.post(&definition.path(&namespace), &widget).expect(201);
    assert_eq!(created["status"]["phase"], "Written", "without a sub-resource the status is like any other field");
    let path = definition.object_path(&namespace, "w");
    for name in ["status", "scale"] {
        api.get(&format!("{path}/{name}")).refused(404, "NotFound");
    }
}

/// The definition with a second version, `v1alpha1`, that is served and not stored.
fn with_two_versions(stem: &str) -> Definition {
    let mut definition = Definition::new(stem);
    let mut alpha = version("v1alpha1");
    alpha["storage"] = json!(false);
    definition.manifest["spec"]["versions"] = json!([alpha, version("v1")]);
    definition
}

fn both_versions_are_served(server: &Server) {
    let definition = with_two_versions("two");
    definition.install(server);
    let kubectl = server.kubectl(&server.namespace("two"));
    let mut widget = definition.widget("w", &json!({"size": 1}));
    widget["apiVersion"] = json!(format!("{}/v1alpha1", definition.group));
    kubectl.apply(&widget.to_string()).ok();
    // The stable version is the preferred one.
    assert_eq!(kubectl.field(&object(&definition, "w"), "{.apiVersion}"), format!("{}/v1", definition.group));
    let alpha = format!("widgets.v1alpha1.{}/w", definition.group);
    assert_eq!(kubectl.field(&alpha, "{.apiVersion}"), format!("{}/v1alpha1", definition.group));
    kubectl.run(&["patch", &alpha, "--type", "merge", "-p", r#"{"spec": {"size": 2}}"#]).ok();
    assert_eq!(kubectl.field(&object(&definition, "w"), "{.spec.size} {.metadata.generation}"), "2 2");
    let group = server.api().get(&format!("/apis/{}", definition.group)).expect(200);
    assert_eq!(group["preferredVersion"]["version"], "v1");
    assert_eq!(group["versions"].as_array().map(Vec::len), Some(2));
}

fn a_version_that_is_no_longer_served_is_gone(server: &Server) {
    let definition = with_two_versions("unserved");
    definition.install(server);
    let mut api = server.api();
    let path = format!("/apis/{}/v1alpha1/widgets", definition.group);
    api.get(&path).expect(200);
    let patch = json!([{"op": "replace", "path": "/spec/versions/0/served", "value": false}]);
    api.patch(&format!("{DEFINITIONS}/{}", definition.name()), "json", &patch).expect(200);
    eventually("the version is gone", || (api.get(&path).status == 404).then_some(()));
    api.get(&format!("/apis/{}/v1/widgets", definition.group)).expect(200);
}

fn fields_are_explained(server: &Server) {
    let (definition, kubectl) = installed(server, "explain");
    let version = format!("--api-version={}/v1", definition.group);
    let explained = eventually("the schema is published", || {
        let ran = kubectl.run(&["explain", "widget.spec.size", &version]);
        (ran.code == 0).then_some(ran.stdout)
    });
    assert!(explained.contains("How large it is."), "{explained}");
    assert!(explained.contains("<integer>"), "{explained}");
    let tree = kubectl.run(&["explain", "widget", "--recursive", &version]).ok();
    assert!(tree.contains("A thing that tests make.") && tree.contains("count\t<integer>"), "{tree}");
}

fn kinds_are_listed_with_short_names_and_categories(server: &Server) {
    let mut definition = Definition::new("listed");
    let (short, category) = (unique("short"), unique("category"));
    definition.manifest["spec"]["names"]["shortNames"] = json!([short]);
    definition.manifest["spec"]["names"]["categories"] = json!([category]);
    definition.install(server);
    let kubectl = server.kubectl(&server.namespace("listed"));
    kubectl.apply(&definition.widget("w", &json!({"size": 1})).to_string()).ok();
    let listed = kubectl.run(&["api-resources", "--no-headers", "--api-group", &definition.group]).ok();
    let version = format!("{}/v1", definition.group);
    let row: Vec<&str> = listed.split_whitespace().collect();
    assert_eq!(row, ["widgets", &short, &version, "true", "Widget"]);
    for name in [&short, &category] {
        assert_eq!(kubectl.run(&["get", name, "-o", "name"]).ok(), format!("{}\n", object(&definition, "w")));
    }
}

fn cluster_wide_kinds_have_no_namespace(server: &Server) {
    let mut definition = Definition::new("wide");
    definition.manifest["spec"]["scope"] = json!("Cluster");
    definition.install(server);
    let mut api = server.api();
    let path = format!("/apis/{}/v1/widgets", definition.group);
    let created = api.post(&path, &definition.widget("w", &json!({"size": 1}))).expect(201);
    assert_eq!(created["metadata"].get("namespace"), None);
    api.get(&definition.path("default")).refused(404, "NotFound");
    let kubectl = server.kubectl("default");
    assert_eq!(kubectl.field(&object(&definition, "w"), "{.spec.size}"), "1");
}

fn objects_go_with_their_definition(server: &Server) {
    let (definition, kubectl) = installed(server, "gone");
    kubectl.apply(&definition.widget("w", &json!({"size": 1})).to_string()).ok();
    // kubectl waits until the definition, and so its objects, are gone.
    kubectl.run(&["delete", "crd", &definition.name()]).ok();
    let complaint = kubectl.run(&["get", &resource(&definition)]).fails();
    assert!(complaint.contains("the server doesn't have a resource type"), "{complaint}");
    let mut api = server.api();
    api.get(&format!("/apis/{}", definition.group)).refused(404, "NotFound");
    let index = api.get("/openapi/v3").expect(200);
    assert_eq!(index["paths"].get(format!("apis/{}/v1", definition.group)), None);
}

fn a_definition_comes_again_without_the_old_objects(server: &Server) {
    let (definition, kubectl) = installed(server, "again");
    let widget = definition.widget("w", &json!({"size": 1})).to_string();
    kubectl.apply(&widget).ok();
    let uid = kubectl.field(&object(&definition, "w"), "{.metadata.uid}");
    kubectl.run(&["delete", "crd", &definition.name()]).ok();
    definition.install(server);
    assert_eq!(kubectl.run(&["get", &resource(&definition), "-o", "name"]).ok(), "");
    kubectl.apply(&widget).ok();
    assert_ne!(kubectl.field(&object(&definition, "w"), "{.metadata.uid}"), uid);
}

fn a_hundred_objects_are_listed_in_pages(server: &Server) {
    let (definition, kubectl) = installed(server, "hundred");
    let items: Vec<Value> = (0..100).map(|n| definition.widget(&format!("w-{n:03}"), &json!({"size": n}))).collect();
    let documents: Vec<String> = items.iter().map(Value::to_string).collect();
    kubectl.apply(&documents.join("\n---\n")).ok();
    let listed = kubectl.run(&["get", &resource(&definition), "--chunk-size=7", "--no-headers"]).ok();
    assert_eq!(listed.lines().count(), 100);
    let sizes: Vec<&str> = listed.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(sizes[..3], ["0", "1", "2"]);
    assert_eq!(sizes[99], "99");
}
