//! Deployments on the real API server, with a node that the test plays.

use client::kinds::core::v1::Pod;
use client::{DeleteParams, KindExt, PostParams};
use serde_json::json;
use testkit::State;

use super::revision::{REVISION, revision};
use super::template;
use crate::workload_stage::{
    NAMESPACE, Stage, deployment_of, image_of, is_rolled_out, names, owner_uid, reason, template as pod_template,
};

fn revisions(stage_sets: &[client::kinds::apps::v1::ReplicaSet]) -> Vec<(i64, i32)> {
    let size = |set: &client::kinds::apps::v1::ReplicaSet| set.spec.as_ref().unwrap().replicas.unwrap();
    stage_sets.iter().map(|set| (revision(set.metadata.annotations.as_ref()), size(set))).collect()
}

#[tokio::test]
async fn a_deployment_gets_its_pods_through_a_replica_set_of_its_own() {
    let stage = Stage::start().await;
    stage.create_deployment(json!({"replicas": 3})).await;
    stage.rolled_out().await;
    let deployment = stage
        .deployment_that("it says so", |now| {
            reason(now, "Progressing") == "NewReplicaSetAvailable" && now.annotations().contains_key(REVISION)
        })
        .await;
    let sets = stage.all_sets().await;
    let [set] = &sets[..] else { panic!("one replica set is made: {sets:?}") };
    let hash = &set.labels()[template::HASH_LABEL];
    assert_eq!(set.name_any(), format!("web-{hash}"));
    assert_eq!(owner_uid(set), deployment.uid());
    assert_eq!(deployment.annotations()[REVISION], "1");
    assert_eq!(reason(&deployment, "Available"), "MinimumReplicasAvailable");
    let pods = stage.active_pods().await;
    assert_eq!(pods.len(), 3);
    for pod in &pods {
        assert_eq!(owner_uid(pod), set.uid());
        assert_eq!(&pod.labels()[template::HASH_LABEL], hash);
        assert!(pod.name_any().starts_with(&format!("web-{hash}-")), "{}", pod.name_any());
    }
    stage.stop().await;
}

#[tokio::test]
async fn a_changed_template_is_rolled_out_and_can_be_gone_back_from() {
    let stage = Stage::start().await;
    stage.create_deployment(json!({"replicas": 4})).await;
    stage.rolled_out().await;
    stage.change_deployment(json!({"spec": {"template": pod_template("app:2")}})).await;
    stage.rolled_out().await;
    assert!(stage.active_pods().await.iter().all(|pod| image_of(pod) == "app:2"));
    assert_eq!(revisions(&stage.all_sets().await), [(1, 0), (2, 4)]);
    // What `kubectl rollout undo` sends.
    stage.change_deployment(json!({"spec": {"template": pod_template("app:1")}})).await;
    stage.rolled_out().await;
    stage.deployment_that("the revision is shown", |now| now.annotations()[REVISION] == "3").await;
    let sets = stage.all_sets().await;
    assert_eq!(revisions(&sets), [(2, 0), (3, 4)], "the first replica set serves again");
    assert_eq!(sets[1].annotations()["deployment.kubernetes.io/revision-history"], "1");
    stage.stop().await;
}

#[tokio::test]
async fn a_restart_replaces_all_pods_and_only_pods_of_the_old_template() {
    let stage = Stage::start().await;
    stage.create_deployment(json!({"replicas": 3})).await;
    stage.rolled_out().await;
    let before = names(&stage.active_pods().await);
    // What `kubectl rollout restart` sends.
    let restarted = json!({"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"});
    stage.change_deployment(json!({"spec": {"template": {"metadata": {"annotations": restarted}}}})).await;
    stage.rolled_out().await;
    let after = names(&stage.active_pods().await);
    assert_eq!(after.len(), 3);
    assert!(after.iter().all(|name| !before.contains(name)), "{before:?} {after:?}");
    stage.stop().await;
}

#[tokio::test]
async fn a_roll_out_of_broken_pods_is_late_keeps_the_old_ones_and_ends_when_taken_back() {
    let stage = Stage::start().await;
    stage.create_deployment(json!({"replicas": 4, "progressDeadlineSeconds": 2})).await;
    stage.rolled_out().await;
    let healthy = names(&stage.active_pods().await);
    stage.change_deployment(json!({"spec": {"template": pod_template("broken")}})).await;
    let late =
        stage.deployment_that("it is late", |now| reason(now, "Progressing") == "ProgressDeadlineExceeded").await;
    assert_eq!(reason(&late, "Available"), "MinimumReplicasAvailable");
    let pods = stage.active_pods().await;
    assert!(pods.len() <= 5, "one pod more than four: {}", pods.len());
    let left: Vec<&Pod> = pods.iter().filter(|pod| image_of(pod) == "app:1").collect();
    assert_eq!(left.len(), 3, "one pod fewer than four is available");
    stage.change_deployment(json!({"spec": {"template": pod_template("app:1")}})).await;
    stage.rolled_out().await;
    let ended =
        stage.deployment_that("it is complete", |now| reason(now, "Progressing") == "NewReplicaSetAvailable").await;
    assert!(is_rolled_out(&ended));
    let kept = names(&stage.active_pods().await).into_iter().filter(|name| healthy.contains(name)).count();
    assert_eq!(kept, 3, "pods that were healthy all the time are not replaced");
    stage.stop().await;
}

