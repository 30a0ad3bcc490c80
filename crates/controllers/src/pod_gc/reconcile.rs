//! Removes the pods that the plan names.
//!
//! A pod that has not ended is marked as failed first, so that whoever watches it learns of its end. Start reading at
//! [`Reconciler::reconcile`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client::kinds::core::v1::{Node, Pod};
use client::{Api, Cache, Client, DeleteParams, KindExt, Next, Patch, PatchParams, Preconditions, Reconcile};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use stdx::Clock;
use thiserror::Error;
use tokio::time::Instant;

use super::AllPods;
use super::plan::{ENDED_LIMIT, Reason, World, garbage, missing_nodes};
use crate::{instant, pod_state};

/// So many pods are removed at the same time.
const PARALLEL: usize = 16;

/// Removes garbage among pods.
#[derive(Debug)]
pub(super) struct Reconciler {
    client: Client,
    clock: Clock,
    pods: Cache<Pod>,
    nodes: Cache<Node>,
    quarantine: Duration,
    missing_since: Mutex<BTreeMap<String, Instant>>,
}

/// Why not all garbage could be removed. Retry.
#[derive(Debug, Error)]
pub(super) enum Error {
    #[error("cannot tell whether node {name} is gone")]
    Node { name: String, source: client::Error },
    #[error("cannot mark pod {name} as failed")]
    Mark { name: String, source: client::Error },
    #[error("cannot remove pod {name}")]
    Remove { name: String, source: client::Error },
}

impl Reconciler {
    pub(super) fn new(client: Client, clock: Clock, quarantine: Duration) -> Self {
        let (pods, nodes) = (client.cache(), client.cache());
        Self { client, clock, pods, nodes, quarantine, missing_since: Mutex::default() }
    }
}

impl Reconcile<AllPods> for Reconciler {
    type Error = Error;

    async fn reconcile(&self, _: &AllPods) -> Result<Next, Error> {
        let pods = self.pods.all();
        let nodes: BTreeMap<String, Arc<Node>> =
            self.nodes.all().into_iter().map(|node| (node.name_any(), node)).collect();
        let (suspects, next) = self.quarantine(&missing_nodes(&pods, &nodes));
        let gone = self.gone(suspects).await?;
        let world = World { pods: &pods, nodes: &nodes, gone: &gone, ended_limit: ENDED_LIMIT };
        let removals = stream::iter(garbage(&world)).map(|(pod, reason)| self.remove(pod, reason));
        let removed: Vec<Result<(), Error>> = removals.buffer_unordered(PARALLEL).collect().await;
        removed.into_iter().collect::<Result<(), _>>()?;
        Ok(next.map_or(Next::OnChange, Next::After))
    }
}

impl Reconciler {
    /// Of the missing nodes those that are missing for long enough, and after what time the next one will be.
    fn quarantine(&self, missing: &BTreeSet<String>) -> (Vec<String>, Option<Duration>) {
        let mut since = self.missing_since.lock().unwrap_or_else(PoisonError::into_inner);
        since.retain(|node, _| missing.contains(node));
        let (mut suspects, mut next) = (Vec::new(), None);
        for node in missing {
            let passed = since.entry(node.clone()).or_insert_with(Instant::now).elapsed();
            match self.quarantine.checked_sub(passed).filter(|left| !left.is_zero()) {
                None => suspects.push(node.clone()),
                Some(left) => next = Some(next.map_or(left, |next: Duration| next.min(left))),
            }
        }
        (suspects, next)
    }

    /// Asks the API, because the cache of nodes may be behind that of pods.
    async fn gone(&self, suspects: Vec<String>) -> Result<BTreeSet<String>, Error> {
        let mut gone = BTreeSet::new();
        let nodes: Api<Node> = self.client.cluster();
        for name in suspects {
            match nodes.get_opt(&name).await {
                Ok(None) => drop(gone.insert(name)),
                Ok(Some(_)) => {}
                Err(error) => return Err(Error::Node { name, source: error.into() }),
            }
        }
        Ok(gone)
    }

    async fn remove(&self, pod: Arc<Pod>, reason: Reason) -> Result<(), Error> {
        let pods: Api<Pod> = self.client.namespaced(&pod.namespace().unwrap_or_default());
        let (name, uid) = (pod.name_any(), pod.uid());
        if !pod_state::has_ended(&pod) {
            let patch = Patch::Strategic(json!({"metadata": {"uid": uid}, "status": self.failed(reason)}));
            match pods.patch_status(&name, &PatchParams::default(), &patch).await.map_err(client::Error::from) {
                Ok(_) => {}
                Err(error) if error.is_not_found() || error.is_conflict() => return Ok(()),
                Err(source) => return Err(Error::Mark { name, source }),
            }
        }
        let preconditions = Some(Preconditions { uid, resource_version: None });
        let params = DeleteParams { grace_period_seconds: Some(0), preconditions, ..DeleteParams::default() };
        match pods.delete(&name, &params).await.map_err(client::Error::from) {
            Ok(_) => tracing::info!(pod = name, ?reason, "removed a pod by force"),
            Err(error) if error.is_not_found() || error.is_conflict() => {}
            Err(source) => return Err(Error::Remove { name, source }),
        }
        Ok(())
    }

    fn failed(&self, reason: Reason) -> Value {
        let disruption = json!([{
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByPodGC",
            "message": "PodGC: node no longer exists",
            "lastTransitionTime": instant::now(&self.clock).to_string(),
        }]);
        match reason {
            Reason::NodeGone => json!({"phase": "Failed", "conditions": disruption}),
            Reason::OutOfService | Reason::Unscheduled | Reason::Ended => json!({"phase": "Failed"}),
        }
    }
}
