//! Empties a namespace that is being deleted, tells how far that is, and releases it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api::core::v1::namespace::FINALIZER;
use client::kinds::core::v1::{Namespace, NamespaceStatus};
use client::meta::Time;
use client::{
    Cache, Client, Controller, DeleteParams, Discovered, Event, Key, KindExt, Leadership, ListParams, Metadata, Next,
    PostParams, Queue, Reconcile, Resource, Scope, discover,
};
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use stdx::Clock;
use task::CancellationToken;
use thiserror::Error;

use super::plan::{self, Content};
use super::waiting::Waiting;
use crate::inventory::{Change, Observer};

/// How many namespaces are emptied at the same time.
const CONCURRENCY: usize = 4;
/// How many resources of one namespace are emptied at the same time.
const RESOURCES_AT_ONCE: usize = 4;
/// How many objects a page of a list has.
const PAGE: u32 = 500;
/// When to look again at objects that take their time, should no watch tell that they are gone: there are resources that
/// cannot be watched.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(15);

const TERMINATING: &str = "Terminating";

/// Why a namespace could not be dealt with. All are retried.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// The namespace could not be read.
    #[error("cannot read the namespace")]
    Read(#[source] client::Error),
    /// The resources of the server could not be found out.
    #[error("cannot find out which resources there are")]
    Discover(#[source] client::Error),
    /// Its status could not be written.
    #[error("cannot write the status of the namespace")]
    Status(#[source] client::Error),
    /// Its finalizer could not be removed.
    #[error("cannot remove the finalizer of the namespace")]
    Finalize(#[source] client::Error),
    /// Some of its content is unknown or cannot be deleted; the namespace's conditions say which.
    #[error("cannot empty the namespace: {0}")]
    Content(String),
}

/// The namespace controller.
pub(crate) struct Lifecycle {
    client: Client,
    clock: Clock,
    namespaces: Cache<Namespace>,
    queue: Queue<Key>,
    waiting: Mutex<Waiting>,
}

impl Lifecycle {
    pub(crate) fn new(client: &Client, clock: Clock) -> Self {
        Self {
            client: client.clone(),
            clock,
            namespaces: client.cache(),
            queue: Queue::new(),
            waiting: Mutex::default(),
        }
    }

    /// Runs until told to stop.
    pub(crate) async fn run(&self, leadership: Leadership, stop: CancellationToken) {
        let queue = self.queue.clone();
        let (namespaces, keys) = (self.namespaces.clone(), queue.clone());
        let _subscription = self.namespaces.subscribe(move |namespace: &Namespace| {
            let key = Key::of(namespace);
            match namespace.metadata.deletion_timestamp {
                None => {}
                Some(_) if namespaces.get(&key).is_none() => keys.remove(&key),
                Some(_) => keys.add(key),
            }
        });
        Controller { name: "namespace", concurrency: CONCURRENCY, queue, leadership }.run(self, stop).await;
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An object that goes may be the last one of its namespace.
impl Observer for Lifecycle {
    fn observe(&self, change: Change<'_>) {
        let Change::Event(_, Event::Removed(object)) = change else { return };
        let (Some(namespace), Some(uid)) = (&object.metadata.namespace, &object.metadata.uid) else { return };
        if self.waiting().gone(namespace, uid) {
            self.queue.add(Key::cluster(namespace));
        }
    }
}

impl Reconcile<Key> for Lifecycle {
    type Error = Failure;

    async fn reconcile(&self, key: &Key) -> Result<Next, Failure> {
        let api = self.client.cluster::<Namespace>();
        let found = api.get_opt(&key.name).await.map_err(|error| Failure::Read(error.into()))?;
        let Some(namespace) = found.filter(|namespace| namespace.metadata.deletion_timestamp.is_some()) else {
            self.waiting().done(&key.name);
            return Ok(Next::OnChange);
        };
        let namespace = self.mark_terminating(namespace).await?;
        if !has_finalizer(&namespace) {
            self.waiting().done(&key.name);
            return Ok(Next::OnChange);
        }
        self.waiting().look(&key.name);
        let content = self.empty(&key.name).await?;
        if content.is_empty() && stays_only_for_content(&namespace) {
            return self.release(namespace).await;
        }
        let namespace = self.tell(namespace, &content).await?;
        if content.is_empty() {
            return self.release(namespace).await;
        }
        let troubles = content.troubles();
        if !troubles.is_empty() {
            return Err(Failure::Content(troubles.join(", ")));
        }
        let gone_meanwhile = self.waiting().left(&key.name, content.left().clone());
        Ok(Next::After(if gone_meanwhile { Duration::ZERO } else { LOOK_AGAIN }))
    }
}

impl Lifecycle {
    /// Servers do this themselves when they take the deletion; one that does not would go on taking new objects.
    async fn mark_terminating(&self, mut namespace: Namespace) -> Result<Namespace, Failure> {
        let status = namespace.status.get_or_insert_default();
        if status.phase.as_deref() == Some(TERMINATING) {
            return Ok(namespace);
        }
        status.phase = Some(TERMINATING.to_owned());
        self.write_status(&namespace).await
    }

    /// Writes the conditions, if they are not so already.
    async fn tell(&self, mut namespace: Namespace, content: &Content) -> Result<Namespace, Failure> {
        let now = Time(Timestamp::try_from(self.clock.now()).unwrap_or(Timestamp::MAX));
        let before = namespace.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        let Some(conditions) = plan::conditions(content, before, &now) else { return Ok(namespace) };
        let status = namespace.status.get_or_insert_with(NamespaceStatus::default);
        status.conditions = Some(conditions);
        self.write_status(&namespace).await
    }

    async fn write_status(&self, namespace: &Namespace) -> Result<Namespace, Failure> {
        let api = self.client.cluster::<Namespace>();
        let written = api.replace_status(&namespace.name_any(), &PostParams::default(), namespace).await;
        written.map_err(|error| Failure::Status(error.into()))
    }

    /// Takes the finalizer away that stands for the content. The API deletes the namespace when nothing else holds it.
    async fn release(&self, mut namespace: Namespace) -> Result<Next, Failure> {
        let name = namespace.name_any();
        if let Some(finalizers) = namespace.spec.as_mut().and_then(|spec| spec.finalizers.as_mut()) {
            finalizers.retain(|finalizer| finalizer != FINALIZER);
        }
        let api = self.client.cluster::<Namespace>();
        let released = api.replace_subresource("finalize", &name, &PostParams::default(), &namespace).await;
        match released.map_err(client::Error::from) {
            Ok(_) => tracing::info!(namespace = name, "namespace emptied and released"),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(Failure::Finalize(error)),
        }
        self.waiting().done(&name);
        Ok(Next::OnChange)
    }
}

fn has_finalizer(namespace: &Namespace) -> bool {
    spec_finalizers(namespace).iter().any(|finalizer| finalizer == FINALIZER)
}

/// Whether the namespace goes with its finalizer: then there is nobody left to read conditions.
fn stays_only_for_content(namespace: &Namespace) -> bool {
    namespace.finalizers().is_empty() && spec_finalizers(namespace).iter().all(|finalizer| finalizer == FINALIZER)
}

fn spec_finalizers(namespace: &Namespace) -> &[String] {
    namespace.spec.as_ref().and_then(|spec| spec.finalizers.as_deref()).unwrap_or_default()
}

/// What became of the objects of one resource.
type Emptied = (Arc<Resource>, Result<Vec<Metadata>, client::Error>);

impl Lifecycle {
    /// Deletes what is not being deleted yet, and tells what is left.
    async fn empty(&self, namespace: &str) -> Result<Content, Failure> {
        let Discovered { resources, failures } = discover(&self.client).await.map_err(Failure::Discover)?;
        let unknown = failures.iter().map(|(group, error)| format!("{group}: {}", stdx::error_chain(error)));
        let mut content = Content::without(unknown.collect());
        let namespaced = resources.into_iter().filter(|resource| resource.scope == Scope::Namespaced);
        let deletable = namespaced.filter(|resource| resource.supports(&["delete", "list"]));
        let (pods, others): (Vec<_>, Vec<_>) =
            deletable.partition(|resource| resource.group_and_plural() == ("", "pods"));
        for resources in [pods, others] {
            let emptied = stream::iter(resources)
                .map(|resource| self.empty_resource(Arc::new(resource), namespace))
                .buffer_unordered(RESOURCES_AT_ONCE);
            let mut emptied: Vec<Emptied> = emptied.collect().await;
            // Messages do not depend on who answered first.
            emptied.sort_by_key(|(resource, _)| resource.to_string());
            for (resource, left) in emptied {
                match left {
                    Ok(left) => content.count(&resource, &left),
                    Err(error) => content.failed(format!("{resource}: {}", stdx::error_chain(&error))),
                }
            }
            if content.has_remaining() {
                break;
            }
        }
        Ok(content)
    }

    async fn empty_resource(&self, resource: Arc<Resource>, namespace: &str) -> Emptied {
        let left = self.delete_all(&resource, namespace).await;
        (resource, left)
    }

    async fn delete_all(&self, resource: &Resource, namespace: &str) -> Result<Vec<Metadata>, client::Error> {
        let objects = self.list(resource, namespace).await?;
        if objects.iter().all(|object| object.metadata.deletion_timestamp.is_some()) {
            return Ok(objects);
        }
        let api = self.client.metadata(resource, Some(namespace));
        let params = DeleteParams::background();
        if resource.supports(&["deletecollection"]) {
            api.delete_collection(&params, &ListParams::default()).await?;
        } else {
            for object in objects {
                match api.delete(&object.name_any(), &params).await.map_err(client::Error::from) {
                    Ok(_) => {}
                    Err(error) if error.is_not_found() => {}
                    Err(error) => return Err(error),
                }
            }
        }
        self.list(resource, namespace).await
    }

    async fn list(&self, resource: &Resource, namespace: &str) -> Result<Vec<Metadata>, client::Error> {
        let api = self.client.metadata(resource, Some(namespace));
        let mut objects = Vec::new();
        let mut params = ListParams::default().limit(PAGE);
        loop {
            let page = match api.list(&params).await.map_err(client::Error::from) {
                Ok(page) => page,
                // Its definition went away, and what it had with it.
                Err(error) if error.is_not_found() => return Ok(Vec::new()),
                Err(error) => return Err(error),
            };
            objects.extend(page.items);
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params.continue_token = Some(token),
                None => return Ok(objects),
            }
        }
    }
}
