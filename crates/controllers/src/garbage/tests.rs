use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use client::PropagationPolicy::{Background, Foreground, Orphan};
use client::meta::OwnerReference;
use client::{KindExt, Scope};
use futures_util::{StreamExt, stream};
use http::Method;
use serde_json::json;
use task::Group;
use testkit::eventually;
use tokio::sync::Semaphore;

use crate::stage::{
    HOLD, Stage, blocking, config_maps, custom, definitions, events, held, namespaces, object, reference, secrets,
    service_accounts,
};

/// ConfigMaps in `default`: `owner` ← `child` ← `grandchild`.
async fn three_generations(stage: &Stage) {
    let owner = stage.create(&config_maps(), "default", object("owner", &[])).await;
    let child = stage.create(&config_maps(), "default", object("child", &[blocking(&owner)])).await;
    stage.create(&config_maps(), "default", object("grandchild", &[blocking(&child)])).await;
}

async fn owners(stage: &Stage, path: &str) -> Vec<OwnerReference> {
    stage.get(&config_maps(), path).await.expect("it is there").owner_references().to_vec()
}

#[tokio::test]
async fn in_the_background_dependents_follow_their_owners() {
    let mut stage = Stage::start().await;
    three_generations(&stage).await;
    stage.create(&config_maps(), "default", object("bystander", &[])).await;
    stage.delete(&config_maps(), "default/owner", Background).await;
    stage.disappears(&config_maps(), "default/grandchild").await;
    stage.disappears(&config_maps(), "default/child").await;
    assert_eq!(stage.names(&config_maps(), "default").await, ["bystander"]);
    stage.assert_steady().await;
    stage.end().await;
}

#[tokio::test]
async fn in_the_foreground_owners_wait_for_their_dependents() {
    let stage = Stage::start().await;
    let owner = stage.create(&config_maps(), "default", object("owner", &[])).await;
    let child = stage.create(&config_maps(), "default", object("child", &[blocking(&owner)])).await;
    stage.create(&config_maps(), "default", held("grandchild", &[blocking(&child)])).await;
    stage.delete(&config_maps(), "default/owner", Foreground).await;
    // The deletion goes down to the grandchild, which does not go.
    eventually("the grandchild is being deleted", || async {
        stage.get(&config_maps(), "default/grandchild").await?.metadata.deletion_timestamp
    })
    .await;
    stage.fence().await;
    for path in ["default/owner", "default/child"] {
        let waiting = stage.get(&config_maps(), path).await.expect("it waits");
        assert_eq!(waiting.finalizers(), ["foregroundDeletion"], "{path}");
    }
    stage.patch(&config_maps(), "default/grandchild", json!({"finalizers": null})).await;
    stage.disappears(&config_maps(), "default/owner").await;
    assert_eq!(stage.names(&config_maps(), "default").await, [""; 0]);
    stage.end().await;
}

#[tokio::test]
async fn a_dependent_that_does_not_block_keeps_no_owner_waiting() {
    let stage = Stage::start().await;
    let owner = stage.create(&config_maps(), "default", object("owner", &[])).await;
    stage.create(&config_maps(), "default", held("child", &[reference(&owner)])).await;
    stage.delete(&config_maps(), "default/owner", Foreground).await;
    stage.disappears(&config_maps(), "default/owner").await;
    let child = eventually("the child is being deleted", || async {
        let child = stage.get(&config_maps(), "default/child").await?;
        child.metadata.deletion_timestamp.is_some().then_some(child)
    })
    .await;
    assert_eq!(child.finalizers(), [HOLD]);
    stage.end().await;
}

#[tokio::test]
async fn objects_that_own_each_other_do_not_wait_for_each_other() {
    let stage = Stage::start().await;
    let first = stage.create(&config_maps(), "default", object("first", &[])).await;
    let second = stage.create(&config_maps(), "default", object("second", &[blocking(&first)])).await;
    stage.patch(&config_maps(), "default/first", json!({"ownerReferences": [blocking(&second)]})).await;
    stage.delete(&config_maps(), "default/first", Foreground).await;
    stage.disappears(&config_maps(), "default/first").await;
    stage.disappears(&config_maps(), "default/second").await;
    assert_eq!(stage.names(&config_maps(), "default").await, [""; 0]);
    stage.end().await;
}

