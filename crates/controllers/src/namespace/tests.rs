use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use client::PropagationPolicy::{Background, Foreground};
use client::{Body, BoxError, Client, DynamicObject, KindExt, Scope};
use http::Request;
use serde_json::{Value, json};
use task::Group;
use testkit::eventually;
use tower::ServiceExt;

use crate::stage::{HOLD, Stage, config_maps, custom, definitions, held, namespaces, object, secrets};

/// The conditions of a namespace that are true, by type: their messages.
fn troubles(namespace: &DynamicObject) -> Vec<(String, String)> {
    let conditions = namespace.data["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let trouble = |condition: &Value| (text(&condition["type"]), text(&condition["message"]));
    conditions.iter().filter(|condition| condition["status"] == "True").map(trouble).collect()
}

async fn troubled(stage: &Stage, name: &str) -> Vec<(String, String)> {
    eventually("the namespace says what it waits for", || async {
        let troubles = troubles(&stage.get(&namespaces(), name).await?);
        (!troubles.is_empty()).then_some(troubles)
    })
    .await
}

#[tokio::test]
async fn a_namespace_goes_with_all_of_its_content() {
    let mut stage = Stage::start().await;
    let ships = custom("sea.example", "ships", "Ship", Scope::Namespaced);
    stage.define(&ships).await;
    stage.namespace("sea").await;
    for number in 0..3 {
        stage.create(&ships, "sea", object(&format!("ship-{number}"), &[])).await;
        stage.create(&config_maps(), "sea", object(&format!("map-{number}"), &[])).await;
    }
    stage.create(&secrets(), "default", object("elsewhere", &[])).await;
    stage.delete(&namespaces(), "sea", Background).await;
    stage.disappears(&namespaces(), "sea").await;
    assert_eq!(stage.names(&ships, "sea").await, [""; 0]);
    assert_eq!(stage.names(&config_maps(), "sea").await, [""; 0]);
    assert_eq!(stage.names(&secrets(), "default").await, ["elsewhere"]);
    stage.assert_steady().await;
    stage.end().await;
}

#[tokio::test]
async fn a_finalizer_in_it_keeps_a_namespace_which_says_so() {
    let mut stage = Stage::start().await;
    let ships = custom("sea.example", "ships", "Ship", Scope::Namespaced);
    stage.define(&ships).await;
    stage.namespace("sea").await;
    stage.create(&ships, "sea", held("ship", &[])).await;
    stage.create(&config_maps(), "sea", object("map", &[])).await;
    stage.delete(&namespaces(), "sea", Background).await;
    let content = "Some resources are remaining: ships.sea.example has 1 resource instances";
    let finalizers = format!("Some content in the namespace has finalizers remaining: {HOLD} in 1 resource instances");
    assert_eq!(
        troubled(&stage, "sea").await,
        [
            ("NamespaceContentRemaining".to_owned(), content.to_owned()),
            ("NamespaceFinalizersRemaining".to_owned(), finalizers),
        ]
    );
    assert_eq!(stage.names(&config_maps(), "sea").await, [""; 0]);
    stage.assert_steady().await;
    let waiting = stage.get(&namespaces(), "sea").await.expect("it waits");
    assert_eq!(waiting.data["status"]["phase"], "Terminating");
    let freed = Instant::now();
    stage.patch(&ships, "sea/ship", json!({"finalizers": null})).await;
    stage.disappears(&namespaces(), "sea").await;
    assert!(freed.elapsed() < super::reconcile::LOOK_AGAIN / 2, "the watch tells, not the clock");
    stage.end().await;
}

#[tokio::test]
async fn a_namespace_that_is_deleted_twice_goes_once() {
    let stage = Stage::start().await;
    stage.namespace("sea").await;
    stage.create(&config_maps(), "sea", held("map", &[])).await;
    stage.delete(&namespaces(), "sea", Background).await;
    troubled(&stage, "sea").await;
    let first = stage.get(&namespaces(), "sea").await.expect("it waits");
    stage.delete(&namespaces(), "sea", Background).await;
    let second = stage.get(&namespaces(), "sea").await.expect("it still waits");
    assert_eq!(second.metadata.deletion_timestamp, first.metadata.deletion_timestamp);
    stage.patch(&config_maps(), "sea/map", json!({"finalizers": null})).await;
    stage.disappears(&namespaces(), "sea").await;
    let again = stage.namespace("sea").await;
    assert_ne!(again.uid(), first.uid());
    stage.end().await;
}

#[tokio::test]
async fn a_namespace_deleted_in_the_foreground_goes_too() {
    let stage = Stage::start().await;
    stage.namespace("sea").await;
    stage.create(&config_maps(), "sea", object("map", &[])).await;
    stage.delete(&namespaces(), "sea", Foreground).await;
    stage.disappears(&namespaces(), "sea").await;
    assert_eq!(stage.names(&config_maps(), "sea").await, [""; 0]);
    stage.end().await;
}

#[tokio::test]
async fn a_namespace_that_others_hold_is_emptied_and_released_by_us() {
    let stage = Stage::start().await;
    stage.create(&namespaces(), "", held("sea", &[])).await;
    stage.create(&config_maps(), "sea", object("map", &[])).await;
    stage.delete(&namespaces(), "sea", Background).await;
    let held = eventually("the content's finalizer is gone", || async {
        let namespace = stage.get(&namespaces(), "sea").await?;
        namespace.data["spec"]["finalizers"].as_array().is_none_or(Vec::is_empty).then_some(namespace)
    })
    .await;
    assert_eq!(troubles(&held), []);
    assert_eq!(stage.names(&config_maps(), "sea").await, [""; 0]);
    stage.patch(&namespaces(), "sea", json!({"finalizers": null})).await;
    stage.disappears(&namespaces(), "sea").await;
    stage.end().await;
}

#[tokio::test]
async fn a_deletion_that_nobody_saw_is_carried_out_later() {
    let mut stage = Stage::without_controllers().await;
    stage.namespace("sea").await;
    stage.create(&config_maps(), "sea", object("map", &[])).await;
    stage.delete(&namespaces(), "sea", Background).await;
    stage.run_controllers();
    stage.disappears(&namespaces(), "sea").await;
    assert_eq!(stage.names(&config_maps(), "sea").await, [""; 0]);
    stage.end().await;
}

#[tokio::test]
async fn controllers_that_are_killed_go_on_when_they_are_back() {
    let mut stage = Stage::start().await;
    stage.namespace("sea").await;
    for number in 0..50 {
        stage.create(&config_maps(), "sea", object(&format!("map-{number}"), &[])).await;
    }
    stage.create(&secrets(), "sea", held("secret", &[])).await;
    stage.delete(&namespaces(), "sea", Background).await;
    stage.kill_controllers().await;
    stage.patch(&secrets(), "sea/secret", json!({"finalizers": null})).await;
    assert!(stage.get(&namespaces(), "sea").await.is_some(), "nobody releases it");
    stage.run_controllers();
    stage.disappears(&namespaces(), "sea").await;
    stage.end().await;
}

#[tokio::test]
async fn a_namespace_goes_while_a_definition_goes() {
    let stage = Stage::start().await;
    let ships = custom("sea.example", "ships", "Ship", Scope::Namespaced);
    stage.define(&ships).await;
    stage.namespace("sea").await;
    stage.create(&ships, "sea", object("ship", &[])).await;
    stage.delete(&definitions(), "ships.sea.example", Background).await;
    stage.delete(&namespaces(), "sea", Background).await;
    stage.disappears(&namespaces(), "sea").await;
    stage.disappears(&definitions(), "ships.sea.example").await;
    assert!(!stage.names(&namespaces(), "").await.contains(&"sea".to_owned()));
    stage.end().await;
}

/// A client for which `/apis/sea.example/v1` fails as long as `broken` holds.
fn broken_discovery(stage: &Stage, broken: &Arc<AtomicBool>, tasks: &Group) -> Client {
    let local = stage.cluster.server().local(testkit::administrator("system:controllers"));
    let broken = broken.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let fails = broken.load(Ordering::SeqCst) && request.uri().path() == "/apis/sea.example/v1";
        let local = local.clone();
        async move {
            if fails {
                return Err(BoxError::from("broken on purpose"));
            }
            Ok(local.oneshot(request).await?)
        }
    });
    Client::in_process(service, tasks)
}

#[tokio::test]
async fn a_namespace_whose_content_is_unknown_stays_and_says_so() {
    let mut stage = Stage::without_controllers().await;
    let ships = custom("sea.example", "ships", "Ship", Scope::Namespaced);
    stage.define(&ships).await;
    stage.namespace("sea").await;
    stage.create(&ships, "sea", object("ship", &[])).await;
    let (broken, tasks) = (Arc::new(AtomicBool::new(true)), Group::new());
    let client = broken_discovery(&stage, &broken, &tasks);
    stage.run_controllers_on(client, tasks);
    stage.delete(&namespaces(), "sea", Background).await;
    let troubles = troubled(&stage, "sea").await;
    assert_eq!(troubles[0].0, "NamespaceDeletionDiscoveryFailure");
    assert!(troubles[0].1.contains("1 failing") && troubles[0].1.contains("sea.example/v1"), "{troubles:?}");
    assert_eq!(stage.names(&ships, "sea").await, ["ship"]);
    broken.store(false, Ordering::SeqCst);
    stage.disappears(&namespaces(), "sea").await;
    assert_eq!(stage.names(&ships, "sea").await, [""; 0]);
    stage.end().await;
}
