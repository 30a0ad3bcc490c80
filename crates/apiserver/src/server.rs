//! The API server itself: from a request to an answer, wherever the request comes from.
//!
//! [`ApiServer::handle`] is the one way in: the TLS listener (`serve`) and the clients in this process ([`Local`]) both
//! end there, with the user in the request's extensions. Start reading at [`ApiServer::start`], then `dispatch`.

mod dispatch;

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use jiff::Timestamp;
use machinery::schema::{Definitions, SchemaError};
use stdx::Clock;
use store::{OpenError, Store};
use task::{CancellationToken, Class, Group};
use thiserror::Error;
use tokio::sync::Mutex;

use crate::auth::User;
use crate::body::{BoxError, ResponseBody};
use crate::health::{self, Check};
use crate::metrics::Metrics;
use crate::nodes::NodeApi;
use crate::object::Object;
use crate::resource::{self, Registry, Resource};
use crate::status::Failure;
use crate::{bootstrap, definitions, expiry};

/// What an API server is made of.
#[derive(Debug)]
pub struct Options {
    /// The database file; its folder exists. Made at the first start, locked while the server runs.
    pub database: PathBuf,
    /// The time of day.
    pub clock: Clock,
    /// Owns the server's own tasks; stopping its ingress class ends watches.
    pub tasks: Group,
    /// The way to the nodes, for logs; without it, pods have none.
    pub nodes: Option<NodeApi>,
}

/// Why an API server could not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The schema table in this binary is damaged.
    #[error("the table of built-in kinds cannot be read")]
    Table(#[source] SchemaError),
    /// The database cannot be opened.
    #[error("the database cannot be opened")]
    Open(#[source] OpenError),
    /// What must be there from the first moment could not be written or read.
    #[error("the state cannot be prepared: {message}")]
    State {
        /// What went wrong.
        message: String,
    },
}

/// A Kubernetes API server. Clones share everything.
#[derive(Clone)]
pub struct ApiServer {
    inner: Arc<Inner>,
}

impl fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiServer").finish_non_exhaustive()
    }
}

/// What all requests share.
pub(crate) struct Inner {
    pub(crate) store: Store,
    /// The schemas of all built-in kinds and their parts.
    pub(crate) definitions: Arc<Definitions>,
    pub(crate) builtin: Vec<Arc<Resource>>,
    registry: ArcSwap<Registry>,
    /// Held while definitions become resources; see `definitions::refresh`.
    pub(crate) definitions_turn: Mutex<()>,
    pub(crate) metrics: Metrics,
    /// Cancelled when the server stops: watches end.
    pub(crate) stop: CancellationToken,
    pub(crate) nodes: Option<NodeApi>,
    clock: Clock,
}

impl Inner {
    pub(crate) fn registry(&self) -> Arc<Registry> {
        self.registry.load_full()
    }

    pub(crate) fn set_registry(&self, registry: Registry) {
        self.registry.store(Arc::new(registry));
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::try_from(self.clock.now()).unwrap_or(Timestamp::MAX)
    }

    /// An object of `resource` in the version that is stored.
    pub(crate) fn store_version(&self, resource: &Resource, object: &Object) -> Object {
        let mut object = object.clone();
        object.set("apiVersion", Some(resource.storage_api_version().into()));
        object
    }

    /// A new unique id.
    pub(crate) fn uid() -> String {
        uuid::Uuid::new_v4().to_string()
    }

    /// 64 random bits.
    pub(crate) fn randomness() -> u64 {
        uuid::Uuid::new_v4().as_u64_pair().1.rotate_left(8)
    }

    /// A random number in `0.0..1.0`.
    pub(crate) fn fraction() -> f64 {
        let bits = u32::try_from(Self::randomness() >> 32).unwrap_or_default();
        f64::from(bits) / (f64::from(u32::MAX) + 1.0)
    }
}

impl ApiServer {
    /// Prepares the state (first namespaces, custom resources) and starts what the server does by itself.
    ///
    /// # Errors
    /// When the state cannot be read or written.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let definitions = resource::builtin_definitions().map_err(StartError::Table)?;
        let builtin = resource::builtin(&definitions);
        let database = store::Options::new(options.database);
        let store = task::blocking(|| Store::open(database)).await.map_err(StartError::Open)?;
        let inner = Arc::new(Inner {
            store,
            registry: ArcSwap::from_pointee(Registry::new(builtin.iter().cloned())),
            definitions,
            builtin,
            definitions_turn: Mutex::new(()),
            metrics: Metrics::new(),
            stop: options.tasks.token(Class::Ingress),
            nodes: options.nodes,
            clock: options.clock,
        });
        let state = |failure: Failure| StartError::State { message: failure.to_string() };
        bootstrap::namespaces(&inner).await.map_err(state)?;
        definitions::refresh(&inner).await.map_err(state)?;
        let server = inner.clone();
        options.tasks.spawn(Class::Controller, "definition cleanup", |stop| definitions::run_cleanup(server, stop));
        let server = inner.clone();
        options.tasks.spawn(Class::Controller, "event expiry", |stop| expiry::run(server, stop));
        Ok(Self { inner })
    }

    /// Answers a request. The user, if there is one, is in the request's extensions as [`User`].
    pub async fn handle<B>(&self, request: Request<B>) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<BoxError>,
    {
        dispatch::handle(&self.inner, request).await
    }

    /// A client's way to this server without leaving the process: a `tower::Service` whose requests are those of `user`.
    pub fn local(&self, user: User) -> Local {
        Local { server: self.clone(), user }
    }

    /// Closes the database after what was accepted is durable. Later requests that write are answered 503.
    pub async fn close(&self) {
        self.inner.store.close().await;
    }

    /// The state of the server's parts, for the health of the whole.
    pub fn checks(&self) -> Vec<Check> {
        health::checks(&self.inner, "livez")
    }
}

/// See [`ApiServer::local`].
#[derive(Debug, Clone)]
pub struct Local {
    server: ApiServer,
    user: User,
}

impl<B> tower::Service<Request<B>> for Local
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _ctx: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        request.extensions_mut().insert(self.user.clone());
        let server = self.server.clone();
        Box::pin(async move { Ok(server.handle(request).await) })
    }
}
