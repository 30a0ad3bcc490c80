//! ReplicaSets: as many pods as they ask for, made from their template.
//!
//! `plan` decides how many pods come or go and which, `status` counts them, `reconcile` does it. What it never does: change
//! a pod that it has made, or move one. Start reading at `plan`, then [`run`].

mod plan;
mod reconcile;
mod status;

use client::kinds::apps::v1::ReplicaSet;
use client::kinds::core::v1::Pod;
use client::{Cache, Client, Controller, Key, KindExt, Leadership, Queue};
use machinery::selector::LabelSelector;
use stdx::Clock;
use task::CancellationToken;

use crate::ownership::{Owned, controller_reference};
use reconcile::Reconciler;

/// How many replica sets have their turn at the same time.
const CONCURRENCY: usize = 8;

/// Looks after all replica sets until `stop`.
pub(crate) async fn run(client: Client, clock: Clock, leadership: Leadership, stop: CancellationToken) {
    let queue = Queue::new();
    let sets = client.cache::<ReplicaSet>();
    let pods = client.cache::<Pod>();
    let (changed, owners) = (queue.clone(), sets.clone());
    let owned = Owned::new(pods.clone(), move |pod: &Pod| {
        owners_of(pod, &owners).into_iter().for_each(|key| changed.add(key));
    });
    let changed = queue.clone();
    let siblings = Owned::new(sets.clone(), move |set: &ReplicaSet| changed.add(Key::of(set)));
    let ready = async { tokio::join!(sets.complete(), pods.complete()) };
    tokio::select! {
        () = stop.cancelled() => return,
        _ = ready => {}
    }
    let reconciler = Reconciler::new(client, clock, owned, siblings);
    let controller = Controller { name: "replica sets", concurrency: CONCURRENCY, queue, leadership };
    controller.run(&reconciler, stop).await;
}

/// The replica sets that a pod concerns: its owner; without any, those that may want it.
fn owners_of(pod: &Pod, sets: &Cache<ReplicaSet>) -> Vec<Key> {
    let namespace = pod.metadata.namespace.clone();
    match controller_reference(pod) {
        Some(owner) if owner.kind == "ReplicaSet" => vec![Key { namespace, name: owner.name.clone() }],
        Some(_) => Vec::new(),
        None => {
            let wants = |set: &ReplicaSet| {
                let labels = pod.labels();
                set.metadata.namespace == namespace
                    && selector(set)
                        .is_some_and(|selector| selector.matches_by(|key| labels.get(key).map(String::as_str)))
            };
            sets.all().into_iter().filter(|set| wants(set)).map(|set| Key::of(&*set)).collect()
        }
    }
}

/// What a replica set selects. None for a selector that validation would not have let in, and for one that selects
/// everything.
fn selector(set: &ReplicaSet) -> Option<LabelSelector> {
    crate::selector::parse(&set.spec.as_ref()?.selector)
}

#[cfg(test)]
mod tests;
