//! What can go wrong between the controllers and the server: late news, lost answers, refusals. Nothing is answered that the
//! server would not have answered. Start reading at [`Faults::between`].

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use client::{Body, BoxError};
use futures_util::StreamExt;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, BodyStream, Full, StreamBody};
use tokio::sync::watch;
use tower::ServiceExt;

type Answer = Response<UnsyncBoxBody<Bytes, BoxError>>;

/// Faults, shared by all connections made with them.
#[derive(Debug, Clone)]
pub(crate) struct Faults {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    news_of_pods: watch::Sender<bool>,
    lost_answers: AtomicUsize,
    refusals: AtomicUsize,
    creations: AtomicUsize,
    writes: AtomicUsize,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            inner: Arc::new(Inner {
                news_of_pods: watch::Sender::new(true),
                lost_answers: AtomicUsize::new(0),
                refusals: AtomicUsize::new(0),
                creations: AtomicUsize::new(0),
                writes: AtomicUsize::new(0),
            }),
        }
    }
}

impl Faults {
    /// Holds all news of watched pods back.
    pub(crate) fn hold_news_of_pods(&self) {
        self.inner.news_of_pods.send_replace(false);
    }

    /// Lets them through again, in their order.
    pub(crate) fn release_news_of_pods(&self) {
        self.inner.news_of_pods.send_replace(true);
    }

    /// The answers to the next so many creations of pods are lost after the server has carried them out.
    pub(crate) fn lose_answers(&self, count: usize) {
        self.inner.lost_answers.store(count, Ordering::SeqCst);
    }

    /// The next so many creations of pods are refused.
    pub(crate) fn refuse_creations(&self, count: usize) {
        self.inner.refusals.store(count, Ordering::SeqCst);
    }

    /// How many pods were asked to be created, and how many requests wrote anything.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.inner.creations.load(Ordering::SeqCst), self.inner.writes.load(Ordering::SeqCst))
    }

    /// The server as one reaches it through these faults.
    pub(crate) fn between<S, F>(
        self,
        server: S,
    ) -> impl tower::Service<
        Request<Body>,
        Response = Answer,
        Error = BoxError,
        Future = impl Future<Output = Result<Answer, BoxError>> + Send,
    > + Send
    + 'static
    where
        S: tower::Service<Request<Body>, Response = Response<F>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send + 'static,
        F: http_body::Body<Data = Bytes> + Send + 'static,
        F::Error: Into<BoxError>,
    {
        let faults = self.inner;
        tower::service_fn(move |request: Request<Body>| {
            let (faults, server) = (faults.clone(), server.clone());
            async move { faults.pass(request, server).await }
        })
    }
}

impl Inner {
    async fn pass<S, F>(&self, request: Request<Body>, server: S) -> Result<Answer, BoxError>
    where
        S: tower::Service<Request<Body>, Response = Response<F>, Error = Infallible> + Send,
        F: http_body::Body<Data = Bytes> + Send + 'static,
        F::Error: Into<BoxError>,
    {
        if request.method() != Method::GET {
            self.writes.fetch_add(1, Ordering::SeqCst);
        }
        let of_pods = request.uri().path().ends_with("/pods");
        let watches = request.uri().query().unwrap_or_default().contains("watch");
        let creates = of_pods && request.method() == Method::POST;
        if creates {
            self.creations.fetch_add(1, Ordering::SeqCst);
        }
        if creates && take_one(&self.refusals) {
            return Ok(refusal());
        }
        let answer = server.oneshot(request).await.unwrap_or_else(|never| match never {});
        if creates && take_one(&self.lost_answers) {
            return Err("the answer is lost on purpose".into());
        }
        let (parts, body) = answer.into_parts();
        let body = body.map_err(Into::into);
        if !(of_pods && watches) {
            return Ok(Response::from_parts(parts, body.boxed_unsync()));
        }
        let news = self.news_of_pods.subscribe();
        let held = BodyStream::new(body).then(move |frame| {
            let mut news = news.clone();
            async move {
                // An error means that the faults are gone, and with them the test.
                drop(news.wait_for(|through| *through).await);
                frame
            }
        });
        Ok(Response::from_parts(parts, StreamBody::new(held).boxed_unsync()))
    }
}

fn take_one(count: &AtomicUsize) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| count.checked_sub(1)).is_ok()
}

fn refusal() -> Answer {
    let status = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 403, "reason": "Forbidden",
        "message": "pods is forbidden: exceeded quota",
    });
    let body = Full::new(Bytes::from(status.to_string())).map_err(|never| match never {});
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = StatusCode::FORBIDDEN;
    answer
}