#[tokio::test]
async fn orphaned_dependents_stay_without_their_owner() {
    let mut stage = Stage::start().await;
    three_generations(&stage).await;
    stage.delete(&config_maps(), "default/owner", Orphan).await;
    stage.disappears(&config_maps(), "default/owner").await;
    assert_eq!(owners(&stage, "default/child").await, []);
    assert_eq!(owners(&stage, "default/grandchild").await.len(), 1, "the child still owns the grandchild");
    stage.assert_steady().await;
    assert_eq!(stage.names(&config_maps(), "default").await, ["child", "grandchild"]);
    stage.end().await;
}

#[tokio::test]
async fn an_owner_of_the_same_name_is_another_owner() {
    let stage = Stage::start().await;
    three_generations(&stage).await;
    stage.delete(&config_maps(), "default/owner", Background).await;
    let second = stage.create(&config_maps(), "default", object("owner", &[])).await;
    stage.create(&config_maps(), "default", object("child-of-second", &[blocking(&second)])).await;
    stage.disappears(&config_maps(), "default/child").await;
    stage.disappears(&config_maps(), "default/grandchild").await;
    stage.fence().await;
    assert_eq!(stage.names(&config_maps(), "default").await, ["child-of-second", "owner"]);
    stage.end().await;
}

#[tokio::test]
async fn an_owner_that_was_replaced_while_nobody_looked_is_another_owner() {
    let mut stage = Stage::without_controllers().await;
    three_generations(&stage).await;
    stage.delete(&config_maps(), "default/owner", Background).await;
    stage.create(&config_maps(), "default", object("owner", &[])).await;
    stage.run_controllers();
    stage.disappears(&config_maps(), "default/child").await;
    stage.disappears(&config_maps(), "default/grandchild").await;
    assert_eq!(stage.names(&config_maps(), "default").await, ["owner"]);
    stage.end().await;
}

#[tokio::test]
async fn no_owner_is_let_go_before_all_dependents_can_be_known() {
    let mut stage = Stage::without_controllers().await;
    let owner = stage.create(&secrets(), "default", object("owner", &[])).await;
    stage.create(&config_maps(), "default", object("child", &[blocking(&owner)])).await;
    stage.delete(&secrets(), "default/owner", Orphan).await;
    // Dependents cannot be listed yet, while the owner's kind is being watched already.
    let (listable, watched) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (lists, watches, tasks) = (listable.clone(), watched.clone(), Group::new());
    let client = stage.client_through(&tasks, move |request| {
        let (path, watch) = (request.uri().path(), request.uri().query().is_some_and(|query| query.contains("watch")));
        if path == "/api/v1/secrets" && watch {
            watches.add_permits(1);
        }
        let waits = (path == "/api/v1/configmaps").then(|| lists.clone());
        async move {
            if let Some(lists) = waits {
                drop(lists.acquire().await);
            }
        }
    });
    stage.run_controllers_on(client, tasks);
    drop(watched.acquire().await);
    stage.namespace("sea").await;
    stage.appears(&service_accounts(), "sea/default").await;
    let waiting = stage.get(&secrets(), "default/owner").await.expect("it waits for what it may own");
    assert_eq!(waiting.finalizers(), ["orphan"]);
    listable.add_permits(1);
    stage.disappears(&secrets(), "default/owner").await;
    assert_eq!(owners(&stage, "default/child").await, []);
    stage.end().await;
}

