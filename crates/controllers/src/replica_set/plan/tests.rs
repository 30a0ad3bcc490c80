use proptest::prelude::*;

use super::{Action, Phase, Replica, action, batches, victims};

const SECOND: i128 = 1_000_000_000;

/// A pod that nothing speaks against.
fn healthy(uid: &str) -> Replica {
    Replica {
        uid: uid.to_owned(),
        assigned: true,
        phase: Phase::Running,
        ready: true,
        ready_for: Some(3600 * SECOND),
        deletion_cost: 0,
        neighbours: 0,
        restarts: (0, 0),
        age: Some(3600 * SECOND),
    }
}

#[test]
fn pods_that_serve_least_go_first() {
    // Each goes before all that follow.
    let ranked = [
        Replica { assigned: false, phase: Phase::Pending, ready: false, ..healthy("unassigned") },
        Replica { phase: Phase::Pending, ready: false, ..healthy("pending") },
        Replica { phase: Phase::Unknown, ready: false, ..healthy("unknown") },
        Replica { ready: false, ..healthy("not ready") },
        Replica { deletion_cost: -5, ..healthy("cheap") },
        Replica { neighbours: 2, ..healthy("beside others") },
        Replica { ready_for: None, ..healthy("ready for an unknown time") },
        Replica { ready_for: Some(60 * SECOND), ..healthy("ready for a minute") },
        Replica { restarts: (4, 0), ..healthy("restarting") },
        Replica { restarts: (0, 3), ..healthy("with a restarting side-car") },
        Replica { age: Some(60 * SECOND), ..healthy("young") },
        healthy("a"),
        Replica { age: Some(3601 * SECOND), ..healthy("b, not much older") },
        Replica { deletion_cost: 1, ..healthy("dear") },
    ];
    let shuffled: Vec<Replica> = ranked.iter().rev().cloned().collect();
    for excess in 1..=ranked.len() {
        let expected: Vec<String> = ranked.iter().take(excess).map(|replica| replica.uid.clone()).collect();
        assert_eq!(victims(excess, shuffled.clone()), expected);
    }
}

#[test]
fn a_turn_is_limited() {
    assert_eq!(action(2000, 0), Action::Create(500));
    assert_eq!(action(0, 1200), Action::Delete(500));
}

#[test]
fn creation_begins_with_one_pod() {
    assert_eq!(batches(10).collect::<Vec<_>>(), [1, 2, 4, 3]);
    assert_eq!(batches(1).collect::<Vec<_>>(), [1]);
    assert_eq!(batches(0).count(), 0);
}

proptest! {
    #[test]
    fn the_number_of_replicas_is_reached_from_any_other(there in 0..1200_usize, wanted in 0..1200_usize) {
        let mut there = there;
        for _ in 0..3 {
            match action(wanted, there) {
                Action::Keep => {}
                Action::Create(count) => there += count,
                Action::Delete(count) => there -= count,
            }
        }
        prop_assert_eq!(there, wanted);
    }

    #[test]
    fn no_pod_that_is_not_ready_outlives_a_ready_one(ready in proptest::collection::vec(any::<bool>(), 1..40), count in 0..40_usize) {
        let replicas: Vec<Replica> = (0..).zip(&ready).map(|(number, ready): (u32, &bool)| {
            Replica { ready: *ready, ..healthy(&format!("{number}")) }
        }).collect();
        let gone = victims(count, replicas.clone());
        prop_assert_eq!(gone.len(), count.min(ready.len()));
        let (dead, alive): (Vec<_>, Vec<_>) = replicas.into_iter().partition(|replica| gone.contains(&replica.uid));
        prop_assert!(dead.iter().all(|pod| !pod.ready) || alive.iter().all(|pod| pod.ready));
    }

    #[test]
    fn batches_add_up(count in 0..5000_usize) {
        prop_assert_eq!(batches(count).sum::<usize>(), count);
    }
}
