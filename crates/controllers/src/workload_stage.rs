//! What the tests of the workload controllers stand on: the real API server, the controllers, and a node that the test
//! plays, because who runs containers is not tested here. Start reading at [`Stage`].

mod fake_node;
mod faults;

use std::future::Future;
use std::time::Duration;

use client::kinds::apps::v1::{Deployment, ReplicaSet};
use client::kinds::core::v1::{Namespace, Pod};
use client::{Api, Client, KindExt, Leadership, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use task::{Class, Group};
use testkit::{Cluster, administrator, eventually};

use crate::{deployment, ownership, replica_set};
pub(crate) use faults::Faults;

pub(crate) const NAMESPACE: &str = "default";

/// A cluster with workload controllers and a node.
pub(crate) struct Stage {
    cluster: Cluster,
    /// Of the test itself; it sees what is, not what a cache shows.
    pub(crate) client: Client,
    /// What goes wrong between the controllers and the server.
    pub(crate) faults: Faults,
    node: Group,
    controllers: Group,
}

impl Stage {
    /// Controllers, and a node that runs pods as fast as it can.
    pub(crate) async fn start() -> Self {
        let cluster = Cluster::start().await;
        let client = cluster.client("test");
        let node = Group::new();
        let kubelet = cluster.client_in("kubelet", &node);
        node.spawn(Class::Controller, "fake node", |stop| fake_node::run(kubelet, stop));
        let mut stage = Self { cluster, client, faults: Faults::default(), node, controllers: Group::new() };
        stage.ensure_namespace(NAMESPACE).await;
        stage.start_controllers();
        stage
    }

    fn start_controllers(&mut self) {
        let group = Group::new();
        let server = self.cluster.server().local(administrator("controllers"));
        let client = Client::in_process(self.faults.clone().between(server), &group);
        let clock = self.cluster.clock().clone();
        let (client_of_sets, clock_of_sets) = (client.clone(), clock.clone());
        group.spawn(Class::Controller, "replica sets", |stop| {
            replica_set::run(client_of_sets, clock_of_sets, Leadership::always(), stop)
        });
        group
            .spawn(Class::Controller, "deployments", |stop| deployment::run(client, clock, Leadership::always(), stop));
        self.controllers = group;
    }

    pub(crate) async fn stop_controllers(&self) {
        assert!(self.controllers.stop(Duration::from_secs(10)).await, "a controller did not stop");
    }

    /// What `kill -9` and a new start do to controllers.
    pub(crate) async fn restart_controllers(&mut self) {
        self.stop_controllers().await;
        self.start_controllers();
    }

    pub(crate) async fn stop(self) {
        self.stop_controllers().await;
        assert!(self.node.stop(Duration::from_secs(10)).await, "the node did not stop");
        self.cluster.stop().await;
    }

    pub(crate) async fn ensure_namespace(&self, name: &str) {
        let namespaces: Api<Namespace> = self.client.cluster();
        let namespace = object(json!({"metadata": {"name": name}}));
        match namespaces.create(&PostParams::default(), &namespace).await.map_err(client::Error::from) {
            Ok(_) => {}
            Err(error) => assert!(error.is_already_exists(), "{error}"),
        }
    }

    pub(crate) fn deployments(&self) -> Api<Deployment> {
        self.client.namespaced(NAMESPACE)
    }

    pub(crate) fn sets(&self) -> Api<ReplicaSet> {
        self.client.namespaced(NAMESPACE)
    }

    pub(crate) fn pods(&self) -> Api<Pod> {
        self.client.namespaced(NAMESPACE)
    }

    pub(crate) async fn create_deployment(&self, spec: Value) -> Deployment {
        self.deployments().create(&PostParams::default(), &deployment_of(spec)).await.unwrap()
    }

    pub(crate) async fn change_deployment(&self, patch: Value) -> Deployment {
        self.deployments().patch("web", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap()
    }

    /// Waits as `kubectl rollout status` does.
    pub(crate) async fn rolled_out(&self) -> Deployment {
        eventually("the roll-out ends", || async {
            let deployment = self.deployments().get("web").await.unwrap();
            is_rolled_out(&deployment).then_some(deployment)
        })
        .await
    }

    pub(crate) async fn deployment_that(&self, what: &str, holds: impl Fn(&Deployment) -> bool) -> Deployment {
        eventually(what, || async {
            let deployment = self.deployments().get("web").await.unwrap();
            holds(&deployment).then_some(deployment)
        })
        .await
    }

    pub(crate) async fn set_that(&self, what: &str, holds: impl Fn(&ReplicaSet) -> bool) -> ReplicaSet {
        eventually(what, || async {
            let set = self.sets().get("web").await.unwrap();
            holds(&set).then_some(set)
        })
        .await
    }

    pub(crate) async fn all_sets(&self) -> Vec<ReplicaSet> {
        let mut sets = self.sets().list(&ListParams::default()).await.unwrap().items;
        sets.sort_by_key(deployment::revision_of);
        sets
    }

    /// The pods that count.
    pub(crate) async fn active_pods(&self) -> Vec<Pod> {
        let pods = self.pods().list(&ListParams::default()).await.unwrap().items;
        pods.into_iter().filter(crate::pod_state::is_active).collect()
    }

    pub(crate) async fn pods_that<Fut>(&self, what: &str, holds: impl Fn(Vec<Pod>) -> Fut) -> Vec<Pod>
    where
        Fut: Future<Output = bool>,
    {
        eventually(what, || async {
            let pods = self.active_pods().await;
            holds(pods.clone()).await.then_some(pods)
        })
        .await
    }

    /// The names of events about objects of a kind with a reason, with their messages.
    pub(crate) async fn told(&self, reason: &str) -> Vec<String> {
        let events: Api<client::kinds::core::v1::Event> = self.client.namespaced(NAMESPACE);
        let events = events.list(&ListParams::default()).await.unwrap();
        let told = events.into_iter().filter(|event| event.reason.as_deref() == Some(reason));
        told.filter_map(|event| event.message).collect()
    }
}

/// An object of what a test writes as JSON.
pub(crate) fn object<K: serde::de::DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

/// The deployment `web` in the namespace of the tests, of the image `app:1`, with these fields of its spec.
pub(crate) fn deployment_of(spec: Value) -> Deployment {
    let mut deployment = json!({
        "metadata": {"name": "web", "namespace": NAMESPACE},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template("app:1")},
    });
    for (field, value) in spec.as_object().unwrap() {
        deployment["spec"][field] = value.clone();
    }
    object(deployment)
}

/// The replica set `web` in the namespace of the tests.
pub(crate) fn set_of(replicas: i32) -> ReplicaSet {
    object(json!({
        "metadata": {"name": "web", "namespace": NAMESPACE},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template("app:1")},
    }))
}

