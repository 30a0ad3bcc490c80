use client::PropagationPolicy::Background;

use crate::stage::{HOLD, Stage, config_maps, held, namespaces, service_accounts};

#[tokio::test]
async fn every_namespace_has_the_default_account() {
    let stage = Stage::start().await;
    stage.namespace("sea").await;
    for namespace in ["default", "kube-system", "kube-public", "sea"] {
        let account = stage.appears(&service_accounts(), &format!("{namespace}/default")).await;
        assert_eq!(account.metadata.namespace.as_deref(), Some(namespace));
    }
    stage.end().await;
}

#[tokio::test]
async fn a_deleted_account_is_made_again() {
    let stage = Stage::start().await;
    let first = stage.appears(&service_accounts(), "default/default").await;
    stage.delete(&service_accounts(), "default/default", Background).await;
    let second = testkit::eventually("the account is made again", || async {
        let account = stage.get(&service_accounts(), "default/default").await?;
        (account.metadata.uid != first.metadata.uid).then_some(account)
    })
    .await;
    assert_ne!(second.metadata.uid, first.metadata.uid);
    stage.end().await;
}

#[tokio::test]
async fn a_namespace_that_is_going_gets_no_account() {
    let stage = Stage::start().await;
    stage.namespace("sea").await;
    stage.appears(&service_accounts(), "sea/default").await;
    stage.create(&config_maps(), "sea", held("anchor", &[])).await;
    stage.delete(&namespaces(), "sea", Background).await;
    stage.disappears(&service_accounts(), "sea/default").await;
    stage.fence().await;
    assert_eq!(stage.names(&service_accounts(), "sea").await, [""; 0]);
    let anchor = stage.get(&config_maps(), "sea/anchor").await.expect("held by its finalizer");
    assert_eq!(anchor.metadata.finalizers.as_deref(), Some(&[HOLD.to_owned()][..]));
    stage.end().await;
}
