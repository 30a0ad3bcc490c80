//! Connections to endpoints: made, kept while idle, used again.
//!
//! The pool of a worker and endpoint is a short stack under a lock that only this worker takes. An HTTP/1.1 connection is in
//! the pool or with one request; an HTTP/2 connection is shared. hyper-util's pooled client was not used: it hashes the
//! authority, allocates and spawns for each request, and cannot give back a request that was not sent to this endpoint for
//! another.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use task::Class;
use tokio::net::TcpStream;

use super::Endpoint;
use crate::worker::{Executor, Worker};

/// The most idle connections of one worker to one endpoint. More than this many requests at a time open new ones.
const IDLE_LIMIT: usize = 256;
/// The longest that a connection is kept idle; shorter than the usual 60 to 75 s of servers, so that we close first.
const IDLE_TIME: Duration = Duration::from_secs(50);

/// Idle connections of one worker to one endpoint.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    http1: Mutex<VecDeque<Idle>>,
    http2: Mutex<Option<http2::SendRequest<Incoming>>>,
}

#[derive(Debug)]
struct Idle {
    sender: http1::SendRequest<Incoming>,
    since: Instant,
}

impl Pool {
    /// The idle HTTP/1.1 connection that was used last, if it is still open.
    pub(crate) fn take_http1(&self) -> Option<http1::SendRequest<Incoming>> {
        let mut idle = self.http1.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| idle.pop_back()).map(|idle| idle.sender).find(|sender| !sender.is_closed())
    }

    /// Keeps a connection on which the response was read to its end.
    pub(crate) fn put_http1(&self, sender: http1::SendRequest<Incoming>) {
        if sender.is_closed() {
            return;
        }
        let mut idle = self.http1.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_LIMIT {
            idle.push_back(Idle { sender, since: Instant::now() });
        }
    }

    /// The shared HTTP/2 connection, if it is open.
    pub(crate) fn http2(&self) -> Option<http2::SendRequest<Incoming>> {
        let mut shared = self.http2.lock().unwrap_or_else(PoisonError::into_inner);
        shared.take_if(|sender| sender.is_closed());
        shared.clone()
    }

    /// Shares a new HTTP/2 connection. One that another request made meanwhile ends with its last stream.
    pub(crate) fn share_http2(&self, sender: http2::SendRequest<Incoming>) {
        *self.http2.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
    }

    /// Closes what has been idle too long.
    pub(crate) fn expire(&self) {
        let mut idle = self.http1.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|idle| !idle.sender.is_closed() && idle.since.elapsed() < IDLE_TIME);
    }
}

/// Connects to the endpoint within `limit`; a failure takes it out of rotation and is reported.
///
/// # Errors
/// Those of the connection attempt; [`io::ErrorKind::TimedOut`] after `limit`.
pub(crate) async fn connect(worker: &Worker, endpoint: &Endpoint, limit: Option<Duration>) -> io::Result<TcpStream> {
    let limit = limit.unwrap_or(worker.shared.options.connect_timeout);
    let attempt = tokio::time::timeout(limit, TcpStream::connect(endpoint.address)).await;
    let stream = attempt.unwrap_or_else(|_elapsed| {
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {} ms", limit.as_millis())))
    });
    match stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream)) {
        Ok(stream) => {
            endpoint.connected();
            Ok(stream)
        }
        Err(error) => {
            endpoint.failed();
            worker.shared.stats.endpoint_failed(&endpoint.cluster, endpoint.address, &error);
            tracing::info!(cluster = endpoint.cluster, endpoint = %endpoint.address, %error, "endpoint out of rotation");
            Err(error)
        }
    }
}

/// Begins HTTP/1.1 on a connection.
///
/// # Errors
/// Those of the handshake, which for HTTP/1.1 sends nothing.
pub(crate) async fn begin_http1(worker: &Worker, stream: TcpStream) -> hyper::Result<http1::SendRequest<Incoming>> {
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(worker.shared.options.head_limit_bytes)
        .handshake(TokioIo::new(stream))
        .await?;
    drive(worker, connection.with_upgrades());
    Ok(sender)
}

/// Begins HTTP/2 on a connection, with prior knowledge (RFC 9113, 3.3).
///
/// # Errors
/// Those of the handshake.
pub(crate) async fn begin_http2(worker: &Worker, stream: TcpStream) -> hyper::Result<http2::SendRequest<Incoming>> {
    let executor = Executor::upstream(worker.shared.group.clone());
    let (sender, connection) = http2::Builder::new(executor).handshake(TokioIo::new(stream)).await?;
    drive(worker, connection);
    Ok(sender)
}

fn drive(worker: &Worker, connection: impl Future<Output = hyper::Result<()>> + Send + 'static) {
    worker.shared.group.spawn(Class::Core, "upstream connection", |stop| async move {
        tokio::select! {
            result = connection => if let Err(error) = result {
                tracing::debug!(%error, "upstream connection broke");
            },
            () = stop.cancelled() => {}
        }
    });
}

/// Gives an HTTP/1.1 connection back to the pool of its endpoint when its response is complete.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) worker: usize,
    pub(crate) sender: http1::SendRequest<Incoming>,
}

impl Lease {
    pub(crate) fn give_back(self) {
        self.endpoint.pools[self.worker].put_http1(self.sender);
    }
}
