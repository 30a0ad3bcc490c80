//! The status of a deployment, as `kubectl rollout status` reads it: counts, and what they say about progress.
//!
//! Pure. Reasons and messages are those of kube-controller-manager, because scripts match on them. Start reading at
//! [`status`].

use std::time::Duration;

use client::kinds::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet};
use client::meta::Time;
use jiff::{SignedDuration, Timestamp};

const AVAILABLE: &str = "Available";
const PROGRESSING: &str = "Progressing";
const REPLICA_FAILURE: &str = "ReplicaFailure";

const COMPLETE: &str = "NewReplicaSetAvailable";
const TIMED_OUT: &str = "ProgressDeadlineExceeded";
const PAUSED: &str = "DeploymentPaused";

/// What the status is made from.
#[derive(Debug)]
pub(crate) struct Observed<'a> {
    /// The deployment, with its former status.
    pub(crate) deployment: &'a Deployment,
    /// How many pods it may lack.
    pub(crate) unavailable: i32,
    /// The replica set of the current template.
    pub(crate) new: Option<&'a ReplicaSet>,
    /// All other replica sets.
    pub(crate) old: Vec<&'a ReplicaSet>,
    /// What this turn did.
    pub(crate) turn: Turn,
    /// The time.
    pub(crate) now: Timestamp,
}

/// What a turn of the controller did, as far as it is worth a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It scaled, or is paused: how far a roll-out has come is not judged.
    Scaled,
    /// It rolled, or found nothing to do.
    Rolled,
    /// It created the replica set of the current template.
    Created,
    /// It could not create the replica set, for this reason.
    NotCreated(String),
}

/// The new status, and after what time it will change although nothing happens: when the roll-out is late.
pub(crate) fn status(observed: &Observed<'_>) -> (DeploymentStatus, Option<Duration>) {
    let deployment = observed.deployment;
    let former = deployment.status.clone().unwrap_or_default();
    let mut status = counts(observed);
    let mut conditions = Conditions { list: former.conditions.clone().unwrap_or_default(), now: observed.now };
    conditions.set(availability(observed, &status));
    let deadline = progress_deadline(deployment);
    match deadline {
        Some(deadline) => {
            pause(deployment, &mut conditions);
            announce(observed, &mut conditions);
            if observed.turn != Turn::Scaled {
                progress(&Progress { observed, former: &former, status: &status, deadline }, &mut conditions);
            }
        }
        None if observed.turn != Turn::Scaled => conditions.remove(PROGRESSING),
        None => {}
    }
    if observed.turn != Turn::Scaled {
        replica_failure(observed, &mut conditions);
    }
    let late = deadline.and_then(|deadline| late_in(observed, &status, &conditions, deadline));
    status.conditions = Some(conditions.list);
    (status, late)
}

/// Whether all pods are new and available, and no others are left.
pub(crate) fn is_complete(deployment: &Deployment, status: &DeploymentStatus) -> bool {
    let replicas = Some(replicas(deployment)).filter(|replicas| *replicas != 0);
    [status.updated_replicas, status.replicas, status.available_replicas].iter().all(|count| *count == replicas)
        && status.observed_generation >= deployment.metadata.generation
}

/// `spec.replicas`, 1 where it is not set.
pub(crate) fn replicas(deployment: &Deployment) -> i32 {
    deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}

/// `i32::MAX` stands for no deadline, as in the API reference.
fn progress_deadline(deployment: &Deployment) -> Option<SignedDuration> {
    let seconds = deployment.spec.as_ref()?.progress_deadline_seconds?;
    (seconds != i32::MAX).then(|| SignedDuration::from_secs(i64::from(seconds)))
}

fn counts(observed: &Observed<'_>) -> DeploymentStatus {
    let sum = |count: fn(&ReplicaSet) -> Option<i32>| -> i32 {
        observed.old.iter().copied().chain(observed.new).filter_map(count).sum()
    };
    let actual = |set: &ReplicaSet| Some(set.status.as_ref()?.replicas);
    let wanted = sum(|set| set.spec.as_ref()?.replicas);
    let available = sum(|set| set.status.as_ref()?.available_replicas);
    let counted = |count: i32| Some(count).filter(|count| *count != 0);
    DeploymentStatus {
        observed_generation: observed.deployment.metadata.generation,
        replicas: counted(sum(actual)),
        updated_replicas: counted(observed.new.and_then(actual).unwrap_or(0)),
        ready_replicas: counted(sum(|set| set.status.as_ref()?.ready_replicas)),
        available_replicas: counted(available),
        unavailable_replicas: counted((wanted - available).max(0)),
        collision_count: observed.deployment.status.as_ref().and_then(|status| status.collision_count),
        ..DeploymentStatus::default()
    }
}

