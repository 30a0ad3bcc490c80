//! The status of a pod as the API shows it, from the same world as the plan.
//!
//! Pure. Reasons and messages are upstream's, because people and programs match them. What other writers have put into the
//! status stays. Start reading at [`status`].

use client::kinds::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus, HostIP,
    PodCondition, PodStatus,
};
use client::meta::Time;
use container::{ExitStatus, Status};
use jiff::{SignedDuration, Timestamp};

use super::identity::{Attempt, Slot, Stage};
use super::plan::{Course, Place, Seen, Turn, World, course, ending, is_initialized, turn};
use super::resources::Quality;
use crate::image;

/// A failed pull is called by this name after a while.
pub(crate) const PULL_BACK_OFF_AFTER: SignedDuration = SignedDuration::from_secs(10);

/// The status to report. `host_ip` is the node's address.
pub(crate) fn status(world: &World<'_>, host_ip: &str) -> PodStatus {
    let course = course(world);
    let init = statuses(world, &course, Stage::Init);
    let main = statuses(world, &course, Stage::Main);
    let mut status = world.status.clone();
    let phase = match &course {
        Course::End { phase, reason, message } => {
            status.reason.clone_from(reason);
            status.message.clone_from(message);
            phase
        }
        Course::Run => phase_of(world, &main),
        Course::Leave => last_phase(world, &main),
    };
    status.phase = Some(phase.to_owned());
    status.qos_class = Some(Quality::of(world.spec).name().to_owned());
    status.host_ip = Some(host_ip.to_owned());
    status.host_ips = Some(vec![HostIP { ip: host_ip.to_owned() }]);
    status.start_time = status.start_time.or(Some(Time(seconds(world.now))));
    status.observed_generation = world.pod.metadata.generation;
    status.conditions = Some(conditions(world, &Conditions { phase, init: &init, main: &main }));
    status.init_container_statuses = (!init.is_empty()).then_some(init);
    status.container_statuses = Some(main);
    status
}

/// Moments in a status have whole seconds.
fn seconds(moment: Timestamp) -> Timestamp {
    Timestamp::from_second(moment.as_second()).unwrap_or(moment)
}

fn time(moment: Timestamp) -> Option<Time> {
    Some(Time(seconds(moment)))
}

fn statuses(world: &World<'_>, course: &Course, stage: Stage) -> Vec<ContainerStatus> {
    world.slots(stage).map(|slot| container_status(world, course, slot)).collect()
}

fn container_status(world: &World<'_>, course: &Course, slot: Slot) -> ContainerStatus {
    let latest = world.latest(slot);
    let shown = |seen: &Seen| terminated(world, slot, seen);
    let attempts = world.containers.get(&slot).map_or(&[][..], Vec::as_slice);
    let earlier = attempts.iter().rev().skip(1).find_map(shown);
    let last = waiting(world, course, slot);
    let (state, last_state) = match (latest, last) {
        (Some(Seen { status: Status::Running { started_at, .. }, .. }), _) => {
            let running = ContainerStateRunning { started_at: time(*started_at) };
            (ContainerState { running: Some(running), ..ContainerState::default() }, earlier)
        }
        (Some(seen), None) => (ContainerState { terminated: shown(seen), ..ContainerState::default() }, earlier),
        (latest, waiting) => {
            let last_state = latest.and_then(shown).or(earlier);
            (ContainerState { waiting, ..ContainerState::default() }, last_state)
        }
    };
    let is_running = state.running.is_some();
    let attempt = latest.map(|seen| Attempt { slot, number: seen.number });
    let health = attempt.and_then(|attempt| world.health.get(&attempt)).cloned().unwrap_or_default();
    let has_run = |seen: &&Seen| matches!(seen.status, Status::Running { .. }) || ending(&seen.status).is_some();
    let number = latest.filter(has_run).map_or_else(|| before_first(world, slot), |seen| seen.number);
    let container = world.container(slot);
    let is_complete = state.terminated.as_ref().is_some_and(|end| end.exit_code == 0);
    ContainerStatus {
        name: world.name(slot).to_owned(),
        image: container.and_then(|container| container.image.clone()).unwrap_or_default(),
        image_id: latest.filter(has_run).map(|_| image::HOST_ID.to_owned()).unwrap_or_default(),
        container_id: latest.filter(has_run).map(|seen| container_id(world, Attempt { slot, number: seen.number })),
        restart_count: i32::try_from(number).unwrap_or(i32::MAX),
        started: Some(is_running && health.started),
        // An init container is ready when it has done its work.
        ready: match slot.stage {
            Stage::Init => is_complete,
            Stage::Main => is_running && health.started && health.ready,
        },
        state: Some(state),
        last_state: Some(match last_state.or_else(|| forgotten(world, slot)) {
            Some(terminated) => ContainerState { terminated: Some(terminated), ..ContainerState::default() },
            None => ContainerState::default(),
        }),
        ..ContainerStatus::default()
    }
}

