//! What a look at the content of a namespace means for its conditions. Pure.

use std::collections::{BTreeMap, HashSet};

use client::kinds::core::v1::NamespaceCondition;
use client::meta::Time;
use client::{Metadata, Resource};

/// What is left of the content of a namespace, and what went wrong on the way.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    /// Group versions whose resources are unknown, each with the reason.
    undiscovered: Vec<String>,
    /// Resources that could not be emptied, each with the reason.
    failures: Vec<String>,
    /// How many objects a resource still has, by `plural.group`.
    remaining: BTreeMap<String, usize>,
    /// How many objects wait for a finalizer, by its name.
    finalizers: BTreeMap<String, usize>,
    /// The uids of the objects that are still there.
    left: HashSet<String>,
}

impl Content {
    /// Nothing counted, with these group versions unknown.
    pub(super) fn without(undiscovered: Vec<String>) -> Self {
        Self { undiscovered, ..Self::default() }
    }

    /// Counts objects that are still there.
    pub(super) fn count<'a>(&mut self, resource: &Resource, objects: impl IntoIterator<Item = &'a Metadata>) {
        for object in objects {
            // The core group has no name, and the dot stays: that is how Kubernetes prints it.
            let name = format!("{}.{}", resource.names.plural, resource.names.group);
            *self.remaining.entry(name).or_default() += 1;
            self.left.extend(object.metadata.uid.clone());
            for finalizer in object.metadata.finalizers.iter().flatten() {
                *self.finalizers.entry(finalizer.clone()).or_default() += 1;
            }
        }
    }

    /// Notes a resource that could not be emptied, with the reason.
    pub(super) fn failed(&mut self, failure: String) {
        self.failures.push(failure);
    }

    /// What went wrong.
    pub(super) fn troubles(&self) -> Vec<&str> {
        self.undiscovered.iter().chain(&self.failures).map(String::as_str).collect()
    }

    /// Whether the namespace is known to be empty.
    pub(super) fn is_empty(&self) -> bool {
        self.undiscovered.is_empty() && self.failures.is_empty() && self.remaining.is_empty()
    }

    /// The uids of the objects that are still there.
    pub(super) fn left(&self) -> &HashSet<String> {
        &self.left
    }

    /// Whether objects are left that have been told to go.
    pub(super) fn has_remaining(&self) -> bool {
        !self.remaining.is_empty()
    }
}

/// A condition as it should be, without its time.
struct Wanted {
    kind: &'static str,
    status: &'static str,
    reason: &'static str,
    message: String,
}

/// The conditions of a namespace whose content is like this. None when they are so already.
pub(super) fn conditions(
    content: &Content,
    before: &[NamespaceCondition],
    now: &Time,
) -> Option<Vec<NamespaceCondition>> {
    let mut conditions = before.to_vec();
    for wanted in wanted(content) {
        let existing = conditions.iter_mut().find(|condition| condition.type_ == wanted.kind);
        let since = existing.as_ref().filter(|existing| existing.status == wanted.status);
        let condition = NamespaceCondition {
            last_transition_time: since
                .map_or_else(|| Some(now.clone()), |existing| existing.last_transition_time.clone()),
            type_: wanted.kind.to_owned(),
            status: wanted.status.to_owned(),
            reason: Some(wanted.reason.to_owned()),
            message: Some(wanted.message),
        };
        match existing {
            Some(existing) => *existing = condition,
            None => conditions.push(condition),
        }
    }
    (conditions != before).then_some(conditions)
}

/// Types, reasons and messages are those of Kubernetes: users and scripts look for them.
fn wanted(content: &Content) -> [Wanted; 5] {
    let Content { undiscovered, failures, remaining, finalizers, left: _ } = content;
    [
        Wanted::new(
            "NamespaceDeletionDiscoveryFailure",
            ["ResourcesDiscovered", "All resources successfully discovered"],
            joined(undiscovered).map(|list| {
                let message = format!(
                    "Discovery failed for some groups, {} failing: unable to retrieve the complete list of server APIs: {list}",
                    undiscovered.len()
                );
                ("DiscoveryFailed", message)
            }),
        ),
        // Never true here: discovery tells group and version apart, so that there is nothing to parse.
        Wanted::new(
            "NamespaceDeletionGroupVersionParsingFailure",
            ["ParsedGroupVersions", "All legacy kube types successfully parsed"],
            None,
        ),
        Wanted::new(
            "NamespaceDeletionContentFailure",
            ["ContentDeleted", "All content successfully deleted, may be waiting on finalization"],
            joined(failures).map(|list| {
                let message = format!("Failed to delete all resource types, {} remaining: {list}", failures.len());
                ("ContentDeletionFailed", message)
            }),
        ),
        Wanted::new(
            "NamespaceContentRemaining",
            ["ContentRemoved", "All content successfully removed"],
            counted(remaining, "has").map(|list| ("SomeResourcesRemain", format!("Some resources are remaining: {list}"))),
        ),
        Wanted::new(
            "NamespaceFinalizersRemaining",
            ["ContentHasNoFinalizers", "All content-preserving finalizers finished"],
            counted(finalizers, "in").map(|list| {
                ("SomeFinalizersRemain", format!("Some content in the namespace has finalizers remaining: {list}"))
            }),
        ),
    ]
}

impl Wanted {
    /// The condition is true when there is `trouble`, a reason and a message; else it has the ones for `fine`.
    fn new(kind: &'static str, fine: [&'static str; 2], trouble: Option<(&'static str, String)>) -> Self {
        let [fine_reason, fine_message] = fine;
        match trouble {
            Some((reason, message)) => Self { kind, status: "True", reason, message },
            None => Self { kind, status: "False", reason: fine_reason, message: fine_message.to_owned() },
        }
    }
}

fn joined(entries: &[String]) -> Option<String> {
    (!entries.is_empty()).then(|| entries.join(", "))
}

fn counted(counts: &BTreeMap<String, usize>, word: &str) -> Option<String> {
    let entries: Vec<String> =
        counts.iter().map(|(name, count)| format!("{name} {word} {count} resource instances")).collect();
    joined(&entries)
}

#[cfg(test)]
mod tests;
