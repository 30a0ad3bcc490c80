//! From a pod, what is seen of it on the machine, and the time: what to do next.
//!
//! Pure; `reconcile` does what is planned here and plans again until nothing is left to do, `status` says what to report
//! of the same [`World`]. Everything follows from levels, so that a plan made by another server comes to the same. Start
//! reading at [`plan`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use client::kinds::core::v1::{Pod, PodSpec, PodStatus};
use container::{StartError, Status};
use jiff::Timestamp;

use super::back_off::{BackOff, Delay, after};
use super::identity::{Attempt, Slot, Stage, Uid};
use crate::image;

/// Exit code of a command that could not be executed, as container runtimes report it.
pub(crate) const NOT_EXECUTED: i32 = 128;
/// How long a pod may end when it does not say, API reference of PodSpec.
const DEFAULT_GRACE: Duration = Duration::from_secs(30);
/// How many attempts of a container are kept: the last one and the one before it, which `kubectl logs --previous` shows.
const KEPT_ATTEMPTS: usize = 2;

/// Everything that a plan depends on.
#[derive(Debug)]
pub(crate) struct World<'a> {
    pub pod: &'a Pod,
    pub spec: &'a PodSpec,
    pub uid: &'a Uid,
    /// The status that the API has.
    pub status: &'a PodStatus,
    pub now: Timestamp,
    pub back_off: &'a BackOff,
    /// The attempts that exist, in ascending order.
    pub containers: &'a BTreeMap<Slot, Vec<Seen>>,
    /// Sandbox and volumes.
    pub place: Place<'a>,
    /// Why the pod has to go because of its volumes.
    pub overfull: Option<&'a str>,
    /// Why the last try to start a container led to none.
    pub troubles: &'a BTreeMap<Slot, Trouble>,
    /// What probes say about running containers.
    pub health: &'a BTreeMap<Attempt, Health>,
    /// Containers that have been asked to end.
    pub stopping: &'a BTreeMap<Attempt, Stopping>,
    pub delays: &'a BTreeMap<Slot, Delay>,
    /// What has been tried in this turn. Nothing is tried twice in one.
    pub tried: &'a BTreeSet<Step>,
}

/// One attempt to run a container, as it is on the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub number: u32,
    pub status: Status,
    /// The last words of one that has ended.
    pub message: Option<String>,
}

/// Whether containers can be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// Nothing is there, or nobody has looked.
    Missing,
    /// The sandbox is there and the volumes are not, for this reason.
    Incomplete(&'a str),
    Ready,
}

/// Why a container does not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub reason: &'static str,
    pub message: String,
    /// When it began.
    pub since: Timestamp,
}

/// What probes say about one running container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Health {
    pub started: bool,
    pub ready: bool,
    pub failing: Option<Failing>,
}

/// A probe has given up on a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failing {
    /// `liveness` or `startup`.
    pub probe: &'static str,
    /// How long the container may end, if the probe says so itself.
    pub grace: Option<Duration>,
}

/// A container that has been asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stopping {
    /// When it is killed.
    pub deadline: Timestamp,
    /// Whether that has been done.
    pub killed: bool,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// Make sandbox and volumes.
    Prepare,
    /// Start an attempt, which may exist already.
    Start {
        attempt: Attempt,
    },
    /// Ask to end until the deadline.
    Stop {
        attempt: Attempt,
        deadline: Timestamp,
        reason: String,
    },
    Kill {
        attempt: Attempt,
    },
    /// Remove an attempt that has ended.
    Remove {
        attempt: Attempt,
    },
    /// Remove the volumes, which nobody uses any more.
    Unmount,
}

/// What to do about a pod.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Plan {
    pub steps: Vec<Step>,
    /// When to look again, if nothing happens before.
    pub wake_at: Option<Timestamp>,
    /// Nothing of it runs, and the API wants it gone.
    pub is_over: bool,
}

/// Where a pod is heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Course {
    /// Its containers run, or will.
    Run,
    /// It has come to an end that does not change any more.
    End { phase: &'static str, reason: Option<String>, message: Option<String> },
    /// The API wants it gone.
    Leave,
}

/// What to do next.
pub(crate) fn plan(world: &World<'_>) -> Plan {
    let mut plan = Plan::default();
    match course(world) {
        Course::Run => run(world, &mut plan),
        Course::End { .. } => {
            stop_all(world, after(world.now, world.grace()), &mut plan);
            // Logs stay until the pod is deleted; secrets and other storage in memory need not.
            if world.place == Place::Ready && world.running().next().is_none() {
                plan.steps.push(Step::Unmount);
            }
        }
        Course::Leave => {
            let deletion = world.pod.metadata.deletion_timestamp.as_ref();
            stop_all(world, deletion.map_or(world.now, |time| time.0), &mut plan);
            plan.is_over = world.running().next().is_none();
        }
    }
    remove_old(world, &mut plan);
    plan.steps.retain(|step| !world.tried.contains(step));
    plan
}