/// The restart count while there is no attempt yet.
fn before_first(world: &World<'_>, slot: Slot) -> u32 {
    world.latest(slot).map_or_else(|| world.first_number(slot), |seen| seen.number).saturating_sub(1)
}

/// The end of the attempt before, if only the API remembers it.
fn forgotten(world: &World<'_>, slot: Slot) -> Option<ContainerStateTerminated> {
    if world.latest(slot).is_none_or(|seen| seen.number == 0) {
        return None;
    }
    let lists = [&world.status.init_container_statuses, &world.status.container_statuses];
    let known = lists.into_iter().flatten().flatten().find(|status| status.name == world.name(slot))?;
    known.last_state.as_ref()?.terminated.clone()
}

pub(crate) fn container_id(world: &World<'_>, attempt: Attempt) -> String {
    format!("{}{}", crate::RUNTIME_SCHEME, attempt.id(world.uid))
}

/// Why a container that does not run is not started; none if it has ended and that is its state.
fn waiting(world: &World<'_>, course: &Course, slot: Slot) -> Option<ContainerStateWaiting> {
    let latest = world.latest(slot);
    let says = |reason: &str, message: Option<String>| {
        Some(ContainerStateWaiting { reason: Some(reason.to_owned()), message })
    };
    let has_ended = latest.is_some_and(|seen| ending(&seen.status).is_some());
    if has_ended && *course != Course::Run {
        return None;
    }
    let not_before = match turn(world, slot) {
        Turn::Start { not_before, .. } => not_before,
        Turn::Running | Turn::Done { .. } => return None,
    };
    if let Some(trouble) = world.troubles.get(&slot) {
        if trouble.reason == image::PULL_FAILED && world.now.duration_since(trouble.since) >= PULL_BACK_OFF_AFTER {
            return says(image::PULL_BACK_OFF, Some(format!("Back-off pulling image: {}", trouble.message)));
        }
        return says(trouble.reason, Some(trouble.message.clone()));
    }
    match latest.map(|seen| &seen.status) {
        Some(Status::StartFailed { error, .. }) if !has_ended => says("CreateContainerError", Some(error.to_string())),
        Some(_) if has_ended && world.now < not_before => {
            let delay = world.delays.get(&slot).map_or(0, |delay| delay.length().as_secs());
            let metadata = &world.pod.metadata;
            let pod = format!(
                "{}_{}({})",
                metadata.name.as_deref().unwrap_or_default(),
                metadata.namespace.as_deref().unwrap_or_default(),
                world.uid
            );
            let name = world.name(slot);
            let message = format!("back-off {} restarting failed container={name} pod={pod}", go_duration(delay));
            says("CrashLoopBackOff", Some(message))
        }
        Some(_) if has_ended => None,
        _ if world.spec.init_containers.as_ref().is_some_and(|list| !list.is_empty()) => says("PodInitializing", None),
        _ => says("ContainerCreating", None),
    }
}

/// Seconds as Go writes durations: `10s`, `1m20s`, `5m0s`.
fn go_duration(seconds: u64) -> String {
    if seconds < 60 { format!("{seconds}s") } else { format!("{}m{}s", seconds / 60, seconds % 60) }
}