#[tokio::test]
async fn one_owner_of_several_is_enough_to_stay() {
    let stage = Stage::start().await;
    let leaving = stage.create(&config_maps(), "default", object("leaving", &[])).await;
    let staying = stage.create(&secrets(), "default", object("staying", &[])).await;
    stage.create(&config_maps(), "default", object("child", &[reference(&leaving), reference(&staying)])).await;
    stage.delete(&config_maps(), "default/leaving", Background).await;
    let left = eventually("the reference is removed", || async {
        let owners = owners(&stage, "default/child").await;
        (owners.len() == 1).then_some(owners)
    })
    .await;
    assert_eq!(left[0].name, "staying");
    stage.delete(&secrets(), "default/staying", Background).await;
    stage.disappears(&config_maps(), "default/child").await;
    stage.end().await;
}

#[tokio::test]
async fn a_dependent_made_after_its_owner_is_gone_goes_too() {
    let stage = Stage::start().await;
    let owner = stage.create(&config_maps(), "default", object("owner", &[])).await;
    stage.delete(&config_maps(), "default/owner", Background).await;
    stage.create(&secrets(), "default", object("late", &[reference(&owner)])).await;
    stage.disappears(&secrets(), "default/late").await;
    let invented = OwnerReference { uid: "was-never-there".to_owned(), ..reference(&owner) };
    stage.create(&secrets(), "default", object("invented", &[invented])).await;
    stage.disappears(&secrets(), "default/invented").await;
    assert_eq!(stage.names(&secrets(), "default").await, [""; 0]);
    stage.end().await;
}

#[tokio::test]
async fn an_owner_in_another_namespace_is_no_owner_and_people_are_told() {
    let stage = Stage::start().await;
    stage.namespace("sea").await;
    let owner = stage.create(&config_maps(), "sea", object("owner", &[])).await;
    stage.create(&config_maps(), "default", object("child", &[reference(&owner)])).await;
    stage.disappears(&config_maps(), "default/child").await;
    let list = stage.client.objects(&events(), Some("default")).list(&Default::default()).await;
    let event = list.expect("events").items.remove(0).data;
    assert_eq!((&event["reason"], &event["type"]), (&json!("OwnerRefInvalidNamespace"), &json!("Warning")));
    let uid = owner.uid().expect("a uid");
    let message = format!(
        "ownerRef [v1/ConfigMap, namespace: default, name: owner, uid: {uid}] does not exist in namespace \"default\""
    );
    assert_eq!(event["message"], message);
    assert_eq!(event["involvedObject"]["name"], "child");
    assert!(stage.get(&config_maps(), "sea/owner").await.is_some());
    stage.end().await;
}

#[tokio::test]
async fn custom_resources_own_and_are_owned() {
    let mut stage = Stage::start().await;
    let ships = custom("sea.example", "ships", "Ship", Scope::Namespaced);
    stage.define(&ships).await;
    let ship = stage.create(&ships, "default", object("ship", &[])).await;
    let boat = stage.create(&ships, "default", object("boat", &[reference(&ship)])).await;
    stage.create(&config_maps(), "default", object("log", &[reference(&boat)])).await;
    stage.fence().await;
    stage.assert_steady().await;
    stage.delete(&ships, "default/ship", Background).await;
    stage.disappears(&ships, "default/boat").await;
    stage.disappears(&config_maps(), "default/log").await;
    assert_eq!(stage.names(&ships, "default").await, [""; 0]);
    stage.end().await;
}

#[tokio::test]
async fn an_owner_of_cluster_scope_owns_objects_in_namespaces() {
    let stage = Stage::start().await;
    let seas = custom("sea.example", "seas", "Sea", Scope::Cluster);
    stage.define(&seas).await;
    let sea = stage.create(&seas, "", object("baltic", &[])).await;
    stage.create(&config_maps(), "default", object("chart", &[blocking(&sea)])).await;
    stage.fence().await;
    assert!(stage.get(&config_maps(), "default/chart").await.is_some());
    stage.delete(&seas, "baltic", Foreground).await;
    stage.disappears(&config_maps(), "default/chart").await;
    stage.disappears(&seas, "baltic").await;
    assert_eq!(stage.names(&seas, "").await, [""; 0]);
    stage.end().await;
}

