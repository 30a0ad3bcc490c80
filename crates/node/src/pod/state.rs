//! What the agent has in mind about one pod between two turns.
//!
//! Nothing here is the truth: containers are with the runtime, the wanted state is with the API, and what must outlive the
//! process is in the [`Record`]. A new server starts with an empty state and comes to the same plans. Start reading at
//! [`Entry`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use client::kinds::core::v1::{Pod, PodSpec, PodStatus};
use container::{Exit, Status};
use jiff::Timestamp;

use super::back_off::{BackOff, Delay};
use super::identity::{Attempt, Slot, Stage, Uid};
use super::plan::{Health, Place, Seen, Step, Stopping, Trouble, World};
use super::record::Record;
use crate::source::Reference;

/// A pod that the agent deals with.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    /// Belongs to the turn that is under way.
    pub state: tokio::sync::Mutex<State>,
    /// What has been told from outside of turns.
    signals: Mutex<Signals>,
}

/// What tasks beside the turns have found out.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    /// Ends of containers; none if the runtime has to be asked again.
    pub ends: BTreeMap<Attempt, Option<Exit>>,
    pub health: BTreeMap<Attempt, Health>,
}

impl Entry {
    pub(crate) fn signals(&self) -> MutexGuard<'_, Signals> {
        self.signals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Whether the runtime has been asked what there is.
    pub is_loaded: bool,
    pub record: Option<Record>,
    pub containers: BTreeMap<Slot, Vec<Seen>>,
    pub sandbox: Sandbox,
    /// None: nobody has tried to make them.
    pub volumes: Option<Result<(), String>>,
    /// Why the pod has to go because of its volumes.
    pub overfull: Option<String>,
    /// When volumes with a limit were last measured.
    pub measured_at: Option<Timestamp>,
    /// Which content the volumes were made from.
    pub contents: Contents,
    pub troubles: BTreeMap<Slot, Trouble>,
    pub health: BTreeMap<Attempt, Health>,
    pub stopping: BTreeMap<Attempt, Stopping>,
    /// Running containers that have a task which waits for their end.
    pub watched: BTreeSet<Attempt>,
    /// The status as the API has it since the agent's last write, and the version of the pod with it.
    pub written: Option<(PodStatus, u64)>,
}

/// What is known of a pod's sandbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Sandbox {
    #[default]
    None,
    /// There is one by name. After a restart of the machine it has to be made again, which is harmless at any time.
    Listed,
    Made,
}

/// What the files of the volumes tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    /// The versions of ConfigMaps and Secrets; none for one that is not there.
    pub versions: BTreeMap<Reference, Option<String>>,
    pub labels: Option<BTreeMap<String, String>>,
    pub annotations: Option<BTreeMap<String, String>>,
}

/// What a turn looks at besides the state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub pod: &'a Pod,
    pub spec: &'a PodSpec,
    pub status: &'a PodStatus,
    pub uid: &'a Uid,
    pub now: Timestamp,
    pub back_off: &'a BackOff,
    pub delays: &'a BTreeMap<Slot, Delay>,
    pub tried: &'a BTreeSet<Step>,
}

impl State {
    /// The world of the plan.
    pub(crate) fn world<'a>(&'a self, view: View<'a>) -> World<'a> {
        World {
            pod: view.pod,
            spec: view.spec,
            uid: view.uid,
            status: view.status,
            now: view.now,
            back_off: view.back_off,
            containers: &self.containers,
            place: self.place(),
            overfull: self.overfull.as_deref(),
            troubles: &self.troubles,
            health: &self.health,
            stopping: &self.stopping,
            delays: view.delays,
            tried: view.tried,
        }
    }

    pub(crate) fn place(&self) -> Place<'_> {
        match &self.volumes {
            _ if self.sandbox == Sandbox::None => Place::Missing,
            Some(Ok(())) if self.sandbox == Sandbox::Made => Place::Ready,
            Some(Err(reason)) => Place::Incomplete(reason),
            Some(Ok(())) | None => Place::Incomplete(""),
        }
    }

    /// The waits between restarts.
    pub(crate) fn delays(&self) -> BTreeMap<Slot, Delay> {
        let delays = self.record.iter().flat_map(|record| &record.delays);
        delays.filter_map(|(slot, delay)| Some((parse_slot(slot)?, *delay))).collect()
    }

    /// The attempts that run.
    pub(crate) fn running(&self) -> Vec<Attempt> {
        let all = self.containers.iter().flat_map(|(slot, attempts)| {
            attempts.iter().map(|seen| (Attempt { slot: *slot, number: seen.number }, &seen.status))
        });
        all.filter(|(_, status)| matches!(status, Status::Running { .. })).map(|(attempt, _)| attempt).collect()
    }

    /// All attempts.
    pub(crate) fn attempts(&self) -> Vec<Attempt> {
        let all = self
            .containers
            .iter()
            .flat_map(|(slot, attempts)| attempts.iter().map(|seen| Attempt { slot: *slot, number: seen.number }));
        all.collect()
    }

    pub(crate) fn seen_mut(&mut self, attempt: Attempt) -> Option<&mut Seen> {
        self.containers.get_mut(&attempt.slot)?.iter_mut().find(|seen| seen.number == attempt.number)
    }

    /// Notes the state of an attempt.
    pub(crate) fn note(&mut self, attempt: Attempt, status: Status) {
        if let Some(seen) = self.seen_mut(attempt) {
            seen.status = status;
            return;
        }
        let attempts = self.containers.entry(attempt.slot).or_default();
        attempts.push(Seen { number: attempt.number, status, message: None });
        attempts.sort_by_key(|seen| seen.number);
    }

    /// Forgets an attempt that has been removed.
    pub(crate) fn forget(&mut self, attempt: Attempt) {
        if let Some(attempts) = self.containers.get_mut(&attempt.slot) {
            attempts.retain(|seen| seen.number != attempt.number);
        }
        self.containers.retain(|_, attempts| !attempts.is_empty());
        self.ended(attempt);
    }

    /// Forgets what only holds of a running container.
    pub(crate) fn ended(&mut self, attempt: Attempt) {
        self.health.remove(&attempt);
        self.stopping.remove(&attempt);
        self.watched.remove(&attempt);
    }

    /// The status that the API has: the cache may be behind the agent's own last write.
    pub(crate) fn status(&self, pod: &Pod) -> PodStatus {
        let version = pod.metadata.resource_version.as_deref().and_then(|version| version.parse::<u64>().ok());
        match (&self.written, version) {
            (Some((status, written)), Some(cached)) if *written > cached => status.clone(),
            _ => pod.status.clone().unwrap_or_default(),
        }
    }
}

fn parse_slot(text: &str) -> Option<Slot> {
    let (letter, index) = text.split_at_checked(1)?;
    let stage = match letter {
        "i" => Stage::Init,
        "c" => Stage::Main,
        _ => return None,
    };
    Some(Slot { stage, index: index.parse().ok()? })
}
