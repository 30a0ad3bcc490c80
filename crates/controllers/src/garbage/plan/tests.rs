use client::PropagationPolicy;

use super::{Dependents, Manner, Standing, Verdict, propagation, verdict};
use crate::garbage::graph::Owner;

/// The verdict about an object whose owners stand like this; they are called `0`, `1` and so on.
fn check(standings: &[Standing], dependents: Dependents) -> Verdict {
    let owner = |number: usize| Owner {
        uid: number.to_string().into(),
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        name: "owner".into(),
        blocks: true,
    };
    let owners: Vec<(Owner, Standing)> =
        standings.iter().enumerate().map(|(number, standing)| (owner(number), *standing)).collect();
    verdict(&owners, dependents)
}

fn disown(owners: &[&str]) -> Verdict {
    Verdict::Disown(owners.iter().map(|owner| (*owner).into()).collect())
}

use Standing::{Absent, Orphaned, Present, Unknown, Waiting};

#[test]
fn without_certainty_about_every_owner_an_object_stays() {
    assert_eq!(check(&[], Dependents::None), Verdict::Keep);
    assert_eq!(check(&[Unknown], Dependents::None), Verdict::Keep);
    assert_eq!(check(&[Absent, Unknown, Waiting], Dependents::Some), Verdict::Keep);
}

#[test]
fn an_object_with_an_owner_that_is_there_loses_only_the_others() {
    assert_eq!(check(&[Present, Present], Dependents::None), Verdict::Keep);
    assert_eq!(check(&[Absent, Present, Waiting, Orphaned], Dependents::Some), disown(&["0", "2", "3"]));
}

#[test]
fn an_object_whose_owners_are_all_gone_goes() {
    assert_eq!(check(&[Absent], Dependents::None), Verdict::Delete(Manner::AsMarked));
    assert_eq!(check(&[Absent, Absent], Dependents::Waiting), Verdict::Delete(Manner::AsMarked));
}

#[test]
fn an_object_that_its_last_owner_let_go_stays() {
    assert_eq!(check(&[Orphaned], Dependents::None), disown(&["0"]));
    assert_eq!(check(&[Orphaned, Absent], Dependents::Some), disown(&["0", "1"]));
}

#[test]
fn an_object_that_an_owner_waits_for_takes_its_dependents_with_it() {
    assert_eq!(check(&[Waiting], Dependents::None), Verdict::Delete(Manner::AsMarked));
    assert_eq!(check(&[Waiting, Absent], Dependents::Some), Verdict::Delete(Manner::Foreground));
    assert_eq!(check(&[Waiting], Dependents::Waiting), Verdict::Delete(Manner::ForegroundUnblocked));
}

#[test]
fn finalizers_decide_how_an_object_goes_that_nobody_waits_for() {
    let policy = |finalizers: &[&str]| {
        let finalizers: Vec<String> = finalizers.iter().map(|finalizer| (*finalizer).to_owned()).collect();
        propagation(&Manner::AsMarked, &finalizers)
    };
    assert!(matches!(policy(&["example.com/x"]), PropagationPolicy::Background));
    assert!(matches!(policy(&["orphan"]), PropagationPolicy::Orphan));
    assert!(matches!(policy(&["foregroundDeletion"]), PropagationPolicy::Foreground));
    assert!(matches!(propagation(&Manner::Foreground, &[]), PropagationPolicy::Foreground));
}
