//! Deployments: replica sets that are replaced, step by step, when the template changes.
//!
//! `plan` decides the next step (with `limits` for its numbers), `template` tells templates apart, `revision` keeps the
//! history that `kubectl rollout` reads, `status` says how far it has come, `reconcile` does it. Pods are the replica sets'
//! business. Start reading at `plan`, then [`run`].

mod facts;
mod limits;
mod plan;
mod reconcile;
mod revision;
mod status;
mod template;

use client::kinds::apps::v1::{Deployment, ReplicaSet};
use client::kinds::core::v1::Pod;
use client::{Cache, Client, Controller, Key, KindExt, Leadership, Queue};
use stdx::Clock;
use task::CancellationToken;

use crate::ownership::{Owned, controller_reference};
use reconcile::Reconciler;

/// How many deployments have their turn at the same time.
const CONCURRENCY: usize = 8;

/// Looks after all deployments until `stop`.
pub(crate) async fn run(client: Client, clock: Clock, leadership: Leadership, stop: CancellationToken) {
    let queue = Queue::new();
    let (deployments, sets, pods) = (client.cache::<Deployment>(), client.cache::<ReplicaSet>(), client.cache::<Pod>());
    let changed = queue.clone();
    let _deployments = deployments.subscribe(move |deployment| changed.add(Key::of(deployment)));
    let (changed, owners) = (queue.clone(), deployments.clone());
    let owned = Owned::new(sets.clone(), move |set: &ReplicaSet| {
        owners_of(set, &owners).into_iter().for_each(|key| changed.add(key));
    });
    let (changed, owners, between) = (queue.clone(), deployments.clone(), sets.clone());
    let _pods = pods.subscribe(move |pod| {
        waiting_for(pod, &between, &owners).into_iter().for_each(|key| changed.add(key));
    });
    let ready = async { tokio::join!(deployments.complete(), sets.complete(), pods.complete()) };
    tokio::select! {
        () = stop.cancelled() => return,
        _ = ready => {}
    }
    let reconciler = Reconciler::new(client, clock, owned);
    let controller = Controller { name: "deployments", concurrency: CONCURRENCY, queue, leadership };
    controller.run(&reconciler, stop).await;
}

/// The deployments that a replica set concerns: its owner; without any, those that may want it.
fn owners_of(set: &ReplicaSet, deployments: &Cache<Deployment>) -> Vec<Key> {
    let namespace = set.metadata.namespace.clone();
    match controller_reference(set) {
        Some(owner) if owner.kind == "Deployment" => vec![Key { namespace, name: owner.name.clone() }],
        Some(_) => Vec::new(),
        None => {
            let wants = |deployment: &Deployment| {
                let selector = deployment.spec.as_ref().and_then(|spec| crate::selector::parse(&spec.selector));
                let matches = selector.is_some_and(|s| s.matches_by(|key| set.labels().get(key).map(String::as_str)));
                deployment.metadata.namespace == namespace && matches
            };
            deployments.all().into_iter().filter(|found| wants(found)).map(|found| Key::of(&*found)).collect()
        }
    }
}

/// The deployment that may wait for a pod to end: only those with the strategy Recreate do.
fn waiting_for(pod: &Pod, sets: &Cache<ReplicaSet>, deployments: &Cache<Deployment>) -> Option<Key> {
    let namespace = pod.metadata.namespace.clone();
    let owner = controller_reference(pod).filter(|owner| owner.kind == "ReplicaSet")?;
    let set = sets.get(&Key { namespace: namespace.clone(), name: owner.name.clone() })?;
    let owner = controller_reference(&*set).filter(|owner| owner.kind == "Deployment")?;
    let key = Key { namespace, name: owner.name.clone() };
    let deployment = deployments.get(&key)?;
    facts::is_recreate(&deployment).then_some(key)
}

/// The revision of a replica set.
#[cfg(test)]
pub(crate) fn revision_of(set: &ReplicaSet) -> i64 {
    revision::revision(set.metadata.annotations.as_ref())
}

#[cfg(test)]
mod tests;