#[tokio::test]
async fn recreate_ends_the_old_pods_before_new_ones_begin() {
    let stage = Stage::start().await;
    stage.create_deployment(json!({"replicas": 3, "strategy": {"type": "Recreate"}})).await;
    stage.rolled_out().await;
    let watched = stage.client.cache::<Pod>();
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let (log, pods) = (seen.clone(), watched.clone());
    let _subscription = watched.subscribe(move |_| {
        let images = pods.all().iter().map(|pod| image_of(pod)).collect::<std::collections::BTreeSet<_>>();
        log.lock().unwrap().push(images);
    });
    stage.change_deployment(json!({"spec": {"template": pod_template("app:2")}})).await;
    stage.rolled_out().await;
    assert!(stage.active_pods().await.iter().all(|pod| image_of(pod) == "app:2"));
    let seen = seen.lock().unwrap().clone();
    assert!(seen.iter().all(|images| images.len() <= 1), "{seen:?}");
    stage.stop().await;
}

#[tokio::test]
async fn a_paused_deployment_is_scaled_and_rolls_when_it_is_resumed() {
    let stage = Stage::start().await;
    stage.create_deployment(json!({"replicas": 2})).await;
    stage.rolled_out().await;
    stage.change_deployment(json!({"spec": {"paused": true}})).await;
    stage.deployment_that("the pause is seen", |now| reason(now, "Progressing") == "DeploymentPaused").await;
    stage.change_deployment(json!({"spec": {"template": pod_template("app:2"), "replicas": 3}})).await;
    stage
        .deployment_that("it is scaled", |now| {
            let status = now.status.as_ref().unwrap();
            status.observed_generation == now.metadata.generation && status.available_replicas == Some(3)
        })
        .await;
    assert!(stage.active_pods().await.iter().all(|pod| image_of(pod) == "app:1"));
    assert_eq!(stage.all_sets().await.len(), 1);
    stage.change_deployment(json!({"spec": {"paused": false}})).await;
    stage.rolled_out().await;
    assert!(stage.active_pods().await.iter().all(|pod| image_of(pod) == "app:2"));
    stage.stop().await;
}

#[tokio::test]
async fn only_as_many_old_replica_sets_are_kept_as_the_history_limit_says() {
    let stage = Stage::start().await;
    stage.create_deployment(json!({"replicas": 1, "revisionHistoryLimit": 1})).await;
    stage.rolled_out().await;
    for image in ["app:2", "app:3", "app:4"] {
        stage.change_deployment(json!({"spec": {"template": pod_template(image)}})).await;
        stage.rolled_out().await;
    }
    let left = testkit::eventually("old replica sets are removed", || async {
        let sets = stage.all_sets().await;
        (sets.len() <= 2).then_some(sets)
    })
    .await;
    assert_eq!(revisions(&left), [(3, 0), (4, 1)]);
    stage.stop().await;
}

#[tokio::test]
async fn scaling_in_mid_roll_out_keeps_both_templates_and_ends_at_the_new_size() {
    let stage = Stage::start().await;
    stage.create_deployment(json!({"replicas": 4})).await;
    stage.rolled_out().await;
    stage.change_deployment(json!({"spec": {"template": pod_template("broken")}})).await;
    stage
        .pods_that("the roll-out has begun", |pods| async move {
            pods.iter().filter(|pod| image_of(pod) == "broken").count() == 2
        })
        .await;
    stage.change_deployment(json!({"spec": {"replicas": 8}})).await;
    // 3 old and 2 new pods of at most 5 become 6 and 4 of at most 10.
    stage
        .pods_that("both are scaled", |pods| async move {
            let of = |image: &str| pods.iter().filter(|pod| image_of(pod) == image).count();
            (of("app:1"), of("broken")) == (6, 4)
        })
        .await;
    stage.change_deployment(json!({"spec": {"template": pod_template("app:2")}})).await;
    stage.rolled_out().await;
    assert_eq!(stage.active_pods().await.len(), 8);
    stage.stop().await;
}

