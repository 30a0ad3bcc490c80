//! TCP connections, and HTTP connections after an upgrade: bytes in both directions.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use flow::event::ErrorKind;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::stats::{Outcome, Series};
use crate::table::{Forwarding, Listener, Target};
use crate::upstream::{Cluster, InFlight, pool};
use crate::worker::{Accepted, Worker};

/// Bytes in each direction that are on their way; two of these a connection.
const BUFFER_BYTES: usize = 16 * 1024;
/// How many endpoints are tried for one connection or request.
pub(crate) const ATTEMPTS: usize = 4;

/// Passes a connection to an endpoint of the backend that its rule chooses.
pub(crate) async fn serve(accepted: Accepted) {
    let started = Instant::now();
    let routes = accepted.listener.routes.load_full();
    let (series, error) = match routes.find(accepted.ends, None) {
        None => (routes.unmatched.clone(), Some(ErrorKind::NoRule)),
        Some(route) => match &route.target {
            Target::Drop => (route.series.clone(), Some(ErrorKind::Dropped)),
            Target::Forward(forwarding) => match forward(accepted, forwarding).await {
                (Some(series), error) => (series, error),
                (None, error) => (route.series.clone(), error),
            },
            // Redirects need HTTP: the snapshot's check and the compilation keep them away from here.
            Target::Redirect(_) => (route.series.clone(), Some(ErrorKind::InvalidBackend)),
        },
    };
    series.record(Outcome { status: None, error, latency: started.elapsed() });
}

async fn forward(accepted: Accepted, forwarding: &Forwarding) -> (Option<Arc<Series>>, Option<ErrorKind>) {
    let Accepted { worker, listener, stream: client, room: _room, ends: _ } = accepted;
    let Some(backend) = forwarding.choose(&worker.shared.random) else {
        return (None, Some(ErrorKind::InvalidBackend));
    };
    let series = Some(backend.series.clone());
    let Some(cluster) = &backend.cluster else { return (series, Some(ErrorKind::InvalidBackend)) };
    let (endpoint, _in_flight) = match connect(&worker, cluster).await {
        Ok(connected) => connected,
        Err(kind) => return (series, Some(kind)),
    };
    let limits = Limits::new(&worker, &listener);
    (series, pass(client, endpoint, limits).await.err())
}

/// A connection to an endpoint of the cluster, to another one as long as that fails.
async fn connect(worker: &Worker, cluster: &Cluster) -> Result<(TcpStream, InFlight), ErrorKind> {
    let mut tried = Vec::new();
    while tried.len() < ATTEMPTS {
        let Some(endpoint) = cluster.choose(&worker.shared.random, &tried) else { break };
        let in_flight = InFlight::new(endpoint.clone());
        match pool::connect(worker, &endpoint, cluster.connect_timeout).await {
            Ok(stream) => return Ok((stream, in_flight)),
            Err(_reported) => tried.push(endpoint),
        }
    }
    Err(if tried.is_empty() { ErrorKind::Unavailable } else { ErrorKind::Connect })
}

/// When bytes are passed no longer.
pub(crate) struct Limits<'a> {
    listener: &'a Listener,
    idle: Duration,
    drain: Duration,
}

impl<'a> Limits<'a> {
    pub(crate) fn new(worker: &Worker, listener: &'a Listener) -> Self {
        Self { listener, idle: worker.shared.options.tcp_idle, drain: worker.shared.options.drain }
    }

    /// Resolves when the listener is gone and the time for draining has passed.
    async fn drained(&self) {
        self.listener.gone.cancelled().await;
        tokio::time::sleep(self.drain).await;
    }
}

/// Passes bytes in both directions until both have ended. The end of one direction is passed on and does not end the other.
///
/// # Errors
/// [`ErrorKind::Timeout`] when nothing moved in either direction for the idle time, up to twice that;
/// [`ErrorKind::Reset`] when a side broke off or the listener has been gone for the time for draining.
pub(crate) async fn pass<A, B>(client: A, endpoint: B, limits: Limits<'_>) -> Result<(), ErrorKind>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let moved = AtomicU64::new(0);
    let mut client = Watched { inner: client, moved: &moved };
    let mut endpoint = Watched { inner: endpoint, moved: &moved };
    let copy = tokio::io::copy_bidirectional_with_sizes(&mut client, &mut endpoint, BUFFER_BYTES, BUFFER_BYTES);
    tokio::select! {
        result = copy => result.map(drop).map_err(|_error| ErrorKind::Reset),
        () = silence(&moved, limits.idle) => Err(ErrorKind::Timeout),
        () = limits.drained() => Err(ErrorKind::Reset),
    }
}

/// Resolves when `moved` stood still for a whole period. One timer for each period, not one for each read.
async fn silence(moved: &AtomicU64, period: Duration) {
    let mut before = moved.load(Ordering::Relaxed);
    loop {
        tokio::time::sleep(period).await;
        let now = moved.load(Ordering::Relaxed);
        if now == before {
            return;
        }
        before = now;
    }
}

/// Counts the reads of a stream.
struct Watched<'a, S> {
    inner: S,
    moved: &'a AtomicU64,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.inner).poll_read(context, buffer);
        if result.is_ready() {
            self.moved.fetch_add(1, Ordering::Relaxed);
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<'_, S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
