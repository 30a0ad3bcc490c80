//! The way to the nodes: what the API server asks of the agent that runs a pod.
//!
//! An agent answers HTTP requests as a kubelet does. How it is reached (in this process, over a socket) is for whoever
//! makes the [`NodeApi`]; this crate only names the node.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use tower::util::BoxCloneSyncService;

use crate::body::{BoxError, ResponseBody};

/// The agent of one node. Requests have a path and a query as a kubelet's have (`/containerLogs/…`), and no authority.
///
/// An answer of another status than 2xx has a text that says why, at most some kilobytes; it is shown to the user.
pub type NodeService = BoxCloneSyncService<Request<Empty<Bytes>>, Response<ResponseBody>, BoxError>;

type Resolve = dyn Fn(&str) -> Option<NodeService> + Send + Sync;

/// Finds the agent of a node by the node's name. Clones share everything.
#[derive(Clone)]
pub struct NodeApi {
    resolve: Arc<Resolve>,
}

impl NodeApi {
    /// `resolve` answers at once; connecting is the service's business. None means that no such node is connected.
    pub fn new(resolve: impl Fn(&str) -> Option<NodeService> + Send + Sync + 'static) -> Self {
        Self { resolve: Arc::new(resolve) }
    }

    pub(crate) fn agent(&self, node: &str) -> Option<NodeService> {
        (self.resolve)(node)
    }
}

impl fmt::Debug for NodeApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeApi").finish_non_exhaustive()
    }
}