#[tokio::test]
async fn controllers_that_are_restarted_in_mid_roll_out_go_on() {
    let mut stage = Stage::start().await;
    stage.create_deployment(json!({"replicas": 6})).await;
    for image in ["app:2", "app:3", "app:4"] {
        stage.change_deployment(json!({"spec": {"template": pod_template(image)}})).await;
        stage
            .pods_that("the roll-out has begun", |pods| async move { pods.iter().any(|pod| image_of(pod) == image) })
            .await;
        stage.restart_controllers().await;
    }
    stage.rolled_out().await;
    let pods = stage.active_pods().await;
    assert_eq!(pods.len(), 6);
    assert!(pods.iter().all(|pod| image_of(pod) == "app:4"));
    stage.stop().await;
}

#[tokio::test]
async fn a_name_that_is_taken_by_another_replica_set_is_avoided() {
    let mut stage = Stage::start().await;
    stage.stop_controllers().await;
    let deployment = stage.create_deployment(json!({"replicas": 1})).await;
    let hash = template::hash(&deployment.spec.as_ref().unwrap().template, 0);
    let mut foreign = crate::workload_stage::set_of(0);
    foreign.metadata.name = Some(template::replica_set_name("web", &hash));
    let selector = &mut foreign.spec.as_mut().unwrap();
    selector.selector.match_labels = Some([("app".to_owned(), "other".to_owned())].into());
    let labels = selector.template.as_mut().unwrap().metadata.as_mut().unwrap();
    labels.labels = Some([("app".to_owned(), "other".to_owned())].into());
    stage.sets().create(&PostParams::default(), &foreign).await.unwrap();
    stage.restart_controllers().await;
    let deployment = stage.rolled_out().await;
    assert_eq!(deployment.status.unwrap().collision_count, Some(1));
    assert_eq!(stage.all_sets().await.len(), 2);
    stage.stop().await;
}

#[tokio::test]
async fn replica_sets_that_the_selector_matches_are_adopted() {
    let stage = Stage::start().await;
    let deployment = stage.create_deployment(json!({"replicas": 2})).await;
    stage.rolled_out().await;
    let pods = names(&stage.active_pods().await);
    let orphan =
        DeleteParams { propagation_policy: Some(client::PropagationPolicy::Orphan), ..DeleteParams::default() };
    stage.stop_controllers().await;
    stage.deployments().delete("web", &orphan).await.unwrap();
    // The garbage collector's part in orphaning, which is not running here.
    let set = stage.all_sets().await.remove(0);
    let free = json!({"metadata": {"ownerReferences": null}});
    let params = client::PatchParams::default();
    stage.sets().patch(&set.name_any(), &params, &client::Patch::Merge(free)).await.unwrap();
    let unfinished = json!({"metadata": {"finalizers": null}});
    drop(stage.deployments().patch("web", &params, &client::Patch::Merge(unfinished)).await);
    let mut stage = stage;
    stage.restart_controllers().await;
    let again =
        stage.deployments().create(&PostParams::default(), &deployment_of(json!({"replicas": 2}))).await.unwrap();
    assert_ne!(again.uid(), deployment.uid());
    stage.rolled_out().await;
    let sets = stage.all_sets().await;
    assert_eq!(sets.len(), 1);
    assert_eq!(owner_uid(&sets[0]), again.uid());
    assert_eq!(names(&stage.active_pods().await), pods, "the same pods serve on");
    stage.stop().await;
}

#[tokio::test]
async fn when_all_is_as_it_should_be_nothing_is_written() {
    let mut stage = Stage::start().await;
    stage.create_deployment(json!({"replicas": 3, "minReadySeconds": 1})).await;
    stage.rolled_out().await;
    stage.change_deployment(json!({"spec": {"template": pod_template("app:2")}})).await;
    stage.rolled_out().await;
    stage.deployment_that("it says so", |now| reason(now, "Progressing") == "NewReplicaSetAvailable").await;
    stage.stop_controllers().await;
    let counts = |namespace: &str| namespace == NAMESPACE;
    let before = State::read(&stage.client, counts).await;
    // Controllers that start look at everything, and have when they have served what came later.
    stage.restart_controllers().await;
    stage.ensure_namespace("later").await;
    let mut later = deployment_of(json!({"replicas": 1}));
    later.metadata.namespace = Some("later".to_owned());
    let deployments: client::Api<client::kinds::apps::v1::Deployment> = stage.client.namespaced("later");
    deployments.create(&PostParams::default(), &later).await.unwrap();
    testkit::eventually("what came later is served", || async {
        is_rolled_out(&deployments.get("web").await.unwrap()).then_some(())
    })
    .await;
    State::read(&stage.client, counts).await.assert_same_as(&before);
    stage.stop().await;
}
