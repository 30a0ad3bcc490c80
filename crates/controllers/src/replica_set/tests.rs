//! Replica sets on the real API server, with a node that the test plays and a line to the server that fails.

use std::time::{Duration, Instant};

use client::kinds::apps::v1::ReplicaSet;
use client::{DeleteParams, KindExt, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::workload_stage::{Stage, names, object, owner_uid, set_of, template};

fn settled(replicas: i32) -> impl Fn(&ReplicaSet) -> bool {
    move |set| {
        let status = set.status.clone().unwrap_or_default();
        let counted = Some(replicas).filter(|replicas| *replicas > 0);
        status.observed_generation == set.metadata.generation
            && (status.replicas, status.ready_replicas, status.available_replicas) == (replicas, counted, counted)
    }
}

async fn scale(stage: &Stage, replicas: i32) {
    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    stage.sets().patch("web", &PatchParams::default(), &patch).await.unwrap();
}

/// Makes the controller have a turn, and waits until it has had one: it says which generation it has seen.
async fn have_a_turn(stage: &Stage) {
    let patch =
        Patch::Merge(json!({"spec": {"minReadySeconds": stage.sets().get("web").await.unwrap().metadata.generation}}));
    stage.sets().patch("web", &PatchParams::default(), &patch).await.unwrap();
    stage
        .set_that("the controller has had a turn", |set| {
            set.status.as_ref().is_some_and(|status| status.observed_generation == set.metadata.generation)
        })
        .await;
}

#[tokio::test]
async fn pods_are_replaced_when_they_go_or_fail_and_removed_when_there_are_too_many() {
    let stage = Stage::start().await;
    stage.sets().create(&PostParams::default(), &set_of(3)).await.unwrap();
    stage.set_that("all are ready", settled(3)).await;
    let first = stage.active_pods().await;
    stage.pods().delete(&first[0].name_any(), &DeleteParams::default()).await.unwrap();
    let failed = Patch::Merge(json!({"status": {"phase": "Failed", "conditions": null}}));
    stage.pods().patch_status(&first[1].name_any(), &PatchParams::default(), &failed).await.unwrap();
    let pods = stage
        .pods_that("both are replaced", |pods| {
            let gone = [first[0].name_any(), first[1].name_any()];
            async move { pods.len() == 3 && pods.iter().all(|pod| !gone.contains(&pod.name_any())) }
        })
        .await;
    assert!(names(&pods).contains(&first[2].name_any()));
    stage.set_that("all are ready again", settled(3)).await;
    scale(&stage, 1).await;
    stage.set_that("two are gone", settled(1)).await;
    scale(&stage, 0).await;
    stage.set_that("all are gone", settled(0)).await;
    stage.stop().await;
}

#[tokio::test]
async fn a_cache_that_is_behind_leads_to_no_second_creation() {
    let stage = Stage::start().await;
    stage.faults.hold_news_of_pods();
    stage.sets().create(&PostParams::default(), &set_of(5)).await.unwrap();
    stage.pods_that("all are created", |pods| async move { pods.len() == 5 }).await;
    for _ in 0..5 {
        have_a_turn(&stage).await;
    }
    assert_eq!(stage.faults.counts().0, 5, "so many creations were asked for");
    // More are wanted: what is missing is counted with what the cache does not show.
    scale(&stage, 8).await;
    have_a_turn(&stage).await;
    assert_eq!((stage.active_pods().await.len(), stage.faults.counts().0), (8, 8));
    stage.faults.release_news_of_pods();
    have_a_turn(&stage).await;
    assert_eq!((stage.active_pods().await.len(), stage.faults.counts().0), (8, 8));
    stage.stop().await;
}

#[tokio::test]
async fn pods_that_were_deleted_do_not_count_while_the_cache_is_behind() {
    let stage = Stage::start().await;
    stage.sets().create(&PostParams::default(), &set_of(6)).await.unwrap();
    stage.set_that("all are ready", settled(6)).await;
    stage.faults.hold_news_of_pods();
    scale(&stage, 4).await;
    for _ in 0..5 {
        have_a_turn(&stage).await;
    }
    assert_eq!(stage.active_pods().await.len(), 4);
    // One more is wanted than are left, although the cache shows six.
    scale(&stage, 5).await;
    have_a_turn(&stage).await;
    assert_eq!((stage.active_pods().await.len(), stage.faults.counts().0), (5, 7));
    stage.faults.release_news_of_pods();
    have_a_turn(&stage).await;
    assert_eq!((stage.active_pods().await.len(), stage.faults.counts().0), (5, 7));
    stage.stop().await;
}

#[tokio::test]
async fn a_creation_whose_answer_is_lost_is_not_repeated() {
    let stage = Stage::start().await;
    stage.faults.hold_news_of_pods();
    stage.faults.lose_answers(1);
    stage.sets().create(&PostParams::default(), &set_of(3)).await.unwrap();
    stage.pods_that("all are created", |pods| async move { pods.len() == 3 }).await;
    have_a_turn(&stage).await;
    assert_eq!((stage.active_pods().await.len(), stage.faults.counts().0), (3, 3));
    stage.faults.release_news_of_pods();
    have_a_turn(&stage).await;
    assert_eq!((stage.active_pods().await.len(), stage.faults.counts().0), (3, 3));
    stage.stop().await;
}

#[tokio::test]
async fn pods_that_are_refused_are_asked_for_one_at_a_time_and_the_reason_is_told() {
    let stage = Stage::start().await;
    stage.faults.refuse_creations(2);
    stage.sets().create(&PostParams::default(), &set_of(20)).await.unwrap();
    let told = stage
        .set_that("the reason is told", |set| {
            set.status.as_ref().is_some_and(|status| status.conditions.as_ref().is_some_and(|list| !list.is_empty()))
        })
        .await;
    let condition = &told.status.unwrap().conditions.unwrap()[0];
    assert_eq!((condition.type_.as_str(), condition.reason.as_deref()), ("ReplicaFailure", Some("FailedCreate")));
    assert_eq!(condition.message.as_deref(), Some("pods is forbidden: exceeded quota"));
    let set = stage.set_that("all are ready in the end", settled(20)).await;
    assert_eq!(set.status.unwrap().conditions, None, "the trouble is over");
    assert_eq!(stage.faults.counts().0, 22, "a refusal ends the batch, and the first batch is one pod");
    assert_eq!(stage.told("FailedCreate").await, ["Error creating: pods is forbidden: exceeded quota"]);
    stage.stop().await;
}

#[tokio::test]
async fn two_hundred_pods_are_up_in_bounded_time_and_requests() {
    let stage = Stage::start().await;
    let began = Instant::now();
    stage.sets().create(&PostParams::default(), &set_of(200)).await.unwrap();
    stage.set_that("all are ready", settled(200)).await;
    let took = began.elapsed();
    let (creations, writes) = stage.faults.counts();
    println!("200 pods: {took:?}, {creations} creations, {writes} writes of the controllers");
    assert_eq!(creations, 200);
    // A creation and an event for each pod, and fewer status writes than pods.
    assert!(writes <= 600, "{writes} writes");
    assert!(took < Duration::from_secs(20), "{took:?}");
    stage.stop().await;
}

#[tokio::test]
async fn pods_are_adopted_and_released_by_label() {
    let stage = Stage::start().await;
    let mut pod: client::kinds::core::v1::Pod = object(template("app:1"));
    pod.metadata.name = Some("stray".to_owned());
    stage.pods().create(&PostParams::default(), &pod).await.unwrap();
    stage.sets().create(&PostParams::default(), &set_of(2)).await.unwrap();
    let set = stage.set_that("all are ready", settled(2)).await;
    let stray = stage.pods().get("stray").await.unwrap();
    assert_eq!(owner_uid(&stray), set.uid());
    assert_eq!(stage.active_pods().await.len(), 2, "the stray pod counts");
    let relabel = Patch::Merge(json!({"metadata": {"labels": {"app": "debug"}}}));
    stage.pods().patch("stray", &PatchParams::default(), &relabel).await.unwrap();
    stage.pods_that("it is replaced", |pods| async move { pods.len() == 3 }).await;
    let stray = stage.pods().get("stray").await.unwrap();
    assert_eq!(owner_uid(&stray), None, "it is left alone");
    stage.set_that("all are ready", settled(2)).await;
    stage.stop().await;
}
