//! What the tests of all controllers need: a real API server, the controllers on it, and objects in short form.
//!
//! Only for tests. Start reading at [`Stage::start`].

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::meta::OwnerReference;
use client::{
    ApiResource, Body, Client, DeleteParams, DynamicObject, Key, KindExt, Leadership, ListParams, Patch, PatchParams,
    PostParams, PropagationPolicy, Resource, Scope,
};
use http::{Method, Request};
use serde_json::{Value, json};
use task::Group;
use testkit::{Cluster, State, eventually};
use tower::ServiceExt;

use crate::{Options, Service};

const GRACE: Duration = Duration::from_secs(10);
/// Namespaces whose names begin like this are there to see that the controllers have come that far.
const FENCE: &str = "fence-";

/// A cluster with controllers.
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    /// A client of the test itself.
    pub(crate) client: Client,
    controllers: Option<Group>,
    fences: AtomicUsize,
}

impl Stage {
    /// A cluster on which the controllers run.
    pub(crate) async fn start() -> Self {
        let mut stage = Self::without_controllers().await;
        stage.run_controllers();
        stage
    }

    /// A cluster on which no controllers run yet.
    pub(crate) async fn without_controllers() -> Self {
        let cluster = Cluster::start().await;
        let client = cluster.client("test");
        Self { cluster, client, controllers: None, fences: AtomicUsize::new(0) }
    }

    pub(crate) fn run_controllers(&mut self) {
        let tasks = Group::new();
        let client = self.cluster.client_in("system:controllers", &tasks);
        self.run_controllers_on(client, tasks);
    }

    pub(crate) fn run_controllers_on(&mut self, client: Client, tasks: Group) {
        let clock = self.cluster.clock().clone();
        Service::new(Options { client, leadership: Leadership::always(), clock }).run(&tasks);
        self.controllers = Some(tasks);
    }

    /// Stops the controllers wherever they are: what they were waiting for is dropped.
    pub(crate) async fn kill_controllers(&mut self) {
        if let Some(tasks) = self.controllers.take() {
            assert!(tasks.stop(GRACE).await, "a controller did not stop");
        }
    }

    /// Ends the test: nothing may be left running.
    pub(crate) async fn end(mut self) {
        self.kill_controllers().await;
        self.cluster.stop().await;
    }

    /// Controllers that start on what is there write nothing: no object is another one afterwards, and they do not even
    /// ask for a change that the server would see through.
    pub(crate) async fn assert_steady(&mut self) {
        self.fence().await;
        self.kill_controllers().await;
        let counts = |namespace: &str| !namespace.starts_with(FENCE);
        let before = State::read(&self.client, counts).await;
        let written = Arc::new(Mutex::new(Vec::new()));
        let (log, tasks) = (written.clone(), Group::new());
        let client = self.client_through(&tasks, move |request| {
            let elsewhere = !request.uri().path().contains(FENCE);
            if request.method() != Method::GET && elsewhere {
                log.lock().unwrap().push(format!("{} {}", request.method(), request.uri()));
            }
            std::future::ready(())
        });
        self.run_controllers_on(client, tasks);
        self.fence().await;
        State::read(&self.client, counts).await.assert_same_as(&before);
        assert_eq!(*written.lock().unwrap(), [""; 0]);
    }

    /// A client for controllers of whose requests each waits for what `gate` makes of it.
    pub(crate) fn client_through<Fut>(
        &self,
        tasks: &Group,
        gate: impl Fn(&Request<Body>) -> Fut + Send + 'static,
    ) -> Client
    where
        Fut: Future<Output = ()> + Send + 'static,
    {
        let local = self.cluster.server().local(testkit::administrator("system:controllers"));
        let service = tower::service_fn(move |request: Request<Body>| {
            let (gate, local) = (gate(&request), local.clone());
            async move {
                gate.await;
                local.oneshot(request).await
            }
        });
        Client::in_process(service, tasks)
    }

    /// Returns when each controller has done something that it was asked for after what it already had to do.
    pub(crate) async fn fence(&self) {
        let name = format!("{FENCE}{}", self.fences.fetch_add(1, Ordering::Relaxed));
        self.namespace(&name).await;
        self.appears(&service_accounts(), &format!("{name}/default")).await;
        let owner = self.create(&config_maps(), &name, object("owner", &[])).await;
        self.create(&config_maps(), &name, object("dependent", &[reference(&owner)])).await;
        self.delete(&config_maps(), &format!("{name}/owner"), PropagationPolicy::Background).await;
        self.disappears(&config_maps(), &format!("{name}/dependent")).await;
        self.delete(&namespaces(), &name, PropagationPolicy::Background).await;
        self.disappears(&namespaces(), &name).await;
    }

    pub(crate) async fn namespace(&self, name: &str) -> DynamicObject {
        self.create(&namespaces(), "", object(name, &[])).await
    }

    /// Creates an object; `namespace` is empty for cluster scope.
    pub(crate) async fn create(&self, resource: &Resource, namespace: &str, object: Value) -> DynamicObject {
        let mut object = object;
        object["apiVersion"] = json!(resource.names.api_version);
        object["kind"] = json!(resource.names.kind);
        let object: DynamicObject = serde_json::from_value(object).expect("an object");
        let api = self.client.objects(resource, Some(namespace));
        api.create(&PostParams::default(), &object).await.expect("the object is created")
    }

