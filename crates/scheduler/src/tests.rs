//! The scheduler on the real API server. Nodes and the ends of pods are the test's doing.

use std::time::Duration;

use client::kinds::core::v1::{Event, Node, Pod};
use client::{Api, Client, DeleteParams, KindExt, Leadership, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use task::{Class, Group};
use testkit::{Cluster, State, eventually};

struct Stage {
    cluster: Cluster,
    client: Client,
    scheduler: Group,
}

fn object<K: serde::de::DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

impl Stage {
    async fn start() -> Self {
        let cluster = Cluster::start().await;
        let client = cluster.client("test");
        let mut stage = Self { cluster, client, scheduler: Group::new() };
        stage.start_scheduler();
        stage
    }

    fn start_scheduler(&mut self) {
        self.scheduler = Group::new();
        let client = self.cluster.client_in("scheduler", &self.scheduler);
        let clock = self.cluster.clock().clone();
        self.scheduler
            .spawn(Class::Controller, "scheduler", |stop| super::run(client, clock, Leadership::always(), stop));
    }

    async fn stop_scheduler(&self) {
        assert!(self.scheduler.stop(Duration::from_secs(10)).await, "the scheduler did not stop");
    }

    async fn stop(self) {
        self.stop_scheduler().await;
        self.cluster.stop().await;
    }

    fn pods(&self) -> Api<Pod> {
        self.client.namespaced("default")
    }

    fn nodes(&self) -> Api<Node> {
        self.client.cluster()
    }

    async fn create_node(&self, name: &str, cpu: &str) {
        let node: Node = object(json!({"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}}));
        self.nodes().create(&PostParams::default(), &node).await.unwrap();
        let status = Patch::Merge(json!({"status": {
            "capacity": {"cpu": cpu, "memory": "8Gi", "pods": "300"},
            "allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "300"},
            "conditions": [{"type": "Ready", "status": "True"}],
        }}));
        self.nodes().patch_status(name, &PatchParams::default(), &status).await.unwrap();
    }

    async fn create_pod(&self, name: &str, cpu: &str) {
        self.create_pod_of(
            name,
            json!({"containers": [{"name": "a", "image": "app:1", "resources": {"requests": {"cpu": cpu}}}]}),
        )
        .await;
    }

    async fn create_pod_of(&self, name: &str, spec: Value) {
        let pod: Pod = object(json!({"metadata": {"name": name}, "spec": spec}));
        self.pods().create(&PostParams::default(), &pod).await.unwrap();
    }

    async fn node_of(&self, pod: &str) -> Option<String> {
        self.pods().get(pod).await.unwrap().spec.unwrap().node_name
    }

    async fn bound(&self, pod: &str) -> String {
        eventually(&format!("{pod} is bound"), || self.node_of(pod)).await
    }

    /// The reason that the pod's condition gives for its having no node.
    async fn unschedulable(&self, pod: &str) -> String {
        eventually(&format!("it is said why {pod} is not bound"), || async {
            let status = self.pods().get(pod).await.unwrap().status.unwrap();
            let conditions = status.conditions.unwrap_or_default();
            let condition = conditions.into_iter().find(|condition| condition.type_ == "PodScheduled")?;
            assert_eq!((condition.status.as_str(), condition.reason.as_deref()), ("False", Some("Unschedulable")));
            condition.message
        })
        .await
    }

    async fn told(&self, reason: &str) -> Vec<String> {
        let events: Api<Event> = self.client.namespaced("default");
        let events = events.list(&ListParams::default()).await.unwrap();
        let told = events.into_iter().filter(|event| event.reason.as_deref() == Some(reason));
        told.filter_map(|event| event.message).collect()
    }
}

#[tokio::test]
async fn a_pod_that_fits_nowhere_says_why_and_is_bound_when_room_is_made() {
    let stage = Stage::start().await;
    stage.create_pod("first", "1500m").await;
    assert_eq!(stage.unschedulable("first").await, "no nodes available to schedule pods");
    stage.create_node("one", "2").await;
    assert_eq!(stage.bound("first").await, "one");
    stage.create_pod("second", "1").await;
    assert_eq!(stage.unschedulable("second").await, "0/1 nodes are available: 1 Insufficient cpu.");
    eventually("it is told in an event", || async {
        let told = stage.told("FailedScheduling").await;
        told.contains(&"0/1 nodes are available: 1 Insufficient cpu.".to_owned()).then_some(())
    })
    .await;
    // A pod that has ended leaves its room although it is still there.
    let ended = Patch::Merge(json!({"status": {"phase": "Succeeded"}}));
    stage.pods().patch_status("first", &PatchParams::default(), &ended).await.unwrap();
    assert_eq!(stage.bound("second").await, "one");
    stage.create_pod("third", "1500m").await;
    stage.unschedulable("third").await;
    let at_once = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
    stage.pods().delete("second", &at_once).await.unwrap();
    assert_eq!(stage.bound("third").await, "one");
    eventually("it is told in an event", || async {
        let told = stage.told("Scheduled").await;
        told.contains(&"Successfully assigned default/third to one".to_owned()).then_some(())
    })
    .await;
    stage.stop().await;
}

#[tokio::test]
async fn a_cordoned_node_takes_pods_again_when_it_is_uncordoned() {
    let stage = Stage::start().await;
    stage.create_node("one", "2").await;
    let cordon = |cordoned: Value| Patch::Merge(json!({"spec": {"unschedulable": cordoned}}));
    stage.nodes().patch("one", &PatchParams::default(), &cordon(json!(true))).await.unwrap();
    stage.create_pod("a", "1").await;
    assert_eq!(stage.unschedulable("a").await, "0/1 nodes are available: 1 node(s) were unschedulable.");
    stage.nodes().patch("one", &PatchParams::default(), &cordon(json!(null))).await.unwrap();
    assert_eq!(stage.bound("a").await, "one");
    stage.stop().await;
}

#[tokio::test]
async fn pods_of_other_schedulers_and_gated_pods_are_left_alone() {
    let stage = Stage::start().await;
    stage.create_node("one", "8").await;
    let containers = json!([{"name": "a", "image": "app:1"}]);
    stage.create_pod_of("foreign", json!({"containers": containers, "schedulerName": "other"})).await;
    stage
        .create_pod_of("gated", json!({"containers": containers, "schedulingGates": [{"name": "example.com/wait"}]}))
        .await;
    stage.create_pod("own", "1").await;
    stage.bound("own").await;
    assert_eq!((stage.node_of("foreign").await, stage.node_of("gated").await), (None, None));
    let free = Patch::Merge(json!({"spec": {"schedulingGates": []}}));
    stage.pods().patch("gated", &PatchParams::default(), &free).await.unwrap();
    assert_eq!(stage.bound("gated").await, "one");
    assert_eq!(stage.node_of("foreign").await, None);
    stage.stop().await;
}

#[tokio::test]
async fn what_cannot_be_judged_is_refused_with_a_reason() {
    let stage = Stage::start().await;
    stage.create_node("one", "8").await;
    let spec = json!({
        "containers": [{"name": "a", "image": "app:1"}],
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}],
    });
    stage.create_pod_of("a", spec).await;
    let reason = "0/1 nodes are available: persistent volume claims are not supported.";
    assert_eq!(stage.unschedulable("a").await, reason);
    stage.stop().await;
}

#[tokio::test]
async fn a_restarted_scheduler_goes_on_and_gives_no_room_away_twice() {
    let mut stage = Stage::start().await;
    stage.create_node("one", "2").await;
    stage.create_node("two", "2").await;
    for number in 0..3 {
        stage.create_pod(&format!("a{number}"), "1").await;
        stage.stop_scheduler().await;
        stage.start_scheduler();
    }
    stage.create_pod("a3", "1").await;
    for number in 0..4 {
        stage.bound(&format!("a{number}")).await;
    }
    stage.create_pod("a4", "1").await;
    assert_eq!(stage.unschedulable("a4").await, "0/2 nodes are available: 2 Insufficient cpu.");
    let mut nodes = Vec::new();
    for number in 0..4 {
        nodes.push(stage.node_of(&format!("a{number}")).await.unwrap());
    }
    nodes.sort();
    assert_eq!(nodes, ["one", "one", "two", "two"]);
    stage.stop().await;
}

#[tokio::test]
async fn a_pod_that_fits_nowhere_is_written_once() {
    let mut stage = Stage::start().await;
    stage.create_node("one", "1").await;
    stage.create_pod("big", "4").await;
    stage.unschedulable("big").await;
    eventually("it is told in an event", || async { (!stage.told("FailedScheduling").await.is_empty()).then_some(()) })
        .await;
    let before = State::read(&stage.client, |_| true).await;
    // A scheduler that starts looks at every pod, and has when it has bound one that came later.
    stage.stop_scheduler().await;
    stage.start_scheduler();
    stage.create_pod("small", "100m").await;
    stage.bound("small").await;
    stage
        .pods()
        .delete("small", &DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() })
        .await
        .unwrap();
    let after = State::read(&stage.client, |_| true).await;
    let written = |object: &&str| !object.contains("small");
    assert_eq!(
        after.objects().filter(written).collect::<Vec<_>>(),
        before.objects().filter(written).collect::<Vec<_>>()
    );
    let version = |pod: &Pod| pod.metadata.resource_version.clone();
    let big = stage.pods().get("big").await.unwrap();
    stage.create_pod("other", "100m").await;
    stage.bound("other").await;
    assert_eq!(version(&stage.pods().get("big").await.unwrap()), version(&big));
    stage.stop().await;
}

#[tokio::test]
async fn two_hundred_pods_are_bound_within_what_the_nodes_have() {
    let stage = Stage::start().await;
    stage.create_node("one", "10").await;
    stage.create_node("two", "10").await;
    let began = std::time::Instant::now();
    for number in 0..200 {
        stage.create_pod(&format!("a{number}"), "100m").await;
    }
    eventually("all are bound", || async {
        let pods = stage.pods().list(&ListParams::default()).await.unwrap();
        pods.iter().all(|pod| pod.spec.as_ref().unwrap().node_name.is_some()).then_some(())
    })
    .await;
    println!("200 pods created and bound: {:?}", began.elapsed());
    let pods = stage.pods().list(&ListParams::default()).await.unwrap();
    let on =
        |node: &str| pods.iter().filter(|pod| pod.spec.as_ref().unwrap().node_name.as_deref() == Some(node)).count();
    assert_eq!((on("one"), on("two")), (100, 100));
    assert!(pods.iter().all(|pod| pod.name_any().starts_with('a')));
    stage.stop().await;
}
