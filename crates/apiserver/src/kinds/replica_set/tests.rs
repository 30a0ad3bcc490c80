use serde_json::json;

use crate::fixture::{Fixture, with, workload};

const REPLICA_SETS: &str = "/apis/apps/v1/namespaces/default/replicasets";
const WEB: &str = "/apis/apps/v1/namespaces/default/replicasets/web";

#[tokio::test]
async fn a_replica_set_gets_defaults_and_counts_changes_of_its_spec() {
    let server = Fixture::start().await;
    let made = server.post(REPLICA_SETS, workload("ReplicaSet", "web")).await.ok();
    assert_eq!(made["spec"]["replicas"], 1);
    assert_eq!(made["spec"]["template"]["spec"]["restartPolicy"], "Always");
    assert_eq!(made["metadata"]["generation"], 1);
    let labelled = server.patch(WEB, json!({"metadata": {"labels": {"a": "b"}}})).await.ok();
    assert_eq!(labelled["metadata"]["generation"], 1);
    let scaled = server.patch(WEB, json!({"spec": {"replicas": 3}})).await.ok();
    assert_eq!(scaled["metadata"]["generation"], 2);
}

#[tokio::test]
async fn the_selector_must_match_the_template_and_stays() {
    let server = Fixture::start().await;
    let stranger = with(workload("ReplicaSet", "web"), &[("/spec/selector/matchLabels/app", json!("other"))]);
    let answer = server.post(REPLICA_SETS, stranger).await;
    let why = "ReplicaSet.apps \"web\" is invalid: spec.template.metadata.labels: Invalid value: {\"app\":\"web\"}: \
               `selector` does not match template `labels`";
    assert_eq!(answer.refused(), (422, why));
    let empty = with(workload("ReplicaSet", "web"), &[("/spec/selector", json!({}))]);
    let answer = server.post(REPLICA_SETS, empty).await;
    assert!(answer.refused().1.contains("spec.selector: Invalid value: {}: empty selector is invalid for deployment"));
    server.post(REPLICA_SETS, workload("ReplicaSet", "web")).await.ok();
    let labels = json!({"app": "web", "tier": "front"});
    let change = json!({"spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}}});
    let answer = server.patch(WEB, change).await;
    assert!(answer.refused().1.ends_with("field is immutable"), "{answer:?}");
}

#[tokio::test]
async fn a_template_is_held_to_the_rules_of_pods_that_run_for_good() {
    let server = Fixture::start().await;
    let changes = [
        ("/spec/replicas", json!(-1)),
        ("/spec/template/spec/restartPolicy", json!("Never")),
        ("/spec/template/spec/activeDeadlineSeconds", json!(5)),
        ("/spec/template/spec/containers/0/image", json!("")),
    ];
    let answer = server.post(REPLICA_SETS, with(workload("ReplicaSet", "web"), &changes)).await;
    let causes: Vec<_> = answer.body["details"]["causes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cause| cause["field"].as_str().unwrap())
        .collect();
    assert_eq!(
        causes,
        [
            "spec.replicas",
            "spec.template.spec.containers[0].image",
            "spec.template.spec.restartPolicy",
            "spec.template.spec.activeDeadlineSeconds",
        ]
    );
}

#[tokio::test]
async fn counts_that_contradict_each_other_are_refused() {
    let server = Fixture::start().await;
    server.post(REPLICA_SETS, workload("ReplicaSet", "web")).await.ok();
    let status =
        json!({"status": {"replicas": 1, "readyReplicas": 2, "availableReplicas": 1, "observedGeneration": -1}});
    let answer = server.patch(&format!("{WEB}/status"), status).await;
    let (code, message) = answer.refused();
    assert_eq!(code, 422);
    assert!(
        message.contains("status.observedGeneration: Invalid value: -1: must be greater than or equal to 0"),
        "{message}"
    );
    assert!(
        message.contains("status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas"),
        "{message}"
    );
}

#[tokio::test]
async fn the_table_tells_numbers_containers_and_selector() {
    let server = Fixture::start().await;
    server.post(REPLICA_SETS, workload("ReplicaSet", "web")).await.ok();
    let status = json!({"status": {"replicas": 1, "readyReplicas": 1}});
    server.patch(&format!("{WEB}/status"), status).await.ok();
    let row = json!(["web", 1, 1, 1, "0s", "main", "shop/web:1", "app=web"]);
    assert_eq!(json!(server.rows(REPLICA_SETS).await[0]), row);
}
