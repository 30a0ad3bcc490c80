//! The agent itself: what wakes pods up, and what their turns share.
//!
//! Watches of pods, ConfigMaps and Secrets add uids to one queue, from which a bounded number of turns is taken at a time,
//! never two of one pod. The pods come from the one cache of the process, which scheduler and controllers fill anyway and
//! which has the pods of other nodes as well; of ConfigMaps and Secrets only metadata is watched, and content is read when it
//! is needed. Start reading at [`Agent::start`].

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use client::kinds::core::v1::{ConfigMap, Pod, Secret};
use client::{Cache, Client, Controller, Key, Leadership, Next, Queue, Reconcile, Recorder};
use container::{Error as RuntimeError, Runtime};
use jiff::Timestamp;
use stdx::Clock;
use task::{Class, Group};

use crate::event::Notices;
use crate::fields::Allocatable;
use crate::node;
use crate::pod::back_off::BackOff;
use crate::pod::identity::{Directory, Uid};
use crate::pod::reconcile::{Error as TurnError, Turn};
use crate::pod::state::Entry;
use crate::source::{Kind, Reference};
use crate::users::Ranges;

mod take_over;
mod wake;
mod watch;

/// Turns at the same time. Most of a turn is spent waiting for a container to be made, which two processors share.
const CONCURRENCY: usize = 16;
/// The component in events.
const COMPONENT: &str = "kubelet";

/// What an agent is made of.
#[derive(Debug, Clone)]
pub struct Options {
    /// The node's name.
    pub name: String,
    /// The machine's address in statuses.
    pub address: IpAddr,
    /// Where logs, volumes and the memory of pods are; nobody else writes there. It is made.
    pub data_dir: PathBuf,
    /// The API, as the node's user.
    pub client: Client,
    /// The containers of this machine; the agent is the only one who uses it.
    pub containers: Runtime,
    /// Directories that containers on `host` see besides the machine's own programs; see [`container::HostRootfs`].
    pub toolchains: Vec<PathBuf>,
    /// Variables of containers on `host`: paths of toolchains, proxies.
    pub environment: Vec<(String, String)>,
    /// The time of day.
    pub clock: Clock,
    /// Owns the agent's tasks, which stop among the controllers.
    pub tasks: Group,
    /// The waits between restarts.
    pub back_off: BackOff,
    /// The version of this program, for people.
    pub version: String,
}

/// Why an agent could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The directory of the agent cannot be made or read.
    #[error("cannot use the directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        source: std::io::Error,
    },
    /// What runs on the machine cannot be found out.
    #[error("cannot take over the containers of this machine")]
    Adopt(#[source] RuntimeError),
    /// The machine does not say what it has.
    #[error("cannot find out what this machine has")]
    Machine(#[source] std::io::Error),
}

/// A node agent that runs. Clones are the same agent; its tasks end with their group.
#[derive(Clone)]
pub struct Agent {
    inner: Arc<Inner>,
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("node", &self.inner.name).finish_non_exhaustive()
    }
}

/// What all turns share.
pub(crate) struct Inner {
    pub(crate) name: String,
    pub(crate) host_ip: String,
    pub(crate) client: Client,
    pub(crate) runtime: Runtime,
    pub(crate) toolchains: Vec<PathBuf>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) allocatable: Allocatable,
    pub(crate) back_off: BackOff,
    pub(crate) users: Ranges,
    pub(crate) notices: Notices,
    pub(crate) queue: Queue<Uid>,
    data_dir: PathBuf,
    clock: Clock,
    tasks: Group,
    pods: Cache<Pod>,
    config_maps: Cache<client::PartialObjectMeta<ConfigMap>>,
    secrets: Cache<client::PartialObjectMeta<Secret>>,
    /// Where the pods of this node are in the cache.
    names: Mutex<HashMap<Uid, Key>>,
    entries: Mutex<HashMap<Uid, Arc<Entry>>>,
}