fn terminated(world: &World<'_>, slot: Slot, seen: &Seen) -> Option<ContainerStateTerminated> {
    let (exit_code, finished_at) = ending(&seen.status)?;
    let id = container_id(world, Attempt { slot, number: seen.number });
    let mut ended = ContainerStateTerminated {
        container_id: Some(id),
        exit_code,
        finished_at: time(finished_at),
        message: seen.message.clone(),
        ..ContainerStateTerminated::default()
    };
    match &seen.status {
        Status::Exited { started_at, exit, .. } => {
            ended.started_at = time(*started_at);
            let reason = match &exit.status {
                ExitStatus::Unknown { reason } => {
                    ended.message.get_or_insert_with(|| reason.clone());
                    "ContainerStatusUnknown"
                }
                _ if exit.oom_killed => "OOMKilled",
                ExitStatus::Code(0) => "Completed",
                ExitStatus::Code(_) | ExitStatus::Signal(_) => "Error",
            };
            ended.reason = Some(reason.to_owned());
        }
        Status::StartFailed { error, at } => {
            ended.started_at = time(*at);
            ended.reason = Some("StartError".to_owned());
            ended.message = Some(error.to_string());
        }
        Status::Created | Status::Running { .. } => return None,
    }
    Some(ended)
}

/// The phase of a pod whose containers run or will, API reference of PodStatus.
fn phase_of(world: &World<'_>, main: &[ContainerStatus]) -> &'static str {
    let failed_for_good = |slot: Slot| matches!(turn(world, slot), Turn::Done { code } if code != 0);
    if !is_initialized(world) {
        return if world.slots(Stage::Init).any(failed_for_good) { "Failed" } else { "Pending" };
    }
    let has = |status: &ContainerStatus, which: fn(&ContainerState) -> bool| status.state.as_ref().is_some_and(which);
    let waits = |status: &&ContainerStatus| {
        let has_ended_before = status.last_state.as_ref().is_some_and(|last| last.terminated.is_some());
        has(status, |state| state.waiting.is_some()) && !has_ended_before
    };
    if main.iter().any(|status| waits(&status)) {
        return "Pending";
    }
    if main.iter().any(|status| has(status, |state| state.running.is_some())) {
        return "Running";
    }
    let codes = world.slots(Stage::Main).map(|slot| match turn(world, slot) {
        Turn::Done { code } => Some(code),
        Turn::Running | Turn::Start { .. } => None,
    });
    match codes.collect::<Option<Vec<i32>>>() {
        Some(codes) if codes.iter().all(|code| *code == 0) => "Succeeded",
        Some(_) => "Failed",
        None => "Running",
    }
}

/// The phase of a pod that is being deleted: what it was, until nothing runs.
fn last_phase(world: &World<'_>, main: &[ContainerStatus]) -> &'static str {
    if world.running().next().is_some() {
        return "Running";
    }
    let codes = main.iter().map(|status| status.state.as_ref()?.terminated.as_ref().map(|end| end.exit_code));
    match (codes.collect::<Option<Vec<i32>>>(), world.status.phase.as_deref()) {
        (_, Some("Succeeded")) => "Succeeded",
        (Some(codes), phase) if phase != Some("Failed") && codes.iter().all(|code| *code == 0) => "Succeeded",
        // It was deleted before its containers had ever run.
        (None, None | Some("Pending")) if !world.containers.values().flatten().any(has_run) => "Pending",
        _ => "Failed",
    }
}

fn has_run(seen: &Seen) -> bool {
    matches!(seen.status, Status::Exited { .. })
}

struct Conditions<'a> {
    phase: &'static str,
    init: &'a [ContainerStatus],
    main: &'a [ContainerStatus],
}

/// One condition without its times.
struct Verdict {
    holds: bool,
    reason: Option<&'static str>,
    message: Option<String>,
}

impl Verdict {
    const YES: Self = Self { holds: true, reason: None, message: None };
    const NO: Self = Self { holds: false, reason: None, message: None };

    fn not(reason: &'static str, message: Option<String>) -> Self {
        Self { holds: false, reason: Some(reason), message }
    }
}

fn conditions(world: &World<'_>, facts: &Conditions<'_>) -> Vec<PodCondition> {
    let mut conditions = world.status.conditions.clone().unwrap_or_default();
    let containers_ready = containers_ready(facts);
    let verdicts = [
        ("PodReadyToStartContainers", if world.place == Place::Missing { Verdict::NO } else { Verdict::YES }),
        ("Initialized", initialized(world, facts)),
        ("Ready", ready(world, &containers_ready)),
        ("ContainersReady", containers_ready),
        ("PodScheduled", Verdict::YES),
    ];
    for (kind, verdict) in verdicts {
        set(&mut conditions, kind, verdict, world);
    }
    conditions
}

fn set(conditions: &mut Vec<PodCondition>, kind: &str, verdict: Verdict, world: &World<'_>) {
    let status = if verdict.holds { "True" } else { "False" };
    let index = conditions.iter().position(|condition| condition.type_ == kind).unwrap_or_else(|| {
        conditions.push(PodCondition { type_: kind.to_owned(), ..PodCondition::default() });
        conditions.len() - 1
    });
    let condition = &mut conditions[index];
    if condition.status != status {
        condition.status = status.to_owned();
        condition.last_transition_time = time(world.now);
    }
    condition.reason = verdict.reason.map(str::to_owned);
    condition.message = verdict.message;
    condition.observed_generation = world.pod.metadata.generation;
}

fn names<'a>(statuses: impl Iterator<Item = &'a ContainerStatus>) -> String {
    statuses.map(|status| status.name.as_str()).collect::<Vec<_>>().join(" ")
}