/// Where the pod is heading.
pub(crate) fn course(world: &World<'_>) -> Course {
    if world.pod.metadata.deletion_timestamp.is_some() {
        return Course::Leave;
    }
    let status = world.status;
    for phase in ["Succeeded", "Failed"] {
        if status.phase.as_deref() == Some(phase) {
            return Course::End { phase, reason: status.reason.clone(), message: status.message.clone() };
        }
    }
    if world.deadline().is_some_and(|deadline| deadline <= world.now) {
        return Course::End {
            phase: "Failed",
            reason: Some("DeadlineExceeded".to_owned()),
            message: Some("Pod was active on the node longer than the specified deadline".to_owned()),
        };
    }
    if let Some(message) = world.overfull {
        let (reason, message) = (Some("Evicted".to_owned()), Some(message.to_owned()));
        return Course::End { phase: "Failed", reason, message };
    }
    Course::Run
}

/// What a container needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It runs.
    Running,
    /// It has ended for good, with this exit code.
    Done { code: i32 },
    /// It is to be started once the time has come.
    Start { number: u32, not_before: Timestamp },
}

/// What the container of a slot needs while the pod runs.
pub(crate) fn turn(world: &World<'_>, slot: Slot) -> Turn {
    let Some(latest) = world.latest(slot) else {
        return Turn::Start { number: world.first_number(slot), not_before: world.now };
    };
    let number = latest.number;
    let until = |at| world.back_off.until(world.delays.get(&slot).copied(), at);
    match &latest.status {
        Status::Created => Turn::Start { number, not_before: world.now },
        Status::Running { .. } => Turn::Running,
        // Nothing of it has run; the same attempt is made again, after the shortest wait.
        Status::StartFailed { error, at } if !is_final(error) => {
            Turn::Start { number, not_before: after(*at, world.back_off.first) }
        }
        Status::StartFailed { .. } | Status::Exited { .. } => {
            let (code, at) = ending(&latest.status).unwrap_or((NOT_EXECUTED, world.now));
            if world.restarts(slot.stage, code) {
                Turn::Start { number: number.saturating_add(1), not_before: until(at) }
            } else {
                Turn::Done { code }
            }
        }
    }
}

/// Exit code and end of an attempt that has ended.
pub(crate) fn ending(status: &Status) -> Option<(i32, Timestamp)> {
    match status {
        Status::Exited { exit, .. } => Some((exit.status.code(), exit.at)),
        Status::StartFailed { error, at } if is_final(error) => Some((NOT_EXECUTED, *at)),
        Status::StartFailed { .. } | Status::Created | Status::Running { .. } => None,
    }
}

/// Whether a start failed because of what was to be started, so that trying the same again is a restart.
fn is_final(error: &StartError) -> bool {
    matches!(error, StartError::CommandNotFound { .. } | StartError::CommandNotExecutable { .. })
}

fn run(world: &World<'_>, plan: &mut Plan) {
    plan.wake(world.deadline());
    for attempt in world.running() {
        if let Some(failing) = world.health.get(&attempt).and_then(|health| health.failing.as_ref()) {
            let deadline = after(world.now, failing.grace.unwrap_or_else(|| world.grace()));
            let name = world.name(attempt.slot);
            let reason = format!("Container {name} failed {} probe, will be restarted", failing.probe);
            stop(world, attempt, Intent { deadline, reason }, plan);
        }
    }
    for attempt in world.running() {
        // The image is the one thing of a container that the API lets change. All that runs here was started from this one.
        let image = world.container(attempt.slot).and_then(|container| container.image.as_deref());
        if image != Some(image::HOST) {
            let deadline = after(world.now, world.grace());
            let reason = format!("Container {} definition changed, will be restarted", world.name(attempt.slot));
            stop(world, attempt, Intent { deadline, reason }, plan);
        }
    }
    if world.place != Place::Ready {
        plan.steps.push(Step::Prepare);
        return;
    }
    if !is_initialized(world) {
        let next = world.slots(Stage::Init).find(|slot| turn(world, *slot) != Turn::Done { code: 0 });
        next.into_iter().for_each(|slot| start(world, slot, plan));
        return;
    }
    world.slots(Stage::Main).for_each(|slot| start(world, slot, plan));
}

fn start(world: &World<'_>, slot: Slot, plan: &mut Plan) {
    match turn(world, slot) {
        Turn::Running | Turn::Done { .. } => {}
        Turn::Start { number, not_before } if not_before <= world.now => {
            plan.steps.push(Step::Start { attempt: Attempt { slot, number } });
        }
        Turn::Start { not_before, .. } => plan.wake(Some(not_before)),
    }
}

