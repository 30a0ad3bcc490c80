//! The stream to the control plane: snapshots come down, acknowledgements and events go up.
//!
//! While it is gone the last good rules stay in force and counts gather; it is reached for again with growing, random
//! pauses. Start at [`run`].

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use flow::wire::flow_client::FlowClient;
use flow::wire::{self, Ack, Down, Hello, ListenerState, ListenerStates, Refusal, Up, down, up};
use flow::{Snapshot, Version};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::TokioIo;
use stdx::error_chain;
use task::{CancellationToken, Class};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use crate::backoff::Backoff;
use crate::report::Reporter;
use crate::socket;
use crate::state;
use crate::worker::{Executor, Shared};

/// Messages on their way up. One batch is outstanding at a time, so that more would be acknowledgements only.
const UP_QUEUE: usize = 16;
/// The largest message: a snapshot of its largest size is some 30 MB.
pub(crate) const MESSAGE_LIMIT_BYTES: usize = 64 * 1024 * 1024;
/// How long the last batch may take when the process stops.
const LAST_BATCH: Duration = Duration::from_secs(1);

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error("cannot reach the control plane at its socket")]
    Connect(#[source] io::Error),
    #[error("cannot begin HTTP/2 with the control plane")]
    Handshake(#[source] hyper::Error),
    #[error("the control plane refused")]
    Refused(#[source] tonic::Status),
    #[error("the control plane closed the stream")]
    Closed,
}

/// One proxy process's relation to its control plane, over all its streams.
#[derive(Debug)]
pub(crate) struct Link {
    shared: Arc<Shared>,
    instance: String,
    reporter: Reporter,
    saver: Arc<state::Saver>,
    states_sent: Option<Vec<ListenerState>>,
}

impl Link {
    /// `instance` names this run of the process.
    pub(crate) fn new(shared: Arc<Shared>, instance: String) -> Self {
        let reporter = Reporter::new(shared.stats.clone());
        Self { shared, instance, reporter, saver: Arc::default(), states_sent: None }
    }

    /// Keeps the stream until `stop`, then delivers what has been counted, if there is a stream.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let (saver, path) = (self.saver.clone(), self.shared.options.state_file.clone());
        self.shared.group.spawn(Class::Core, "snapshot saver", |stop| async move { saver.run(path, stop).await });
        let mut backoff = Backoff::default();
        while !stop.is_cancelled() {
            let Err(error) = self.attend(&stop, &mut backoff).await else { return };
            tracing::debug!(error = %error_chain(&error), "no control plane");
            tokio::select! {
                () = backoff.wait(&self.shared.random) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// One stream, until it breaks or, without error, `stop`.
    async fn attend(&mut self, stop: &CancellationToken, backoff: &mut Backoff) -> Result<(), LinkError> {
        let (up, mut down) = tokio::select! {
            stream = self.open() => stream?,
            () = stop.cancelled() => return Ok(()),
        };
        tracing::info!("control plane reached");
        self.states_sent = None;
        self.send_states(&up).await?;
        if let Some(batch) = self.reporter.outstanding() {
            send(&up, up::Message::Events(batch.clone())).await?;
        }
        let stats = self.shared.stats.clone();
        let mut serving = self.shared.table.serving();
        let mut window = tokio::time::interval(self.shared.options.window);
        window.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = down.message() => {
                    let message = message.map_err(LinkError::Refused)?.ok_or(LinkError::Closed)?;
                    backoff.reset();
                    self.receive(&up, message).await?;
                }
                _ = window.tick() => self.send_events(&up).await?,
                () = stats.urgent() => self.send_events(&up).await?,
                changed = serving.changed() => {
                    changed.expect("the table lives as long as this link");
                    self.send_states(&up).await?;
                }
                () = stop.cancelled() => {
                    let last = self.deliver_last(&up, &mut down);
                    return tokio::time::timeout(LAST_BATCH, last).await.unwrap_or(Ok(()));
                }
            }
        }
    }

    async fn open(&self) -> Result<(mpsc::Sender<Up>, tonic::Streaming<Down>), LinkError> {
        let stream = UnixStream::connect(&self.shared.options.flow_socket).await.map_err(LinkError::Connect)?;
        socket::check_peer(&stream).map_err(LinkError::Connect)?;
        let executor = Executor::upstream(self.shared.group.clone());
        let (sender, connection) = hyper::client::conn::http2::handshake(executor, TokioIo::new(stream))
            .await
            .map_err(LinkError::Handshake)?;
        self.shared.group.spawn(Class::Core, "control plane connection", |stop| async move {
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(%error, "connection to the control plane broke");
                },
                () = stop.cancelled() => {}
            }
        });
        let (up, messages) = mpsc::channel(UP_QUEUE);
        let version = self.shared.table.version().map_or_else(String::new, |version| version.as_str().to_owned());
        let hello = Hello { instance: self.instance.clone(), version };
        send(&up, up::Message::Hello(hello)).await?;
        let messages = futures_util::stream::unfold(messages, |mut messages| async {
            messages.recv().await.map(|message| (message, messages))
        });
        let mut client = FlowClient::new(GrpcChannel(sender))
            .max_decoding_message_size(MESSAGE_LIMIT_BYTES)
            .max_encoding_message_size(MESSAGE_LIMIT_BYTES);
        let down = client.attach(messages).await.map_err(LinkError::Refused)?;
        Ok((up, down.into_inner()))
    }

    async fn receive(&mut self, up: &mpsc::Sender<Up>, message: Down) -> Result<(), LinkError> {
        match message.message {
            Some(down::Message::Snapshot(snapshot)) => {
                let answer = self.apply(snapshot).await;
                send(up, answer).await?;
                self.send_states(up).await
            }
            Some(down::Message::EventAck(ack)) => {
                self.reporter.acknowledged(ack.sequence);
                // Failures that were noted while the batch was on its way do not wait for the window either.
                if self.shared.stats.has_failures() { self.send_events(up).await } else { Ok(()) }
            }
            None => {
                tracing::warn!("message of the control plane is unknown; it is newer than this proxy");
                Ok(())
            }
        }
    }

    /// Puts a snapshot in force, or says why not.
    async fn apply(&mut self, message: wire::Snapshot) -> up::Message {
        let version = message.version.clone();
        let in_force = self.shared.table.version();
        if in_force.as_ref().is_some_and(|known| known.as_str() == version) {
            return up::Message::Ack(Ack { version });
        }
        let shared = self.shared.clone();
        let applied = task::blocking(move || {
            let snapshot = Snapshot::try_from(message)?;
            shared.table.apply(&snapshot);
            Ok::<_, flow::Invalid>(snapshot)
        });
        match applied.await {
            Ok(snapshot) => {
                tracing::info!(version, rules = snapshot.rules.len(), "snapshot in force");
                self.saver.want(snapshot);
                up::Message::Ack(Ack { version })
            }
            Err(invalid) => {
                tracing::warn!(version, error = %invalid, "snapshot refused");
                up::Message::Refusal(Refusal {
                    version,
                    reason: invalid.to_string(),
                    version_in_force: in_force.as_ref().map_or("", Version::as_str).to_owned(),
                })
            }
        }
    }

    async fn send_events(&mut self, up: &mpsc::Sender<Up>) -> Result<(), LinkError> {
        match self.reporter.seal() {
            Some(batch) => send(up, up::Message::Events(batch.clone())).await,
            None => Ok(()),
        }
    }

    async fn send_states(&mut self, up: &mpsc::Sender<Up>) -> Result<(), LinkError> {
        let states = self.shared.table.listener_states();
        if self.states_sent.as_ref() != Some(&states) {
            send(up, up::Message::ListenerStates(ListenerStates { states: states.clone() })).await?;
            self.states_sent = Some(states);
        }
        Ok(())
    }

    /// Sends until nothing is left and everything is acknowledged.
    async fn deliver_last(
        &mut self,
        up: &mpsc::Sender<Up>,
        down: &mut tonic::Streaming<Down>,
    ) -> Result<(), LinkError> {
        loop {
            self.send_events(up).await?;
            if self.reporter.outstanding().is_none() {
                return Ok(());
            }
            let message = down.message().await.map_err(LinkError::Refused)?.ok_or(LinkError::Closed)?;
            if let Some(down::Message::EventAck(ack)) = message.message {
                self.reporter.acknowledged(ack.sequence);
            }
        }
    }
}

async fn send(up: &mpsc::Sender<Up>, message: up::Message) -> Result<(), LinkError> {
    up.send(Up { message: Some(message) }).await.map_err(|_closed| LinkError::Closed)
}

/// An HTTP/2 connection as tonic wants it.
#[derive(Debug, Clone)]
struct GrpcChannel(SendRequest<tonic::body::Body>);

impl tower::Service<http::Request<tonic::body::Body>> for GrpcChannel {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, hyper::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<tonic::body::Body>) -> Self::Future {
        // HTTP/2 wants an authority; over a unix socket it has no meaning.
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme = Some(http::uri::Scheme::HTTP);
        parts.authority = Some(http::uri::Authority::from_static("control-plane"));
        *request.uri_mut() = http::Uri::from_parts(parts).expect("a scheme, an authority and the path that tonic set");
        Box::pin(self.0.send_request(request))
    }
}
