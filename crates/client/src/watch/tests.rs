use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::Full;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::{Event, FIRST_PAUSE, Watch};
use crate::{Body, Client, KindExt, PartialObjectMeta};

/// An answer of the server of a test.
type Answer = (StatusCode, String);

/// A watch on a server that follows a script, and the paths that it is asked for.
struct Case {
    watch: Watch<ConfigMap>,
    asked: Arc<Mutex<Vec<String>>>,
    _tasks: task::Group,
}

/// The server gives these answers in this order; then it says nothing more.
fn case(script: impl IntoIterator<Item = Answer>) -> Case {
    let mut script: VecDeque<Answer> = script.into_iter().collect();
    served(move |_uri| script.pop_front())
}

fn served(answer: impl FnMut(&str) -> Option<Answer> + Send + 'static) -> Case {
    let answer = Mutex::new(answer);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let uri = request.uri().to_string();
        let answer = (*answer.lock().unwrap())(&uri);
        log.lock().unwrap().push(uri);
        async move {
            let Some((code, body)) = answer else { return std::future::pending().await };
            let response = Response::builder().status(code).body(Full::new(body.into()));
            Ok::<_, Infallible>(response.expect("a status and a body make a response"))
        }
    });
    let tasks = task::Group::new();
    let watch = Watch::new(Client::in_process(service, &tasks).all::<ConfigMap>());
    Case { watch, asked, _tasks: tasks }
}

impl Case {
    /// The next events, as `+name`, `-name`, `restarted`, `complete`.
    async fn events(&mut self, count: usize) -> Vec<String> {
        let mut told = Vec::new();
        for _ in 0..count {
            let event = timeout(Duration::from_secs(120), self.watch.next()).await.expect("another event");
            told.push(match event {
                Event::Restarted => "restarted".to_owned(),
                Event::Complete => "complete".to_owned(),
                Event::Object(object) => format!("+{}", object.name_any()),
                Event::Removed(object) => format!("-{}", object.name_any()),
            });
        }
        told
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn object(name: &str, version: u64) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
        "name": name, "namespace": "default", "resourceVersion": version.to_string(), "managedFields": [{"manager": "x"}],
    }})
}

fn list(version: u64, names: &[&str], continue_token: &str) -> (StatusCode, String) {
    let items: Vec<Value> = names.iter().map(|name| object(name, 1)).collect();
    let metadata = json!({"resourceVersion": version.to_string(), "continue": continue_token});
    let list = json!({"apiVersion": "v1", "kind": "ConfigMapList", "metadata": metadata, "items": items});
    (StatusCode::OK, list.to_string())
}

fn watched(events: &[(&str, Value)]) -> (StatusCode, String) {
    let lines = events.iter().map(|(kind, object)| format!("{}\n", json!({"type": kind, "object": object})));
    (StatusCode::OK, lines.collect())
}

fn status(code: u16, reason: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "on purpose",
        "reason": reason, "code": code})
}

fn refused(code: u16, reason: &str) -> (StatusCode, String) {
    (StatusCode::from_u16(code).expect("a status code"), status(code, reason).to_string())
}

#[tokio::test(start_paused = true)]
async fn a_list_comes_in_pages_and_the_watch_goes_on_from_it() {
    let mut case = case([
        list(7, &["a"], "more"),
        list(7, &["b"], ""),
        watched(&[("ADDED", object("c", 8)), ("DELETED", object("a", 9))]),
    ]);
    assert_eq!(case.events(6).await, ["restarted", "+a", "+b", "complete", "+c", "-a"]);
    let asked = case.asked();
    assert!(asked[1].contains("continue=more"), "{asked:?}");
    assert!(asked[2].contains("watch=true") && asked[2].contains("resourceVersion=7"), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ended_resumes_where_it_was() {
    let bookmark = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"resourceVersion": "20"}});
    let mut case = case([
        list(7, &[], ""),
        watched(&[("ADDED", object("a", 8)), ("BOOKMARK", bookmark)]),
        watched(&[("MODIFIED", object("a", 21))]),
    ]);
    assert_eq!(case.events(4).await, ["restarted", "complete", "+a", "+a"]);
    assert!(case.asked()[2].contains("resourceVersion=20"), "{:?}", case.asked());
}

