//! A scheduler and a node in one: it binds pods, says that they run and are ready, and ends them when they are deleted.
//!
//! Pods of the image `broken` run and never get ready. Level-triggered like any node agent.

use client::kinds::core::v1::{Binding, Pod};
use client::{
    Api, Client, Controller, DeleteParams, Key, KindExt, Leadership, Next, Patch, PatchParams, PostParams, Queue,
    Reconcile,
};
use serde_json::{Value, json};
use task::CancellationToken;

use super::{image_of, object};
use crate::{instant, pod_state};

const NODE: &str = "node-1";

pub(super) async fn run(client: Client, stop: CancellationToken) {
    let queue = Queue::new();
    let pods = client.cache::<Pod>();
    let changed = queue.clone();
    let _subscription = pods.subscribe(move |pod| changed.add(Key::of(pod)));
    let controller = Controller { name: "fake node", concurrency: 16, queue, leadership: Leadership::always() };
    controller.run(&Node { client }, stop).await;
}

struct Node {
    client: Client,
}

impl Reconcile<Key> for Node {
    type Error = client::Error;

    async fn reconcile(&self, key: &Key) -> Result<Next, client::Error> {
        let Some(pod) = self.client.cache::<Pod>().get(key) else { return Ok(Next::OnChange) };
        let pods: Api<Pod> = self.client.namespaced(key.namespace.as_deref().unwrap());
        let outcome = self.serve(&pods, &pod).await;
        match outcome {
            Err(error) if !error.is_not_found() && !error.is_conflict() => Err(error),
            _ => Ok(Next::OnChange),
        }
    }
}

impl Node {
    async fn serve(&self, pods: &Api<Pod>, pod: &Pod) -> Result<(), client::Error> {
        let name = pod.name_any();
        if pod.metadata.deletion_timestamp.is_some() {
            let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
            pods.delete(&name, &now).await?;
        } else if pod_state::node(pod).is_none() {
            let binding: Binding =
                object(json!({"metadata": {"name": name}, "target": {"kind": "Node", "name": NODE}}));
            pods.create_subresource::<_, Value>("binding", &name, &PostParams::default(), &binding).await?;
        } else if pod_state::phase(pod) == "Pending" {
            let ready = if image_of(pod) == "broken" { "False" } else { "True" };
            let since = instant::now(&stdx::Clock::system()).to_string();
            let conditions = json!([{"type": "Ready", "status": ready, "lastTransitionTime": since}]);
            let patch = Patch::Strategic(json!({"status": {"phase": "Running", "conditions": conditions}}));
            pods.patch_status(&name, &PatchParams::default(), &patch).await?;
        }
        Ok(())
    }
}
