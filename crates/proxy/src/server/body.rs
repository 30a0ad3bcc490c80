//! Bodies of responses, and the account of an exchange that closes with its body.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use flow::event::ErrorKind;
use http::StatusCode;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use crate::stats::{Outcome, Series};
use crate::upstream::InFlight;
use crate::upstream::pool::Lease;

/// Counts an exchange exactly once, however it ends. Dropped before its end, the client went away.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) series: Arc<Series>,
    pub(super) status: Option<StatusCode>,
    started: Instant,
    error: Option<ErrorKind>,
}

impl Account {
    pub(super) fn open(series: Arc<Series>, started: Instant) -> Self {
        Self { series, status: None, started, error: Some(ErrorKind::Cancelled) }
    }

    /// Closes the account of an exchange that ended as it should.
    pub(super) fn close(mut self) {
        self.error = None;
    }

    /// Closes the account of an exchange that failed.
    pub(super) fn fail(mut self, error: ErrorKind) {
        self.error = Some(error);
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.series.record(Outcome { status: self.status, error: self.error, latency: self.started.elapsed() });
    }
}

/// The body of a response.
#[derive(Debug)]
pub(super) enum Body {
    /// A short text of our own, or nothing.
    Text(Option<Bytes>),
    /// What an endpoint sends.
    Upstream(Box<Upstream>),
}

/// A body on its way from an endpoint.
#[derive(Debug)]
pub(super) struct Upstream {
    incoming: Incoming,
    open: Option<Open>,
    deadline: Option<Pin<Box<Sleep>>>,
}

/// What is held until the body has ended.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) account: Account,
    pub(super) in_flight: InFlight,
    pub(super) lease: Option<Lease>,
}

impl Open {
    fn end(self) {
        // First the load and the connection: the next request of this client must find them free.
        drop(self.in_flight);
        if let Some(lease) = self.lease {
            lease.give_back();
        }
        self.account.close();
    }
}

impl Body {
    /// Streams `incoming`, and closes `open` at its end.
    pub(super) fn upstream(incoming: Incoming, open: Open, deadline: Option<tokio::time::Instant>) -> Self {
        if incoming.is_end_stream() {
            open.end();
            return Body::Text(None);
        }
        let deadline = deadline.map(|deadline| Box::pin(tokio::time::sleep_until(deadline)));
        Body::Upstream(Box::new(Upstream { incoming, open: Some(open), deadline }))
    }
}

/// Why a body broke off. The client sees its connection or stream end.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the endpoint broke off its response")]
    Reset(#[source] hyper::Error),
    #[error("the response took longer than its route allows")]
    Timeout,
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Body::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Body::Upstream(upstream) => upstream.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Text(text) => text.is_none(),
            Body::Upstream(upstream) => upstream.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Body::Upstream(upstream) => upstream.incoming.size_hint(),
        }
    }
}

impl Upstream {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(context).is_ready()
        {
            self.fail(ErrorKind::Timeout);
            return Poll::Ready(Some(Err(BodyError::Timeout)));
        }
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(context));
        match &frame {
            // A body of known length ends with its last frame: hyper does not ask again.
            Some(Ok(_)) if !self.incoming.is_end_stream() => {}
            Some(Ok(_)) | None => {
                if let Some(open) = self.open.take() {
                    open.end();
                }
            }
            Some(Err(_)) => self.fail(ErrorKind::Reset),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Reset)))
    }

    fn fail(&mut self, error: ErrorKind) {
        if let Some(open) = self.open.take() {
            open.account.fail(error);
        }
    }
}
