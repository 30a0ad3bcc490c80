use client::kinds::core::v1::ConfigMap;
use client::meta::ObjectMeta;
use client::{Client, PostParams};

use crate::{Cluster, State, eventually};

async fn create(client: &Client, name: &str) {
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    let object = ConfigMap { metadata, ..ConfigMap::default() };
    let api = client.namespaced::<ConfigMap>("default");
    api.create(&PostParams::default(), &object).await.expect("the object is created");
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let cluster = Cluster::start().await;
    create(&cluster.client("test"), "a").await;
    let before = State::read(&cluster.client("test"), |_| true).await;
    let cluster = cluster.restart().await;
    let client = cluster.client("test");
    State::read(&client, |_| true).await.assert_same_as(&before);
    let cache = client.cache::<ConfigMap>();
    cache.complete().await;
    assert_eq!(cache.all().len(), 1);
    create(&client, "b").await;
    eventually("the cache follows", || std::future::ready((cache.all().len() == 2).then_some(()))).await;
    cluster.stop().await;
}

#[tokio::test]
#[should_panic(expected = "configmaps default/a")]
async fn a_write_is_seen_and_named() {
    let cluster = Cluster::start().await;
    let client = cluster.client("test");
    let before = State::read(&client, |_| true).await;
    create(&client, "a").await;
    State::read(&client, |_| true).await.assert_same_as(&before);
}
