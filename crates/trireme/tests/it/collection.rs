//! What happens to objects whose owner goes, and to all that is in a namespace when it is deleted.

use serde_json::{Value, json};

use crate::harness::{
    Api, DEFINITIONS, Definition, Kubectl, Server, condition, config_maps, eventually, on_own_server, on_shared_server,
};

/// Tests that kill their server.
pub(crate) mod over_restarts {
    use super::{collection_goes_on_after_a_kill, on_own_server};

    on_own_server![collection_goes_on_after_a_kill];
}

on_shared_server![
    dependents_go_after_their_owner,
    dependents_go_before_their_owner_in_the_foreground,
    orphans_stay_and_forget_their_owner,
    kubectl_cascades_as_asked,
    a_dependent_of_two_owners_goes_with_the_last,
    an_owner_of_the_same_name_is_another_owner,
    an_object_whose_owner_never_was_goes,
    an_owner_in_another_namespace_is_none,
    custom_objects_own_and_are_owned,
    dependents_go_when_the_definition_of_their_owner_goes,
    a_namespace_goes_with_all_that_is_in_it,
    a_namespace_waits_for_finalizers_and_says_so,
    a_namespace_that_goes_takes_nothing_new,
    a_namespace_is_made_again_empty,
    each_namespace_has_a_service_account,
];

/// What makes an object a dependent of `owner`.
fn reference(owner: &Value) -> Value {
    json!({
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "blockOwnerDeletion": true,
    })
}

fn create(api: &mut Api, namespace: &str, name: &str, owners: &[&Value]) -> Value {
    let references: Vec<Value> = owners.iter().map(|owner| reference(owner)).collect();
    let metadata = json!({"name": name, "ownerReferences": references});
    api.post(&config_maps(namespace), &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}))
        .expect(201)
}

#[track_caller]
fn wait_until_gone(api: &mut Api, path: &str) {
    eventually(path, || (api.get(path).status == 404).then_some(()));
}

fn dependents_go_after_their_owner(server: &Server) {
    let namespace = server.namespace("background");
    let mut api = server.api();
    let owner = create(&mut api, &namespace, "owner", &[]);
    let child = create(&mut api, &namespace, "child", &[&owner]);
    create(&mut api, &namespace, "grandchild", &[&child]);
    create(&mut api, &namespace, "stranger", &[]);
    let path = config_maps(&namespace);
    api.delete(&format!("{path}/owner?propagationPolicy=Background")).expect(200);
    api.get(&format!("{path}/owner")).refused(404, "NotFound");
    wait_until_gone(&mut api, &format!("{path}/child"));
    wait_until_gone(&mut api, &format!("{path}/grandchild"));
    api.get(&format!("{path}/stranger")).expect(200);
}

fn dependents_go_before_their_owner_in_the_foreground(server: &Server) {
    let namespace = server.namespace("foreground");
    let mut api = server.api();
    let owner = create(&mut api, &namespace, "owner", &[]);
    create(&mut api, &namespace, "child", &[&owner]);
    let path = config_maps(&namespace);
    let hold = json!({"metadata": {"finalizers": ["example.com/hold"]}});
    api.patch(&format!("{path}/child"), "merge", &hold).expect(200);
    let marked = api.delete(&format!("{path}/owner?propagationPolicy=Foreground")).expect(200);
    assert_eq!(marked["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    eventually("the dependent is marked", || {
        api.get(&format!("{path}/child")).expect(200)["metadata"]["deletionTimestamp"].is_string().then_some(())
    });
    api.get(&format!("{path}/owner")).expect(200);
    api.patch(&format!("{path}/child"), "merge", &json!({"metadata": {"finalizers": null}})).expect(200);
    wait_until_gone(&mut api, &format!("{path}/child"));
    wait_until_gone(&mut api, &format!("{path}/owner"));
}

fn orphans_stay_and_forget_their_owner(server: &Server) {
    let namespace = server.namespace("orphan");
    let mut api = server.api();
    let owner = create(&mut api, &namespace, "owner", &[]);
    create(&mut api, &namespace, "child", &[&owner]);
    let path = config_maps(&namespace);
    let marked = api.delete(&format!("{path}/owner?propagationPolicy=Orphan")).expect(200);
    assert_eq!(marked["metadata"]["finalizers"], json!(["orphan"]));
    wait_until_gone(&mut api, &format!("{path}/owner"));
    let child = api.get(&format!("{path}/child")).expect(200);
    assert!(child["metadata"]["ownerReferences"].as_array().is_none_or(Vec::is_empty), "{child}");
    assert_eq!(child["metadata"].get("deletionTimestamp"), None);
}

fn shown(kubectl: &Kubectl) -> String {
    kubectl.run(&["get", "configmaps", "-o", "name"]).ok()
}