#[tokio::test]
async fn an_object_of_cluster_scope_with_an_owner_in_a_namespace_stays() {
    let stage = Stage::start().await;
    let seas = custom("sea.example", "seas", "Sea", Scope::Cluster);
    stage.define(&seas).await;
    let owner = stage.create(&config_maps(), "default", object("owner", &[])).await;
    stage.create(&seas, "", object("baltic", &[reference(&owner)])).await;
    stage.fence().await;
    assert!(stage.get(&seas, "baltic").await.is_some());
    stage.end().await;
}

#[tokio::test]
async fn dependents_of_a_kind_go_with_its_definition() {
    let stage = Stage::start().await;
    let ships = custom("sea.example", "ships", "Ship", Scope::Namespaced);
    stage.define(&ships).await;
    let owner = stage.create(&config_maps(), "default", object("owner", &[])).await;
    let ship = stage.create(&ships, "default", object("ship", &[blocking(&owner)])).await;
    stage.create(&config_maps(), "default", object("log", &[reference(&ship)])).await;
    // A later ship goes with its owner: the collector has seen the earlier one. Of one that it never saw, and whose kind is
    // gone, nobody could say that it is not there.
    let scout = stage.create(&secrets(), "default", object("scout", &[])).await;
    stage.create(&ships, "default", object("tender", &[reference(&scout)])).await;
    stage.delete(&secrets(), "default/scout", Background).await;
    stage.disappears(&ships, "default/tender").await;
    stage.delete(&definitions(), "ships.sea.example", Background).await;
    stage.disappears(&definitions(), "ships.sea.example").await;
    // The owner was waited for by nobody, and what the ship owned has no owner.
    stage.disappears(&config_maps(), "default/log").await;
    stage.delete(&config_maps(), "default/owner", Foreground).await;
    stage.disappears(&config_maps(), "default/owner").await;
    assert_eq!(stage.names(&config_maps(), "default").await, [""; 0]);
    stage.end().await;
}

#[tokio::test]
async fn owners_go_with_their_definition_also_when_nobody_saw_them_go() {
    let mut stage = Stage::without_controllers().await;
    let ships = custom("sea.example", "ships", "Ship", Scope::Namespaced);
    stage.define(&ships).await;
    let ship = stage.create(&ships, "default", object("ship", &[])).await;
    stage.create(&config_maps(), "default", object("log", &[reference(&ship)])).await;
    let tasks = Group::new();
    let client = stage.client_through(&tasks, |request| {
        let query = request.uri().query().unwrap_or_default();
        let watches_ships = request.uri().path() == "/apis/sea.example/v1/ships" && query.contains("watch");
        async move {
            if watches_ships {
                std::future::pending().await
            }
        }
    });
    stage.run_controllers_on(client, tasks);
    stage.fence().await;
    stage.delete(&definitions(), "ships.sea.example", Background).await;
    stage.disappears(&config_maps(), "default/log").await;
    assert!(stage.get(&definitions(), "ships.sea.example").await.is_none());
    stage.end().await;
}

#[tokio::test]
async fn an_owner_of_an_unknown_kind_is_waited_for() {
    let stage = Stage::start().await;
    let ships = custom("sea.example", "ships", "Ship", Scope::Namespaced);
    let owner = OwnerReference {
        api_version: "sea.example/v1".to_owned(),
        kind: "Ship".to_owned(),
        name: "ship".to_owned(),
        uid: "of-a-kind-to-come".to_owned(),
        ..OwnerReference::default()
    };
    stage.create(&config_maps(), "default", object("log", &[owner])).await;
    stage.fence().await;
    assert!(stage.get(&config_maps(), "default/log").await.is_some(), "nobody can say that the owner is not there");
    stage.define(&ships).await;
    stage.disappears(&config_maps(), "default/log").await;
    stage.end().await;
}

/// `count` ConfigMaps in `default` that are owned by the Secret `owner`.
async fn family(stage: &Stage, count: usize) {
    let owner = stage.create(&secrets(), "default", object("owner", &[])).await;
    let reference = &reference(&owner);
    let children = (0..count).map(|number| async move {
        stage
            .create(&config_maps(), "default", object(&format!("child-{number}"), std::slice::from_ref(reference)))
            .await;
    });
    stream::iter(children).buffer_unordered(64).collect::<()>().await;
}

