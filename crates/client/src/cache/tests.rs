use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response};
use http_body_util::Full;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};

use crate::{Body, Cache, Client, Key, KindExt};

fn object(name: &str, version: u64) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default", "resourceVersion": version.to_string()}})
}

fn list(version: u64, names: &[&str]) -> String {
    let items: Vec<Value> = names.iter().map(|name| object(name, version)).collect();
    json!({"metadata": {"resourceVersion": version.to_string()}, "items": items}).to_string()
}

/// A client of a server that answers with `bodies` and then falls silent; it counts the requests.
fn client(bodies: &[String], tasks: &task::Group) -> (Client, Arc<Mutex<usize>>) {
    let bodies: Arc<Mutex<VecDeque<String>>> = Arc::new(Mutex::new(bodies.iter().cloned().collect()));
    let requests = Arc::new(Mutex::new(0));
    let counted = requests.clone();
    let service = tower::service_fn(move |_: Request<Body>| {
        *counted.lock().unwrap() += 1;
        let body = bodies.lock().unwrap().pop_front();
        async move {
            let Some(body) = body else { return std::future::pending().await };
            Ok::<_, Infallible>(Response::new(Full::new(bytes::Bytes::from(body))))
        }
    });
    (Client::in_process(service, tasks), requests)
}

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let reached = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), reached).await.expect(what);
}

fn names(cache: &Cache<ConfigMap>) -> Vec<String> {
    let mut names: Vec<String> = cache.all().iter().map(|object| object.name_any()).collect();
    names.sort();
    names
}

#[tokio::test(start_paused = true)]
async fn what_a_new_list_no_longer_has_is_gone_and_told() {
    let tasks = task::Group::new();
    let expired = json!({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired",
        "status": "Failure", "message": "on purpose", "metadata": {}}});
    let (client, _) = client(&[list(1, &["a", "b"]), format!("{expired}\n"), list(5, &["b", "c"])], &tasks);
    let cache = client.cache::<ConfigMap>();
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = told.clone();
    let _subscription = cache.subscribe(move |object: &ConfigMap| log.lock().unwrap().push(object.name_any()));
    cache.complete().await;
    eventually("the second list is in", || names(&cache) == ["b", "c"]).await;
    let mut told = told.lock().unwrap().clone();
    told.sort();
    assert_eq!(told, ["a", "a", "b", "b", "c"]);
    assert!(cache.get(&Key::namespaced("default", "a")).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_kind_is_watched_once_however_many_ask_for_it() {
    let tasks = task::Group::new();
    let (client, requests) = client(&[list(1, &["a"])], &tasks);
    let (first, second) = (client.cache::<ConfigMap>(), client.clone().cache::<ConfigMap>());
    first.complete().await;
    assert_eq!(names(&second), ["a"]);
    eventually("the watch is asked for", || *requests.lock().unwrap() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_late_subscriber_hears_of_what_is_there_and_a_dropped_one_of_nothing_more() {
    let tasks = task::Group::new();
    let added = json!({"type": "ADDED", "object": object("b", 2)});
    let (client, _) = client(&[list(1, &["a"]), format!("{added}\n")], &tasks);
    let cache = client.cache::<ConfigMap>();
    eventually("both are in", || names(&cache) == ["a", "b"]).await;
    let told = Arc::new(Mutex::new(0));
    let count = told.clone();
    let subscription = cache.subscribe(move |_: &ConfigMap| *count.lock().unwrap() += 1);
    assert_eq!(*told.lock().unwrap(), 2);
    drop(subscription);
    assert_eq!(Arc::strong_count(&told), 1, "the listener is gone with its subscription");
}
