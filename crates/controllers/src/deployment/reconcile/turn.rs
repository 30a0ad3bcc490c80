//! One turn of one deployment.
//!
//! Start reading at [`Turn::run`].

use std::sync::Arc;
use std::time::Duration;

use client::kinds::apps::v1::{Deployment, DeploymentStatus, ReplicaSet, ReplicaSetSpec};
use client::meta::{LabelSelector, ObjectMeta};
use client::{
    Api, DeleteParams, Key, KindExt, Next, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy, Report,
    Severity,
};
use serde_json::{Value, json};

use super::{Error, Reconciler};
use crate::deployment::plan::{Goal, Set, Sets, Step, is_scaled, next_step};
use crate::deployment::revision::{Annotations, CEILING, DESIRED, REVISION, annotations_of_new, revision};
use crate::deployment::status::{self, Observed};
use crate::deployment::{facts, template};
use crate::ownership::{Dependents, OVERDUE, Owner, controller, reference};
use crate::{failure, pod_state};

pub(super) struct Turn<'a> {
    reconciler: &'a Reconciler,
    key: &'a Key,
    deployment: &'a Deployment,
    api: Api<Deployment>,
    dependents: Dependents<'a, ReplicaSet>,
    goal: Goal,
}

/// The replica sets of a deployment: the one with its template, and the others.
struct Sorted {
    new: Option<Arc<ReplicaSet>>,
    old: Vec<Arc<ReplicaSet>>,
}

/// What came of a step.
enum Outcome {
    /// It was taken, or there was none to take.
    Taken(status::Turn),
    /// The replica set could not be created.
    NotCreated(Error),
    /// The name of the new replica set was taken by another; the next turn tries the next one.
    Collision,
}

impl<'a> Turn<'a> {
    pub(super) fn new(
        reconciler: &'a Reconciler,
        key: &'a Key,
        deployment: &'a Deployment,
        dependents: Dependents<'a, ReplicaSet>,
    ) -> Self {
        let api = reconciler.client.namespaced(key.namespace.as_deref().unwrap_or_default());
        Self { reconciler, key, deployment, api, dependents, goal: facts::goal(deployment) }
    }

    pub(super) async fn run(self) -> Result<Next, Error> {
        let sets = self.dependents.claimed(&self.api).await.map_err(Error::Claim)?;
        if self.dependents.owner.terminating {
            self.write_status(status::Turn::Scaled).await?;
            return Ok(Next::OnChange);
        }
        let (turn, error) = match self.step(self.sort(sets)).await? {
            Outcome::Taken(turn) => (turn, None),
            Outcome::NotCreated(Error::Create { name, source }) => {
                let message = format!("Failed to create new replica set \"{name}\": {}", failure::message(&source));
                self.tell(Severity::Warning, "ReplicaSetCreateError", message.clone()).await;
                (status::Turn::NotCreated(message), Some(Error::Create { name, source }))
            }
            Outcome::NotCreated(error) => return Err(error),
            Outcome::Collision => return Ok(Next::After(Duration::ZERO)),
        };
        let (status, late) = self.write_status(turn).await?;
        if let Some(error) = error {
            return Err(error);
        }
        if self.goal.paused || status::is_complete(self.deployment, &status) {
            self.remove_history().await?;
        }
        let check = self.dependents.ledger().is_waiting().then_some(OVERDUE);
        Ok(late.into_iter().chain(check).min().map_or(Next::OnChange, Next::After))
    }

    /// The oldest set of the current template is the new one. There can be more of it after an upgrade of the server.
    fn sort(&self, mut sets: Vec<Arc<ReplicaSet>>) -> Sorted {
        let age = |set: &ReplicaSet| (set.metadata.creation_timestamp.as_ref().map(|time| time.0), set.name_any());
        sets.sort_by_cached_key(|set| age(set));
        let wanted = self.deployment.spec.as_ref().map(|spec| &spec.template);
        let is_new = |set: &Arc<ReplicaSet>| {
            let made_from = set.spec.as_ref().and_then(|spec| spec.template.as_ref());
            wanted.zip(made_from).is_some_and(|(wanted, made_from)| template::same(wanted, made_from))
        };
        let new = sets.iter().position(is_new).map(|at| sets.remove(at));
        Sorted { new, old: sets }
    }

