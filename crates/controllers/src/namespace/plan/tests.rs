use std::collections::BTreeSet;

use client::kinds::core::v1::NamespaceCondition;
use client::meta::Time;
use client::{ApiResource, Metadata, Resource, Scope};
use jiff::Timestamp;
use serde_json::json;

use super::{Content, conditions};

fn at(second: i64) -> Time {
    Time(Timestamp::from_second(second).expect("a time"))
}

fn resource(group: &str, plural: &str) -> Resource {
    let names = ApiResource {
        group: group.to_owned(),
        version: "v1".to_owned(),
        api_version: "v1".to_owned(),
        kind: String::new(),
        plural: plural.to_owned(),
    };
    Resource { names, scope: Scope::Namespaced, verbs: BTreeSet::new() }
}

fn object(finalizers: &[&str]) -> Metadata {
    serde_json::from_value(json!({"metadata": {"name": "a", "finalizers": finalizers}})).expect("metadata")
}

/// Each condition as `type status reason: message`.
fn told(conditions: &[NamespaceCondition]) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let line = |condition: &NamespaceCondition| {
        let NamespaceCondition { type_, status, reason, message, .. } = condition;
        format!("{type_} {status} {}: {}", text(reason), text(message))
    };
    conditions.iter().map(line).collect()
}

#[test]
fn what_remains_is_counted_by_resource_and_by_finalizer() {
    let mut content = Content::default();
    content.count(&resource("", "pods"), [&object(&[]), &object(&["example.com/hold"])]);
    content.count(&resource("sea.example", "ships"), [&object(&["example.com/hold", "example.com/anchor"])]);
    let conditions = conditions(&content, &[], &at(1)).expect("a change");
    assert_eq!(
        told(&conditions),
        [
            "NamespaceDeletionDiscoveryFailure False ResourcesDiscovered: All resources successfully discovered",
            "NamespaceDeletionGroupVersionParsingFailure False ParsedGroupVersions: All legacy kube types successfully parsed",
            "NamespaceDeletionContentFailure False ContentDeleted: All content successfully deleted, may be waiting on finalization",
            "NamespaceContentRemaining True SomeResourcesRemain: Some resources are remaining: pods. has 2 resource instances, ships.sea.example has 1 resource instances",
            "NamespaceFinalizersRemaining True SomeFinalizersRemain: Some content in the namespace has finalizers remaining: example.com/anchor in 1 resource instances, example.com/hold in 2 resource instances",
        ]
    );
}

#[test]
fn failures_are_told_with_their_number() {
    let content = Content {
        undiscovered: vec!["metrics.k8s.io/v1beta1: unavailable".to_owned()],
        failures: vec!["pods: refused".to_owned(), "secrets: refused".to_owned()],
        ..Content::default()
    };
    let told = told(&conditions(&content, &[], &at(1)).expect("a change"));
    assert_eq!(
        told[0],
        "NamespaceDeletionDiscoveryFailure True DiscoveryFailed: Discovery failed for some groups, 1 failing: unable to \
         retrieve the complete list of server APIs: metrics.k8s.io/v1beta1: unavailable"
    );
    assert_eq!(
        told[2],
        "NamespaceDeletionContentFailure True ContentDeletionFailed: Failed to delete all resource types, 2 remaining: \
         pods: refused, secrets: refused"
    );
}

#[test]
fn the_same_content_changes_nothing() {
    let mut content = Content::default();
    content.count(&resource("", "pods"), [&object(&[])]);
    let first = conditions(&content, &[], &at(1)).expect("a change");
    assert_eq!(conditions(&content, &first, &at(2)), None);
}

#[test]
fn the_time_moves_with_the_status_only() {
    let mut content = Content::default();
    content.count(&resource("", "pods"), [&object(&[]), &object(&[])]);
    let two = conditions(&content, &[], &at(1)).expect("a change");
    let mut content = Content::default();
    content.count(&resource("", "pods"), [&object(&[])]);
    let one = conditions(&content, &two, &at(2)).expect("the message changes");
    let time = |conditions: &[NamespaceCondition]| conditions[3].last_transition_time.clone();
    assert_eq!(time(&one), Some(at(1)));
    let none = conditions(&Content::default(), &one, &at(3)).expect("the status changes");
    assert_eq!(time(&none), Some(at(3)));
}

#[test]
fn conditions_of_others_stay() {
    let foreign = NamespaceCondition {
        type_: "example.com/Backup".to_owned(),
        status: "True".to_owned(),
        ..NamespaceCondition::default()
    };
    let conditions = conditions(&Content::default(), std::slice::from_ref(&foreign), &at(1)).expect("a change");
    assert_eq!(conditions[0], foreign);
    assert_eq!(conditions.len(), 6);
}
