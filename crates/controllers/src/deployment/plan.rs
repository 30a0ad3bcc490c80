//! What a deployment does next with its replica sets: a pure function from what it wants and what is there to one step.
//!
//! Each step is safe on its own: the controller takes it, looks again and takes the next. How many pods there are is the
//! replica sets' business, how conditions are worded that of `status`. The rules are those that Kubernetes documents for
//! `spec.strategy` and that kubectl relies on. Start reading at [`next_step`].

use super::limits::Limits;

/// What the deployment asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Goal {
    /// How many pods.
    pub(crate) replicas: i32,
    /// How pods of an old template make room for those of the current one.
    pub(crate) strategy: Strategy,
    /// While it is true, pods are scaled but not replaced.
    pub(crate) paused: bool,
}

/// See [`Goal::strategy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// All old pods go before the first new one comes.
    Recreate,
    /// Step by step, within limits.
    RollingUpdate(Limits),
}

impl Goal {
    /// The limits of the strategy; [`Strategy::Recreate`] allows nothing beside the replicas.
    pub(crate) fn limits(&self) -> Limits {
        match self.strategy {
            Strategy::Recreate => Limits { surge: 0, unavailable: 0 },
            Strategy::RollingUpdate(limits) => limits,
        }
    }

    /// The most pods that there may be.
    pub(crate) fn ceiling(&self) -> i32 {
        self.replicas.saturating_add(self.limits().surge)
    }
}

/// What is known of a replica set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Set {
    /// Its name.
    pub(crate) name: String,
    /// When it was created, in seconds of any epoch.
    pub(crate) created: i64,
    /// How many pods it is asked for.
    pub(crate) wanted: i32,
    /// How many of its pods are available.
    pub(crate) available: i32,
    /// Whether pods of it are there that have not ended, also if it no longer wants any.
    pub(crate) occupied: bool,
    /// `replicas` of the deployment when the set was last scaled for it.
    pub(crate) desired: Option<i32>,
    /// The deployment's ceiling when the set was last scaled for it.
    pub(crate) ceiling: Option<i32>,
}

impl Set {
    /// The available pods that stay: those beyond the wanted number are about to go.
    fn lasting(&self) -> i32 {
        self.available.min(self.wanted)
    }
}

/// The replica sets of a deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sets {
    /// The one that has the deployment's template.
    pub(crate) new: Option<Set>,
    /// The others, in any order.
    pub(crate) old: Vec<Set>,
}

impl Sets {
    fn all(&self) -> impl Iterator<Item = &Set> {
        self.old.iter().chain(&self.new)
    }

    fn active(&self) -> impl Iterator<Item = &Set> {
        self.all().filter(|set| set.wanted > 0)
    }

    fn wanted(&self) -> i32 {
        self.all().map(|set| set.wanted).sum()
    }

    fn available(&self) -> i32 {
        self.all().map(Set::lasting).sum()
    }
}

/// What to do. Whatever it is, the next one is decided when it has been done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Create the replica set of the current template, for so many pods.
    Create(i32),
    /// Ask these sets for so many pods.
    Resize(Vec<Resize>),
    /// Nothing more can be done before something changes.
    Wait,
}

/// A new size of a replica set. The same size asks only for [`Set::desired`] and [`Set::ceiling`] to be brought up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resize {
    /// The set.
    pub(crate) name: String,
    /// How many pods it shall have.
    pub(crate) to: i32,
}

/// The next step of a deployment.
pub(crate) fn next_step(goal: &Goal, sets: &Sets) -> Step {
    if goal.paused || is_scaled(goal, sets) {
        return scale(goal, sets);
    }
    match goal.strategy {
        Strategy::Recreate => recreate(goal, sets),
        Strategy::RollingUpdate(limits) => roll(goal, limits, sets),
    }
}

/// Whether the deployment's size has changed since its sets were scaled for it. That comes before any replacement, so that
/// the sets are scaled in the proportion that they had.
pub(crate) fn is_scaled(goal: &Goal, sets: &Sets) -> bool {
    sets.active().any(|set| set.desired.is_some_and(|desired| desired != goal.replicas))
}

fn scale(goal: &Goal, sets: &Sets) -> Step {
    let active: Vec<&Set> = sets.active().collect();
    match active[..] {
        [] => {
            let newest = sets.new.as_ref().or_else(|| sets.old.iter().max_by_key(|set| (set.created, &set.name)));
            resize(goal, newest.map(|set| (set, goal.replicas)))
        }
        [only] => resize(goal, [(only, goal.replicas)]),
        _ if sets.new.as_ref().is_some_and(|new| is_saturated(goal, new)) => {
            resize(goal, sets.old.iter().map(|set| (set, 0)))
        }
        _ => match goal.strategy {
            Strategy::Recreate if goal.paused => Step::Wait,
            Strategy::Recreate => recreate(goal, sets),
            Strategy::RollingUpdate(_) => scale_in_proportion(goal, active),
        },
    }
}

