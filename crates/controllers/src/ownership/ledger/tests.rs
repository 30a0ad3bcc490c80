use std::sync::Arc;

use client::KindExt;
use client::kinds::core::v1::Pod;
use serde_json::json;

use super::{Ledger, OVERDUE};

fn pod(name: &str, version: u64) -> Arc<Pod> {
    owned(name, version, json!({}))
}

fn owned(name: &str, version: u64, more: serde_json::Value) -> Arc<Pod> {
    let mut pod = json!({"metadata": {"name": name, "namespace": "default", "uid": format!("uid of {name}"),
        "resourceVersion": version.to_string(),
        "ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "x", "uid": "me", "controller": true}]}});
    for (field, value) in more.as_object().unwrap() {
        pod["metadata"][field] = value.clone();
    }
    Arc::new(serde_json::from_value(pod).unwrap())
}

fn names(view: &[Arc<Pod>]) -> Vec<String> {
    let mut names: Vec<String> = view.iter().map(|pod| pod.name_any()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn what_was_created_counts_before_the_cache_shows_it_and_once_after() {
    let mut ledger = Ledger::new("me");
    ledger.note(pod("a", 7));
    assert_eq!(names(&ledger.view(vec![])), ["a"]);
    assert!(ledger.is_waiting());
    assert_eq!(names(&ledger.view(vec![pod("a", 7)])), ["a"]);
    assert!(!ledger.is_waiting());
    assert_eq!(
        names(&ledger.view(vec![])),
        Vec::<String>::new(),
        "it has been seen, so its absence means that it is gone"
    );
}

#[tokio::test]
async fn a_state_older_than_the_own_write_is_not_believed() {
    let mut ledger = Ledger::new("me");
    let written = owned("a", 10, json!({"labels": {"written": "true"}}));
    ledger.note(written);
    // Versions are compared as numbers: 9 is older than 10.
    let view = ledger.view(vec![pod("a", 9)]);
    assert_eq!(view[0].labels().len(), 1);
    let view = ledger.view(vec![pod("a", 11)]);
    assert_eq!(view[0].labels().len(), 0);
}

#[tokio::test]
async fn what_was_deleted_is_gone_before_the_cache_shows_it() {
    let mut ledger = Ledger::new("me");
    ledger.note_deleted("uid of a");
    assert_eq!(names(&ledger.view(vec![pod("a", 1), pod("b", 1)])), ["b"]);
    let ending = owned("a", 2, json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}));
    assert_eq!(names(&ledger.view(vec![ending, pod("b", 1)])), ["a", "b"], "the cache shows the deletion itself");
}

#[tokio::test]
async fn what_was_created_and_deleted_at_once_never_counts() {
    let mut ledger = Ledger::new("me");
    ledger.note(pod("a", 7));
    ledger.note_deleted("uid of a");
    assert_eq!(names(&ledger.view(vec![])), Vec::<String>::new());
    assert_eq!(names(&ledger.view(vec![pod("a", 7)])), Vec::<String>::new());
}

#[tokio::test]
async fn what_was_released_is_not_owned_by_the_own_write() {
    let mut ledger = Ledger::new("me");
    ledger.note(owned("a", 8, json!({"ownerReferences": []})));
    let view = ledger.view(vec![pod("a", 7)]);
    assert!(super::controller(&*view[0]).is_none());
    assert_eq!(names(&ledger.view(vec![])), Vec::<String>::new());
    assert!(!ledger.is_waiting());
}

#[tokio::test(start_paused = true)]
async fn what_never_shows_up_is_to_be_checked_and_then_forgotten() {
    let mut ledger = Ledger::new("me");
    ledger.note(pod("a", 7));
    ledger.view(vec![]);
    assert!(ledger.overdue().is_empty());
    tokio::time::advance(OVERDUE).await;
    assert_eq!(ledger.overdue(), [("a".to_owned(), "uid of a".to_owned())]);
    ledger.forget("uid of a");
    assert_eq!(names(&ledger.view(vec![])), Vec::<String>::new());
}
