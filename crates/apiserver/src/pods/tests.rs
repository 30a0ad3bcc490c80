//! Tests of the sub-resources of pods. A small service plays the kubelet, which is not ours.

use std::convert::Infallible;
use std::future;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tower::util::BoxCloneSyncService;

use crate::fixture::{Fixture, pod, with};
use crate::{BoxError, NodeApi, NodeService, ResponseBody};

const PODS: &str = "/api/v1/namespaces/default/pods";
const WEB: &str = "/api/v1/namespaces/default/pods/web";

fn binding(changes: &[(&str, Value)]) -> Value {
    let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "web"}, "target": {"name": "n1"}});
    with(binding, changes)
}

async fn bind(server: &Fixture) {
    server.post(&format!("{WEB}/binding"), binding(&[])).await.ok();
}

#[tokio::test]
async fn a_binding_sets_the_node_and_tells_when() {
    let server = Fixture::start().await;
    server.post(PODS, with(pod("web"), &[("/metadata/annotations/keep", json!("me"))])).await.ok();
    let sent = binding(&[
        ("/target/kind", json!("Node")),
        ("/metadata/annotations/a", json!("b")),
        ("/metadata/labels/app", json!("bound")),
    ]);
    let answer = server.post(&format!("{WEB}/binding"), sent).await;
    assert_eq!((answer.code, &answer.body["status"]), (StatusCode::CREATED, &json!("Success")));
    let bound = server.get(WEB).await.ok();
    assert_eq!(bound["spec"]["nodeName"], "n1");
    assert_eq!(bound["metadata"]["annotations"], json!({"a": "b", "keep": "me"}));
    assert_eq!(bound["metadata"]["labels"]["app"], "bound");
    assert_eq!(bound["metadata"]["generation"], 1);
    let scheduled = json!({
        "type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    assert_eq!(bound["status"]["conditions"], json!([scheduled]));
}

#[tokio::test]
async fn a_pod_is_bound_once_and_only_the_one_that_is_meant() {
    let server = Fixture::start().await;
    let path = format!("{WEB}/binding");
    assert_eq!(server.post(&path, binding(&[])).await.code, 404);
    server.post(PODS, with(pod("web"), &[("/spec/schedulingGates/0/name", json!("a/b"))])).await.ok();
    let conflict = |why: &str| format!("Operation cannot be fulfilled on pods/binding \"web\": {why}");
    let gated = server.post(&path, binding(&[])).await;
    assert_eq!(gated.refused(), (409, &*conflict("pod web has non-empty .spec.schedulingGates")));
    server.patch(WEB, json!({"spec": {"schedulingGates": null}})).await.ok();
    let stranger = server.post(&path, binding(&[("/metadata/uid", json!("another"))])).await;
    assert_eq!(stranger.code, 409);
    bind(&server).await;
    let again = server.post(&path, binding(&[("/target/name", json!("n2"))])).await;
    assert_eq!(again.refused(), (409, &*conflict("pod web is already assigned to node \"n1\"")));
    server.delete(WEB, Value::Null).await.ok();
    let late = server.post(&path, binding(&[])).await;
    assert_eq!(late.refused(), (409, &*conflict("pod web is being deleted, cannot be assigned to a host")));
}

#[tokio::test]
async fn a_binding_that_makes_no_sense_is_refused() {
    let server = Fixture::start().await;
    server.post(PODS, pod("web")).await.ok();
    for (changes, code, why) in [
        ([("/metadata/name", json!("other"))], 400, "name in URL does not match name in Binding object"),
        ([("/target/name", json!(""))], 422, "target.name: Required value"),
        ([("/target/kind", json!("Pod"))], 422, "target.kind: Unsupported value: \"Pod\""),
        ([("/target/name", json!(5))], 400, "cannot be handled as a Binding"),
        ([("/kind", json!("Pod"))], 400, "the body must be a Binding of v1, not a Pod of v1"),
    ] {
        let answer = server.post(&format!("{WEB}/binding"), binding(&changes)).await;
        let (found, message) = answer.refused();
        assert_eq!(found, code, "{message}");
        assert!(message.contains(why), "{message}");
    }
    let rehearsed = server.post(&format!("{WEB}/binding?dryRun=All"), binding(&[])).await;
    assert_eq!(rehearsed.code, 201);
    assert_eq!(server.get(WEB).await.ok()["spec"]["nodeName"], Value::Null);
    assert_eq!(server.get(&format!("{WEB}/binding")).await.code, 405);
}

#[tokio::test]
async fn an_eviction_is_a_deletion_that_says_why() {
    let server = Fixture::start().await;
    server.post(PODS, pod("web")).await.ok();
    bind(&server).await;
    let eviction = |options: Value| json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web"}, "deleteOptions": options});
    let path = format!("{WEB}/eviction");
    let stranger = server.post(&path, eviction(json!({"preconditions": {"uid": "another"}}))).await;
    assert_eq!(stranger.code, 409);
    assert_eq!(server.get(WEB).await.ok()["status"]["conditions"].as_array().unwrap().len(), 1);
    server.post(&path, eviction(json!({"dryRun": ["All"]}))).await.ok();
    assert_eq!(server.get(WEB).await.ok()["metadata"]["deletionTimestamp"], Value::Null);
    let answer = server.post(&path, eviction(json!({"gracePeriodSeconds": 7}))).await;
    assert_eq!(answer.code, StatusCode::CREATED);
    let evicted = server.get(WEB).await.ok();
    assert_eq!(evicted["metadata"]["deletionGracePeriodSeconds"], 7);
    assert_eq!(evicted["status"]["conditions"][1]["reason"], "EvictionByEvictionAPI");
}

/// What the kubelet was asked for, one path and query after another.
type Asked = Arc<Mutex<Vec<String>>>;

/// Plays the kubelet of `n1`.
fn kubelet<F>(answer: F) -> (NodeApi, Asked)
where
    F: Fn() -> Result<Response<ResponseBody>, BoxError> + Clone + Send + Sync + 'static,
{
    let asked = Asked::default();
    let heard = asked.clone();
    let service: NodeService = BoxCloneSyncService::new(tower::service_fn(move |request: Request<Empty<Bytes>>| {
        heard.lock().unwrap().push(request.uri().to_string());
        future::ready(answer())
    }));
    let nodes = NodeApi::new(move |node| (node == "n1").then(|| service.clone()));
    (nodes, asked)
}

fn says(code: StatusCode, text: &'static str) -> Response<ResponseBody> {
    let mut response = Response::new(Full::from(text).map_err(|never: Infallible| match never {}).boxed_unsync());
    *response.status_mut() = code;
    response
}

async fn with_two_containers(nodes: Option<NodeApi>) -> Fixture {
    let server = Fixture::with_nodes(nodes).await;
    let two = with(
        pod("web"),
        &[
            ("/spec/containers/1", json!({"name": "side", "image": "i"})),
            ("/spec/initContainers/0", json!({"name": "setup", "image": "i"})),
        ],
    );
    server.post(PODS, two).await.ok();
    server
}

#[tokio::test]
async fn a_log_comes_from_the_node_with_the_options_of_the_client() {
    let (nodes, asked) = kubelet(|| Ok(says(StatusCode::OK, "hello\n")));
    let server = with_two_containers(Some(nodes)).await;
    bind(&server).await;
    let path =
        format!("{WEB}/log?container=setup&tailLines=5&timestamps=true&sinceTime=2026-01-01T00%3A00%3A00Z&previous=1");
    let answer = server.get(&path).await;
    assert_eq!((answer.code, answer.body), (StatusCode::OK, json!("hello\n")));
    let expected = "/containerLogs/default/web/setup?stream=All&previous=true&timestamps=true&tailLines=5\
                    &sinceTime=2026-01-01T00:00:00Z";
    assert_eq!(*asked.lock().unwrap(), [expected]);
}

#[tokio::test]
async fn the_container_must_be_clear() {
    let (nodes, asked) = kubelet(|| Ok(says(StatusCode::OK, "")));
    let server = with_two_containers(Some(nodes)).await;
    bind(&server).await;
    let answer = server.get(&format!("{WEB}/log")).await;
    let why = "a container name must be specified for pod web, choose one of: [setup main side]";
    assert_eq!(answer.refused(), (400, why));
    let answer = server.get(&format!("{WEB}/log?container=none")).await;
    assert_eq!(answer.refused(), (400, "container none is not valid for pod web"));
    let preferred = json!({"metadata": {"annotations": {"kubectl.kubernetes.io/default-container": "side"}}});
    server.patch(WEB, preferred).await.ok();
    server.get(&format!("{WEB}/log")).await.ok();
    assert_eq!(*asked.lock().unwrap(), ["/containerLogs/default/web/side?stream=All"]);
}

#[tokio::test]
async fn options_that_make_no_sense_are_refused() {
    let server = with_two_containers(None).await;
    for (query, code, why) in [
        ("tailLines=-1", 422, "tailLines: Invalid value: -1: must be greater than or equal to 0"),
        ("limitBytes=0", 422, "limitBytes: Invalid value: 0: must be greater than 0"),
        ("sinceSeconds=0", 422, "sinceSeconds: Invalid value: 0: must be greater than 0"),
        (
            "sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z",
            422,
            "at most one of `sinceTime` or `sinceSeconds` may be specified",
        ),
        (
            "stream=Stdin",
            422,
            "stream: Unsupported value: \"Stdin\": supported values: \"All\", \"Stderr\", \"Stdout\"",
        ),
        ("stream=Stdout&tailLines=1", 422, "`tailLines` and specific `stream` are mutually exclusive for now"),
        ("tailLines=x", 400, "query parameter tailLines: \"x\" is no integer"),
        ("sinceTime=yesterday", 400, "query parameter sinceTime: \"yesterday\""),
        ("follow=maybe", 400, "query parameter follow: invalid boolean \"maybe\""),
    ] {
        let answer = server.get(&format!("{WEB}/log?container=main&{query}")).await;
        let (found, message) = answer.refused();
        assert_eq!(found, code, "{message}");
        assert!(message.contains(why), "{message}");
    }
}

#[tokio::test]
async fn a_pod_without_a_node_has_written_nothing() {
    let server = with_two_containers(None).await;
    let answer = server.get(&format!("{WEB}/log?container=main")).await;
    assert_eq!((answer.code, answer.body), (StatusCode::NO_CONTENT, json!("")));
}

#[tokio::test]
async fn what_the_node_says_against_it_reaches_the_user() {
    let waiting = "container \"main\" in pod \"web\" is waiting to start: ContainerCreating";
    for (code, text, expected) in [
        (StatusCode::BAD_REQUEST, waiting, (400, waiting)),
        (StatusCode::NOT_FOUND, "pod \"web\" does not exist", (404, "pod \"web\" does not exist")),
        (StatusCode::INTERNAL_SERVER_ERROR, "disk", (500, "Internal error occurred: disk")),
    ] {
        let (nodes, _asked) = kubelet(move || Ok(says(code, text)));
        let server = with_two_containers(Some(nodes)).await;
        bind(&server).await;
        assert_eq!(server.get(&format!("{WEB}/log?container=main")).await.refused(), expected);
    }
}

#[tokio::test]
async fn a_node_that_cannot_be_reached_is_unavailable() {
    let (nodes, _asked) = kubelet(|| Err("connection refused".into()));
    let server = with_two_containers(Some(nodes)).await;
    bind(&server).await;
    let answer = server.get(&format!("{WEB}/log?container=main")).await;
    assert_eq!(answer.refused(), (503, "the node \"n1\" of pod \"web\" cannot be reached: connection refused"));
    for nodes in [None, Some(NodeApi::new(|_any| None))] {
        let server = with_two_containers(nodes).await;
        bind(&server).await;
        let answer = server.get(&format!("{WEB}/log?container=main")).await;
        assert_eq!(answer.refused(), (503, "the node \"n1\" of pod \"web\" is not connected to this server"));
    }
}

#[tokio::test]
async fn a_followed_log_arrives_as_it_is_written() {
    let (lines, source) = mpsc::channel::<Bytes>(1);
    let source = Arc::new(Mutex::new(Some(source)));
    let (nodes, asked) = kubelet(move || {
        let source = source.lock().unwrap().take().unwrap();
        let frames = futures_util::stream::unfold(source, |mut source| async {
            let line = source.recv().await?;
            Some((Ok::<_, BoxError>(Frame::data(line)), source))
        });
        Ok(Response::new(StreamBody::new(frames).boxed_unsync()))
    });
    let server = with_two_containers(Some(nodes)).await;
    bind(&server).await;
    let request = Request::get(format!("{WEB}/log?container=main&follow=true")).body(Full::default()).unwrap();
    let mut body = server.respond(request).await.into_body();
    for line in ["one\n", "two\n"] {
        lines.send(line.into()).await.unwrap();
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), line);
    }
    server.stop();
    assert!(body.frame().await.is_none(), "the end of the server ends the log");
    assert_eq!(*asked.lock().unwrap(), ["/containerLogs/default/web/main?stream=All&follow=true"]);
}
