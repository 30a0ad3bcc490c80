//! The control plane's end: feeds proxies with snapshots and listening sockets, and takes their events.
//!
//! It decides nothing: what the snapshots say and what the events mean is its user's. It keeps the latest snapshot for each
//! proxy that attaches, keeps every listening socket beside the proxies, and passes each batch of events on exactly once.
//! Peers that are neither this user nor root are turned away. Start at [`Service::bind`]; the stream of one proxy is in
//! [`stream`], the handing over of sockets in [`sockets`].

mod sockets;
mod stream;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flow::wire::{self, EventBatch, ListenerState, Refusal};
use flow::{Snapshot, Version};
use task::{CancellationToken, Class, Group};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};

use crate::options::{FLOW_SOCKET, LISTENER_SOCKET};
use crate::socket::{self, Acceptor};
use sockets::Sockets;

/// Where proxies find the control plane.
#[derive(Debug, Clone)]
pub struct Options {
    /// Unix socket of `trireme.flow.v1.Flow`.
    pub flow_socket: PathBuf,
    /// Unix socket on which listening sockets are handed over.
    pub listener_socket: PathBuf,
    /// The last batch of each instance that was taken before this control plane started, if its user kept that: batches up
    /// to it are dropped. Without it, a batch whose acknowledgement was lost in the restart is delivered again.
    pub received: HashMap<String, u64>,
}

impl Options {
    /// Both sockets in `directory`, where [`crate::Options::in_directory`] looks for them.
    pub fn in_directory(directory: impl Into<PathBuf>) -> Self {
        let directory = directory.into();
        Self {
            flow_socket: directory.join(FLOW_SOCKET),
            listener_socket: directory.join(LISTENER_SOCKET),
            received: HashMap::new(),
        }
    }
}

/// Why the sockets for proxies cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen for proxies at {path}")]
pub struct BindError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Batches that wait for the user of [`Events`]; a slow user slows the proxies' reports, which then gather in larger ones.
const EVENTS_QUEUE: usize = 64;
/// How long open streams may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(1);

/// The server for proxies, not yet running.
#[derive(Debug)]
pub struct Service {
    shared: Arc<Shared>,
    flow: UnixListener,
    sockets: Acceptor,
    events: mpsc::Sender<Delivery>,
}

/// What all streams have in common.
#[derive(Debug)]
struct Shared {
    group: Group,
    snapshot: watch::Sender<Option<Arc<wire::Snapshot>>>,
    sockets: watch::Sender<Sockets>,
    settled: watch::Sender<bool>,
    proxies: watch::Sender<BTreeMap<String, Proxy>>,
    /// The last sequence number by instance.
    received: Mutex<HashMap<String, u64>>,
}

/// Tells the proxies what to do. Clones speak to the same proxies.
#[derive(Debug, Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

/// Batches of events, each exactly once within the life of this control plane; over its lives with [`Options::received`].
#[derive(Debug)]
pub struct Events {
    queue: mpsc::Receiver<Delivery>,
}

/// A batch of events and who sent it.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// The run of the proxy process, in which [`EventBatch::sequence`] counts.
    pub instance: String,
    /// What happened; [`flow::event::Counts`] reads its series.
    pub batch: EventBatch,
}

/// An attached proxy as it describes itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Proxy {
    /// The version in force.
    pub version: Option<Version>,
    /// The last refusal, if no snapshot was accepted since.
    pub refusal: Option<Refusal>,
    /// The listeners of the version in force.
    pub listeners: Vec<ListenerState>,
}

impl Service {
    /// Listens for proxies. Must be called on a runtime.
    ///
    /// # Errors
    /// When a socket cannot be made, or somebody listens there already.
    pub fn bind(options: Options) -> Result<(Self, Handle, Events), BindError> {
        let failed = |path: &PathBuf| {
            let path = path.clone();
            move |source| BindError { path, source }
        };
        let flow = bind_flow(&options.flow_socket).map_err(failed(&options.flow_socket))?;
        let sockets = Acceptor::bind(&options.listener_socket).map_err(failed(&options.listener_socket))?;
        let (events, queue) = mpsc::channel(EVENTS_QUEUE);
        let shared = Arc::new(Shared {
            group: Group::new(),
            snapshot: watch::Sender::new(None),
            sockets: watch::Sender::default(),
            settled: watch::Sender::new(false),
            proxies: watch::Sender::default(),
            received: Mutex::new(options.received),
        });
        Ok((Self { shared: shared.clone(), flow, sockets, events }, Handle { shared }, Events { queue }))
    }

    /// Serves proxies until `cancel`, or until a task of it panicked. Proxies keep forwarding without it.
    pub async fn run(self, cancel: CancellationToken) {
        let group = self.shared.group.clone();
        let streams = stream::Streams::new(self.shared.clone(), self.events);
        let flow = self.flow;
        group.spawn(Class::Ingress, "proxy streams", |stop| streams.accept(flow, stop));
        let (shared, acceptor) = (self.shared.clone(), self.sockets);
        group.spawn(Class::Ingress, "proxy sockets", |stop| sockets::accept(shared, acceptor, stop));
        tokio::select! {
            () = cancel.cancelled() => {}
            name = group.failed() => tracing::error!(task = name, "service for proxies stops after a panic"),
        }
        if !group.stop(STOP_LIMIT).await {
            tracing::warn!("streams of proxies were cut off");
        }
    }
}

fn bind_flow(path: &std::path::Path) -> io::Result<UnixListener> {
    socket::clear(path)?;
    let listener = UnixListener::bind(path)?;
    socket::restrict(path)?;
    Ok(listener)
}

impl Handle {
    /// Makes this the snapshot for all proxies, attached or to come. [`Handle::proxies`] tells who has it in force.
    pub fn publish(&self, snapshot: &Snapshot) {
        self.publish_message(wire::Snapshot::from(snapshot));
    }

    /// The same with a message that was not checked here; proxies check it and may refuse.
    pub fn publish_message(&self, snapshot: wire::Snapshot) {
        self.shared.snapshot.send_replace(Some(Arc::new(snapshot)));
    }

    /// Hands the listening socket of a listener to all proxies, and keeps it. Replaces one of the same id.
    pub fn offer(&self, id: &str, socket: TcpListener) {
        self.shared.sockets.send_modify(|sockets| sockets.put(id, Arc::new(socket)));
    }

    /// Closes the socket of a listener, here and at all proxies.
    pub fn withdraw(&self, id: &str) {
        self.shared.sockets.send_modify(|sockets| sockets.withdraw(id));
    }

    /// The listening sockets that are held, by listener: those offered, and those that proxies held before this control
    /// plane started.
    pub fn sockets(&self) -> BTreeMap<String, Arc<TcpListener>> {
        self.shared.sockets.borrow().held().clone()
    }

    /// Resolves when a proxy has given back the sockets that it held; only then is it known which have to be opened. Without a
    /// proxy it does not resolve: set a limit. Cancellation safe.
    pub async fn settled(&self) {
        let mut settled = self.shared.settled.subscribe();
        settled.wait_for(|settled| *settled).await.map(drop).expect("the sender is in the handle");
    }

    /// The attached proxies by instance, and their changes.
    pub fn proxies(&self) -> watch::Receiver<BTreeMap<String, Proxy>> {
        self.shared.proxies.subscribe()
    }
}

impl Events {
    /// The next batch; None when the service has ended. The proxy is told that it arrived when it is in the queue.
    /// Cancellation safe.
    pub async fn next(&mut self) -> Option<Delivery> {
        self.queue.recv().await
    }
}
