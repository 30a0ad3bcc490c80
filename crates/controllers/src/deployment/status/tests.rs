use std::time::Duration;

use client::kinds::apps::v1::{Deployment, DeploymentCondition, ReplicaSet};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Observed, Turn, status};

const START: &str = "2026-01-01T00:00:00Z";

fn deployment(replicas: i32, status: Value) -> Deployment {
    serde_json::from_value(json!({
        "metadata": {"name": "web", "generation": 2},
        "spec": {"replicas": replicas, "progressDeadlineSeconds": 60, "selector": {}, "template": {}},
        "status": status,
    }))
    .unwrap()
}

/// A replica set with so many wanted, existing, ready and available pods.
fn set(name: &str, [wanted, existing, ready, available]: [i32; 4]) -> ReplicaSet {
    serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {"replicas": wanted, "selector": {}},
        "status": {"replicas": existing, "readyReplicas": ready, "availableReplicas": available},
    }))
    .unwrap()
}

fn condition(reason: &str, status: &str, updated: &str) -> Value {
    json!({"type": "Progressing", "status": status, "reason": reason, "lastUpdateTime": updated, "lastTransitionTime": START})
}

struct Case {
    deployment: Deployment,
    new: Option<ReplicaSet>,
    old: Vec<ReplicaSet>,
    turn: Turn,
    now: &'static str,
}

impl Case {
    /// A roll-out of three pods that began at [`START`]: `new` and `old` are the pods of the two replica sets.
    fn rolling(former: Value, new: [i32; 4], old: [i32; 4]) -> Self {
        Self {
            deployment: deployment(3, former),
            new: Some(set("web-new", new)),
            old: vec![set("web-old", old)],
            turn: Turn::Rolled,
            now: "2026-01-01T00:00:10Z",
        }
    }

    fn status(&self) -> (super::DeploymentStatus, Option<Duration>) {
        status(&Observed {
            deployment: &self.deployment,
            unavailable: 0,
            new: self.new.as_ref(),
            old: self.old.iter().collect(),
            turn: self.turn.clone(),
            now: self.now.parse::<Timestamp>().unwrap(),
        })
    }

    fn condition(&self, name: &str) -> Option<DeploymentCondition> {
        self.status().0.conditions.unwrap().into_iter().find(|condition| condition.type_ == name)
    }

    #[track_caller]
    fn check_progress(&self, reason: &str, status: &str, message: &str) {
        let found = self.condition("Progressing").unwrap();
        // Conditions of the former status have no message here, and keep having none.
        let message = Some(message.to_owned()).filter(|message| !message.is_empty());
        assert_eq!((found.reason, found.status, found.message), (Some(reason.to_owned()), status.to_owned(), message));
    }
}

#[test]
fn pods_are_summed_up_over_the_replica_sets() {
    let (status, _) = Case::rolling(json!({}), [2, 2, 1, 1], [2, 3, 2, 2]).status();
    let counts = [
        status.replicas,
        status.updated_replicas,
        status.ready_replicas,
        status.available_replicas,
        status.unavailable_replicas,
    ];
    assert_eq!(counts, [Some(5), Some(2), Some(3), Some(3), Some(1)]);
    assert_eq!(status.observed_generation, Some(2));
}

#[test]
fn a_roll_out_is_complete_when_all_pods_are_new_and_available() {
    let former =
        || json!({"conditions": [condition("ReplicaSetUpdated", "True", START)], "updatedReplicas": 3, "replicas": 3});
    let case = Case::rolling(former(), [3, 3, 3, 3], [0, 0, 0, 0]);
    case.check_progress("NewReplicaSetAvailable", "True", "ReplicaSet \"web-new\" has successfully progressed.");
    assert_eq!(case.status().1, None, "nothing can be late any more");
    let one_old_left = Case::rolling(former(), [3, 3, 3, 3], [0, 1, 0, 0]);
    one_old_left.check_progress("ReplicaSetUpdated", "True", "ReplicaSet \"web-new\" is progressing.");
}

#[test]
fn each_advance_renews_the_time_and_only_the_time() {
    let former =
        json!({"conditions": [condition("ReplicaSetUpdated", "True", START)], "updatedReplicas": 1, "replicas": 4});
    let case = Case::rolling(former, [2, 2, 0, 0], [3, 3, 3, 3]);
    case.check_progress("ReplicaSetUpdated", "True", "ReplicaSet \"web-new\" is progressing.");
    let condition = case.condition("Progressing").unwrap();
    assert_eq!(condition.last_update_time.unwrap().0.to_string(), "2026-01-01T00:00:10Z");
    assert_eq!(condition.last_transition_time.unwrap().0.to_string(), START);
    assert_eq!(case.status().1, Some(Duration::from_secs(61)), "late after the deadline");
}

