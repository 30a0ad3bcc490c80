//! Pod garbage on the real API server, without any node agent.

use std::time::Duration;

use client::kinds::core::v1::{Binding, Node, Pod};
use client::{Api, Client, DeleteParams, KindExt, Leadership, ListParams, PostParams};
use serde_json::{Value, json};
use task::{Class, Group};
use testkit::{Cluster, eventually};

use super::PodGc;
use crate::workload_stage::{NAMESPACE, names, object};

struct Stage {
    cluster: Cluster,
    client: Client,
    collector: Group,
}

impl Stage {
    async fn start(quarantine: Duration) -> Self {
        let cluster = Cluster::start().await;
        let client = cluster.client("test");
        let collector = Group::new();
        let pods = PodGc { quarantine, ..PodGc::new(cluster.client_in("pod-gc", &collector), cluster.clock().clone()) };
        collector.spawn(Class::Controller, "pod garbage", |stop| pods.run(Leadership::always(), stop));
        Self { cluster, client, collector }
    }

    async fn stop(self) {
        assert!(self.collector.stop(Duration::from_secs(10)).await, "the collector did not stop");
        self.cluster.stop().await;
    }

    fn pods(&self) -> Api<Pod> {
        self.client.namespaced(NAMESPACE)
    }

    async fn create_node(&self, name: &str) {
        let node: Node = object(json!({"metadata": {"name": name}}));
        self.client.cluster::<Node>().create(&PostParams::default(), &node).await.unwrap();
    }

    async fn create_pod(&self, name: &str, node: &str) {
        let pod: Pod =
            object(json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "a", "image": "app:1"}]}}));
        self.pods().create(&PostParams::default(), &pod).await.unwrap();
        let binding: Binding = object(json!({"metadata": {"name": name}, "target": {"kind": "Node", "name": node}}));
        let params = PostParams::default();
        self.pods().create_subresource::<_, Value>("binding", name, &params, &binding).await.unwrap();
    }

    async fn names(&self) -> Vec<String> {
        names(&self.pods().list(&ListParams::default()).await.unwrap().items)
    }
}

#[tokio::test]
async fn pods_of_a_node_that_is_gone_fail_and_go() {
    let stage = Stage::start(Duration::from_millis(50)).await;
    for node in ["stays", "goes"] {
        stage.create_node(node).await;
    }
    stage.create_pod("a", "goes").await;
    stage.create_pod("b", "stays").await;
    let watched = stage.client.cache::<Pod>();
    let last = std::sync::Arc::new(std::sync::Mutex::new(None));
    let log = last.clone();
    let _subscription = watched.subscribe(move |pod| {
        if pod.name_any() == "a" {
            *log.lock().unwrap() = pod.status.clone();
        }
    });
    stage.client.cluster::<Node>().delete("goes", &DeleteParams::default()).await.unwrap();
    eventually("the pod of the lost node is removed", || async { (stage.names().await == ["b"]).then_some(()) }).await;
    let status = eventually("its end is seen", || async {
        last.lock().unwrap().clone().filter(|status| status.phase.as_deref() == Some("Failed"))
    })
    .await;
    let conditions = status.conditions.unwrap();
    let disruption = conditions.iter().find(|condition| condition.type_ == "DisruptionTarget").unwrap();
    assert_eq!(disruption.reason.as_deref(), Some("DeletionByPodGC"));
    stage.stop().await;
}

#[tokio::test]
async fn a_node_that_is_back_in_time_keeps_its_pods() {
    let stage = Stage::start(Duration::from_millis(300)).await;
    for node in ["blinks", "goes"] {
        stage.create_node(node).await;
        stage.create_pod(&format!("of-{node}"), node).await;
    }
    let nodes = stage.client.cluster::<Node>();
    nodes.delete("blinks", &DeleteParams::default()).await.unwrap();
    stage.create_node("blinks").await;
    nodes.delete("goes", &DeleteParams::default()).await.unwrap();
    // The node that went later is given up later, so the other one has had its time.
    let left = eventually("a pod is removed", || async {
        let names = stage.names().await;
        (names.len() < 2).then_some(names)
    })
    .await;
    assert_eq!(left, ["of-blinks"]);
    stage.stop().await;
}