    async fn step(&self, mut sorted: Sorted) -> Result<Outcome, Error> {
        if let Some(new) = sorted.new.take() {
            sorted.new = Some(self.mark(new, &sorted.old).await?);
        }
        let sets = self.facts(&sorted);
        let scaling = self.goal.paused || is_scaled(&self.goal, &sets);
        match next_step(&self.goal, &sets) {
            Step::Create(replicas) => return self.create(replicas, &sorted.old).await,
            Step::Resize(resizes) => {
                for resize in resizes {
                    let set = sorted.new.iter().chain(&sorted.old).find(|set| set.name_any() == resize.name);
                    let set = set.expect("the plan names sets that it was given");
                    self.resize(set, resize.to).await?;
                }
            }
            Step::Wait => {}
        }
        Ok(Outcome::Taken(if scaling { status::Turn::Scaled } else { status::Turn::Rolled }))
    }

    fn facts(&self, sorted: &Sorted) -> Sets {
        let recreate = facts::is_recreate(self.deployment);
        let occupied = |set: &ReplicaSet| recreate && self.has_pods(set);
        let fact = |set: &Arc<ReplicaSet>| -> Set { facts::set(set, occupied) };
        Sets { new: sorted.new.as_ref().map(fact), old: sorted.old.iter().map(fact).collect() }
    }

    /// Whether pods of the set have not ended, those that are being deleted among them. Looks at all pods there are: only
    /// deployments that recreate their pods ask, and only while they do.
    fn has_pods(&self, set: &ReplicaSet) -> bool {
        let uid = set.metadata.uid.as_deref();
        let pods = self.reconciler.pods.all();
        pods.iter().any(|pod| controller(&**pod) == uid && !pod_state::has_ended(pod))
    }

    /// Brings the annotations of the new replica set and of the deployment up to date, and what does not need new pods.
    async fn mark(&self, new: Arc<ReplicaSet>, old: &[Arc<ReplicaSet>]) -> Result<Arc<ReplicaSet>, Error> {
        let min_ready = |seconds: Option<i32>| seconds.unwrap_or(0);
        let wanted = min_ready(self.deployment.spec.as_ref().and_then(|spec| spec.min_ready_seconds));
        let current = min_ready(new.spec.as_ref().and_then(|spec| spec.min_ready_seconds));
        let changes = annotations_of_new(new.annotations(), self.deployment.annotations(), greatest_revision(old));
        let new = match changes.is_empty() && wanted == current {
            true => new,
            false => {
                let patch = json!({"metadata": {"annotations": changes}, "spec": {"minReadySeconds": wanted}});
                self.change(&new, patch).await?
            }
        };
        let shown = revision(self.deployment.metadata.annotations.as_ref());
        let serving = revision(new.metadata.annotations.as_ref());
        if shown != serving {
            let annotations = json!({"uid": self.dependents.owner.uid, "annotations": {REVISION: serving.to_string()}});
            let patch = Patch::Merge(json!({"metadata": annotations}));
            let written = self.api.patch(&self.key.name, &PatchParams::default(), &patch).await;
            let written = written.map_err(|error| Error::Revision(error.into()))?;
            self.reconciler.ledgers.note(self.key, Arc::new(written));
        }
        Ok(new)
    }

    async fn create(&self, replicas: i32, old: &[Arc<ReplicaSet>]) -> Result<Outcome, Error> {
        let set = self.new_set(replicas, old);
        let name = set.name_any();
        self.dependents.ledger().open();
        let created = self.dependents.api.create(&PostParams::default(), &set).await.map_err(client::Error::from);
        let outcome = match created {
            Ok(created) => {
                self.dependents.ledger().note(Arc::new(created));
                let message = format!("Scaled up replica set {name} from 0 to {replicas}");
                if replicas > 0 {
                    self.tell(Severity::Normal, "ScalingReplicaSet", message).await;
                }
                Outcome::Taken(status::Turn::Created)
            }
            Err(error) if error.is_already_exists() => self.taken_name(&set).await?,
            Err(error) if failure::is_namespace_going(&error) => Outcome::Taken(status::Turn::Rolled),
            Err(source) if failure::is_refusal(&source) => Outcome::NotCreated(Error::Create { name, source }),
            // Perhaps it was created: the ledger stays open.
            Err(source) => return Err(Error::Create { name, source }),
        };
        self.dependents.ledger().close();
        Ok(outcome)
    }

