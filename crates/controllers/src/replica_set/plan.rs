//! What a replica set does about the number of its pods, and which go first when there are too many.
//!
//! Pure. Start reading at [`action`] and [`victims`]; the order of [`Rank`]'s fields is the order of deletion that Kubernetes documents for
//! scaling down ReplicaSets.

use std::cmp::Reverse;

/// At most so many pods are created or deleted in one turn; the next one follows at once.
const BURST: usize = 500;

/// A pod that counts as a replica, as far as it matters which one goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replica {
    /// Its uid.
    pub(crate) uid: String,
    /// Whether it is bound to a node.
    pub(crate) assigned: bool,
    /// How far it has come.
    pub(crate) phase: Phase,
    /// Whether it is ready.
    pub(crate) ready: bool,
    /// For how long it has been ready, in nanoseconds, if that is known.
    pub(crate) ready_for: Option<i128>,
    /// What the annotation `controller.kubernetes.io/pod-deletion-cost` says, 0 without it.
    pub(crate) deletion_cost: i32,
    /// How many ready pods of the same application share its node.
    pub(crate) neighbours: usize,
    /// The highest number of restarts among its containers and among its side-cars.
    pub(crate) restarts: (i32, i32),
    /// How old it is, in nanoseconds.
    pub(crate) age: Option<i128>,
}

/// The phases in which a pod counts, in the order in which they are given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// It does not run yet.
    Pending,
    /// Its node does not tell.
    Unknown,
    /// It runs.
    Running,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing.
    Keep,
    /// Create so many pods.
    Create(usize),
    /// Delete so many pods; [`victims`] says which.
    Delete(usize),
}

/// What brings the number of pods that are `there` nearer to `wanted`.
pub(crate) fn action(wanted: usize, there: usize) -> Action {
    match (wanted.saturating_sub(there).min(BURST), there.saturating_sub(wanted).min(BURST)) {
        (0, 0) => Action::Keep,
        (0, excess) => Action::Delete(excess),
        (missing, _) => Action::Create(missing),
    }
}

/// The uids of the `count` pods that go first.
pub(crate) fn victims(count: usize, mut replicas: Vec<Replica>) -> Vec<String> {
    replicas.sort_by_cached_key(Rank::of);
    replicas.into_iter().take(count).map(|replica| replica.uid).collect()
}

/// The sizes of the batches in which `count` pods are created: 1, 2, 4, … A batch is begun when the one before it has
/// succeeded, so that a template that cannot be created fails once and not `count` times.
pub(crate) fn batches(count: usize) -> impl Iterator<Item = usize> {
    let (mut left, mut next) = (count, 1);
    std::iter::from_fn(move || {
        let size = next.min(left);
        left -= size;
        next *= 2;
        (size > 0).then_some(size)
    })
}

/// The least goes first. Times count by orders of magnitude, so that among pods of about the same age chance decides (their
/// uid) and not all young pods of one node or zone go.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    assigned: bool,
    phase: Phase,
    ready: bool,
    deletion_cost: i32,
    neighbours: Reverse<usize>,
    ready_for: Option<u32>,
    restarts: Reverse<(i32, i32)>,
    age: Option<u32>,
    uid: String,
}

impl Rank {
    fn of(replica: &Replica) -> Self {
        Self {
            assigned: replica.assigned,
            phase: replica.phase,
            ready: replica.ready,
            deletion_cost: replica.deletion_cost,
            neighbours: Reverse(replica.neighbours),
            ready_for: replica.ready_for.map(magnitude),
            restarts: Reverse(replica.restarts),
            age: replica.age.map(magnitude),
            uid: replica.uid.clone(),
        }
    }
}

/// The number of binary digits: 0 for what is not in the past.
fn magnitude(nanos: i128) -> u32 {
    if nanos <= 0 { 0 } else { nanos.ilog2() + 1 }
}

#[cfg(test)]
mod tests;