fn availability(observed: &Observed<'_>, status: &DeploymentStatus) -> Finding {
    let floor = replicas(observed.deployment) - observed.unavailable;
    match status.available_replicas.unwrap_or(0) >= floor {
        true => Finding {
            condition: AVAILABLE,
            status: "True",
            reason: "MinimumReplicasAvailable",
            message: "Deployment has minimum availability.".to_owned(),
        },
        false => Finding {
            condition: AVAILABLE,
            status: "False",
            reason: "MinimumReplicasUnavailable",
            message: "Deployment does not have minimum availability.".to_owned(),
        },
    }
}

/// Time does not run while a deployment is paused. That it was late before it was paused stays said.
fn pause(deployment: &Deployment, conditions: &mut Conditions) {
    let reason = conditions.reason(PROGRESSING).unwrap_or_default();
    if reason == TIMED_OUT {
        return;
    }
    let paused = deployment.spec.as_ref().and_then(|spec| spec.paused).unwrap_or(false);
    match (paused, reason == PAUSED) {
        (true, false) => conditions.set(progressing("Unknown", PAUSED, "Deployment is paused".to_owned())),
        (false, true) => {
            conditions.set(progressing("Unknown", "DeploymentResumed", "Deployment is resumed".to_owned()));
        }
        _ => {}
    }
}

/// Says that a roll-out begins.
fn announce(observed: &Observed<'_>, conditions: &mut Conditions) {
    let name = observed.new.and_then(|set| set.metadata.name.as_deref());
    match (&observed.turn, name) {
        (Turn::Created, Some(name)) => {
            let message = format!("Created new replica set \"{name}\"");
            conditions.set(progressing("True", "NewReplicaSetCreated", message));
        }
        (Turn::NotCreated(why), _) => conditions.set(progressing("False", "ReplicaSetCreateError", why.clone())),
        (_, Some(name)) if conditions.reason(PROGRESSING).is_none() => {
            let message = format!("Found new replica set \"{name}\"");
            conditions.set(progressing("True", "FoundNewReplicaSet", message));
        }
        _ => {}
    }
}

struct Progress<'a> {
    observed: &'a Observed<'a>,
    former: &'a DeploymentStatus,
    status: &'a DeploymentStatus,
    deadline: SignedDuration,
}

fn progress(progress: &Progress<'_>, conditions: &mut Conditions) {
    let Progress { observed, former, status, .. } = progress;
    let ended = status.replicas == status.updated_replicas && conditions.reason(PROGRESSING) == Some(COMPLETE);
    if ended {
        // A pod that is replaced later is no roll-out.
        return;
    }
    let who = match observed.new.and_then(|set| set.metadata.name.as_deref()) {
        Some(name) => format!("ReplicaSet \"{name}\""),
        None => format!("Deployment \"{}\"", observed.deployment.metadata.name.as_deref().unwrap_or_default()),
    };
    if is_complete(observed.deployment, status) {
        conditions.set(progressing("True", COMPLETE, format!("{who} has successfully progressed.")));
    } else if has_advanced(former, status) {
        conditions.renew(progressing("True", "ReplicaSetUpdated", format!("{who} is progressing.")));
    } else if is_late(conditions, progress.deadline) {
        conditions.set(progressing("False", TIMED_OUT, format!("{who} has timed out progressing.")));
    }
}

/// More new pods, fewer old ones, or more that are ready or available.
fn has_advanced(former: &DeploymentStatus, status: &DeploymentStatus) -> bool {
    let old = |status: &DeploymentStatus| status.replicas.unwrap_or(0) - status.updated_replicas.unwrap_or(0);
    let more = |count: fn(&DeploymentStatus) -> Option<i32>| count(status).unwrap_or(0) > count(former).unwrap_or(0);
    more(|status| status.updated_replicas)
        || old(status) < old(former)
        || more(|status| status.ready_replicas)
        || more(|status| status.available_replicas)
}