pub(crate) fn template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": image}]}})
}

pub(crate) fn image_of(pod: &Pod) -> String {
    pod.spec.as_ref().unwrap().containers[0].image.clone().unwrap()
}

pub(crate) fn is_rolled_out(deployment: &Deployment) -> bool {
    let (spec, status) = (deployment.spec.as_ref().unwrap(), deployment.status.clone().unwrap_or_default());
    let replicas = spec.replicas.unwrap();
    let updated = status.updated_replicas.unwrap_or(0);
    status.observed_generation >= deployment.metadata.generation
        && updated >= replicas
        && status.replicas.unwrap_or(0) <= updated
        && status.available_replicas.unwrap_or(0) >= updated
}

/// The reason of a condition.
pub(crate) fn reason(deployment: &Deployment, condition: &str) -> String {
    let conditions = deployment.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let found = conditions.into_iter().find(|known| known.type_ == condition);
    found.and_then(|found| found.reason.clone()).unwrap_or_default()
}

pub(crate) fn owner_uid<K: client::Kind>(object: &K) -> Option<String> {
    ownership::controller(object).map(str::to_owned)
}

pub(crate) fn names<K: client::Kind>(objects: &[K]) -> Vec<String> {
    let mut names: Vec<String> = objects.iter().map(|object| object.name_any()).collect();
    names.sort();
    names
}
