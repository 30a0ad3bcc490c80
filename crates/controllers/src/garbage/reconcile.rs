//! Acts on what `plan` says, after asking the API.
//!
//! Each deletion and each change is on condition of the uid and the resource version that the decision was made on: an
//! object that somebody changed meanwhile, or that is another one of the same name, is looked at again instead.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::meta::{FOREGROUND_DELETION_FINALIZER, ORPHAN_FINALIZER};
use client::meta::{ObjectMeta, OwnerReference};
use client::{
    Api, Client, Controller, DeleteParams, Event, Leadership, Metadata, Next, Patch, PatchParams, Preconditions, Queue,
    Reconcile, Recorder, Report, Severity, Subject,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use stdx::Clock;
use task::CancellationToken;
use thiserror::Error;
use tokio::sync::watch;

use super::graph::{self, Graph, Owner, Target, Uid};
use super::plan::{self, Manner, Standing, Step, Verdict};
use crate::inventory::{Catalogue, Change, Observer};

/// How many objects are looked at at the same time. Enough that their writes share commits; requests of users keep room.
pub(super) const CONCURRENCY: usize = 16;
/// How many dependents of one owner are let go at the same time, for the same reason.
const ORPHANS_AT_ONCE: usize = 8;

const COMPONENT: &str = "garbage-collector-controller";
const INVALID_NAMESPACE: &str = "OwnerRefInvalidNamespace";

/// Why an object could not be dealt with. All are retried.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// The object could not be read.
    #[error("cannot read {object}")]
    Read { object: String, source: client::Error },
    /// Its owner could not be looked up.
    #[error("cannot look up the owner {owner} of {object}")]
    Owner { owner: String, object: String, source: client::Error },
    /// It could not be changed.
    #[error("cannot change the metadata of {object}")]
    Change { object: String, source: client::Error },
    /// It could not be deleted.
    #[error("cannot delete {object}")]
    Delete { object: String, source: client::Error },
}

/// The garbage collector.
pub(crate) struct Collector {
    client: Client,
    recorder: Recorder,
    catalogue: Arc<Catalogue>,
    graph: Mutex<Graph>,
    /// Whether the graph is complete. Nothing is done while it is not.
    complete: watch::Sender<bool>,
    queue: Queue<Uid>,
}

impl Collector {
    pub(crate) fn new(client: &Client, catalogue: Arc<Catalogue>, clock: Clock) -> Self {
        Self {
            client: client.clone(),
            recorder: Recorder::new(client.clone(), COMPONENT, clock),
            catalogue,
            graph: Mutex::new(Graph::new()),
            complete: watch::Sender::new(false),
            queue: Queue::new(),
        }
    }

    /// Runs until told to stop.
    pub(crate) async fn run(&self, leadership: Leadership, stop: CancellationToken) {
        let queue = self.queue.clone();
        Controller { name: "garbage", concurrency: CONCURRENCY, queue, leadership }.run(self, stop).await;
    }

    fn graph(&self) -> MutexGuard<'_, Graph> {
        self.graph.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn graph_is_complete(&self) {
        // The sender is in `self`, so that waiting ends with a value.
        drop(self.complete.subscribe().wait_for(|complete| *complete).await);
    }
}

impl Observer for Collector {
    fn observe(&self, change: Change<'_>) {
        let mut graph = self.graph();
        let affected = match change {
            Change::Added(feed) => {
                graph.add_feed(feed);
                Vec::new()
            }
            Change::Discovered => {
                graph.discovered();
                Vec::new()
            }
            Change::Event(feed, Event::Restarted) => {
                graph.restart(feed);
                Vec::new()
            }
            Change::Event(feed, Event::Object(object)) => graph.observe(feed, &object.metadata),
            Change::Event(feed, Event::Complete) => graph.complete(feed),
            Change::Event(_, Event::Removed(object)) => {
                let uid: Uid = object.metadata.uid.as_deref().unwrap_or_default().into();
                self.queue.remove(&uid);
                graph.remove(&uid)
            }
            Change::Late(feed) => {
                let resources: Vec<String> = graph.awaited().map(ToString::to_string).collect();
                tracing::warn!(
                    resources = resources.join(", "),
                    "garbage is collected without objects that cannot be listed"
                );
                graph.give_up(feed);
                Vec::new()
            }
            Change::Removed(feed, departure) => graph.remove_feed(feed, departure),
        };
        let complete = graph.is_complete();
        drop(graph);
        self.complete.send_if_modified(|before| std::mem::replace(before, complete) != complete);
        affected.into_iter().for_each(|uid| self.queue.add(uid));
    }
}

impl Reconcile<Uid> for Collector {
    type Error = Failure;