/// Whether the init containers have done their work. They are not run again for a pod whose containers have run.
pub(crate) fn is_initialized(world: &World<'_>) -> bool {
    let has_begun = world.slots(Stage::Main).any(|slot| world.latest(slot).is_some());
    has_begun || world.slots(Stage::Init).all(|slot| turn(world, slot) == Turn::Done { code: 0 })
}

/// Until when a container has to end, and why.
struct Intent {
    deadline: Timestamp,
    reason: String,
}

fn stop_all(world: &World<'_>, deadline: Timestamp, plan: &mut Plan) {
    for attempt in world.running() {
        let reason = format!("Stopping container {}", world.name(attempt.slot));
        stop(world, attempt, Intent { deadline, reason }, plan);
    }
}

fn stop(world: &World<'_>, attempt: Attempt, intent: Intent, plan: &mut Plan) {
    let Intent { deadline, reason } = intent;
    let Some(stopping) = world.stopping.get(&attempt) else {
        plan.steps.push(Step::Stop { attempt, deadline, reason });
        return;
    };
    // A second request may shorten the time and never lengthens it.
    let deadline = deadline.min(stopping.deadline);
    if stopping.killed {
    } else if deadline <= world.now {
        plan.steps.push(Step::Kill { attempt });
    } else {
        plan.wake(Some(deadline));
    }
}

fn remove_old(world: &World<'_>, plan: &mut Plan) {
    for (slot, attempts) in world.containers {
        let old = attempts.len().saturating_sub(KEPT_ATTEMPTS);
        let number = |seen: &Seen| Step::Remove { attempt: Attempt { slot: *slot, number: seen.number } };
        plan.steps.extend(attempts[..old].iter().map(number));
    }
}

impl Plan {
    fn wake(&mut self, at: Option<Timestamp>) {
        self.wake_at = self.wake_at.into_iter().chain(at).min();
    }
}

impl<'a> World<'a> {
    /// The containers of a stage.
    pub(crate) fn slots(&self, stage: Stage) -> impl Iterator<Item = Slot> + use<> {
        let count = match stage {
            Stage::Init => self.spec.init_containers.as_ref().map_or(0, Vec::len),
            Stage::Main => self.spec.containers.len(),
        };
        (0..count).map(move |index| Slot { stage, index })
    }

    /// The specification of a container; none if the pod has no such container.
    pub(crate) fn container(&self, slot: Slot) -> Option<&'a client::kinds::core::v1::Container> {
        container_of(self.spec, slot)
    }

    /// The name of a container.
    pub(crate) fn name(&self, slot: Slot) -> &'a str {
        self.container(slot).map_or("", |container| &container.name)
    }

    /// The newest attempt of a container.
    pub(crate) fn latest(&self, slot: Slot) -> Option<&'a Seen> {
        self.containers.get(&slot)?.last()
    }

    /// The attempts that run.
    pub(crate) fn running(&self) -> impl Iterator<Item = Attempt> + use<'a> {
        self.containers.iter().flat_map(|(slot, attempts)| {
            let running = attempts.iter().filter(|seen| matches!(seen.status, Status::Running { .. }));
            running.map(|seen| Attempt { slot: *slot, number: seen.number })
        })
    }

    /// The number of the first attempt: 0, or one more than what the API knows if the machine has forgotten.
    pub(crate) fn first_number(&self, slot: Slot) -> u32 {
        let name = self.name(slot);
        let statuses = match slot.stage {
            Stage::Init => &self.status.init_container_statuses,
            Stage::Main => &self.status.container_statuses,
        };
        let known = statuses.iter().flatten().find(|status| status.name == name);
        let has_run = known.filter(|status| status.container_id.as_ref().is_some_and(|id| !id.is_empty()));
        has_run.map_or(0, |status| u32::try_from(status.restart_count).unwrap_or(0).saturating_add(1))
    }

    /// How long the containers may take to end.
    pub(crate) fn grace(&self) -> Duration {
        let seconds = self.spec.termination_grace_period_seconds;
        seconds.map_or(DEFAULT_GRACE, |seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
    }

    /// Whether a container that has ended is started again.
    pub(crate) fn restarts(&self, stage: Stage, code: i32) -> bool {
        match (self.spec.restart_policy.as_deref(), stage) {
            (Some("Never"), _) => false,
            (Some("OnFailure"), _) | (_, Stage::Init) => code != 0,
            _ => true,
        }
    }

    /// When the pod has been active for as long as it may.
    fn deadline(&self) -> Option<Timestamp> {
        let seconds = u64::try_from(self.spec.active_deadline_seconds?).ok()?;
        Some(after(self.status.start_time.as_ref()?.0, Duration::from_secs(seconds)))
    }
}

/// The specification of a container; none if the pod has no such container.
pub(crate) fn container_of(spec: &PodSpec, slot: Slot) -> Option<&client::kinds::core::v1::Container> {
    match slot.stage {
        Stage::Init => spec.init_containers.as_ref()?.get(slot.index),
        Stage::Main => spec.containers.get(slot.index),
    }
}
