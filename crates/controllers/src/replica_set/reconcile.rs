//! Does what the plan says for one replica set: creates and deletes pods, writes the status.
//!
//! No pod is created twice because a cache is behind: the number of pods is counted with the writes of this controller, see
//! `ownership::ledger`. Start reading at [`Turn::run`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client::kinds::apps::v1::{ReplicaSet, ReplicaSetStatus};
use client::kinds::core::v1::Pod;
use client::meta::ObjectMeta;
use client::{
    Api, Cache, Client, DeleteParams, Key, KindExt, Next, Patch, PatchParams, PostParams, Preconditions, Reconcile,
    Recorder, Report, Severity,
};
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use serde_json::json;
use stdx::Clock;
use thiserror::Error;

use super::plan::{Action, Phase, Replica, action, batches, victims};
use super::status::{Trouble, status};
use crate::ownership::{ClaimError, Dependents, Ledgers, OVERDUE, Owned, Owner, controller, reference};
use crate::{failure, instant, pod_state};

/// So many requests of one replica set are under way at the same time. Enough to fill the group commits of the store.
const PARALLEL: usize = 32;
const FAILED_CREATE: &str = "FailedCreate";
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// Brings the pods of replica sets in line.
#[derive(Debug)]
pub(super) struct Reconciler {
    client: Client,
    recorder: Recorder,
    clock: Clock,
    sets: Cache<ReplicaSet>,
    pods: Owned<Pod>,
    siblings: Owned<ReplicaSet>,
    ledgers: Ledgers<ReplicaSet, Pod>,
}