/// Whether the set has, and knows that it has, all of the deployment's pods, and they are available.
fn is_saturated(goal: &Goal, set: &Set) -> bool {
    [Some(set.wanted), Some(set.available), set.desired].iter().all(|count| *count == Some(goal.replicas))
}

/// Spreads what is to be added or removed over the sets by their size, larger ones first; what rounding leaves over goes to
/// the largest. Among equals, newer ones grow and older ones shrink first.
fn scale_in_proportion(goal: &Goal, mut active: Vec<&Set>) -> Step {
    let ceiling = if goal.replicas > 0 { goal.ceiling() } else { 0 };
    let current: i32 = active.iter().map(|set| set.wanted).sum();
    let change = ceiling - current;
    active.sort_by(|a, b| {
        let age = (a.created, &a.name).cmp(&(b.created, &b.name));
        b.wanted.cmp(&a.wanted).then(if change > 0 { age.reverse() } else { age })
    });
    let mut left = change;
    let mut sizes = Vec::with_capacity(active.len());
    for set in &active {
        let share = if change == 0 { 0 } else { share(goal, set, current) };
        let share = if change > 0 { share.clamp(0, left) } else { share.clamp(left, 0) };
        left -= share;
        sizes.push((*set, set.wanted + share));
    }
    if let Some((_, largest)) = sizes.first_mut() {
        *largest = (*largest + left).max(0);
    }
    resize(goal, sizes)
}

/// What a set would grow by if it kept its part of the whole. `current` stands in for the former ceiling where a set does
/// not tell it.
fn share(goal: &Goal, set: &Set, current: i32) -> i32 {
    if goal.replicas == 0 {
        return -set.wanted;
    }
    let former = i64::from(set.ceiling.filter(|ceiling| *ceiling > 0).unwrap_or(current).max(1));
    let scaled = i64::from(set.wanted) * i64::from(goal.ceiling());
    let rounded = (2 * scaled + former) / (2 * former);
    i32::try_from(rounded).unwrap_or(i32::MAX).saturating_sub(set.wanted)
}

fn recreate(goal: &Goal, sets: &Sets) -> Step {
    if sets.old.iter().any(|set| set.wanted > 0) {
        return resize(goal, sets.old.iter().filter(|set| set.wanted > 0).map(|set| (set, 0)));
    }
    if sets.old.iter().any(|set| set.occupied) {
        return Step::Wait;
    }
    match &sets.new {
        None => Step::Create(goal.replicas),
        Some(new) => resize(goal, [(new, goal.replicas)]),
    }
}

fn roll(goal: &Goal, limits: Limits, sets: &Sets) -> Step {
    let room = (goal.ceiling() - sets.wanted()).max(0);
    let Some(new) = &sets.new else {
        return Step::Create(room.min(goal.replicas));
    };
    let to = match goal.replicas - new.wanted {
        missing if missing > 0 => new.wanted + room.min(missing),
        _ => goal.replicas,
    };
    if to != new.wanted {
        return resize(goal, [(new, to)]);
    }
    shrink_old(goal, limits, sets, new)
}

/// Takes pods away from old sets: first those that are not available, oldest set first, then as many others as
/// availability allows. Pods of the new set that are not available yet are counted as missing.
fn shrink_old(goal: &Goal, limits: Limits, sets: &Sets, new: &Set) -> Step {
    let floor = goal.replicas - limits.unavailable;
    let mut removable = sets.wanted() - floor - (new.wanted - new.lasting());
    if removable <= 0 {
        return Step::Wait;
    }
    let mut old: Vec<(&Set, i32)> = sets.old.iter().map(|set| (set, set.wanted)).collect();
    old.sort_by(|(a, _), (b, _)| (a.created, &a.name).cmp(&(b.created, &b.name)));
    for (set, to) in &mut old {
        let unhealthy = (set.wanted - set.lasting()).min(removable);
        *to -= unhealthy;
        removable -= unhealthy;
    }
    let mut spare = (sets.available() - floor).max(0);
    for (_, to) in &mut old {
        let taken = spare.min(*to);
        *to -= taken;
        spare -= taken;
    }
    let shrunk: Vec<_> = old.into_iter().filter(|(set, to)| *to != set.wanted).collect();
    resize(goal, shrunk)
}

/// The resizes that change something; without any there is nothing to do.
fn resize<'s>(goal: &Goal, sizes: impl IntoIterator<Item = (&'s Set, i32)>) -> Step {
    let outdated = |set: &Set, to: i32| {
        let known = set.desired == Some(goal.replicas) && set.ceiling == Some(goal.ceiling());
        to != set.wanted || (set.wanted > 0 && !known)
    };
    let resizes: Vec<Resize> = sizes
        .into_iter()
        .filter(|(set, to)| outdated(set, *to))
        .map(|(set, to)| Resize { name: set.name.clone(), to })
        .collect();
    if resizes.is_empty() { Step::Wait } else { Step::Resize(resizes) }
}

#[cfg(test)]
mod tests;