    /// The replica set is there already: our own, or one that happens to have its name.
    async fn taken_name(&self, wanted: &ReplicaSet) -> Result<Outcome, Error> {
        let name = wanted.name_any();
        let found = self.dependents.api.get_opt(&name).await;
        let found = found.map_err(|error| Error::Create { name, source: error.into() })?;
        // Gone meanwhile: the next turn creates it.
        let Some(found) = found else { return Ok(Outcome::Collision) };
        let template = |set: &ReplicaSet| set.spec.as_ref().and_then(|spec| spec.template.clone()).unwrap_or_default();
        let mine = controller(&found) == Some(&self.dependents.owner.uid);
        if mine && template::same(&template(&found), &template(wanted)) {
            self.dependents.ledger().note(Arc::new(found));
            return Ok(Outcome::Taken(status::Turn::Rolled));
        }
        self.patch_status(json!({"collisionCount": self.collisions() + 1})).await?;
        Ok(Outcome::Collision)
    }

    fn collisions(&self) -> i32 {
        self.deployment.status.as_ref().and_then(|status| status.collision_count).unwrap_or(0)
    }

    /// The replica set of the current template. Its name follows from the template, so it cannot be created twice.
    fn new_set(&self, replicas: i32, old: &[Arc<ReplicaSet>]) -> ReplicaSet {
        let spec = self.deployment.spec.clone().unwrap_or_default();
        let hash = template::hash(&spec.template, self.collisions());
        let mut template = spec.template;
        let metadata = template.metadata.get_or_insert_default();
        let labels = metadata.labels.get_or_insert_default();
        labels.insert(template::HASH_LABEL.to_owned(), hash.clone());
        let labels = labels.clone();
        let mut selector: LabelSelector = spec.selector;
        selector.match_labels.get_or_insert_default().insert(template::HASH_LABEL.to_owned(), hash.clone());
        let mut annotations =
            annotations_of_new(&Annotations::new(), self.deployment.annotations(), greatest_revision(old));
        annotations.extend(self.size_annotations());
        ReplicaSet {
            metadata: ObjectMeta {
                name: Some(template::replica_set_name(&self.key.name, &hash)),
                namespace: self.key.namespace.clone(),
                labels: Some(labels),
                annotations: Some(annotations),
                owner_references: Some(vec![reference(&self.dependents.owner)]),
                ..ObjectMeta::default()
            },
            spec: Some(ReplicaSetSpec {
                replicas: Some(replicas),
                min_ready_seconds: spec.min_ready_seconds,
                selector,
                template: Some(template),
            }),
            status: None,
        }
    }

    fn size_annotations(&self) -> Annotations {
        let counts = [(DESIRED, self.goal.replicas), (CEILING, self.goal.ceiling())];
        counts.into_iter().map(|(name, count)| (name.to_owned(), count.to_string())).collect()
    }

    async fn resize(&self, set: &ReplicaSet, to: i32) -> Result<(), Error> {
        let from = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        let patch = json!({"metadata": {"annotations": self.size_annotations()}, "spec": {"replicas": to}});
        self.change(set, patch).await?;
        if from != to {
            let direction = if to > from { "up" } else { "down" };
            let message = format!("Scaled {direction} replica set {} from {from} to {to}", set.name_any());
            self.tell(Severity::Normal, "ScalingReplicaSet", message).await;
        }
        Ok(())
    }

    /// Changes a replica set, whatever its resource version: sizes and annotations are this controller's to set, and the
    /// replica set's own controller writes its status all the time.
    async fn change(&self, set: &ReplicaSet, mut patch: Value) -> Result<Arc<ReplicaSet>, Error> {
        let name = set.name_any();
        patch["metadata"]["uid"] = json!(set.metadata.uid);
        let changed = self.dependents.api.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await;
        let changed = Arc::new(changed.map_err(|error| Error::Change { name, source: error.into() })?);
        self.dependents.ledger().note(changed.clone());
        Ok(changed)
    }

    /// Removes the oldest replica sets that have no pods, beyond those that are kept to go back to. `i32::MAX` stands for
    /// no limit, as in the API reference.
    async fn remove_history(&self) -> Result<(), Error> {
        let limit = self.deployment.spec.as_ref().and_then(|spec| spec.revision_history_limit);
        let Some(limit) = limit.filter(|limit| *limit != i32::MAX) else { return Ok(()) };
        let mut old = self.sort(self.dependents.present()).old;
        old.retain(|set| set.metadata.deletion_timestamp.is_none());
        let excess = old.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
        old.sort_by_key(|set| revision(set.metadata.annotations.as_ref()));
        for set in old.iter().take(excess).filter(|set| is_empty(set)) {
            self.remove(set).await?;
        }
        Ok(())
    }