#[tokio::test(start_paused = true)]
async fn an_expired_event_leads_to_a_new_list() {
    let mut case = case([list(7, &["a"], ""), watched(&[("ERROR", status(410, "Expired"))]), list(90, &["b"], "")]);
    assert_eq!(case.events(6).await, ["restarted", "+a", "complete", "restarted", "+b", "complete"]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_refused_as_expired_leads_to_a_new_list() {
    let mut case = case([list(7, &[], ""), refused(410, "Expired"), list(90, &["b"], "")]);
    assert_eq!(case.events(5).await, ["restarted", "complete", "restarted", "+b", "complete"]);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_expired_leads_to_a_new_list() {
    let mut case = case([list(7, &["a"], "more"), refused(410, "Expired"), list(9, &["a", "b"], "")]);
    assert_eq!(case.events(6).await, ["restarted", "+a", "restarted", "+a", "+b", "complete"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_not_ready_is_asked_again_after_a_pause() {
    let began = Instant::now();
    let mut case = case([refused(503, "ServiceUnavailable"), refused(503, "ServiceUnavailable"), list(1, &["a"], "")]);
    assert_eq!(case.events(3).await, ["restarted", "+a", "complete"]);
    assert!(began.elapsed() >= FIRST_PAUSE * 3);
}

#[tokio::test(start_paused = true)]
async fn watches_that_end_at_once_are_not_asked_for_in_a_closed_loop() {
    let began = Instant::now();
    let ends = std::iter::repeat_n(watched(&[]), 5);
    let last = watched(&[("ADDED", object("a", 8))]);
    let mut case = case([list(7, &[], "")].into_iter().chain(ends).chain([last]));
    assert_eq!(case.events(3).await, ["restarted", "complete", "+a"]);
    assert!(began.elapsed() >= FIRST_PAUSE * 31, "five pauses, each twice the one before");
}

#[tokio::test(start_paused = true)]
async fn a_step_that_is_dropped_loses_nothing() {
    let mut case = served(|uri| {
        let watch = uri.contains("watch=true");
        Some(if watch { watched(&[("ADDED", object("b", 8))]) } else { list(7, &["a"], "") })
    });
    let mut told = String::new();
    while told.matches("+b").count() < 3 {
        // Polled once and dropped, as a `select!` does with it.
        tokio::select! {
            biased;
            event = case.watch.next() => told += match event {
                Event::Restarted => "restarted ",
                Event::Complete => "complete ",
                Event::Object(object) if object.name_any() == "a" => "+a ",
                Event::Object(_) => "+b ",
                Event::Removed(_) => "- ",
            },
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(told, "restarted +a complete +b +b +b ");
}

#[tokio::test(start_paused = true)]
async fn objects_come_without_managed_fields() {
    let mut case = case([list(7, &["a"], "")]);
    case.events(1).await;
    let Event::Object(object) = case.watch.next().await else { panic!("an object follows") };
    assert_eq!(object.metadata.managed_fields, None);
}

#[tokio::test]
async fn a_watch_over_metadata_asks_for_metadata() {
    let accepted = Arc::new(Mutex::new(Vec::new()));
    let log = accepted.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let accept = request.headers().get(http::header::ACCEPT).and_then(|value| value.to_str().ok());
        log.lock().unwrap().push(accept.unwrap_or_default().to_owned());
        let list = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
            "metadata": {"resourceVersion": "7"}, "items": [{"metadata": {"name": "a"}}]});
        async move { Ok::<_, Infallible>(Response::new(Full::new(bytes::Bytes::from(list.to_string())))) }
    });
    let tasks = task::Group::new();
    let client = Client::in_process(service, &tasks);
    let mut watch = Watch::new(client.all::<PartialObjectMeta<ConfigMap>>());
    watch.next().await;
    let Event::Object(object) = watch.next().await else { panic!("an object follows") };
    assert_eq!(object.name_any(), "a");
    assert!(accepted.lock().unwrap()[0].contains("as=PartialObjectMetadataList"));
}
