//! A request on its way to an endpoint and its response on the way back.
//!
//! A request is tried on another endpoint only if nothing of it was sent: a connection that could not be made, or one from
//! the pool that had ended. Once sent it is not repeated, since nobody knows what the endpoint did with it.

use std::sync::Arc;

use flow::event::ErrorKind;
use flow::{ClusterProtocol, Purpose, Timeout};
use http::header::TE;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::time::Instant;

use super::Connection;
use super::body::{Account, Body, Open};
use super::exchange::Refusal;
use super::upgrade;
use super::{head, target};
use crate::table::{Backend, Forwarding, Route, deadline};
use crate::tcp::ATTEMPTS;
use crate::upstream::pool::{self, Lease};
use crate::upstream::{Cluster, InFlight};
use crate::worker::Worker;

/// What is known about a request when its rule has been found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Passage<'a> {
    pub(super) connection: &'a Arc<Connection>,
    pub(super) route: &'a Route,
    pub(super) forwarding: &'a Forwarding,
    pub(super) purpose: Purpose,
}

/// How often a request moves to another connection because the one from the pool had ended; at most all of a pool may have.
const STALE_LIMIT: usize = 8;

/// Forwards a request to a backend of its rule.
pub(super) async fn forward(
    passage: Passage<'_>,
    mut request: Request<Incoming>,
    mut account: Account,
) -> Response<Body> {
    let worker = &passage.connection.worker;
    let Some(backend) = passage.forwarding.choose(&worker.shared.random) else {
        return Refusal::new(ErrorKind::InvalidBackend, "the route has no backend").answer(account);
    };
    account.series = backend.series.clone();
    let Some(cluster) = &backend.cluster else {
        return Refusal::new(ErrorKind::InvalidBackend, "the route's backend does not exist").answer(account);
    };
    let client = match prepare(&mut request, passage, backend, cluster.protocol) {
        Ok(client) => client,
        Err(reason) => return Refusal::new(ErrorKind::BadRequest, reason).answer(account),
    };
    let limits = Limits::new(passage, &request);
    let sent = match limits.head {
        Some(limit) => tokio::time::timeout_at(limit, send(worker, cluster, request)).await,
        None => Ok(send(worker, cluster, request).await),
    };
    match sent {
        Ok(Ok(answered)) => respond(passage, backend, answered.with(account, client, limits.body)),
        Ok(Err(kind)) => Refusal::new(kind, reason(kind, &cluster.name)).answer(account),
        Err(_elapsed) => Refusal::new(ErrorKind::Timeout, reason(ErrorKind::Timeout, &cluster.name)).answer(account),
    }
}

fn reason(kind: ErrorKind, cluster: &str) -> String {
    match kind {
        ErrorKind::Unavailable => format!("no endpoint of {cluster} is ready"),
        ErrorKind::Connect => format!("no endpoint of {cluster} accepts connections"),
        ErrorKind::Timeout => format!("{cluster} did not answer in time"),
        ErrorKind::Reset
        | ErrorKind::Cancelled
        | ErrorKind::InvalidBackend
        | ErrorKind::NoRule
        | ErrorKind::Dropped
        | ErrorKind::BadRequest => format!("{cluster} ended the connection without an answer"),
    }
}

/// When the head, and when the body of a response has to be there.
struct Limits {
    head: Option<Instant>,
    body: Option<Instant>,
}

impl Limits {
    fn new(passage: Passage<'_>, request: &Request<Incoming>) -> Self {
        let Forwarding { request_timeout, backend_timeout, .. } = passage.forwarding;
        let shared = &passage.connection.worker.shared;
        if (*request_timeout, *backend_timeout) == (Timeout::Unset, Timeout::Unset) {
            // A body may take as long as its sender likes, and responses come after it.
            let bodyless = request.body().is_end_stream();
            return Self { head: bodyless.then(|| Instant::now() + shared.options.response_timeout), body: None };
        }
        let now = Instant::now();
        let limits = [deadline(now, *request_timeout), deadline(now, *backend_timeout)];
        let first = limits.into_iter().flatten().min();
        Self { head: first, body: first }
    }
}

/// Makes the client's request the proxy's own. Returns the client's side of an upgrade, if it wants one.
fn prepare(
    request: &mut Request<Incoming>,
    passage: Passage<'_>,
    backend: &Backend,
    protocol: ClusterProtocol,
) -> Result<Option<OnUpgrade>, &'static str> {
    let upgrade = head::wanted_upgrade(request).filter(|_| protocol == ClusterProtocol::Http1);
    let client = upgrade.is_some().then(|| hyper::upgrade::on(&mut *request));
    let trailers = protocol == ClusterProtocol::H2c && head::takes_trailers(request.headers());
    let headers = request.headers_mut();
    head::remove_hop_by_hop(headers);
    head::add_forwarded(headers, passage.purpose, &passage.connection.client);
    head::ensure_trace(headers, &passage.connection.worker.shared.random);
    head::edit(headers, &passage.route.request_headers);
    head::edit(headers, &backend.request_headers);
    if let Some(protocol) = upgrade {
        head::set_upgrade(headers, protocol);
    }
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    target::rewrite(request, &passage.forwarding.rewrite, passage.route.prefix_length);
    target::fit(request, protocol)?;
    Ok(client)
}

/// A response whose head has arrived.
struct Answered {
    response: Response<Incoming>,
    in_flight: InFlight,
    lease: Option<Lease>,
}