    pub(crate) async fn get(&self, resource: &Resource, path: &str) -> Option<DynamicObject> {
        let key = key(path);
        let api = self.client.objects(resource, key.namespace.as_deref());
        api.get_opt(&key.name).await.expect("the server answers")
    }

    pub(crate) async fn delete(&self, resource: &Resource, path: &str, policy: PropagationPolicy) {
        let params = DeleteParams { propagation_policy: Some(policy), ..DeleteParams::default() };
        let key = key(path);
        let api = self.client.objects(resource, key.namespace.as_deref());
        api.delete(&key.name, &params).await.expect("the object is deleted");
    }

    /// Merges into an object's metadata.
    pub(crate) async fn patch(&self, resource: &Resource, path: &str, metadata: Value) {
        let patch = Patch::Merge(json!({"metadata": metadata}));
        let key = key(path);
        let api = self.client.objects(resource, key.namespace.as_deref());
        api.patch(&key.name, &PatchParams::default(), &patch).await.expect("the object is changed");
    }

    pub(crate) async fn appears(&self, resource: &Resource, path: &str) -> DynamicObject {
        eventually(&format!("{resource} {path} is there"), || self.get(resource, path)).await
    }

    pub(crate) async fn disappears(&self, resource: &Resource, path: &str) {
        eventually(&format!("{resource} {path} is gone"), || async {
            self.get(resource, path).await.is_none().then_some(())
        })
        .await;
    }

    /// The names of a resource's objects in a namespace.
    pub(crate) async fn names(&self, resource: &Resource, namespace: &str) -> Vec<String> {
        let list = self.client.metadata(resource, Some(namespace)).list(&ListParams::default()).await;
        list.expect("the server lists").iter().map(KindExt::name_any).collect()
    }

    /// Returns when a resource has no object in a namespace.
    pub(crate) async fn empties(&self, resource: &Resource, namespace: &str) {
        let api = self.client.metadata(resource, Some(namespace));
        let (api, one) = (&api, &ListParams::default().limit(1));
        eventually(&format!("{namespace} has no {resource}"), || async move {
            api.list(one).await.expect("the server lists").items.is_empty().then_some(())
        })
        .await;
    }

    /// Defines a kind that this test invents.
    pub(crate) async fn define(&self, resource: &Resource) {
        let names = &resource.names;
        let scope = if resource.scope == Scope::Namespaced { "Namespaced" } else { "Cluster" };
        let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let definition = json!({
            "metadata": {"name": format!("{}.{}", names.plural, names.group)},
            "spec": {
                "group": names.group,
                "scope": scope,
                "names": {"plural": names.plural, "singular": names.kind.to_lowercase(), "kind": names.kind},
                "versions": [{"name": names.version, "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
            },
        });
        self.create(&definitions(), "", definition).await;
    }
}

/// `namespace/name`, or a name of cluster scope.
fn key(path: &str) -> Key {
    match path.split_once('/') {
        Some((namespace, name)) => Key::namespaced(namespace, name),
        None => Key::cluster(path),
    }
}

/// An object with a name and owners.
pub(crate) fn object(name: &str, owners: &[OwnerReference]) -> Value {
    json!({"metadata": {"name": name, "ownerReferences": owners}})
}

/// The same with a finalizer that nobody removes by itself.
pub(crate) fn held(name: &str, owners: &[OwnerReference]) -> Value {
    json!({"metadata": {"name": name, "ownerReferences": owners, "finalizers": [HOLD]}})
}

/// The finalizer of [`held`].
pub(crate) const HOLD: &str = "example.com/hold";

/// A reference to an owner, which does not wait for the one that refers to it.
pub(crate) fn reference(owner: &DynamicObject) -> OwnerReference {
    let types = owner.types.clone().expect("a whole object has its types");
    OwnerReference {
        api_version: types.api_version,
        kind: types.kind,
        name: owner.name_any(),
        uid: owner.uid().expect("a stored object has a uid"),
        ..OwnerReference::default()
    }
}

/// A reference to an owner, whose deletion in the foreground waits for the one that refers to it.
pub(crate) fn blocking(owner: &DynamicObject) -> OwnerReference {
    OwnerReference { block_owner_deletion: Some(true), ..reference(owner) }
}

fn core(plural: &str, kind: &str, scope: Scope) -> Resource {
    custom("", plural, kind, scope)
}

/// A resource in version v1.
pub(crate) fn custom(group: &str, plural: &str, kind: &str, scope: Scope) -> Resource {
    let names = ApiResource {
        group: group.to_owned(),
        version: "v1".to_owned(),
        api_version: if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") },
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    };
    Resource { names, scope, verbs: Default::default() }
}

pub(crate) fn namespaces() -> Resource {
    core("namespaces", "Namespace", Scope::Cluster)
}

pub(crate) fn config_maps() -> Resource {
    core("configmaps", "ConfigMap", Scope::Namespaced)
}

pub(crate) fn secrets() -> Resource {
    core("secrets", "Secret", Scope::Namespaced)
}

pub(crate) fn service_accounts() -> Resource {
    core("serviceaccounts", "ServiceAccount", Scope::Namespaced)
}

pub(crate) fn events() -> Resource {
    core("events", "Event", Scope::Namespaced)
}

pub(crate) fn definitions() -> Resource {
    custom("apiextensions.k8s.io", "customresourcedefinitions", "CustomResourceDefinition", Scope::Cluster)
}
