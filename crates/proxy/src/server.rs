//! HTTP connections from clients: HTTP/1.1, and HTTP/2 with prior knowledge.
//!
//! hyper speaks the protocol; this file sets its limits and ends connections. What happens to one request is in
//! [`exchange`] and below.

mod body;
mod exchange;
mod forward;
mod head;
mod target;
mod upgrade;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::HeaderValue;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::sync::OwnedSemaphorePermit;

use crate::matcher::Ends;
use crate::stats::Outcome;
use crate::table::Listener;
use crate::worker::{Accepted, Executor, Shared, Worker};

pub(crate) type Builder = auto::Builder<Executor>;

/// A connection as its requests see it.
#[derive(Debug)]
struct Connection {
    worker: Arc<Worker>,
    listener: Arc<Listener>,
    ends: Ends,
    /// The client's address as a header value.
    client: HeaderValue,
    /// Whether a request has arrived.
    used: AtomicBool,
    _room: OwnedSemaphorePermit,
}

/// The limits of connections from clients.
pub(crate) fn builder(shared: &Shared) -> Builder {
    let options = &shared.options;
    let mut builder = auto::Builder::new(Executor::downstream(shared.group.clone()));
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(options.head_timeout)
        .max_buf_size(options.head_limit_bytes.max(8192));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(options.head_timeout)
        .max_header_list_size(u32::try_from(options.head_limit_bytes).unwrap_or(u32::MAX));
    builder
}

/// Answers the requests of a connection until it ends or its listener is gone; then those that have begun, within the time
/// for draining.
pub(crate) async fn serve(accepted: Accepted) {
    let Accepted { worker, listener, ends, stream, room } = accepted;
    if let Some(route) = listener.routes.load().find_drop(ends) {
        let error = Some(flow::event::ErrorKind::Dropped);
        route.series.record(Outcome { status: None, error, latency: std::time::Duration::ZERO });
        return;
    }
    let client = HeaderValue::from_str(&ends.source().to_string()).expect("an address has only visible characters");
    let connection = Arc::new(Connection { worker, listener, ends, client, used: AtomicBool::new(false), _room: room });
    let service = service_fn(|request| {
        let connection = connection.clone();
        async move { exchange::answer(connection, request).await }
    });
    let mut serving = pin!(connection.worker.builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = connection.listener.gone.cancelled() => {
            serving.as_mut().graceful_shutdown();
            tokio::time::timeout(connection.worker.shared.options.drain, serving).await.unwrap_or(Ok(()))
        }
        () = silent(&connection) => Ok(()),
    };
    if let Err(error) = ended {
        tracing::debug!(listener = connection.listener.id, error, "connection ended");
    }
}

/// Resolves if no request arrives in time on a connection. hyper's own limit begins when it knows the protocol, which a
/// client can delay by sending nothing.
async fn silent(connection: &Connection) {
    tokio::time::sleep(connection.worker.shared.options.head_timeout).await;
    if connection.used.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}
