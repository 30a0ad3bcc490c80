//! The status of a replica set: how many pods it has and how far they are.
//!
//! Pure. Start reading at [`status`].

use std::sync::Arc;
use std::time::Duration;

use client::KindExt;
use client::kinds::apps::v1::{ReplicaSet, ReplicaSetCondition, ReplicaSetStatus};
use client::kinds::core::v1::Pod;
use client::meta::Time;
use jiff::{SignedDuration, Timestamp};

use crate::pod_state::{Availability, availability, ready};

const REPLICA_FAILURE: &str = "ReplicaFailure";

/// Why the pods could not all be created or deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// `FailedCreate` or `FailedDelete`.
    pub(crate) reason: &'static str,
    /// The first failure.
    pub(crate) message: String,
}

/// The status of `set` with these active pods, and after what time it will change although nothing happens: when a pod has
/// been ready for long enough.
pub(crate) fn status(
    set: &ReplicaSet,
    pods: &[Arc<Pod>],
    trouble: Option<&Trouble>,
    now: Timestamp,
) -> (ReplicaSetStatus, Option<Duration>) {
    let min_ready = set.spec.as_ref().and_then(|spec| spec.min_ready_seconds).unwrap_or(0);
    let min_ready = SignedDuration::from_secs(i64::from(min_ready));
    let labels = set.spec.as_ref().and_then(|spec| spec.template.as_ref()?.metadata.as_ref()?.labels.as_ref());
    let fully_labeled =
        |pod: &&Arc<Pod>| labels.into_iter().flatten().all(|(name, value)| pod.labels().get(name) == Some(value));
    let (mut available, mut next) = (0, None);
    for pod in pods {
        match availability(pod, min_ready, now) {
            Availability::Available => available += 1,
            Availability::In(left) => next = Some(next.map_or(left, |next: Duration| next.min(left))),
            Availability::No => {}
        }
    }
    let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let counted = |number: usize| Some(count(number)).filter(|number| *number != 0);
    let status = ReplicaSetStatus {
        replicas: count(pods.len()),
        fully_labeled_replicas: counted(pods.iter().filter(fully_labeled).count()),
        ready_replicas: counted(pods.iter().filter(|pod| ready(pod).is_some()).count()),
        available_replicas: counted(available),
        observed_generation: set.metadata.generation,
        conditions: conditions(set, trouble, now),
        ..ReplicaSetStatus::default()
    };
    // Conditions of pods have whole seconds; one more keeps the next look from coming too early.
    (status, next.map(|left| left + Duration::from_secs(1)))
}

/// The first trouble stays told, with its time, until there is none.
fn conditions(set: &ReplicaSet, trouble: Option<&Trouble>, now: Timestamp) -> Option<Vec<ReplicaSetCondition>> {
    let mut conditions = set.status.as_ref().and_then(|status| status.conditions.clone()).unwrap_or_default();
    let told = conditions.iter().any(|condition| condition.type_ == REPLICA_FAILURE);
    match trouble {
        None => conditions.retain(|condition| condition.type_ != REPLICA_FAILURE),
        Some(_) if told => {}
        Some(trouble) => conditions.push(ReplicaSetCondition {
            type_: REPLICA_FAILURE.to_owned(),
            status: "True".to_owned(),
            reason: Some(trouble.reason.to_owned()),
            message: Some(trouble.message.clone()),
            last_transition_time: Some(Time(now)),
        }),
    }
    Some(conditions).filter(|conditions| !conditions.is_empty())
}

#[cfg(test)]
mod tests;