#[test]
fn without_an_advance_the_roll_out_is_late_after_the_deadline() {
    let former = json!({"conditions": [condition("ReplicaSetUpdated", "True", START)], "updatedReplicas": 1, "replicas": 4,
        "readyReplicas": 3, "availableReplicas": 3});
    let mut case = Case::rolling(former, [1, 1, 0, 0], [3, 3, 3, 3]);
    case.check_progress("ReplicaSetUpdated", "True", "");
    assert_eq!(case.status().1, Some(Duration::from_secs(51)));
    case.now = "2026-01-01T00:01:01Z";
    case.check_progress("ProgressDeadlineExceeded", "False", "ReplicaSet \"web-new\" has timed out progressing.");
    assert_eq!(case.status().1, None);
}

#[test]
fn a_pod_that_is_replaced_after_the_roll_out_is_not_judged() {
    let former = json!({"conditions": [condition("NewReplicaSetAvailable", "True", START)], "updatedReplicas": 3, "replicas": 3,
        "availableReplicas": 3});
    let mut case = Case::rolling(former, [3, 3, 2, 2], [0, 0, 0, 0]);
    case.now = "2026-01-01T10:00:00Z";
    case.check_progress("NewReplicaSetAvailable", "True", "");
    let available = case.condition("Available").unwrap();
    assert_eq!((available.status.as_str(), available.reason.as_deref()), ("False", Some("MinimumReplicasUnavailable")));
}

#[test]
fn while_paused_no_deadline_runs_and_lateness_stays_told() {
    let mut case = Case::rolling(
        json!({"conditions": [condition("ReplicaSetUpdated", "True", START)]}),
        [1, 1, 0, 0],
        [3, 3, 3, 3],
    );
    case.turn = Turn::Scaled;
    case.now = "2026-01-02T00:00:00Z";
    case.deployment.spec.as_mut().unwrap().paused = Some(true);
    case.check_progress("DeploymentPaused", "Unknown", "Deployment is paused");
    assert_eq!(case.status().1, None);
    let late = json!({"conditions": [condition("ProgressDeadlineExceeded", "False", START)]});
    case.deployment.status = serde_json::from_value(late).unwrap();
    case.check_progress("ProgressDeadlineExceeded", "False", "");
    let paused = json!({"conditions": [condition("DeploymentPaused", "Unknown", START)], "updatedReplicas": 1, "replicas": 4,
        "readyReplicas": 3, "availableReplicas": 3});
    case.deployment.status = serde_json::from_value(paused).unwrap();
    case.deployment.spec.as_mut().unwrap().paused = Some(false);
    case.turn = Turn::Rolled;
    case.check_progress("DeploymentResumed", "Unknown", "Deployment is resumed");
    assert_eq!(case.status().1, Some(Duration::from_secs(61)), "the deadline begins anew");
}

#[test]
fn how_the_new_replica_set_came_about_is_told() {
    let mut case = Case::rolling(json!({}), [0, 0, 0, 0], [3, 3, 3, 3]);
    case.deployment.status =
        serde_json::from_value(json!({"replicas": 3, "readyReplicas": 3, "availableReplicas": 3})).unwrap();
    case.check_progress("FoundNewReplicaSet", "True", "Found new replica set \"web-new\"");
    case.turn = Turn::Created;
    case.check_progress("NewReplicaSetCreated", "True", "Created new replica set \"web-new\"");
    case.turn = Turn::NotCreated("no room".to_owned());
    case.check_progress("ReplicaSetCreateError", "False", "no room");
}

#[test]
fn without_a_deadline_nothing_is_said_about_progress() {
    let mut case = Case::rolling(
        json!({"conditions": [condition("ReplicaSetUpdated", "True", START)]}),
        [1, 1, 0, 0],
        [3, 3, 3, 3],
    );
    case.deployment.spec.as_mut().unwrap().progress_deadline_seconds = Some(i32::MAX);
    assert_eq!(case.condition("Progressing"), None);
}

#[test]
fn what_keeps_a_replica_set_from_its_pods_is_handed_on_until_it_is_over() {
    let mut case = Case::rolling(json!({}), [1, 0, 0, 0], [3, 3, 3, 3]);
    let failure = json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "no room"}]);
    case.new.as_mut().unwrap().status.as_mut().unwrap().conditions = serde_json::from_value(failure).unwrap();
    let told = case.condition("ReplicaFailure").unwrap();
    assert_eq!((told.reason.as_deref(), told.message.as_deref()), (Some("FailedCreate"), Some("no room")));
    case.deployment.status = Some(case.status().0);
    case.new.as_mut().unwrap().status.as_mut().unwrap().conditions = None;
    assert_eq!(case.condition("ReplicaFailure"), None);
}

#[test]
fn a_status_made_from_itself_is_the_same() {
    let former = json!({"conditions": [condition("ReplicaSetUpdated", "True", START)]});
    for pods in [[3, 3, 3, 3], [2, 2, 0, 0]] {
        let mut case = Case::rolling(former.clone(), pods, [1, 1, 1, 1]);
        case.deployment.status = Some(case.status().0);
        case.now = "2026-01-01T00:00:20Z";
        assert_eq!(Some(case.status().0), case.deployment.status);
    }
}
