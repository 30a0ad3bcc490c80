//! An API server for tests: the real one, on a folder of its own, with a clock that stands still.
//!
//! Requests go through [`Local`](crate::Local), as those of the platform's own roles do. Start at [`Fixture::start`].

use std::time::{Duration, SystemTime};

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use stdx::Clock;
use task::{Class, Group};
use tempfile::TempDir;
use tower::ServiceExt;

use crate::{ApiServer, Local, NodeApi, Options, ResponseBody, User};

/// A running server. Its folder goes with it.
pub(crate) struct Fixture {
    pub(crate) clock: Clock,
    local: Local,
    tasks: Group,
    _folder: TempDir,
}

/// What came back: the code and the body, which is a text where it is no JSON.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) code: StatusCode,
    pub(crate) body: Value,
}

impl Answer {
    /// The body of a request that must have succeeded.
    pub(crate) fn ok(self) -> Value {
        assert!(self.code.is_success(), "{}: {}", self.code, self.body);
        self.body
    }

    /// Code and message of a request that must have failed.
    pub(crate) fn refused(&self) -> (u16, &str) {
        assert!(!self.code.is_success(), "{}: {}", self.code, self.body);
        (self.code.as_u16(), self.body["message"].as_str().unwrap())
    }
}

impl Fixture {
    pub(crate) async fn start() -> Self {
        Self::with_nodes(None).await
    }

    pub(crate) async fn with_nodes(nodes: Option<NodeApi>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // 2026-01-01T00:00:00Z
        let clock = Clock::stopped_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600));
        let database = folder.path().join("state.redb");
        let tasks = Group::new();
        let options = Options { database, clock: clock.clone(), tasks: tasks.clone(), nodes };
        let server = ApiServer::start(options).await.unwrap();
        let local = server.local(User::new("admin", ["system:masters".to_owned()]));
        Self { clock, local, tasks, _folder: folder }
    }

    /// Tells what the outside waits for to end, as the first step of a stop does.
    pub(crate) fn stop(&self) {
        self.tasks.token(Class::Ingress).cancel();
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, ("application/json", Value::Null)).await
    }

    /// The rows of a list as a table: the cells, without those of ages.
    pub(crate) async fn rows(&self, path: &str) -> Vec<Vec<Value>> {
        let accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
        let request = Request::get(path).header("accept", accept).body(Full::default()).unwrap();
        let table = read(self.respond(request).await).await.ok();
        let rows = table["rows"].as_array().unwrap();
        rows.iter().map(|row| row["cells"].as_array().unwrap().clone()).collect()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, ("application/json", body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, ("application/json", body)).await
    }

    /// A merge patch.
    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, ("application/merge-patch+json", body)).await
    }

    /// A deletion with options; null for none.
    pub(crate) async fn delete(&self, path: &str, options: Value) -> Answer {
        self.send(Method::DELETE, path, ("application/json", options)).await
    }

    /// The answer to a request, its body unread.
    pub(crate) async fn respond(&self, request: Request<Full<bytes::Bytes>>) -> http::Response<ResponseBody> {
        self.local.clone().oneshot(request).await.unwrap()
    }

    async fn send(&self, method: Method, path: &str, body: (&str, Value)) -> Answer {
        let (kind, body) = body;
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = Request::builder().method(method).uri(path).header("content-type", kind);
        read(self.respond(request.body(bytes.into()).unwrap()).await).await
    }
}

async fn read(response: http::Response<ResponseBody>) -> Answer {
    let code = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    Answer { code, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
}

/// Sets values in a document by JSON pointers, making what is missing on the way.
pub(crate) fn with(mut document: Value, changes: &[(&str, Value)]) -> Value {
    for (pointer, value) in changes {
        let mut place = &mut document;
        for step in pointer.trim_start_matches('/').split('/') {
            place = match step.parse::<usize>() {
                Ok(index) => {
                    if place.is_null() {
                        *place = json!([]);
                    }
                    let list = place.as_array_mut().unwrap();
                    list.resize(list.len().max(index + 1), Value::Null);
                    &mut list[index]
                }
                Err(_name) => &mut place[step.replace("~1", "/")],
            };
        }
        *place = value.clone();
    }
    document
}

/// A pod with one container and nothing that need not be said.
pub(crate) fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "image": "shop/web:1"}]},
    })
}

/// A Deployment or ReplicaSet of such pods.
pub(crate) fn workload(kind: &str, name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod("x")["spec"]},
        },
    })
}
