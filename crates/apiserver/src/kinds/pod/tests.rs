//! Tests of pods through the API: what is decided when one is made, what may change, how one goes, what a table shows.

mod cells;
mod deletion;

use serde_json::{Value, json};

use crate::fixture::{Fixture, pod, with};

pub(super) const PODS: &str = "/api/v1/namespaces/default/pods";
pub(super) const WEB: &str = "/api/v1/namespaces/default/pods/web";

/// A server with a pod that runs on a node.
pub(super) async fn with_bound_pod() -> Fixture {
    let server = Fixture::start().await;
    server.post(PODS, pod("web")).await.ok();
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": "web"}, "target": {"kind": "Node", "name": "n1"},
    });
    server.post(&format!("{WEB}/binding"), binding).await.ok();
    server
}

#[tokio::test]
async fn a_new_pod_is_pending_and_has_a_class_an_account_and_a_generation() {
    let server = Fixture::start().await;
    let sent = with(pod("web"), &[("/status", json!({"phase": "Running", "podIP": "1.2.3.4"}))]);
    let made = server.post(PODS, sent).await.ok();
    assert_eq!(made["status"], json!({"phase": "Pending", "qosClass": "BestEffort"}));
    assert_eq!(made["spec"]["serviceAccountName"], "default");
    assert_eq!(made["spec"]["serviceAccount"], "default");
    assert_eq!(made["metadata"]["generation"], 1);
}

#[tokio::test]
async fn a_pod_at_a_gate_says_so() {
    let server = Fixture::start().await;
    let made = server.post(PODS, with(pod("web"), &[("/spec/schedulingGates/0/name", json!("a/b"))])).await.ok();
    assert_eq!(made["status"]["conditions"][0]["reason"], "SchedulingGated");
    assert_eq!(made["status"]["conditions"][0]["lastTransitionTime"], "2026-01-01T00:00:00Z");
    assert_eq!(server.rows(PODS).await[0][2], "SchedulingGated");
    let both = with(pod("other"), &[("/spec/schedulingGates/0/name", json!("a/b")), ("/spec/nodeName", json!("n1"))]);
    let answer = server.post(PODS, both).await;
    assert!(answer.refused().1.contains("cannot be set until all schedulingGates have been cleared"), "{answer:?}");
    let narrowed = server.patch(WEB, json!({"spec": {"nodeSelector": {"disk": "ssd"}}})).await.ok();
    assert_eq!(narrowed["spec"]["nodeSelector"]["disk"], "ssd");
    let opened = server.patch(WEB, json!({"spec": {"schedulingGates": null}})).await.ok();
    assert_eq!(opened["metadata"]["generation"], 3);
    let put_up = server.patch(WEB, json!({"spec": {"schedulingGates": [{"name": "c/d"}]}})).await;
    assert!(put_up.refused().1.contains("only deletion is allowed, but found new scheduling gate 'c/d'"), "{put_up:?}");
}

#[tokio::test]
async fn an_image_can_be_changed_and_little_else() {
    let server = Fixture::start().await;
    server.post(PODS, pod("web")).await.ok();
    let change = |changes: &[(&str, Value)]| {
        let spec = with(pod("web")["spec"].clone(), changes);
        json!({"spec": spec})
    };
    let updated = server.patch(WEB, change(&[("/containers/0/image", json!("shop/web:2"))])).await.ok();
    assert_eq!(updated["metadata"]["generation"], 2);
    assert_eq!(updated["spec"]["containers"][0]["image"], "shop/web:2");
    for (changes, why) in [
        (
            [("/containers/0/tty", json!(true))],
            "pod updates may not change fields other than `spec.containers[*].image`,",
        ),
        ([("/containers/0/tty", json!(true))], "changed: spec.containers[0].tty"),
        ([("/containers/1", json!({"name": "b", "image": "b"}))], "pod updates may not add or remove containers"),
        ([("/nodeName", json!("n1"))], "changed: spec.nodeName"),
        ([("/ephemeralContainers/0", json!({"name": "e", "image": "e"}))], "changed: spec.ephemeralContainers"),
    ] {
        let answer = server.patch(WEB, change(&changes)).await;
        let (code, message) = answer.refused();
        assert_eq!(code, 422);
        assert!(message.contains(why), "{message}");
    }
}

