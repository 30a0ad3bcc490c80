//! Revisions: the numbers under which `kubectl rollout history` and `undo` find the templates of a deployment.
//!
//! Pure. They live in annotations, which kubectl reads: each replica set has the number of the last roll-out that it
//! served, and remembers the earlier ones. Start reading at [`annotations_of_new`].

use std::collections::BTreeMap;

/// Annotations of an object.
pub(crate) type Annotations = BTreeMap<String, String>;

/// The revision of a replica set; on a deployment, that of its current replica set.
pub(crate) const REVISION: &str = "deployment.kubernetes.io/revision";
/// The revisions that a replica set had before, with commas between.
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// The deployment's replicas when the replica set was last scaled.
pub(crate) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
/// The deployment's replicas and surge when the replica set was last scaled.
pub(crate) const CEILING: &str = "deployment.kubernetes.io/max-replicas";

/// Annotations of a deployment that are about the deployment itself, and so are not handed on to its replica sets.
const OWN: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "deprecated.deployment.rollback.to",
    REVISION,
    HISTORY,
    DESIRED,
    CEILING,
];

/// Older revisions are forgotten beyond this length, so that the annotation stays small (the same limit as upstream).
const HISTORY_LIMIT: usize = 2000;

/// The revision in annotations, 0 if there is none.
pub(crate) fn revision(annotations: Option<&Annotations>) -> i64 {
    annotations.and_then(|annotations| annotations.get(REVISION)?.parse().ok()).unwrap_or(0)
}

/// A number of pods in annotations.
pub(crate) fn count(annotations: Option<&Annotations>, name: &str) -> Option<i32> {
    annotations?.get(name)?.parse().ok().filter(|count: &i32| *count >= 0)
}

/// What the annotations of the replica set with the current template must be changed to: the deployment's are copied, and
/// it has a greater revision than all others. `current` are those that it has, `others` the greatest revision of the other
/// sets.
pub(crate) fn annotations_of_new(current: &Annotations, deployment: &Annotations, others: i64) -> Annotations {
    let mut changed = Annotations::new();
    for (name, value) in deployment.iter().filter(|(name, _)| !OWN.contains(&name.as_str())) {
        if current.get(name) != Some(value) {
            changed.insert(name.clone(), value.clone());
        }
    }
    let (served, next) = (revision(Some(current)), others + 1);
    if served < next {
        changed.insert(REVISION.to_owned(), next.to_string());
        if served > 0 {
            let history = current.get(HISTORY).map_or("", String::as_str);
            changed.insert(HISTORY.to_owned(), appended(history, served));
        }
    }
    changed
}

fn appended(history: &str, revision: i64) -> String {
    let mut history = match history {
        "" => revision.to_string(),
        history => format!("{history},{revision}"),
    };
    while history.len() > HISTORY_LIMIT {
        let Some((_, rest)) = history.split_once(',') else { break };
        history = rest.to_owned();
    }
    history
}

#[cfg(test)]
mod tests;