/// Why a turn failed. Retry.
#[derive(Debug, Error)]
pub(super) enum Error {
    #[error("cannot tell which pods belong to the replica set")]
    Claim(#[source] ClaimError),
    #[error("cannot create pods")]
    Create(#[source] client::Error),
    #[error("cannot delete pods")]
    Delete(#[source] client::Error),
    #[error("cannot write the status")]
    Status(#[source] client::Error),
}

impl Reconciler {
    pub(super) fn new(client: Client, clock: Clock, pods: Owned<Pod>, siblings: Owned<ReplicaSet>) -> Self {
        let recorder = Recorder::new(client.clone(), "replicaset-controller", clock.clone());
        Self { recorder, clock, sets: client.cache(), pods, siblings, ledgers: Ledgers::default(), client }
    }
}

impl Reconcile<Key> for Reconciler {
    type Error = Error;

    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(cached) = self.sets.get(key) else {
            self.ledgers.forget(key);
            return Ok(Next::OnChange);
        };
        let (set, ledger) = self.ledgers.account(key, cached);
        let Some(selector) = super::selector(&set) else {
            tracing::warn!("the replica set has no usable selector");
            return Ok(Next::OnChange);
        };
        let namespace = key.namespace.as_deref().unwrap_or_default();
        let dependents = Dependents {
            api: self.client.namespaced(namespace),
            owned: &self.pods,
            ledger: &ledger,
            owner: Owner::of(&*set, "apps/v1", "ReplicaSet"),
            selector,
        };
        let sets = self.client.namespaced(namespace);
        Turn { reconciler: self, key, set: &set, sets, dependents, reports: Mutex::default() }.run().await
    }
}

/// One turn of one replica set.
struct Turn<'a> {
    reconciler: &'a Reconciler,
    key: &'a Key,
    set: &'a ReplicaSet,
    sets: Api<ReplicaSet>,
    dependents: Dependents<'a, Pod>,
    reports: Mutex<Vec<Report>>,
}

impl Turn<'_> {
    async fn run(self) -> Result<Next, Error> {
        let pods = self.dependents.claimed(&self.sets).await.map_err(Error::Claim)?;
        let outcome = match self.dependents.owner.terminating {
            true => Ok(Effect::Futile),
            false => self.act(active(pods)).await,
        };
        let trouble = outcome.as_ref().err().and_then(trouble);
        let now = instant::now(&self.reconciler.clock);
        let (status, next) = status(self.set, &active(self.dependents.present()), trouble.as_ref(), now);
        self.write_status(status).await?;
        self.report(trouble.as_ref()).await;
        let effect = outcome?;
        let again = (effect == Effect::Done && self.is_unfinished()).then_some(Duration::ZERO);
        let check = self.dependents.ledger().is_waiting().then_some(OVERDUE);
        let pause = [next, again, check].into_iter().flatten().min();
        Ok(pause.map_or(Next::OnChange, Next::After))
    }

    /// Whether another turn must follow because turns are limited.
    fn is_unfinished(&self) -> bool {
        active(self.dependents.present()).len() != self.wanted()
    }

    fn wanted(&self) -> usize {
        let replicas = self.set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        usize::try_from(replicas).unwrap_or(0)
    }

    async fn act(&self, pods: Vec<Arc<Pod>>) -> Result<Effect, Error> {
        match action(self.wanted(), pods.len()) {
            Action::Keep => Ok(Effect::Done),
            Action::Create(count) => self.create(count).await,
            Action::Delete(count) => {
                let victims = victims(count, self.replicas(&pods));
                let victims = pods.into_iter().filter(|pod| pod.uid().is_some_and(|uid| victims.contains(&uid)));
                self.delete(victims.collect()).await
            }
        }
    }

    /// Creates pods, each batch when all of the one before it are there.
    async fn create(&self, count: usize) -> Result<Effect, Error> {
        self.dependents.ledger().open();
        for size in batches(count) {
            let created: Vec<Result<Pod, client::Error>> =
                stream::iter(0..size).map(|_| self.create_one()).buffer_unordered(PARALLEL).collect().await;
            let mut failures = Vec::new();
            for pod in created {
                match pod {
                    Ok(pod) => {
                        self.told(Severity::Normal, "SuccessfulCreate", format!("Created pod: {}", pod.name_any()));
                        self.dependents.ledger().note(Arc::new(pod));
                    }
                    Err(error) => failures.push(error),
                }
            }
            if failures.is_empty() {
                continue;
            }
            // After a refusal there is no pod; after anything else there may be one.
            if failures.iter().all(failure::is_refusal) {
                self.dependents.ledger().close();
            }
            let first = failures.swap_remove(0);
            return if failure::is_namespace_going(&first) { Ok(Effect::Futile) } else { Err(Error::Create(first)) };
        }
        self.dependents.ledger().close();
        Ok(Effect::Done)
    }

    async fn create_one(&self) -> Result<Pod, client::Error> {
        let pod = new_pod(self.set, &self.dependents.owner);
        Ok(self.dependents.api.create(&PostParams::default(), &pod).await?)
    }

    async fn delete(&self, pods: Vec<Arc<Pod>>) -> Result<Effect, Error> {
        let deleted: Vec<Result<(), client::Error>> =
            stream::iter(pods).map(|pod| self.delete_one(pod)).buffer_unordered(PARALLEL).collect().await;
        deleted.into_iter().collect::<Result<(), _>>().map_err(Error::Delete)?;
        Ok(Effect::Done)
    }

    async fn delete_one(&self, pod: Arc<Pod>) -> Result<(), client::Error> {
        let (name, uid) = (pod.name_any(), pod.uid().unwrap_or_default());
        let preconditions = Preconditions { uid: Some(uid.clone()), resource_version: None };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        match self.dependents.api.delete(&name, &params).await.map_err(client::Error::from) {
            Ok(_) => self.told(Severity::Normal, "SuccessfulDelete", format!("Deleted pod: {name}")),
            // Gone, or another pod has its name.
            Err(error) if error.is_not_found() || error.is_conflict() => {}
            Err(error) => return Err(error),
        }
        self.dependents.ledger().note_deleted(&uid);
        Ok(())
    }

    /// The pods as the plan sees them.
    fn replicas(&self, pods: &[Arc<Pod>]) -> Vec<Replica> {
        let now = instant::now(&self.reconciler.clock);
        let mut serving = HashMap::<String, usize>::new();
        for pod in self.family().iter().filter(|pod| pod_state::ready(pod).is_some()) {
            *serving.entry(pod_state::node(pod).unwrap_or_default().to_owned()).or_default() += 1;
        }
        let neighbours = |pod: &Pod| serving.get(pod_state::node(pod).unwrap_or_default()).copied().unwrap_or(0);
        pods.iter().map(|pod| replica(pod, neighbours(pod), now)).collect()
    }

    /// The pods of all replica sets of the same owner: those of an application, whatever their template.
    fn family(&self) -> Vec<Arc<Pod>> {
        let siblings =
            controller(self.set).map(|owner| self.reconciler.siblings.of_controller(owner)).unwrap_or_default();
        let uids = siblings.iter().filter_map(|set| set.uid());
        uids.flat_map(|uid| self.reconciler.pods.of_controller(&uid)).collect()
    }

    async fn write_status(&self, status: ReplicaSetStatus) -> Result<(), Error> {
        if self.set.status.as_ref() == Some(&status) {
            return Ok(());
        }
        let patch = json!({
            "metadata": {"uid": self.dependents.owner.uid},
            "status": {
                "replicas": status.replicas,
                "fullyLabeledReplicas": status.fully_labeled_replicas,
                "readyReplicas": status.ready_replicas,
                "availableReplicas": status.available_replicas,
                "observedGeneration": status.observed_generation,
                "conditions": status.conditions,
            },
        });
        let name = &self.dependents.owner.name;
        match self
            .sets
            .patch_status(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .map_err(client::Error::from)
        {
            Ok(set) => self.reconciler.ledgers.note(self.key, Arc::new(set)),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(Error::Status(error)),
        }
        Ok(())
    }

    fn told(&self, severity: Severity, reason: &'static str, message: String) {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        reports.push(Report { severity, reason, message });
    }

    /// Tells what happened, when all that matters is done. Events that cannot be written are lost.
    async fn report(&self, trouble: Option<&Trouble>) {
        if let Some(trouble) = trouble {
            let what = if trouble.reason == FAILED_CREATE { "creating" } else { "deleting" };
            self.told(Severity::Warning, trouble.reason, format!("Error {what}: {}", trouble.message));
        }
        let reports = std::mem::take(&mut *self.reports.lock().unwrap_or_else(PoisonError::into_inner));
        let subject = self.dependents.owner.subject();
        let recorder = &self.reconciler.recorder;
        let subject = &subject;
        let written = stream::iter(reports).map(|report| async move { recorder.report(subject, &report).await });
        let mut written = written.buffer_unordered(PARALLEL);
        while let Some(written) = written.next().await {
            if let Err(error) = written {
                tracing::debug!(error = %stdx::error_chain(&error), "event not written");
            }
        }
    }
}

/// What came of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// It was carried out.
    Done,
    /// It cannot be carried out any more, and that is as it should be.
    Futile,
}

fn active(mut pods: Vec<Arc<Pod>>) -> Vec<Arc<Pod>> {
    pods.retain(|pod| pod_state::is_active(pod));
    pods
}

fn trouble(error: &Error) -> Option<Trouble> {
    let (reason, cause) = match error {
        Error::Create(cause) => (FAILED_CREATE, cause),
        Error::Delete(cause) => ("FailedDelete", cause),
        Error::Claim(_) | Error::Status(_) => return None,
    };
    Some(Trouble { reason, message: failure::message(cause) })
}

/// A pod of the set's template.
fn new_pod(set: &ReplicaSet, owner: &Owner) -> Pod {
    let template = set.spec.as_ref().and_then(|spec| spec.template.clone()).unwrap_or_default();
    let from = template.metadata.unwrap_or_default();
    Pod {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", owner.name)),
            namespace: set.metadata.namespace.clone(),
            labels: from.labels,
            annotations: from.annotations,
            finalizers: from.finalizers,
            owner_references: Some(vec![reference(owner)]),
            ..ObjectMeta::default()
        },
        spec: template.spec,
        status: None,
    }
}

fn replica(pod: &Pod, neighbours: usize, now: Timestamp) -> Replica {
    let ready = pod_state::ready(pod);
    let since = |time: Timestamp| now.duration_since(time).as_nanos();
    Replica {
        uid: pod.uid().unwrap_or_default(),
        assigned: pod_state::node(pod).is_some(),
        phase: match pod_state::phase(pod) {
            "Running" => Phase::Running,
            "Unknown" => Phase::Unknown,
            _ => Phase::Pending,
        },
        ready: ready.is_some(),
        ready_for: ready.flatten().map(since),
        deletion_cost: pod.annotations().get(DELETION_COST).and_then(|cost| cost.parse().ok()).unwrap_or(0),
        neighbours,
        restarts: pod_state::restarts(pod),
        age: pod.metadata.creation_timestamp.as_ref().map(|time| since(time.0)),
    }
}
