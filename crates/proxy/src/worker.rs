//! A thread that forwards traffic, with a runtime of its own.
//!
//! A connection stays on the worker that accepted it, and so do the connections that its requests use: nothing on the way
//! of a request wakes another thread. All workers accept on the same sockets. Start at [`run`].

use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use flow::ListenerProtocol;
use task::{CancellationToken, Class, Group};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

use crate::Options;
use crate::matcher::Ends;
use crate::random::Random;
use crate::server::{self, Builder};
use crate::stats::Stats;
use crate::table::{Listener, Serving, Table};
use crate::tcp;

/// What the workers have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) table: Table,
    pub(crate) stats: Arc<Stats>,
    pub(crate) random: Random,
    pub(crate) group: Group,
}

/// One worker.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) builder: Builder,
}

impl Worker {
    pub(crate) fn new(index: usize, shared: Arc<Shared>) -> Self {
        Self { index, builder: server::builder(&shared), shared }
    }
}

/// A connection from a client, just accepted.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) worker: Arc<Worker>,
    pub(crate) listener: Arc<Listener>,
    pub(crate) ends: Ends,
    pub(crate) stream: TcpStream,
    /// Its place among the listener's connections; to be held as long as the connection lives, under whatever protocol.
    pub(crate) room: OwnedSemaphorePermit,
}

/// How often idle connections are looked through; their limit need not be exact.
const EXPIRE_EVERY: Duration = Duration::from_secs(10);
/// The pause after the system refused a connection, for instance for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves what the table says until `stopped`; accepting ends earlier, with [`Class::Ingress`].
pub(crate) async fn run(worker: Arc<Worker>, stopped: CancellationToken) {
    let mut serving = worker.shared.table.serving();
    let mut accepting = HashMap::new();
    let ingress = worker.shared.group.token(Class::Ingress);
    let mut expire = tokio::time::interval(EXPIRE_EVERY);
    while !ingress.is_cancelled() {
        let wanted = serving.borrow_and_update().clone();
        reconcile(&worker, &wanted, &mut accepting);
        tokio::select! {
            changed = serving.changed() => if changed.is_err() { break },
            _ = expire.tick() => worker.shared.table.expire_idle(worker.index),
            () = ingress.cancelled() => {}
        }
    }
    drop(accepting);
    stopped.cancelled().await;
}

/// An accept loop; it ends when this is dropped.
struct Accepting {
    serving: Serving,
    stop: CancellationToken,
}

impl Drop for Accepting {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Accepting {
    fn is_of(&self, serving: &Serving) -> bool {
        Arc::ptr_eq(&serving.socket, &self.serving.socket) && Arc::ptr_eq(&serving.listener, &self.serving.listener)
    }
}

fn reconcile(worker: &Arc<Worker>, wanted: &[Serving], accepting: &mut HashMap<String, Accepting>) {
    accepting.retain(|_, now| wanted.iter().any(|serving| now.is_of(serving)));
    for serving in wanted {
        if accepting.contains_key(&serving.listener.id) {
            continue;
        }
        match register(&serving.socket) {
            Ok(socket) => {
                let stop = serving.listener.gone.child_token();
                let now = Accepting { serving: serving.clone(), stop: stop.clone() };
                accepting.insert(serving.listener.id.clone(), now);
                let accept = accept(worker.clone(), serving.listener.clone(), socket);
                worker.shared.group.spawn(Class::Ingress, "accept", |_| async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = accept => {}
                    }
                });
            }
            Err(error) => {
                tracing::error!(listener = serving.listener.id, %error, "cannot serve listener");
                worker.shared.table.socket_failed(&serving.listener.id, &error);
            }
        }
    }
}

/// A descriptor of this worker's own for the socket, known to its runtime.
fn register(socket: &TcpListener) -> std::io::Result<tokio::net::TcpListener> {
    let socket = socket.try_clone()?;
    socket.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(socket)
}

/// Dropping it loses no connection: what was not accepted waits in the socket's queue for another process.
async fn accept(worker: Arc<Worker>, listener: Arc<Listener>, socket: tokio::net::TcpListener) {
    loop {
        let Ok(room) = listener.room.clone().acquire_owned().await else { return };
        let accepted = socket.accept().await.and_then(|(stream, peer)| {
            stream.set_nodelay(true)?;
            let ends = Ends::new(peer, stream.local_addr()?);
            Ok(Accepted { worker: worker.clone(), listener: listener.clone(), ends, stream, room })
        });
        match accepted {
            Ok(accepted) => worker.shared.group.spawn(Class::Ingress, "connection", |_| serve(accepted)),
            Err(error) => {
                tracing::warn!(listener = listener.id, %error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(accepted: Accepted) {
    let protocol = accepted.listener.routes.load().protocol;
    match protocol {
        ListenerProtocol::Http => server::serve(accepted).await,
        ListenerProtocol::Tcp => tcp::serve(accepted).await,
    }
}

/// Spawns what hyper wants spawned.
#[derive(Debug, Clone)]
pub(crate) struct Executor {
    group: Group,
    class: Class,
}

impl Executor {
    /// For streams of clients.
    pub(crate) fn downstream(group: Group) -> Self {
        Self { group, class: Class::Ingress }
    }

    /// For connections to endpoints.
    pub(crate) fn upstream(group: Group) -> Self {
        Self { group, class: Class::Core }
    }
}

impl<F: Future<Output: Send> + Send + 'static> hyper::rt::Executor<F> for Executor {
    fn execute(&self, future: F) {
        self.group.spawn(self.class, "HTTP/2 stream", |_| async move {
            future.await;
        });
    }
}