fn initialized(world: &World<'_>, facts: &Conditions<'_>) -> Verdict {
    if facts.phase == "Succeeded" {
        return Verdict { holds: true, reason: Some("PodCompleted"), message: None };
    }
    if is_initialized(world) {
        return Verdict::YES;
    }
    let incomplete = names(facts.init.iter().filter(|status| !status.ready));
    Verdict::not("ContainersNotInitialized", Some(format!("containers with incomplete status: [{incomplete}]")))
}

fn containers_ready(facts: &Conditions<'_>) -> Verdict {
    match facts.phase {
        "Succeeded" => return Verdict::not("PodCompleted", None),
        "Failed" => return Verdict::not("PodFailed", None),
        _ => {}
    }
    let unready = names(facts.main.iter().filter(|status| !status.ready));
    if unready.is_empty() {
        return Verdict::YES;
    }
    Verdict::not("ContainersNotReady", Some(format!("containers with unready status: [{unready}]")))
}

fn ready(world: &World<'_>, containers: &Verdict) -> Verdict {
    if !containers.holds {
        return Verdict::not(containers.reason.unwrap_or("ContainersNotReady"), containers.message.clone());
    }
    let known = world.status.conditions.as_deref().unwrap_or_default();
    let open = world.spec.readiness_gates.iter().flatten().filter_map(|gate| {
        let kind = &gate.condition_type;
        match known.iter().find(|condition| condition.type_ == *kind) {
            Some(condition) if condition.status == "True" => None,
            Some(condition) => {
                Some(format!("the status of pod readiness gate \"{kind}\" is not \"True\", but {}", condition.status))
            }
            None => Some(format!("corresponding condition of pod readiness gate \"{kind}\" does not exist.")),
        }
    });
    let open: Vec<String> = open.collect();
    if open.is_empty() { Verdict::YES } else { Verdict::not("ReadinessGatesNotReady", Some(open.join(", "))) }
}

/// Whether a container waits to be restarted after failures, which is worth an event.
pub(crate) fn is_in_back_off(status: &ContainerStatus) -> bool {
    let waiting = status.state.as_ref().and_then(|state| state.waiting.as_ref());
    waiting.is_some_and(|waiting| waiting.reason.as_deref() == Some("CrashLoopBackOff"))
}

/// The status of a pod that this node refuses.
pub(crate) fn refused(status: &PodStatus, reason: &str, message: String) -> PodStatus {
    PodStatus {
        phase: Some("Failed".to_owned()),
        reason: Some(reason.to_owned()),
        message: Some(message),
        ..status.clone()
    }
}