    async fn reconcile(&self, uid: &Uid) -> Result<Next, Failure> {
        self.graph_is_complete().await;
        let step = plan::next(&self.graph(), uid);
        match step {
            Step::Nothing => {}
            Step::Orphan { owner, dependents } => self.orphan(&owner, dependents).await?,
            Step::Release(owner) => self.remove_finalizer(&owner, FOREGROUND_DELETION_FINALIZER).await?,
            Step::Verify { object, misplaced } => {
                for owner in &misplaced {
                    self.report(&object, owner).await;
                }
                self.verify(&object).await?;
            }
        }
        Ok(Next::OnChange)
    }
}

impl Collector {
    /// Lets all dependents go, then the owner. Killed in between, it begins anew: the finalizer is still there.
    async fn orphan(&self, owner: &Target, dependents: Vec<Target>) -> Result<(), Failure> {
        stream::iter(dependents)
            .map(|dependent| self.let_go(dependent, owner.uid.clone()))
            .buffer_unordered(ORPHANS_AT_ONCE)
            .try_collect::<()>()
            .await?;
        self.graph().remember_orphaned(&owner.uid);
        self.remove_finalizer(owner, ORPHAN_FINALIZER).await
    }

    async fn let_go(&self, dependent: Target, owner: Uid) -> Result<(), Failure> {
        match self.read(&dependent).await? {
            Some(metadata) => self.disown(&dependent, &metadata, &[owner]).await,
            None => Ok(()),
        }
    }

    async fn verify(&self, object: &Target) -> Result<(), Failure> {
        let Some(metadata) = self.read(object).await? else { return Ok(()) };
        if metadata.deletion_timestamp.is_some() {
            return Ok(());
        }
        let mut owners = Vec::new();
        for owner in graph::owners(&metadata) {
            let standing = self.standing(object, &owner).await?;
            owners.push((owner, standing));
        }
        let dependents = plan::dependents(&self.graph(), &object.uid);
        match plan::verdict(&owners, dependents) {
            Verdict::Keep => Ok(()),
            Verdict::Disown(leaving) => self.disown(object, &metadata, &leaving).await,
            Verdict::Delete(manner) => self.delete(object, metadata, &manner).await,
        }
    }

    /// What the API says of an owner.
    async fn standing(&self, object: &Target, owner: &Owner) -> Result<Standing, Failure> {
        let absent = {
            let graph = self.graph();
            if graph.is_orphaned(&owner.uid) { Standing::Orphaned } else { Standing::Absent }
        };
        if self.graph().is_gone(&owner.uid) {
            return Ok(absent);
        }
        let Some(resource) = self.catalogue.resolve(owner.group(), &owner.kind) else {
            tracing::debug!(object = %Named(object), owner = owner.to_string(), "the kind of an owner is not served");
            return Ok(Standing::Unknown);
        };
        if resource.scope == client::Scope::Namespaced && object.key.namespace.is_none() {
            tracing::debug!(object = %Named(object), owner = owner.to_string(), "an object of cluster scope has an owner in a namespace");
            return Ok(Standing::Unknown);
        }
        let found = self.client.metadata(&resource, object.key.namespace.as_deref()).get(&owner.name).await;
        let metadata = match found.map_err(client::Error::from) {
            Ok(found) => found.metadata,
            Err(error) if error.is_object_not_found() => return Ok(absent),
            // The resource is not served just now, which says nothing about its objects.
            Err(error) if error.is_not_found() => return Ok(Standing::Unknown),
            Err(source) => {
                return Err(Failure::Owner { owner: owner.to_string(), object: Named(object).to_string(), source });
            }
        };
        if metadata.uid.as_deref() != Some(&owner.uid) {
            return Ok(absent);
        }
        Ok(match graph::deletion(&metadata) {
            graph::Deletion::Foreground => Standing::Waiting,
            graph::Deletion::None | graph::Deletion::Orphan | graph::Deletion::Plain => Standing::Present,
        })
    }

    async fn delete(&self, object: &Target, metadata: ObjectMeta, manner: &Manner) -> Result<(), Failure> {
        let finalizers = metadata.finalizers.clone().unwrap_or_default();
        let metadata = match manner {
            Manner::ForegroundUnblocked => self.unblock(object, metadata).await?,
            Manner::AsMarked | Manner::Foreground => metadata,
        };
        let params = DeleteParams {
            propagation_policy: Some(plan::propagation(manner, &finalizers)),
            preconditions: Some(Preconditions {
                uid: Some(object.uid.to_string()),
                resource_version: metadata.resource_version,
            }),
            ..DeleteParams::default()
        };
        let deleted = self.api(object).delete(&object.key.name, &params).await.map_err(client::Error::from);
        match deleted {
            Ok(_) => {
                tracing::debug!(object = %Named(object), uid = %object.uid, ?manner, "deleted for its owners");
                Ok(())
            }
            Err(error) if error.is_not_found() => Ok(()),
            Err(source) => Err(Failure::Delete { object: Named(object).to_string(), source }),
        }
    }