fn kubectl_cascades_as_asked(server: &Server) {
    for (cascade, left) in [("background", ""), ("foreground", ""), ("orphan", "configmap/child\n")] {
        let namespace = server.namespace(cascade);
        let mut api = server.api();
        let owner = create(&mut api, &namespace, "owner", &[]);
        create(&mut api, &namespace, "child", &[&owner]);
        let kubectl = server.kubectl(&namespace);
        // It returns when the owner is gone.
        kubectl.run(&["delete", "configmap", "owner", &format!("--cascade={cascade}")]).ok();
        eventually(cascade, || (shown(&kubectl) == left).then_some(()));
    }
}

fn a_dependent_of_two_owners_goes_with_the_last(server: &Server) {
    let namespace = server.namespace("owners");
    let mut api = server.api();
    let first = create(&mut api, &namespace, "first", &[]);
    let second = create(&mut api, &namespace, "second", &[]);
    create(&mut api, &namespace, "child", &[&first, &second]);
    let path = config_maps(&namespace);
    api.delete(&format!("{path}/first")).expect(200);
    eventually("the reference to the first owner is gone", || {
        let child = api.get(&format!("{path}/child")).expect(200);
        (child["metadata"]["ownerReferences"] == json!([reference(&second)])).then_some(())
    });
    api.delete(&format!("{path}/second")).expect(200);
    wait_until_gone(&mut api, &format!("{path}/child"));
}

fn an_owner_of_the_same_name_is_another_owner(server: &Server) {
    let namespace = server.namespace("same-name");
    let mut api = server.api();
    let old = create(&mut api, &namespace, "owner", &[]);
    api.delete(&format!("{}/owner", config_maps(&namespace))).expect(200);
    let new = create(&mut api, &namespace, "owner", &[]);
    create(&mut api, &namespace, "of-the-new", &[&new]);
    create(&mut api, &namespace, "of-the-old", &[&old]);
    wait_until_gone(&mut api, &format!("{}/of-the-old", config_maps(&namespace)));
    api.get(&format!("{}/of-the-new", config_maps(&namespace))).expect(200);
}

fn an_object_whose_owner_never_was_goes(server: &Server) {
    let namespace = server.namespace("never");
    let mut api = server.api();
    let never = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "never", "uid": "never-was"}});
    create(&mut api, &namespace, "child", &[&never]);
    wait_until_gone(&mut api, &format!("{}/child", config_maps(&namespace)));
}

fn an_owner_in_another_namespace_is_none(server: &Server) {
    let (here, there) = (server.namespace("here"), server.namespace("there"));
    let mut api = server.api();
    let owner = create(&mut api, &there, "owner", &[]);
    create(&mut api, &here, "child", &[&owner]);
    wait_until_gone(&mut api, &format!("{}/child", config_maps(&here)));
    let events = format!("/api/v1/namespaces/{here}/events?fieldSelector=reason%3DOwnerRefInvalidNamespace");
    eventually("an event says why", || {
        api.get(&events).expect(200)["items"].as_array().is_some_and(|items| !items.is_empty()).then_some(())
    });
    api.get(&format!("{}/owner", config_maps(&there))).expect(200);
}

/// A widget that owns a ConfigMap of the same name.
fn create_owning_widget(api: &mut Api, definition: &Definition, namespace: &str, name: &str) {
    let owner = api.post(&definition.path(namespace), &definition.widget(name, &json!({"size": 1}))).expect(201);
    create(api, namespace, name, &[&owner]);
}

fn custom_objects_own_and_are_owned(server: &Server) {
    let definition = Definition::new("owning");
    definition.install(server);
    let namespace = server.namespace("owning");
    let mut api = server.api();
    let owner = api.post(&definition.path(&namespace), &definition.widget("owner", &json!({"size": 1}))).expect(201);
    let mut child = definition.widget("child", &json!({"size": 1}));
    child["metadata"]["ownerReferences"] = json!([reference(&owner)]);
    let child = api.post(&definition.path(&namespace), &child).expect(201);
    create(&mut api, &namespace, "grandchild", &[&child]);
    api.delete(&definition.object_path(&namespace, "owner")).expect(200);
    wait_until_gone(&mut api, &definition.object_path(&namespace, "child"));
    wait_until_gone(&mut api, &format!("{}/grandchild", config_maps(&namespace)));
}

fn dependents_go_when_the_definition_of_their_owner_goes(server: &Server) {
    let definition = Definition::new("undefined");
    definition.install(server);
    let namespace = server.namespace("undefined");
    let mut api = server.api();
    // Who collects learns of a new kind after a while, and can look for owners only while the kind is served: a first
    // collection shows that it has.
    create_owning_widget(&mut api, &definition, &namespace, "first");
    api.delete(&definition.object_path(&namespace, "first")).expect(200);
    wait_until_gone(&mut api, &format!("{}/first", config_maps(&namespace)));
    create_owning_widget(&mut api, &definition, &namespace, "second");
    api.delete(&format!("{DEFINITIONS}/{}", definition.name())).expect(200);
    wait_until_gone(&mut api, &format!("{}/second", config_maps(&namespace)));
}

