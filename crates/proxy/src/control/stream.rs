//! The stream of one proxy, seen from the control plane.

use std::pin::Pin;
use std::sync::{Arc, PoisonError};

use flow::Version;
use flow::wire::flow_server::{Flow, FlowServer};
use flow::wire::{Down, EventAck, EventBatch, Up, down, up};
use futures_util::Stream;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use task::{CancellationToken, Class};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status, Streaming};

use super::{Delivery, Proxy, Shared};
use crate::link::MESSAGE_LIMIT_BYTES;
use crate::socket;
use crate::worker::Executor;

/// Messages on their way down: a snapshot and an acknowledgement.
const DOWN_QUEUE: usize = 2;
/// How many instances are remembered for telling repeated batches; one is added with each start of a proxy.
const INSTANCES_LIMIT: usize = 1024;

/// The gRPC service.
#[derive(Clone)]
pub(super) struct Streams {
    shared: Arc<Shared>,
    events: mpsc::Sender<Delivery>,
}

impl Streams {
    pub(super) fn new(shared: Arc<Shared>, events: mpsc::Sender<Delivery>) -> Self {
        Self { shared, events }
    }

    /// Takes connections of proxies until `stop`.
    pub(super) async fn accept(self, listener: UnixListener, stop: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => return,
            };
            let checked = accepted.and_then(|(stream, _)| socket::check_peer(&stream).map(|()| stream));
            match checked {
                Ok(stream) => self.clone().serve(stream),
                Err(error) => tracing::warn!(%error, "proxy turned away"),
            }
        }
    }

    fn serve(self, stream: UnixStream) {
        let group = self.shared.group.clone();
        let service = FlowServer::new(self)
            .max_decoding_message_size(MESSAGE_LIMIT_BYTES)
            .max_encoding_message_size(MESSAGE_LIMIT_BYTES);
        let builder = hyper::server::conn::http2::Builder::new(Executor::downstream(group.clone()));
        let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        group.spawn(Class::Ingress, "proxy connection", |stop| async move {
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(%error, "connection of a proxy broke");
                },
                () = stop.cancelled() => {}
            }
        });
    }
}

type Downward = Pin<Box<dyn Stream<Item = Result<Down, Status>> + Send>>;

#[tonic::async_trait]
impl Flow for Streams {
    type AttachStream = Downward;

    async fn attach(&self, request: Request<Streaming<Up>>) -> Result<Response<Downward>, Status> {
        let mut up = request.into_inner();
        let Some(up::Message::Hello(hello)) = up.message().await?.and_then(|first| first.message) else {
            return Err(Status::invalid_argument("the first message must be hello"));
        };
        let (down, messages) = mpsc::channel(DOWN_QUEUE);
        let ended = CancellationToken::new();
        let proxy = Proxy { version: Version::try_from(hello.version).ok(), ..Proxy::default() };
        self.shared.proxies.send_modify(|proxies| drop(proxies.insert(hello.instance.clone(), proxy)));
        let attached = Attached {
            shared: self.shared.clone(),
            events: self.events.clone(),
            instance: hello.instance,
            ended: ended.clone(),
        };
        let push = push(self.shared.clone(), down.clone());
        self.shared.group.spawn(Class::Ingress, "proxy snapshots", |stop| async move {
            tokio::select! {
                () = push => {}
                () = ended.cancelled() => {}
                () = stop.cancelled() => {}
            }
        });
        self.shared.group.spawn(Class::Ingress, "proxy events", |stop| async move {
            tokio::select! {
                result = attached.receive(up, down) => if let Err(status) = result {
                    tracing::debug!(%status, "stream of a proxy broke");
                },
                () = stop.cancelled() => {}
            }
        });
        let messages = futures_util::stream::unfold(messages, |mut messages| async {
            messages.recv().await.map(|message| (Ok(message), messages))
        });
        Ok(Response::new(Box::pin(messages)))
    }
}

/// Sends the snapshot, and each one that replaces it.
async fn push(shared: Arc<Shared>, down: mpsc::Sender<Down>) {
    let mut latest = shared.snapshot.subscribe();
    latest.mark_changed();
    while latest.changed().await.is_ok() {
        let snapshot = latest.borrow_and_update().clone();
        if let Some(snapshot) = snapshot {
            let message = Down { message: Some(down::Message::Snapshot(snapshot.as_ref().clone())) };
            if down.send(message).await.is_err() {
                return;
            }
        }
    }
}

/// A proxy that is attached, until dropped.
struct Attached {
    shared: Arc<Shared>,
    events: mpsc::Sender<Delivery>,
    instance: String,
    ended: CancellationToken,
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.ended.cancel();
        self.shared.proxies.send_modify(|proxies| drop(proxies.remove(&self.instance)));
    }
}

impl Attached {
    async fn receive(self, mut up: Streaming<Up>, down: mpsc::Sender<Down>) -> Result<(), Status> {
        while let Some(message) = up.message().await? {
            match message.message {
                Some(up::Message::Ack(ack)) => self.note(|proxy| {
                    proxy.version = Version::try_from(ack.version).ok();
                    proxy.refusal = None;
                }),
                Some(up::Message::Refusal(refusal)) => {
                    tracing::warn!(version = refusal.version, reason = refusal.reason, "proxy refused a snapshot");
                    self.note(|proxy| proxy.refusal = Some(refusal));
                }
                Some(up::Message::ListenerStates(states)) => self.note(|proxy| proxy.listeners = states.states),
                Some(up::Message::Events(batch)) => {
                    let sequence = batch.sequence;
                    if !self.deliver(batch).await {
                        return Ok(());
                    }
                    let ack = Down { message: Some(down::Message::EventAck(EventAck { sequence })) };
                    if down.send(ack).await.is_err() {
                        return Ok(());
                    }
                }
                Some(up::Message::Hello(_)) => return Err(Status::invalid_argument("hello comes once")),
                None => tracing::warn!("message of a proxy is unknown; it is newer than this control plane"),
            }
        }
        Ok(())
    }

    fn note(&self, change: impl FnOnce(&mut Proxy)) {
        self.shared.proxies.send_modify(|proxies| {
            if let Some(proxy) = proxies.get_mut(&self.instance) {
                change(proxy);
            }
        });
    }

    /// Passes the batch on unless it has been already. False if nobody takes batches any more.
    async fn deliver(&self, batch: EventBatch) -> bool {
        let sequence = batch.sequence;
        let last = self.received(|received| received.get(&self.instance).copied());
        if last.is_some_and(|last| sequence <= last) {
            return true;
        }
        let delivery = Delivery { instance: self.instance.clone(), batch };
        if self.events.send(delivery).await.is_err() {
            return false;
        }
        self.received(|received| {
            if received.len() >= INSTANCES_LIMIT {
                let attached = self.shared.proxies.borrow();
                received.retain(|instance, _| attached.contains_key(instance));
            }
            received.insert(self.instance.clone(), sequence);
        });
        true
    }

    fn received<T>(&self, change: impl FnOnce(&mut std::collections::HashMap<String, u64>) -> T) -> T {
        change(&mut self.shared.received.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