impl Agent {
    /// Takes over what runs on the machine, and begins: node, lease, pods. Must be called on the runtime of the tasks.
    ///
    /// # Errors
    /// [`StartError`]; nothing has been changed but that containers were adopted.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let machine = task::blocking(node::machine::Machine::look).await.map_err(StartError::Machine)?;
        let pods_dir = options.data_dir.join("pods");
        let made = pods_dir.clone();
        let on_disk = task::blocking(move || take_over::pods_on_disk(&made)).await;
        let on_disk = on_disk.map_err(|source| StartError::Directory { path: pods_dir, source })?;
        let adopted = options.containers.adopt().await.map_err(StartError::Adopt)?;
        tracing::info!(node = options.name, containers = adopted.len(), "node agent starts");
        let (client, tasks) = (options.client.clone(), options.tasks.clone());
        let recorder = Recorder::new(client.clone(), COMPONENT, options.clock.clone());
        node::reconcile::start(&options, machine.clone());
        let inner = Arc::new(Inner {
            name: options.name,
            host_ip: options.address.to_string(),
            runtime: options.containers,
            toolchains: options.toolchains,
            environment: options.environment,
            allocatable: machine.allocatable(),
            back_off: options.back_off,
            users: Ranges::default(),
            notices: Notices::start(recorder, &tasks),
            queue: Queue::new(),
            data_dir: options.data_dir,
            clock: options.clock,
            pods: client.cache(),
            config_maps: client.metadata_cache(),
            secrets: client.metadata_cache(),
            client,
            tasks: tasks.clone(),
            names: Mutex::default(),
            entries: Mutex::default(),
        });
        inner.mark_users(&on_disk).await;
        let mut there = inner.on_machine().await.map_err(StartError::Adopt)?;
        there.extend(on_disk);
        let agent = Self { inner };
        let running = agent.clone();
        tasks.spawn(Class::Controller, "node agent", |stop| async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = running.run(there, stop.clone()) => {}
            }
        });
        Ok(agent)
    }

    /// Answers what an API server asks a node, as a kubelet does: `GET /containerLogs/{namespace}/{pod}/{container}`.
    pub fn router(&self) -> axum::Router {
        crate::logs::router(self.inner.clone())
    }

    /// Ends every container, each within `grace`, as before a machine is put away. Called when the agent's tasks have
    /// ended; an agent that starts afterwards runs again what its pods say. What cannot be ended is logged.
    pub async fn stop_containers(&self, grace: Duration) {
        let runtime = &self.inner.runtime;
        let listed = match runtime.list().await {
            Ok(listed) => listed,
            Err(error) => {
                tracing::warn!(error = %stdx::error_chain(&error), "cannot find out which containers run");
                return;
            }
        };
        let stops = listed.iter().map(async |listed| match runtime.stop(&listed.id, grace).await {
            Ok(_) | Err(RuntimeError::NotRunning { .. }) => {}
            Err(error) => {
                let error = stdx::error_chain(&error).to_string();
                tracing::warn!(container = %listed.id, error, "a container cannot be stopped");
            }
        });
        futures_util::future::join_all(stops).await;
    }

    async fn run(&self, there: Vec<Uid>, stop: task::CancellationToken) {
        let inner = &self.inner;
        let _subscriptions = inner.subscribe();
        // Until every pod is known, one that is on the machine might be taken for one that the API has forgotten.
        inner.pods.complete().await;
        there.into_iter().for_each(|uid| inner.queue.add(uid));
        let controller = Controller {
            name: "pod",
            concurrency: CONCURRENCY,
            queue: inner.queue.clone(),
            leadership: Leadership::always(),
        };
        controller.run(self, stop).await;
    }
}

impl Reconcile<Uid> for Agent {
    type Error = TurnError;

    async fn reconcile(&self, uid: &Uid) -> Result<Next, TurnError> {
        let entry = self.inner.entry(uid);
        let mut state = entry.state.lock().await;
        let turn = Turn { agent: &self.inner, uid, entry: &entry, state: &mut state };
        Box::pin(turn.take()).await
    }
}

impl Inner {
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::try_from(self.clock.now()).unwrap_or(Timestamp::MAX)
    }

    pub(crate) fn directory(&self, uid: &Uid) -> Directory {
        Directory::new(&self.data_dir, uid)
    }

    /// The pod of this node that has a uid; none if the API has none.
    pub(crate) fn pod(&self, uid: &Uid) -> Option<Arc<Pod>> {
        let key = self.names().get(uid).cloned()?;
        self.pods.get(&key).filter(|pod| pod.metadata.uid.as_deref() == Some(uid.as_str()) && self.is_mine(pod))
    }

    /// The pod of this node that has a name.
    pub(crate) fn pod_named(&self, namespace: &str, name: &str) -> Option<Arc<Pod>> {
        self.pods.get(&Key::namespaced(namespace, name)).filter(|pod| self.is_mine(pod))
    }

    fn is_mine(&self, pod: &Pod) -> bool {
        pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) == Some(&self.name)
    }

    /// The version of a ConfigMap or Secret in the cache; none if it has none.
    pub(crate) fn cached_version(&self, namespace: &str, reference: &Reference) -> Option<String> {
        let key = Key::namespaced(namespace, &reference.name);
        match reference.kind {
            Kind::ConfigMap => self.config_maps.get(&key)?.metadata.resource_version.clone(),
            Kind::Secret => self.secrets.get(&key)?.metadata.resource_version.clone(),
        }
    }

    /// Forgets a pod of which nothing is left.
    pub(crate) fn forget(&self, uid: &Uid) {
        self.names().remove(uid);
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    fn entry(&self, uid: &Uid) -> Arc<Entry> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.entry(uid.clone()).or_default().clone()
    }

    fn names(&self) -> MutexGuard<'_, HashMap<Uid, Key>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