fn a_namespace_goes_with_all_that_is_in_it(server: &Server) {
    let definition = Definition::new("swept");
    definition.install(server);
    let namespace = server.namespace("swept");
    let mut api = server.api();
    for n in 0..20 {
        create(&mut api, &namespace, &format!("c-{n}"), &[]);
    }
    api.post(&definition.path(&namespace), &definition.widget("w", &json!({"size": 1}))).expect(201);
    let kubectl = server.kubectl("default");
    // It returns when the namespace is gone.
    kubectl.run(&["delete", "namespace", &namespace]).ok();
    api.get(&format!("/api/v1/namespaces/{namespace}")).refused(404, "NotFound");
    for path in [config_maps(&namespace), definition.path(&namespace)] {
        assert_eq!(api.get(&path).expect(200)["items"].as_array().map(Vec::len), Some(0), "{path}");
    }
}

fn hold(api: &mut Api, namespace: &str, name: &str, finalizers: &Value) {
    let patch = json!({"metadata": {"finalizers": finalizers}});
    api.patch(&format!("{}/{name}", config_maps(namespace)), "merge", &patch).expect(200);
}

fn a_namespace_waits_for_finalizers_and_says_so(server: &Server) {
    let namespace = server.namespace("waits");
    let mut api = server.api();
    create(&mut api, &namespace, "held", &[]);
    create(&mut api, &namespace, "free", &[]);
    hold(&mut api, &namespace, "held", &json!(["example.com/hold"]));
    let path = format!("/api/v1/namespaces/{namespace}");
    assert_eq!(api.delete(&path).expect(200)["status"]["phase"], "Terminating");
    let waiting = eventually("the namespace says what it waits for", || {
        let object = api.get(&path).expect(200);
        (condition(&object, "NamespaceFinalizersRemaining").as_deref() == Some("True")).then_some(object)
    });
    assert_eq!(condition(&waiting, "NamespaceContentRemaining").as_deref(), Some("True"), "{waiting}");
    assert!(waiting["status"]["conditions"].to_string().contains("example.com/hold"), "{waiting}");
    wait_until_gone(&mut api, &format!("{}/free", config_maps(&namespace)));
    assert_eq!(api.delete(&path).expect(200)["metadata"]["uid"], waiting["metadata"]["uid"], "twice is once");
    hold(&mut api, &namespace, "held", &json!(null));
    wait_until_gone(&mut api, &path);
}

fn a_namespace_that_goes_takes_nothing_new(server: &Server) {
    let namespace = server.namespace("closing");
    let mut api = server.api();
    create(&mut api, &namespace, "held", &[]);
    hold(&mut api, &namespace, "held", &json!(["example.com/hold"]));
    api.delete(&format!("/api/v1/namespaces/{namespace}")).expect(200);
    let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "late"}});
    let status = api.post(&config_maps(&namespace), &body).refused(403, "Forbidden");
    assert_eq!(
        status["message"],
        format!(
            "configmaps \"late\" is forbidden: unable to create new content in namespace {namespace} because it is being \
             terminated"
        )
    );
    let cause = &status["details"]["causes"][0];
    assert_eq!(cause["reason"], "NamespaceTerminating", "clients switch on the cause: {status}");
    hold(&mut api, &namespace, "held", &json!(null));
    wait_until_gone(&mut api, &format!("/api/v1/namespaces/{namespace}"));
}

fn a_namespace_is_made_again_empty(server: &Server) {
    let namespace = server.namespace("again");
    let mut api = server.api();
    create(&mut api, &namespace, "old", &[]);
    let path = format!("/api/v1/namespaces/{namespace}");
    api.delete(&path).expect(200);
    wait_until_gone(&mut api, &path);
    api.post("/api/v1/namespaces", &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}))
        .expect(201);
    assert_eq!(api.get(&config_maps(&namespace)).expect(200)["items"], json!([]));
    create(&mut api, &namespace, "old", &[]);
}

fn each_namespace_has_a_service_account(server: &Server) {
    let namespace = server.namespace("account");
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/default");
    let mut api = server.api();
    let first = eventually("the account is made", || Some(api.get(&path)).filter(|answer| answer.status == 200)).json();
    api.delete(&path).expect(200);
    eventually("the account is made again", || {
        let answer = api.get(&path);
        (answer.status == 200 && answer.json()["metadata"]["uid"] != first["metadata"]["uid"]).then_some(())
    });
}

fn collection_goes_on_after_a_kill() {
    let mut server = Server::start();
    let namespace = server.namespace("killed");
    let mut api = server.api();
    let owner = create(&mut api, "default", "owner", &[]);
    for n in 0..30 {
        create(&mut api, "default", &format!("child-{n}"), &[&owner]);
        create(&mut api, &namespace, &format!("c-{n}"), &[]);
    }
    api.delete(&format!("{}/owner", config_maps("default"))).expect(200);
    api.delete(&format!("/api/v1/namespaces/{namespace}")).expect(200);
    server.kill9();
    server.restart();
    let mut api = server.api();
    wait_until_gone(&mut api, &format!("/api/v1/namespaces/{namespace}"));
    eventually("the dependents are gone", || {
        api.get(&config_maps("default")).expect(200)["items"].as_array().is_some_and(Vec::is_empty).then_some(())
    });
    server.stop();
}
