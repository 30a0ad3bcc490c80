//! The client: typed and dynamic access to one API server, and the caches that a process shares.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::api::{Api, DynamicObject};
use kube::client::Body;
use kube::core::{PartialObjectMeta, Resource as Kind};
use serde::de::DeserializeOwned;
use task::Group;

use crate::cache::{Cache, Caches};
use crate::{Metadata, Resource, Scope};

/// Any error of a transport.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

const DEFAULT_NAMESPACE: &str = "default";

/// A client of one Kubernetes API server as one user. Clones share the connection and the caches.
#[derive(Clone)]
pub struct Client {
    kube: kube::Client,
    tasks: Group,
    caches: Arc<Caches>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// A client whose requests are calls of `service`, without a socket between. Its caches run in `tasks`, among the
    /// controllers. Must be called on a tokio runtime: that is where requests are handed over.
    pub fn in_process<S, B>(service: S, tasks: &Group) -> Self
    where
        S: tower::Service<Request<Body>, Response = Response<B>> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self {
            kube: kube::Client::new(service, DEFAULT_NAMESPACE),
            tasks: tasks.clone(),
            caches: Arc::new(Caches::default()),
        }
    }

    /// Objects of a kind with cluster scope, or those of all namespaces, which can only be listed and watched.
    pub fn all<K: Kind<DynamicType = ()>>(&self) -> Api<K> {
        Api::all(self.kube.clone())
    }

    /// Objects of a kind in one namespace.
    pub fn namespaced<K>(&self, namespace: &str) -> Api<K>
    where
        K: Kind<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.kube.clone(), namespace)
    }

    /// Objects of cluster scope of a kind that is known to have it.
    pub fn cluster<K>(&self) -> Api<K>
    where
        K: Kind<DynamicType = (), Scope = ClusterResourceScope>,
    {
        Api::all(self.kube.clone())
    }

    /// Whole objects of a resource; `namespace` counts only where the resource has namespaces.
    pub fn objects(&self, resource: &Resource, namespace: Option<&str>) -> Api<DynamicObject> {
        self.dynamic(resource, namespace)
    }

    /// The metadata of a resource's objects; `namespace` counts only where the resource has namespaces. Writes through
    /// it are answered with metadata as well.
    pub fn metadata(&self, resource: &Resource, namespace: Option<&str>) -> Api<Metadata> {
        self.dynamic(resource, namespace)
    }

    fn dynamic<K>(&self, resource: &Resource, namespace: Option<&str>) -> Api<K>
    where
        K: Kind<DynamicType = kube::api::ApiResource, Scope = kube::core::DynamicResourceScope>,
    {
        match namespace.filter(|_| resource.scope == Scope::Namespaced) {
            Some(namespace) => Api::namespaced_with(self.kube.clone(), namespace, &resource.names),
            None => Api::all_with(self.kube.clone(), &resource.names),
        }
    }

    /// Objects of a resource of which only the fields of `K` are read.
    pub fn projected<K>(&self, names: &kube::api::ApiResource) -> Api<K>
    where
        K: Kind<DynamicType = kube::api::ApiResource>,
    {
        Api::all_with(self.kube.clone(), names)
    }

    /// The cache of all objects of a kind: one for each kind and client, started at the first call. With
    /// [`PartialObjectMeta`] around the kind it holds, and fetches, metadata only.
    pub fn cache<K>(&self) -> Cache<K>
    where
        K: Kind<DynamicType = ()> + Clone + fmt::Debug + DeserializeOwned + Send + Sync + 'static,
    {
        self.caches.get_or_start(|| Cache::start(self.all(), &self.tasks))
    }

    /// The cache of the metadata of all objects of a kind. See [`Client::cache`].
    pub fn metadata_cache<K>(&self) -> Cache<PartialObjectMeta<K>>
    where
        K: Kind<DynamicType = ()> + Clone + fmt::Debug + Send + Sync + 'static,
        PartialObjectMeta<K>: DeserializeOwned,
    {
        self.cache()
    }

    pub(crate) fn kube(&self) -> &kube::Client {
        &self.kube
    }
}
