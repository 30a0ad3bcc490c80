use serde_json::{Value, json};

use crate::fixture::{Fixture, with, workload};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const WEB: &str = "/apis/apps/v1/namespaces/default/deployments/web";

fn deployment(changes: &[(&str, Value)]) -> Value {
    with(workload("Deployment", "web"), changes)
}

#[tokio::test]
async fn a_deployment_gets_what_kubernetes_fills_in() {
    let server = Fixture::start().await;
    let made = server.post(DEPLOYMENTS, deployment(&[])).await.ok();
    let spec = &made["spec"];
    assert_eq!(spec["replicas"], 1);
    assert_eq!(spec["revisionHistoryLimit"], 10);
    assert_eq!(spec["progressDeadlineSeconds"], 600);
    let strategy = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}});
    assert_eq!(spec["strategy"], strategy);
    let template = &spec["template"]["spec"];
    assert_eq!(template["terminationGracePeriodSeconds"], 30);
    assert_eq!(template["enableServiceLinks"], Value::Null, "links are decided when the pod is made");
    assert_eq!(made["status"], Value::Null);
}

#[tokio::test]
async fn recreating_has_no_steps() {
    let server = Fixture::start().await;
    let made = server.post(DEPLOYMENTS, deployment(&[("/spec/strategy/type", json!("Recreate"))])).await.ok();
    assert_eq!(made["spec"]["strategy"], json!({"type": "Recreate"}));
    let both = json!({"type": "Recreate", "rollingUpdate": {"maxSurge": 1}});
    let answer = server.patch(WEB, json!({"spec": {"strategy": both}})).await;
    let why = "Deployment.apps \"web\" is invalid: spec.strategy.rollingUpdate: Forbidden: may not be specified when \
               strategy `type` is 'Recreate'";
    assert_eq!(answer.refused(), (422, why));
}

#[tokio::test]
async fn steps_must_make_progress() {
    let server = Fixture::start().await;
    for (unavailable, surge, why) in [
        (
            json!(0),
            json!(0),
            "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
        ),
        (json!("0%"), json!(0), "Invalid value: \"0%\": may not be 0 when `maxSurge` is 0"),
        (json!("101%"), json!(1), "Invalid value: \"101%\": must not be greater than 100%"),
        (json!(-1), json!(1), "Invalid value: -1: must be greater than or equal to 0"),
        (
            json!("two"),
            json!(1),
            "Invalid value: \"two\": a valid percent string must be a numeric string followed by an ending '%'",
        ),
    ] {
        let steps = json!({"maxUnavailable": unavailable, "maxSurge": surge});
        let answer = server.post(DEPLOYMENTS, deployment(&[("/spec/strategy/rollingUpdate", steps)])).await;
        let (code, message) = answer.refused();
        assert_eq!(code, 422);
        assert!(message.contains(why), "{message}");
    }
}

#[tokio::test]
async fn the_deadline_leaves_time_to_become_ready() {
    let server = Fixture::start().await;
    let changes = [("/spec/minReadySeconds", json!(10)), ("/spec/progressDeadlineSeconds", json!(10))];
    let answer = server.post(DEPLOYMENTS, deployment(&changes)).await;
    let why = "Deployment.apps \"web\" is invalid: spec.progressDeadlineSeconds: Invalid value: 10: must be greater than \
               minReadySeconds";
    assert_eq!(answer.refused(), (422, why));
}

#[tokio::test]
async fn annotations_count_as_changes_and_labels_do_not() {
    let server = Fixture::start().await;
    server.post(DEPLOYMENTS, deployment(&[])).await.ok();
    let labelled = server.patch(WEB, json!({"metadata": {"labels": {"a": "b"}}})).await.ok();
    assert_eq!(labelled["metadata"]["generation"], 1);
    let annotated = server.patch(WEB, json!({"metadata": {"annotations": {"a": "b"}}})).await.ok();
    assert_eq!(annotated["metadata"]["generation"], 2);
}

#[tokio::test]
async fn writing_back_what_go_types_keep_changes_nothing() {
    let server = Fixture::start().await;
    let made = server.post(DEPLOYMENTS, deployment(&[])).await.ok();
    let back = with(
        made.clone(),
        &[
            ("/metadata/creationTimestamp", made["metadata"]["creationTimestamp"].clone()),
            ("/spec/template/metadata/creationTimestamp", Value::Null),
            ("/spec/template/spec/containers/0/resources", json!({})),
            ("/status", json!({})),
        ],
    );
    let written = server.put(WEB, back).await.ok();
    assert_eq!(written["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);
}

#[tokio::test]
async fn the_scale_is_read_and_written_as_autoscalers_do() {
    let server = Fixture::start().await;
    let made = server.post(DEPLOYMENTS, deployment(&[("/spec/replicas", json!(2))])).await.ok();
    let path = format!("{WEB}/scale");
    let scale = server.get(&path).await.ok();
    assert_eq!(scale["apiVersion"], "autoscaling/v1");
    assert_eq!(scale["spec"]["replicas"], 2);
    assert_eq!(scale["status"], json!({"replicas": 0, "selector": "app=web"}));
    let scaled = server.put(&path, with(scale.clone(), &[("/spec/replicas", json!(5))])).await.ok();
    assert_eq!(scaled["spec"]["replicas"], 5);
    let read = server.get(WEB).await.ok();
    assert_eq!(read["spec"]["replicas"], 5);
    assert_eq!(read["metadata"]["generation"], 2);
    let stale = server.put(&path, with(scale.clone(), &[("/spec/replicas", json!(6))])).await;
    assert_eq!(stale.code, 409);
    let stranger = with(scale, &[("/metadata/uid", json!("x")), ("/metadata/resourceVersion", Value::Null)]);
    assert_eq!(server.put(&path, stranger).await.code, 409);
    assert_eq!(server.patch(&path, json!({"spec": {"replicas": -1}})).await.code, 422);
    assert_eq!(made["metadata"]["uid"], read["metadata"]["uid"]);
}

#[tokio::test]
async fn collisions_are_only_counted_upwards() {
    let server = Fixture::start().await;
    server.post(DEPLOYMENTS, deployment(&[])).await.ok();
    let status = format!("{WEB}/status");
    server.patch(&status, json!({"status": {"collisionCount": 2}})).await.ok();
    let answer = server.patch(&status, json!({"status": {"collisionCount": 1}})).await;
    let why = "Deployment.apps \"web\" is invalid: status.collisionCount: Invalid value: 1: cannot be decremented";
    assert_eq!(answer.refused(), (422, why));
}

#[tokio::test]
async fn the_table_tells_ready_updated_and_available() {
    let server = Fixture::start().await;
    server.post(DEPLOYMENTS, deployment(&[("/spec/replicas", json!(3))])).await.ok();
    let status = json!({"replicas": 3, "readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1});
    server.patch(&format!("{WEB}/status"), json!({"status": status})).await.ok();
    let row = json!(["web", "2/3", 3, 1, "0s", "main", "shop/web:1", "app=web"]);
    assert_eq!(json!(server.rows(DEPLOYMENTS).await[0]), row);
}