/// How many deletions there were, and how many at the same time.
#[derive(Default)]
struct Deletions {
    running: AtomicUsize,
    most: AtomicUsize,
    all: AtomicUsize,
}

#[tokio::test]
async fn two_thousand_dependents_go_a_few_at_a_time() {
    let mut stage = Stage::without_controllers().await;
    let (deletions, tasks) = (Arc::new(Deletions::default()), Group::new());
    let counted = deletions.clone();
    let client = stage.client_through(&tasks, move |request| {
        let counted = (request.method() == Method::DELETE).then(|| counted.clone());
        async move {
            let Some(deletions) = counted else { return };
            let running = deletions.running.fetch_add(1, Ordering::SeqCst) + 1;
            deletions.most.fetch_max(running, Ordering::SeqCst);
            deletions.all.fetch_add(1, Ordering::SeqCst);
            // Whoever else wants to delete gets the chance to.
            for _ in 0..64 {
                tokio::task::yield_now().await;
            }
            deletions.running.fetch_sub(1, Ordering::SeqCst);
        }
    });
    stage.run_controllers_on(client, tasks);
    family(&stage, 2000).await;
    stage.delete(&secrets(), "default/owner", Background).await;
    stage.empties(&config_maps(), "default").await;
    let most = deletions.most.load(Ordering::SeqCst);
    assert!((2..=super::reconcile::CONCURRENCY).contains(&most), "{most} at the same time");
    assert_eq!(deletions.all.load(Ordering::SeqCst), 2000, "each was deleted once");
    stage.end().await;
}

#[tokio::test]
async fn controllers_that_are_killed_go_on_when_they_are_back() {
    let mut stage = Stage::start().await;
    family(&stage, 300).await;
    stage.delete(&secrets(), "default/owner", Background).await;
    eventually("some dependents are gone", || async {
        (stage.names(&config_maps(), "default").await.len() < 290).then_some(())
    })
    .await;
    stage.kill_controllers().await;
    let left = stage.names(&config_maps(), "default").await.len();
    assert!(left > 0, "killed in the middle");
    stage.run_controllers();
    stage.empties(&config_maps(), "default").await;
    stage.assert_steady().await;
    stage.end().await;
}

#[tokio::test]
async fn what_happened_while_no_controllers_ran_is_made_up_for() {
    let mut stage = Stage::without_controllers().await;
    three_generations(&stage).await;
    let waiting = stage.create(&config_maps(), "default", object("waiting", &[])).await;
    stage.create(&config_maps(), "default", object("awaited", &[blocking(&waiting)])).await;
    let letting_go = stage.create(&config_maps(), "default", object("letting-go", &[])).await;
    stage.create(&config_maps(), "default", object("let-go", &[blocking(&letting_go)])).await;
    stage.delete(&config_maps(), "default/owner", Background).await;
    stage.delete(&config_maps(), "default/waiting", Foreground).await;
    stage.delete(&config_maps(), "default/letting-go", Orphan).await;
    stage.run_controllers();
    for path in ["default/grandchild", "default/waiting", "default/awaited", "default/letting-go"] {
        stage.disappears(&config_maps(), path).await;
    }
    assert_eq!(stage.names(&config_maps(), "default").await, ["let-go"]);
    stage.assert_steady().await;
    stage.end().await;
}

#[tokio::test]
async fn a_namespace_owns_like_any_other_object() {
    let stage = Stage::start().await;
    let sea = stage.namespace("sea").await;
    stage.create(&config_maps(), "default", object("chart", &[reference(&sea)])).await;
    stage.delete(&namespaces(), "sea", Background).await;
    stage.disappears(&config_maps(), "default/chart").await;
    assert!(stage.get(&namespaces(), "sea").await.is_none());
    stage.end().await;
}