/// The same with what is needed to return it.
struct Returning {
    response: Response<Incoming>,
    open: Open,
    client: Option<OnUpgrade>,
    deadline: Option<Instant>,
}

impl Answered {
    fn with(self, account: Account, client: Option<OnUpgrade>, deadline: Option<Instant>) -> Returning {
        let open = Open { account, in_flight: self.in_flight, lease: self.lease };
        Returning { response: self.response, open, client, deadline }
    }
}

async fn send(worker: &Worker, cluster: &Cluster, mut request: Request<Incoming>) -> Result<Answered, ErrorKind> {
    let mut tried = Vec::new();
    let mut stale = 0;
    while tried.len() < ATTEMPTS && stale < STALE_LIMIT {
        let Some(endpoint) = cluster.choose(&worker.shared.random, &tried) else { break };
        let in_flight = InFlight::new(endpoint.clone());
        let attempt = match cluster.protocol {
            ClusterProtocol::Http1 => over_http1(worker, cluster, in_flight, request).await,
            ClusterProtocol::H2c => over_http2(worker, cluster, in_flight, request).await,
        };
        request = match attempt {
            Attempt::Answered(answered) => return Ok(answered),
            Attempt::Broken => return Err(ErrorKind::Reset),
            Attempt::Unreachable(unsent) => {
                tried.push(endpoint);
                unsent
            }
            Attempt::Stale(unsent) => {
                stale += 1;
                unsent
            }
        };
    }
    Err(if tried.is_empty() && stale == 0 { ErrorKind::Unavailable } else { ErrorKind::Connect })
}

enum Attempt {
    Answered(Answered),
    /// No connection to the endpoint.
    Unreachable(Request<Incoming>),
    /// The connection had ended before anything was sent on it.
    Stale(Request<Incoming>),
    /// Something may have been sent.
    Broken,
}

async fn over_http1(worker: &Worker, cluster: &Cluster, in_flight: InFlight, request: Request<Incoming>) -> Attempt {
    let endpoint = in_flight.endpoint();
    let mut sender = match endpoint.pools[worker.index].take_http1() {
        Some(sender) => sender,
        None => match pool::connect(worker, endpoint, cluster.connect_timeout).await {
            Ok(stream) => match pool::begin_http1(worker, stream).await {
                Ok(sender) => sender,
                Err(_nothing_sent) => return Attempt::Stale(request),
            },
            Err(_reported) => return Attempt::Unreachable(request),
        },
    };
    if sender.ready().await.is_err() {
        return Attempt::Stale(request);
    }
    match sender.try_send_request(request).await {
        Ok(response) => {
            let lease = Lease { endpoint: endpoint.clone(), worker: worker.index, sender };
            Attempt::Answered(Answered { response, in_flight, lease: Some(lease) })
        }
        Err(mut error) => error.take_message().map_or(Attempt::Broken, Attempt::Stale),
    }
}

async fn over_http2(worker: &Worker, cluster: &Cluster, in_flight: InFlight, request: Request<Incoming>) -> Attempt {
    let endpoint = in_flight.endpoint();
    let pool = &endpoint.pools[worker.index];
    let mut sender = match pool.http2() {
        Some(sender) => sender,
        None => match pool::connect(worker, endpoint, cluster.connect_timeout).await {
            Ok(stream) => match pool::begin_http2(worker, stream).await {
                Ok(sender) => {
                    pool.share_http2(sender.clone());
                    sender
                }
                Err(_preface_only) => return Attempt::Stale(request),
            },
            Err(_reported) => return Attempt::Unreachable(request),
        },
    };
    if sender.ready().await.is_err() {
        return Attempt::Stale(request);
    }
    match sender.try_send_request(request).await {
        Ok(response) => Attempt::Answered(Answered { response, in_flight, lease: None }),
        Err(mut error) => error.take_message().map_or(Attempt::Broken, Attempt::Stale),
    }
}

/// Makes the endpoint's response the proxy's own.
fn respond(passage: Passage<'_>, backend: &Backend, returning: Returning) -> Response<Body> {
    let Returning { mut response, mut open, client, deadline } = returning;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return switch(passage, response, client, open);
    }
    open.account.status = Some(response.status());
    let headers = response.headers_mut();
    head::remove_hop_by_hop(headers);
    head::edit(headers, &backend.response_headers);
    head::edit(headers, &passage.route.response_headers);
    // The version of the endpoint's connection says nothing about the client's.
    *response.version_mut() = http::Version::HTTP_11;
    response.map(|incoming| Body::upstream(incoming, open, deadline))
}

fn switch(
    passage: Passage<'_>,
    mut response: Response<Incoming>,
    client: Option<OnUpgrade>,
    mut open: Open,
) -> Response<Body> {
    let protocol = response.headers().get(http::header::UPGRADE).cloned();
    let (Some(client), Some(protocol)) = (client, protocol) else {
        return Refusal::new(ErrorKind::Reset, "the endpoint changed the protocol without being asked")
            .answer(open.account);
    };
    open.account.status = Some(StatusCode::SWITCHING_PROTOCOLS);
    // The connection belongs to the tunnel and never returns to the pool.
    open.lease = None;
    let endpoint = hyper::upgrade::on(&mut response);
    upgrade::tunnel(passage.connection.clone(), client, endpoint, open);
    head::remove_hop_by_hop(response.headers_mut());
    head::set_upgrade(response.headers_mut(), protocol);
    response.map(|_empty| Body::Text(None))
}