    async fn remove(&self, set: &ReplicaSet) -> Result<(), Error> {
        let (name, uid) = (set.name_any(), set.uid().unwrap_or_default());
        let preconditions = Some(Preconditions { uid: Some(uid.clone()), resource_version: None });
        let propagation_policy = Some(PropagationPolicy::Background);
        let params = DeleteParams { preconditions, propagation_policy, ..DeleteParams::default() };
        match self.dependents.api.delete(&name, &params).await.map_err(client::Error::from) {
            Ok(_) => {}
            Err(error) if error.is_not_found() || error.is_conflict() => {}
            Err(source) => return Err(Error::Remove { name, source }),
        }
        self.dependents.ledger().note_deleted(&uid);
        Ok(())
    }

    async fn write_status(&self, turn: status::Turn) -> Result<(DeploymentStatus, Option<Duration>), Error> {
        let sorted = self.sort(self.dependents.present());
        let (status, late) = status::status(&Observed {
            deployment: self.deployment,
            unavailable: self.goal.limits().unavailable,
            new: sorted.new.as_deref(),
            old: sorted.old.iter().map(|set| &**set).collect(),
            turn,
            now: crate::instant::now(&self.reconciler.clock),
        });
        if self.deployment.status.as_ref() != Some(&status) {
            self.patch_status(json!({
                "observedGeneration": status.observed_generation,
                "replicas": status.replicas,
                "updatedReplicas": status.updated_replicas,
                "readyReplicas": status.ready_replicas,
                "availableReplicas": status.available_replicas,
                "unavailableReplicas": status.unavailable_replicas,
                "conditions": status.conditions,
            }))
            .await?;
        }
        Ok((status, late))
    }

    async fn patch_status(&self, status: Value) -> Result<(), Error> {
        patch_status(self.reconciler, self.key, self.deployment, status).await
    }

    async fn tell(&self, severity: Severity, reason: &'static str, message: String) {
        tell(self.reconciler, self.deployment, &Report { severity, reason, message }).await;
    }
}

fn greatest_revision(sets: &[Arc<ReplicaSet>]) -> i64 {
    sets.iter().map(|set| revision(set.metadata.annotations.as_ref())).max().unwrap_or(0)
}

/// Whether the set has no pods and its controller has seen that it shall have none.
fn is_empty(set: &ReplicaSet) -> bool {
    let status = set.status.as_ref();
    set.spec.as_ref().and_then(|spec| spec.replicas) == Some(0)
        && status.is_some_and(|status| status.replicas == 0 && status.observed_generation >= set.metadata.generation)
}

async fn patch_status(reconciler: &Reconciler, key: &Key, deployment: &Deployment, status: Value) -> Result<(), Error> {
    let api: Api<Deployment> = reconciler.client.namespaced(key.namespace.as_deref().unwrap_or_default());
    let patch = Patch::Merge(json!({"metadata": {"uid": deployment.metadata.uid}, "status": status}));
    match api.patch_status(&key.name, &PatchParams::default(), &patch).await.map_err(client::Error::from) {
        Ok(written) => reconciler.ledgers.note(key, Arc::new(written)),
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(Error::Status(error)),
    }
    Ok(())
}

async fn tell(reconciler: &Reconciler, deployment: &Deployment, report: &Report) {
    let subject = Owner::of(deployment, "apps/v1", "Deployment").subject();
    if let Err(error) = reconciler.recorder.report(&subject, report).await {
        tracing::debug!(error = %stdx::error_chain(&error), "event not written");
    }
}

/// A deployment that selects all pods is told so, and left alone.
pub(super) async fn refuse_selector(
    reconciler: &Reconciler,
    key: &Key,
    deployment: &Deployment,
) -> Result<Next, Error> {
    let report = Report {
        severity: Severity::Warning,
        reason: "SelectingAll",
        message: "This deployment is selecting all pods. A non-empty selector is required.".to_owned(),
    };
    tell(reconciler, deployment, &report).await;
    let generation = deployment.metadata.generation;
    let observed = deployment.status.as_ref().and_then(|status| status.observed_generation);
    if observed < generation {
        patch_status(reconciler, key, deployment, json!({"observedGeneration": generation})).await?;
    }
    Ok(Next::OnChange)
}
