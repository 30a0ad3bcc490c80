//! What to do about an object: first by the graph alone, then by what the API says of its owners. Pure.
//!
//! The graph is a moment behind, so it is trusted only to say that there is nothing to do, and with the dependents of an
//! owner that waits for them. Start reading at [`next`], then [`verdict`].

use client::PropagationPolicy;

use super::graph::{Deletion, Graph, Node, Owner, Target, Uid};

/// What the graph says should be looked at or done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Nothing,
    /// The owner waits until these dependents no longer refer to it.
    Orphan {
        owner: Target,
        dependents: Vec<Target>,
    },
    /// The owner waited for dependents, and none blocks it any more.
    Release(Target),
    /// The object may have to go: the API has to be asked for its owners. Those that are in another namespace are to be
    /// told of.
    Verify {
        object: Target,
        misplaced: Vec<Owner>,
    },
}

/// The next step for an object.
pub(super) fn next(graph: &Graph, uid: &Uid) -> Step {
    let (Some(node), Some(target)) = (graph.node(uid), graph.target(uid)) else { return Step::Nothing };
    match node.deletion {
        Deletion::Orphan => {
            let dependents = graph.dependents(uid).filter_map(|dependent| graph.target(&dependent)).collect();
            Step::Orphan { owner: target, dependents }
        }
        Deletion::Foreground if blocking(graph, uid) => Step::Nothing,
        Deletion::Foreground => Step::Release(target),
        Deletion::Plain => Step::Nothing,
        Deletion::None => {
            let doubtful = |owner: &&Owner| {
                let known =
                    graph.node(&owner.uid).filter(|known| is_reachable(known, node) && known.is_meant_by(owner));
                known.is_none_or(|known| known.deletion == Deletion::Foreground)
            };
            if !node.owners.iter().any(|owner| doubtful(&owner)) {
                return Step::Nothing;
            }
            let misplaced = |owner: &&Owner| graph.node(&owner.uid).is_some_and(|known| !is_reachable(known, node));
            let misplaced = node.owners.iter().filter(misplaced).cloned().collect();
            Step::Verify { object: target, misplaced }
        }
    }
}

/// Whether a dependent keeps the deletion of its owner waiting.
fn blocking(graph: &Graph, owner: &Uid) -> bool {
    graph.dependents(owner).any(|dependent| {
        let references = graph.node(&dependent).map(|node| &*node.owners).unwrap_or_default();
        references.iter().any(|reference| reference.uid == *owner && reference.blocks)
    })
}

/// An owner is of cluster scope or in the namespace of its dependent.
fn is_reachable(owner: &Node, dependent: &Node) -> bool {
    owner.namespace().is_none() || owner.namespace() == dependent.namespace()
}

/// What the API says of an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is there.
    Present,
    /// It is there, and waits for its dependents to go.
    Waiting,
    /// It is not there.
    Absent,
    /// It is not there, and has let its dependents go.
    Orphaned,
    /// Nobody can say: its kind is not served, or no object of it can be the owner of this one.
    Unknown,
}

/// What the graph says of an object's own dependents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dependents {
    None,
    Some,
    /// One of them waits for its dependents, of which this object may be one.
    Waiting,
}

/// The dependents of an object.
pub(super) fn dependents(graph: &Graph, uid: &Uid) -> Dependents {
    let mut found = Dependents::None;
    for dependent in graph.dependents(uid) {
        if graph.node(&dependent).is_some_and(|node| node.deletion == Deletion::Foreground) {
            return Dependents::Waiting;
        }
        found = Dependents::Some;
    }
    found
}

/// What is to become of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Keep,
    /// It stays, without these owners.
    Disown(Vec<Uid>),
    /// It goes.
    Delete(Manner),
}

/// How an object goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Manner {
    /// As its finalizers say, without them in the background.
    AsMarked,
    /// Its own dependents go first.
    Foreground,
    /// Likewise, but it no longer blocks its owner: the two would wait for each other.
    ForegroundUnblocked,
}

/// What becomes of an object whose owners stand like this.
pub(super) fn verdict(owners: &[(Owner, Standing)], dependents: Dependents) -> Verdict {
    let of = |wanted: &[Standing]| -> Vec<Uid> {
        owners.iter().filter(|(_, standing)| wanted.contains(standing)).map(|(owner, _)| owner.uid.clone()).collect()
    };
    if owners.is_empty() || !of(&[Standing::Unknown]).is_empty() {
        return Verdict::Keep;
    }
    if !of(&[Standing::Present]).is_empty() {
        let leaving = of(&[Standing::Absent, Standing::Orphaned, Standing::Waiting]);
        return if leaving.is_empty() { Verdict::Keep } else { Verdict::Disown(leaving) };
    }
    let (waiting, orphaned) = (of(&[Standing::Waiting]), of(&[Standing::Orphaned]));
    match dependents {
        _ if waiting.is_empty() && !orphaned.is_empty() => Verdict::Disown(of(&[Standing::Absent, Standing::Orphaned])),
        _ if waiting.is_empty() => Verdict::Delete(Manner::AsMarked),
        Dependents::None => Verdict::Delete(Manner::AsMarked),
        Dependents::Some => Verdict::Delete(Manner::Foreground),
        Dependents::Waiting => Verdict::Delete(Manner::ForegroundUnblocked),
    }
}

/// What the deletion says about dependents: the object's own finalizers may have said it already.
pub(super) fn propagation(manner: &Manner, finalizers: &[String]) -> PropagationPolicy {
    let marked = |finalizer: &str| finalizers.iter().any(|present| present == finalizer);
    match manner {
        Manner::Foreground | Manner::ForegroundUnblocked => PropagationPolicy::Foreground,
        Manner::AsMarked if marked(api::meta::ORPHAN_FINALIZER) => PropagationPolicy::Orphan,
        Manner::AsMarked if marked(api::meta::FOREGROUND_DELETION_FINALIZER) => PropagationPolicy::Foreground,
        Manner::AsMarked => PropagationPolicy::Background,
    }
}

#[cfg(test)]
mod tests;