    /// Takes from the object what makes its owners wait for it.
    async fn unblock(&self, object: &Target, metadata: ObjectMeta) -> Result<ObjectMeta, Failure> {
        let unblocked = |reference: &OwnerReference| OwnerReference {
            block_owner_deletion: reference.block_owner_deletion.map(|_| false),
            ..reference.clone()
        };
        let before = metadata.owner_references.as_deref().unwrap_or_default();
        let references: Vec<OwnerReference> = before.iter().map(unblocked).collect();
        if references == before {
            return Ok(metadata);
        }
        let changed = self.change(object, &metadata, json!({"ownerReferences": references})).await?;
        Ok(changed.unwrap_or(metadata))
    }

    /// Takes the references to `leaving` owners from the object.
    async fn disown(&self, object: &Target, metadata: &ObjectMeta, leaving: &[Uid]) -> Result<(), Failure> {
        let before = metadata.owner_references.as_deref().unwrap_or_default();
        let stays = |reference: &&OwnerReference| !leaving.iter().any(|uid| **uid == *reference.uid);
        let references: Vec<&OwnerReference> = before.iter().filter(stays).collect();
        if references.len() == before.len() {
            return Ok(());
        }
        // A merge patch removes what is null; an empty list would stay behind.
        let references = if references.is_empty() { Value::Null } else { json!(references) };
        self.change(object, metadata, json!({"ownerReferences": references})).await.map(drop)
    }

    async fn remove_finalizer(&self, object: &Target, finalizer: &str) -> Result<(), Failure> {
        let Some(metadata) = self.read(object).await? else { return Ok(()) };
        let before = metadata.finalizers.as_deref().unwrap_or_default();
        let left: Vec<&String> = before.iter().filter(|present| *present != finalizer).collect();
        if left.len() == before.len() || metadata.deletion_timestamp.is_none() {
            return Ok(());
        }
        self.change(object, &metadata, json!({"finalizers": left})).await.map(drop)
    }

    /// Merges `change` into the metadata of an object that is as `seen`. None when it is gone.
    async fn change(&self, object: &Target, seen: &ObjectMeta, change: Value) -> Result<Option<ObjectMeta>, Failure> {
        let mut metadata = change;
        metadata["uid"] = json!(*object.uid);
        metadata["resourceVersion"] = json!(seen.resource_version);
        let patch = Patch::Merge(json!({"metadata": metadata}));
        let changed = self.api(object).patch(&object.key.name, &PatchParams::default(), &patch).await;
        match changed.map_err(client::Error::from) {
            Ok(changed) => Ok(Some(changed.metadata)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(source) => Err(Failure::Change { object: Named(object).to_string(), source }),
        }
    }

    /// The object's metadata as it is; None when it is gone, also if another one has its name.
    async fn read(&self, object: &Target) -> Result<Option<ObjectMeta>, Failure> {
        let found = self.api(object).get_opt(&object.key.name).await;
        let found = found.map_err(|error| Failure::Read { object: Named(object).to_string(), source: error.into() })?;
        Ok(found.map(|found| found.metadata).filter(|metadata| metadata.uid.as_deref() == Some(&*object.uid)))
    }

    fn api(&self, object: &Target) -> Api<Metadata> {
        self.client.metadata(&object.resource, object.key.namespace.as_deref())
    }

    /// Tells people why an object goes whose owner they see. Whether they hear of it decides nothing.
    async fn report(&self, object: &Target, owner: &Owner) {
        let namespace = object.key.namespace.clone().unwrap_or_default();
        let subject = Subject {
            api_version: object.resource.names.api_version.clone(),
            kind: object.resource.names.kind.clone(),
            namespace: object.key.namespace.clone(),
            name: object.key.name.clone(),
            uid: object.uid.to_string(),
        };
        let Owner { api_version, kind, name, uid, blocks: _ } = owner;
        let report = Report {
            severity: Severity::Warning,
            reason: INVALID_NAMESPACE,
            // Word for word as Kubernetes has it: people search for it.
            message: format!(
                "ownerRef [{api_version}/{kind}, namespace: {namespace}, name: {name}, uid: {uid}] does not exist in namespace \"{namespace}\""
            ),
        };
        if let Err(error) = self.recorder.report(&subject, &report).await {
            tracing::warn!(object = %Named(object), error = %stdx::error_chain(&error), "an event could not be written");
        }
    }
}

/// `resource namespace/name`, for messages.
struct Named<'a>(&'a Target);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.resource, self.0.key)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} {} ({})", self.api_version, self.kind, self.name, self.uid)
    }
}