#[tokio::test]
async fn deadlines_come_closer_and_tolerations_are_only_added() {
    let server = Fixture::start().await;
    let kept = json!({"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5});
    server.post(PODS, with(pod("web"), &[("/spec/tolerations/0", kept.clone())])).await.ok();
    let set = |spec: Value| json!({"spec": spec});
    server.patch(WEB, set(json!({"activeDeadlineSeconds": 50}))).await.ok();
    server.patch(WEB, set(json!({"activeDeadlineSeconds": 20}))).await.ok();
    let answer = server.patch(WEB, set(json!({"activeDeadlineSeconds": 30}))).await;
    assert!(answer.refused().1.contains("must be less than or equal to previous value"), "{answer:?}");
    let answer = server.patch(WEB, set(json!({"activeDeadlineSeconds": null}))).await;
    assert!(answer.refused().1.contains("must not update from a positive integer to nil value"), "{answer:?}");
    let longer = with(kept, &[("/tolerationSeconds", json!(9))]);
    server.patch(WEB, set(json!({"tolerations": [longer, {"operator": "Exists"}]}))).await.ok();
    let answer = server.patch(WEB, set(json!({"tolerations": [{"operator": "Exists"}]}))).await;
    assert!(answer.refused().1.contains("existing toleration can not be modified except its tolerationSeconds"));
}

#[tokio::test]
async fn the_node_reports_only_the_status() {
    let server = with_bound_pod().await;
    let path = format!("{WEB}/status");
    let report =
        json!({"spec": {"nodeName": "n2"}, "status": {"phase": "Running", "qosClass": null, "podIP": "10.1.0.2"}});
    let reported = server.patch(&path, report).await.ok();
    assert_eq!(reported["spec"]["nodeName"], "n1");
    assert_eq!(reported["status"]["podIPs"], json!([{"ip": "10.1.0.2"}]));
    assert_eq!(reported["status"]["qosClass"], "BestEffort", "the class was decided when the pod was made");
    assert_eq!(reported["metadata"]["generation"], 1);
    let answer = server.patch(&path, json!({"status": {"qosClass": "Guaranteed"}})).await;
    assert!(answer.refused().1.contains("status.qosClass: Invalid value: \"Guaranteed\": field is immutable"));
    let unreported = server.patch(WEB, json!({"status": {"phase": "Failed"}})).await.ok();
    assert_eq!(unreported["status"]["phase"], "Running", "the pod's own path leaves the status alone");
    let selected = server.get(&format!("{PODS}?fieldSelector=spec.nodeName%3Dn1,status.podIP%3D10.1.0.2")).await.ok();
    assert_eq!(selected["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_container_that_is_done_stays_done() {
    let server = Fixture::start().await;
    server.post(PODS, with(pod("web"), &[("/spec/restartPolicy", json!("OnFailure"))])).await.ok();
    let path = format!("{WEB}/status");
    let state = |state: Value| {
        let status =
            json!({"name": "main", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state});
        json!({"status": {"containerStatuses": [status]}})
    };
    let running = || state(json!({"running": {}}));
    server.patch(&path, state(json!({"terminated": {"exitCode": 1}}))).await.ok();
    server.put(&path, with(server.get(WEB).await.ok(), &[("/status", running()["status"].clone())])).await.ok();
    let ended = with(
        server.get(WEB).await.ok(),
        &[("/status", state(json!({"terminated": {"exitCode": 0}}))["status"].clone())],
    );
    server.put(&path, ended).await.ok();
    let again = with(server.get(WEB).await.ok(), &[("/status", running()["status"].clone())]);
    let answer = server.put(&path, again).await;
    let why = "Pod \"web\" is invalid: status.containerStatuses[0].state: Forbidden: may not be transitioned to \
               non-terminated state";
    assert_eq!(answer.refused(), (422, why));
}

#[tokio::test]
async fn only_what_is_served_is_in_discovery() {
    let server = Fixture::start().await;
    let names = |list: &Value| -> Vec<String> {
        let rows = list["resources"].as_array().unwrap().iter();
        rows.map(|row| row["name"].as_str().unwrap().to_owned()).filter(|name| name.contains('/')).collect()
    };
    let core = names(&server.get("/api/v1").await.ok());
    assert_eq!(
        core,
        [
            "namespaces/finalize",
            "namespaces/status",
            "nodes/status",
            "pods/binding",
            "pods/eviction",
            "pods/log",
            "pods/status",
        ]
    );
    let apps = names(&server.get("/apis/apps/v1").await.ok());
    assert_eq!(apps, ["deployments/scale", "deployments/status", "replicasets/scale", "replicasets/status"]);
    server.post(PODS, pod("web")).await.ok();
    for unserved in ["exec", "attach", "portforward", "proxy", "ephemeralcontainers", "resize"] {
        assert_eq!(server.get(&format!("{WEB}/{unserved}")).await.code, 404, "{unserved}");
    }
}

#[tokio::test]
async fn a_wrong_type_is_a_bad_request_and_a_missing_field_is_named_once() {
    let server = Fixture::start().await;
    let answer = server.post(PODS, with(pod("web"), &[("/spec/containers/0/ports", json!("80"))])).await;
    assert_eq!(answer.code, 400);
    let answer = server.post(PODS, with(pod("web"), &[("/spec/containers/0", json!({"image": "i"}))])).await;
    assert_eq!(answer.refused(), (422, "Pod \"web\" is invalid: spec.containers[0].name: Required value"));
    for shape in [json!(["main"]), json!({})] {
        let answer = server.post(PODS, with(pod("web"), &[("/spec/containers", shape.clone())])).await;
        assert_eq!(answer.code, 400, "{shape}: {answer:?}");
    }
    let answer = server.post(PODS, json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}})).await;
    assert_eq!(answer.code, 422, "{answer:?}");
}
