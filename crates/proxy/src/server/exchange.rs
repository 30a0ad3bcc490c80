//! One request: which rule decides, and what is answered.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::Bytes;
use flow::event::ErrorKind;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use super::Connection;
use super::body::{Account, Body};
use super::forward::{self, Passage};
use super::{head, target};
use crate::matcher::{Head, host_of};
use crate::table::{Route, Routes, Target};

/// A rule says that this connection gets no answer.
#[derive(Debug, thiserror::Error)]
#[error("dropped by a rule")]
pub(super) struct Dropped;

/// Answers one request. Dropping it counts the request as cancelled by the client.
pub(super) async fn answer(
    connection: Arc<Connection>,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Dropped> {
    let started = Instant::now();
    connection.used.store(true, Ordering::Relaxed);
    let routes = connection.listener.routes.load_full();
    let unmatched = || Account::open(routes.unmatched.clone(), started);
    if request.method() == Method::CONNECT {
        let refusal = Refusal::new(ErrorKind::BadRequest, "CONNECT is not supported");
        return Ok(refusal.status(StatusCode::METHOD_NOT_ALLOWED).answer(unmatched()));
    }
    if let Err(reason) = target::normalize(&mut request) {
        return Ok(Refusal::new(ErrorKind::BadRequest, reason).answer(unmatched()));
    }
    let Some(route) = find(&routes, &connection, &request) else {
        return Ok(Refusal::new(ErrorKind::NoRule, "no route matches the request").answer(unmatched()));
    };
    match &route.target {
        Target::Drop => {
            Account::open(route.series.clone(), started).fail(ErrorKind::Dropped);
            Err(Dropped)
        }
        Target::Redirect(redirect) => {
            let port = connection.ends.destination_port();
            let location = target::location(&request, redirect, route.prefix_length, port);
            let account = Account::open(route.series.clone(), started);
            Ok(redirected(&route, account, (redirect.status, location)))
        }
        Target::Forward(forwarding) => {
            let passage = Passage { connection: &connection, route: &route, forwarding, purpose: routes.purpose };
            Ok(forward::forward(passage, request, Account::open(route.series.clone(), started)).await)
        }
    }
}

fn find(routes: &Routes, connection: &Connection, request: &Request<Incoming>) -> Option<Arc<Route>> {
    let head = Head {
        host: host_of(target::authority(request.headers())),
        method: request.method(),
        path: request.uri().path(),
        query: request.uri().query(),
        headers: request.headers(),
    };
    routes.find(connection.ends, Some(&head)).cloned()
}

fn redirected(route: &Route, mut account: Account, (status, location): (StatusCode, String)) -> Response<Body> {
    let Ok(location) = HeaderValue::try_from(location) else {
        return Refusal::new(ErrorKind::BadRequest, "the request names no valid host").answer(account);
    };
    let mut response = Response::new(Body::Text(None));
    *response.status_mut() = status;
    response.headers_mut().insert(LOCATION, location);
    head::edit(response.headers_mut(), &route.response_headers);
    account.status = Some(status);
    account.close();
    response
}

/// An answer of our own to a request that cannot be served.
pub(super) struct Refusal {
    kind: ErrorKind,
    status: StatusCode,
    reason: String,
}

impl Refusal {
    pub(super) fn new(kind: ErrorKind, reason: impl Into<String>) -> Self {
        let status = match kind {
            ErrorKind::Connect | ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
            ErrorKind::Reset | ErrorKind::Cancelled => StatusCode::BAD_GATEWAY,
            ErrorKind::InvalidBackend => StatusCode::INTERNAL_SERVER_ERROR,
            ErrorKind::NoRule => StatusCode::NOT_FOUND,
            ErrorKind::Dropped | ErrorKind::BadRequest => StatusCode::BAD_REQUEST,
        };
        Self { kind, status, reason: reason.into() }
    }

    fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The answer; it closes the account with the error.
    pub(super) fn answer(self, mut account: Account) -> Response<Body> {
        account.status = Some(self.status);
        account.fail(self.kind);
        let mut response = Response::new(Body::Text(Some(Bytes::from(self.reason + "\n"))));
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        response
    }
}
