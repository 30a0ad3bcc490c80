//! What the plan needs to know, read from objects.
//!
//! Pure. Start reading at [`goal`] and [`set`].

use client::KindExt;
use client::kinds::apps::v1::{Deployment, ReplicaSet, RollingUpdateDeployment};
use serde::Serialize;

use super::limits::{Limits, Portion};
use super::plan::{Goal, Set, Strategy};
use super::revision::{CEILING, DESIRED, count};
use super::status::replicas;

/// What `spec.strategy.rollingUpdate` is where it is not set, as in the API reference.
const DEFAULT_PORTION: Portion = Portion::Percent(25);

/// What a deployment asks for.
pub(crate) fn goal(deployment: &Deployment) -> Goal {
    let replicas = replicas(deployment).max(0);
    let strategy = match is_recreate(deployment) {
        true => Strategy::Recreate,
        false => Strategy::RollingUpdate(limits(deployment, replicas)),
    };
    let paused = deployment.spec.as_ref().and_then(|spec| spec.paused).unwrap_or(false);
    Goal { replicas, strategy, paused }
}

/// Whether all pods end before new ones begin.
pub(crate) fn is_recreate(deployment: &Deployment) -> bool {
    let strategy = deployment.spec.as_ref().and_then(|spec| spec.strategy.as_ref());
    strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("Recreate")
}

fn limits(deployment: &Deployment, replicas: i32) -> Limits {
    let strategy = deployment.spec.as_ref().and_then(|spec| spec.strategy.as_ref());
    let update: Option<&RollingUpdateDeployment> = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
    let surge = portion(update.and_then(|update| update.max_surge.as_ref()));
    let unavailable = portion(update.and_then(|update| update.max_unavailable.as_ref()));
    Limits::resolve(surge, unavailable, replicas)
}

fn portion(written: Option<impl Serialize>) -> Portion {
    let value = written.and_then(|written| serde_json::to_value(written).ok());
    value.and_then(|value| Portion::parse(&value)).unwrap_or(DEFAULT_PORTION)
}

/// What is known of a replica set. `occupied` says whether pods of it are there that have not ended.
pub(crate) fn set(set: &ReplicaSet, occupied: impl FnOnce(&ReplicaSet) -> bool) -> Set {
    let annotations = set.metadata.annotations.as_ref();
    let status = set.status.as_ref();
    Set {
        name: set.name_any(),
        created: set.metadata.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second()),
        wanted: set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1),
        available: status.and_then(|status| status.available_replicas).unwrap_or(0),
        occupied: status.is_some_and(|status| status.replicas > 0) || occupied(set),
        desired: count(annotations, DESIRED),
        ceiling: count(annotations, CEILING),
    }
}
