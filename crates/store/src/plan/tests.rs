//! Preconditions, numbering, and all or nothing.

use super::Plan;
use crate::state::State;
use crate::tests::{key, revision, template};
use crate::{CommitError, EventKind, Expect, Revision, Transaction};

/// A plan on a store in which `old` was created with revision 2 and updated with 3.
fn plan() -> Plan {
    let mut plan = Plan::new(State::new(Revision::FIRST, Revision::FIRST));
    for _ in 0..2 {
        plan.add(Transaction::new().put(key("old"), template("old"))).unwrap();
    }
    plan
}

/// Adds a transaction that must be refused for `name`, of which nothing may be left.
fn check_conflict(transaction: Transaction, name: &str, current: Option<u64>) {
    let mut plan = plan();
    match plan.add(transaction) {
        Err(CommitError::Conflict { key: found, current: entry }) => {
            assert_eq!(found, key(name));
            assert_eq!(entry.map(|entry| entry.revision), current.map(revision));
        }
        other => panic!("expected a conflict, got {other:?}"),
    }
    assert_eq!((plan.events.len(), plan.state.revision), (2, revision(3)));
    assert!(plan.state.get(&key("new")).is_none());
}

#[test]
fn a_precondition_that_does_not_hold_refuses_all_writes() {
    let puts = || Transaction::new().put(key("new"), template(""));
    check_conflict(puts().require(key("old"), Expect::Absent), "old", Some(3));
    check_conflict(puts().require(key("missing"), Expect::Present), "missing", None);
    check_conflict(puts().require(key("missing"), Expect::At(revision(3))), "missing", None);
    check_conflict(puts().require(key("old"), Expect::At(revision(2))), "old", Some(3));
    check_conflict(puts().require(key("old"), Expect::Present).require(key("old"), Expect::Absent), "old", Some(3));
}

#[test]
fn deleting_an_absent_key_refuses_all_writes() {
    check_conflict(
        Transaction::new().put(key("new"), template("")).delete(key("missing"), template("")),
        "missing",
        None,
    );
}

#[test]
fn preconditions_that_hold_let_writes_through() {
    let transaction = Transaction::new()
        .require(key("old"), Expect::At(revision(3)))
        .require(key("old"), Expect::Present)
        .require(key("new"), Expect::Absent)
        .put(key("new"), template("new"))
        .delete(key("old"), template("last"));
    let mut plan = plan();
    let committed = plan.add(transaction).unwrap();
    let values: Vec<_> = committed.entries.iter().map(|entry| entry.value.clone()).collect();
    assert_eq!(values, ["new@4", "last@5"]);
    assert_eq!(committed.revision, revision(5));
}

#[test]
fn a_transaction_sees_those_before_it_in_its_group() {
    let mut plan = plan();
    let create = || Transaction::new().require(key("new"), Expect::Absent).put(key("new"), template(""));
    assert!(plan.add(create()).is_ok());
    assert!(matches!(plan.add(create()), Err(CommitError::Conflict { current: Some(_), .. })));
}

#[test]
fn a_transaction_without_writes_only_asks() {
    let mut plan = plan();
    let committed = plan.add(Transaction::new().require(key("old"), Expect::Present)).unwrap();
    assert_eq!((committed.entries.len(), committed.revision), (0, revision(3)));
}

#[test]
fn a_key_that_comes_back_is_a_new_creation() {
    let mut plan = plan();
    plan.add(Transaction::new().delete(key("old"), template("last"))).unwrap();
    plan.add(Transaction::new().put(key("old"), template("again"))).unwrap();
    let told: Vec<_> = plan
        .events
        .iter()
        .map(|event| (event.kind, event.entry.created.get(), event.previous.as_ref().map(|entry| entry.revision.get())))
        .collect();
    let expected = [
        (EventKind::Created, 2, None),
        (EventKind::Updated, 2, Some(2)),
        (EventKind::Deleted, 2, Some(3)),
        (EventKind::Created, 5, None),
    ];
    assert_eq!(told, expected);
}