fn is_late(conditions: &Conditions, deadline: SignedDuration) -> bool {
    match conditions.reason(PROGRESSING) {
        None | Some(COMPLETE) => false,
        Some(TIMED_OUT) => true,
        Some(_) => conditions.updated(PROGRESSING).is_some_and(|since| conditions.now.duration_since(since) > deadline),
    }
}

/// Timestamps have whole seconds; one more keeps the next look from coming too early.
fn late_in(
    observed: &Observed<'_>,
    status: &DeploymentStatus,
    conditions: &Conditions,
    deadline: SignedDuration,
) -> Option<Duration> {
    let running = !matches!(conditions.reason(PROGRESSING), None | Some(COMPLETE | TIMED_OUT | PAUSED));
    if !running || observed.turn == Turn::Scaled || is_complete(observed.deployment, status) {
        return None;
    }
    let passed = observed.now.duration_since(conditions.updated(PROGRESSING)?);
    let left = (deadline - passed).max(SignedDuration::ZERO) + SignedDuration::from_secs(1);
    Duration::try_from(left).ok()
}

/// What keeps a replica set from having its pods; of several, the new one's.
fn replica_failure(observed: &Observed<'_>, conditions: &mut Conditions) {
    let failure = |set: &&ReplicaSet| {
        let conditions = set.status.as_ref()?.conditions.as_ref()?;
        conditions.iter().find(|condition| condition.type_ == REPLICA_FAILURE).cloned()
    };
    let found = observed.new.iter().chain(&observed.old).find_map(failure);
    let Some(found) = found else { return conditions.remove(REPLICA_FAILURE) };
    if conditions.get(REPLICA_FAILURE).is_some_and(|known| known.status == found.status && known.reason == found.reason)
    {
        return;
    }
    conditions.remove(REPLICA_FAILURE);
    conditions.list.push(DeploymentCondition {
        type_: found.type_,
        status: found.status,
        reason: found.reason,
        message: found.message,
        last_update_time: found.last_transition_time.clone(),
        last_transition_time: found.last_transition_time,
    });
}

/// A condition without its times.
struct Finding {
    condition: &'static str,
    status: &'static str,
    reason: &'static str,
    message: String,
}

fn progressing(status: &'static str, reason: &'static str, message: String) -> Finding {
    Finding { condition: PROGRESSING, status, reason, message }
}

struct Conditions {
    list: Vec<DeploymentCondition>,
    now: Timestamp,
}

impl Conditions {
    fn get(&self, condition: &str) -> Option<&DeploymentCondition> {
        self.list.iter().find(|known| known.type_ == condition)
    }

    fn reason(&self, condition: &str) -> Option<&str> {
        self.get(condition)?.reason.as_deref()
    }

    fn updated(&self, condition: &str) -> Option<Timestamp> {
        self.get(condition)?.last_update_time.as_ref().map(|time| time.0)
    }

    /// The same finding for the same reason leaves the condition as it is, times and message too.
    fn set(&mut self, finding: Finding) {
        let known = self.get(finding.condition);
        if known.is_none_or(|known| known.status != finding.status || known.reason.as_deref() != Some(finding.reason)) {
            self.renew(finding);
        }
    }

    /// Like [`Conditions::set`], but the time of the last update is now in any case.
    fn renew(&mut self, finding: Finding) {
        let now = Some(Time(self.now));
        let since = self.get(finding.condition).filter(|known| known.status == finding.status);
        let since = since.and_then(|known| known.last_transition_time.clone()).or_else(|| now.clone());
        self.remove(finding.condition);
        self.list.push(DeploymentCondition {
            type_: finding.condition.to_owned(),
            status: finding.status.to_owned(),
            reason: Some(finding.reason.to_owned()),
            message: Some(finding.message),
            last_update_time: now,
            last_transition_time: since,
        });
    }

    fn remove(&mut self, condition: &str) {
        self.list.retain(|known| known.type_ != condition);
    }
}

#[cfg(test)]
mod tests;
