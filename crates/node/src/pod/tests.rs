//! Plans and statuses as tables: a pod, what is on the machine, and what follows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use client::kinds::core::v1::{Pod, PodStatus};
use container::{Exit, ExitStatus, Identity, StartError, Status};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::back_off::{BackOff, Delay};
use super::identity::{Attempt, Slot, Uid};
use super::plan::{Failing, Health, Place, Plan, Seen, Step, Stopping, Trouble, World, plan};
use super::status::status;

const UID: &str = "7b0b2a56-0000-4000-8000-000000000001";

/// Seconds after some beginning.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_750_000_000 + seconds).unwrap()
}

/// A world that tests fill in.
struct Case {
    pod: Pod,
    now: Timestamp,
    containers: BTreeMap<Slot, Vec<Seen>>,
    place: Place<'static>,
    overfull: Option<&'static str>,
    troubles: BTreeMap<Slot, Trouble>,
    health: BTreeMap<Attempt, Health>,
    stopping: BTreeMap<Attempt, Stopping>,
    delays: BTreeMap<Slot, Delay>,
    tried: BTreeSet<Step>,
}

impl Case {
    /// A pod with one container, which may be prepared already.
    fn new(spec: Value) -> Self {
        let mut whole = json!({"containers": [{"name": "c", "image": "host"}]});
        whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let pod = json!({"metadata": {"name": "p", "namespace": "n", "uid": UID, "generation": 1}, "spec": whole});
        Self {
            pod: serde_json::from_value(pod).unwrap(),
            now: at(100),
            containers: BTreeMap::new(),
            place: Place::Ready,
            overfull: None,
            troubles: BTreeMap::new(),
            health: BTreeMap::new(),
            stopping: BTreeMap::new(),
            delays: BTreeMap::new(),
            tried: BTreeSet::new(),
        }
    }

    fn with(mut self, slot: Slot, statuses: Vec<Status>) -> Self {
        let seen = statuses.into_iter().zip(0..).map(|(status, number)| Seen { number, status, message: None });
        self.containers.insert(slot, seen.collect());
        self
    }

    fn status(mut self, status: Value) -> Self {
        self.pod.status = serde_json::from_value(status).unwrap();
        self
    }

    fn deleted(mut self, seconds: i64) -> Self {
        self.pod.metadata.deletion_timestamp = Some(client::meta::Time(at(seconds)));
        self
    }

    fn look<T>(&self, see: impl FnOnce(&World<'_>) -> T) -> T {
        let (uid, back_off) = (Uid::new(UID).unwrap(), BackOff::default());
        let status = self.pod.status.clone().unwrap_or_default();
        see(&World {
            pod: &self.pod,
            spec: self.pod.spec.as_ref().unwrap(),
            uid: &uid,
            status: &status,
            now: self.now,
            back_off: &back_off,
            containers: &self.containers,
            place: self.place,
            overfull: self.overfull,
            troubles: &self.troubles,
            health: &self.health,
            stopping: &self.stopping,
            delays: &self.delays,
            tried: &self.tried,
        })
    }

    fn plan(&self) -> Plan {
        self.look(plan)
    }

    fn told(&self) -> PodStatus {
        self.look(|world| status(world, "10.0.0.1"))
    }

    /// The state of the first container, as JSON.
    fn state(&self) -> Value {
        json!(self.told().container_statuses.unwrap()[0].state)
    }
}

const INIT: Identity = Identity { pid: 1, start_time: 1 };

fn running() -> Status {
    Status::Running { init: INIT, started_at: at(50) }
}

fn exited(code: u8, seconds: i64) -> Status {
    let exit = Exit { status: ExitStatus::Code(code), at: at(seconds), oom_killed: false };
    Status::Exited { init: INIT, started_at: at(seconds - 1), exit }
}

fn failed_start(error: StartError, seconds: i64) -> Status {
    Status::StartFailed { error, at: at(seconds) }
}

fn setup_error() -> StartError {
    StartError::Setup { step: "mount".to_owned(), cause: "no".to_owned() }
}

fn no_command() -> StartError {
    StartError::CommandNotFound { command: "x".to_owned() }
}

fn start(slot: Slot, number: u32) -> Step {
    Step::Start { attempt: Attempt { slot, number } }
}

fn attempt(number: u32) -> Attempt {
    Attempt { slot: Slot::main(0), number }
}

#[test]
fn a_new_pod_gets_its_place_before_its_containers() {
    let mut case = Case::new(json!({}));
    case.place = Place::Missing;
    assert_eq!(case.plan().steps, [Step::Prepare]);
    case.place = Place::Incomplete("no volume");
    assert_eq!(case.plan().steps, [Step::Prepare]);
    case.tried.insert(Step::Prepare);
    assert_eq!(case.plan().steps, []);
    case.place = Place::Ready;
    assert_eq!(case.plan().steps, [start(Slot::main(0), 0)]);
}

#[test]
fn what_has_ended_is_started_as_the_restart_policy_says() {
    let again = Some(start(Slot::main(0), 1));
    for (policy, last, expected) in [
        ("Always", exited(0, 90), again.clone()),
        ("Always", exited(1, 90), again.clone()),
        ("OnFailure", exited(0, 90), None),
        ("OnFailure", exited(1, 90), again.clone()),
        ("Never", exited(0, 90), None),
        ("Never", exited(1, 90), None),
        ("Always", failed_start(no_command(), 90), again.clone()),
        ("Never", failed_start(no_command(), 90), None),
        // Nothing has run, so it is the same attempt, whatever the policy.
        ("Never", failed_start(setup_error(), 80), Some(start(Slot::main(0), 0))),
        ("Never", failed_start(setup_error(), 95), None),
        ("Never", Status::Created, Some(start(Slot::main(0), 0))),
        ("Always", running(), None),
    ] {
        let case = Case::new(json!({"restartPolicy": policy})).with(Slot::main(0), vec![last.clone()]);
        assert_eq!(case.plan().steps, expected.into_iter().collect::<Vec<_>>(), "{policy} {last:?}");
    }
}

#[test]
fn a_restart_waits_for_its_back_off() {
    let mut case = Case::new(json!({})).with(Slot::main(0), vec![exited(1, 85), exited(1, 95)]);
    case.delays.insert(Slot::main(0), Delay { milliseconds: 20_000, since: at(90) });
    assert_eq!(case.plan(), Plan { steps: vec![], wake_at: Some(at(115)), is_over: false });
    let waiting = &case.state()["waiting"];
    assert_eq!(waiting["reason"], "CrashLoopBackOff");
    assert_eq!(waiting["message"], format!("back-off 20s restarting failed container=c pod=p_n({UID})"));
    case.now = at(115);
    assert_eq!(case.plan().steps, [start(Slot::main(0), 2)]);
}

#[test]
fn init_containers_come_one_after_another() {
    let spec = json!({"initContainers": [{"name": "a", "image": "host"}, {"name": "b", "image": "host"}]});
    let (a, b, c) = (Slot::init(0), Slot::init(1), Slot::main(0));
    let case = Case::new(spec.clone());
    assert_eq!(case.plan().steps, [start(a, 0)]);
    assert_eq!(case.state()["waiting"]["reason"], "PodInitializing");
    let first_runs = Case::new(spec.clone()).with(a, vec![running()]);
    assert_eq!(first_runs.plan().steps, []);
    assert_eq!(Case::new(spec.clone()).with(a, vec![exited(0, 90)]).plan().steps, [start(b, 0)]);
    assert_eq!(Case::new(spec.clone()).with(a, vec![exited(1, 90)]).plan().steps, [start(a, 1)]);
    let both = Case::new(spec.clone()).with(a, vec![exited(0, 80)]).with(b, vec![exited(0, 90)]);
    assert_eq!(both.plan().steps, [start(c, 0)]);
    // They are not run again for a pod that has begun, even if the machine has forgotten them.
    assert_eq!(Case::new(spec).with(c, vec![exited(1, 90)]).plan().steps, [start(c, 1)]);
}

#[test]
fn containers_of_a_pod_are_started_together() {
    let case = Case::new(json!({"containers": [{"name": "a"}, {"name": "b"}]}));
    assert_eq!(case.plan().steps, [start(Slot::main(0), 0), start(Slot::main(1), 0)]);
}

#[test]
fn a_machine_that_has_forgotten_counts_on() {
    let known = json!({"containerStatuses": [
        {"name": "c", "image": "", "imageID": "", "ready": false, "restartCount": 4, "containerID": "trireme://x"}]});
    let case = Case::new(json!({})).status(known);
    assert_eq!(case.plan().steps, [start(Slot::main(0), 5)]);
    assert_eq!(case.told().container_statuses.unwrap()[0].restart_count, 4);
}

#[test]
fn a_container_that_its_probe_gave_up_on_is_stopped() {
    let mut case = Case::new(json!({"terminationGracePeriodSeconds": 7})).with(Slot::main(0), vec![running()]);
    let failing = |grace| Some(Failing { probe: "liveness", grace });
    case.health.insert(attempt(0), Health { started: true, ready: true, failing: failing(None) });
    let stop = |deadline| Step::Stop {
        attempt: attempt(0),
        deadline,
        reason: "Container c failed liveness probe, will be restarted".to_owned(),
    };
    assert_eq!(case.plan().steps, [stop(at(107))]);
    let own = failing(Some(Duration::from_secs(2)));
    case.health.insert(attempt(0), Health { started: true, ready: true, failing: own });
    assert_eq!(case.plan().steps, [stop(at(102))]);
    case.stopping.insert(attempt(0), Stopping { deadline: at(102), killed: false });
    assert_eq!(case.plan(), Plan { steps: vec![], wake_at: Some(at(102)), is_over: false });
    case.now = at(102);
    assert_eq!(case.plan().steps, [Step::Kill { attempt: attempt(0) }]);
    case.stopping.insert(attempt(0), Stopping { deadline: at(102), killed: true });
    assert_eq!(case.plan().steps, []);
}

#[test]
fn a_container_whose_image_has_changed_is_stopped() {
    let spec = json!({"containers": [{"name": "c", "image": "other"}], "terminationGracePeriodSeconds": 7});
    let reason = "Container c definition changed, will be restarted".to_owned();
    let stop = Step::Stop { attempt: attempt(0), deadline: at(107), reason };
    assert_eq!(Case::new(spec).with(Slot::main(0), vec![running()]).plan().steps, [stop]);
}

#[test]
fn a_deleted_pod_ends_by_its_time() {
    let mut case = Case::new(json!({})).with(Slot::main(0), vec![running()]).deleted(120);
    let stop = Step::Stop { attempt: attempt(0), deadline: at(120), reason: "Stopping container c".to_owned() };
    assert_eq!(case.plan(), Plan { steps: vec![stop], wake_at: None, is_over: false });
    // A second request may shorten the time.
    case.stopping.insert(attempt(0), Stopping { deadline: at(120), killed: false });
    let shorter = case.deleted(105);
    assert_eq!(shorter.plan(), Plan { steps: vec![], wake_at: Some(at(105)), is_over: false });
    let over = Case::new(json!({})).with(Slot::main(0), vec![exited(0, 90)]).deleted(120);
    assert_eq!(over.plan(), Plan { steps: vec![], wake_at: None, is_over: true });
    assert!(Case::new(json!({})).deleted(120).plan().is_over, "nothing of it has run");
}

#[test]
fn a_pod_that_has_come_to_its_end_stays_there() {
    for phase in ["Succeeded", "Failed"] {
        let known = json!({"phase": phase, "reason": "Why", "message": "because"});
        let mut case = Case::new(json!({"restartPolicy": "Always"})).status(known);
        assert_eq!(case.plan().steps, [Step::Unmount]);
        case.place = Place::Incomplete("");
        assert_eq!(case.plan(), Plan::default());
        let told = case.told();
        assert_eq!((told.phase.as_deref(), told.reason.as_deref()), (Some(phase), Some("Why")));
    }
}

#[test]
fn a_pod_beyond_its_deadline_fails() {
    let started = json!({"startTime": at(60).to_string()});
    let case = |seconds: i64| {
        let spec = json!({"activeDeadlineSeconds": seconds});
        Case::new(spec).with(Slot::main(0), vec![running()]).status(started.clone())
    };
    assert_eq!(case(41).plan(), Plan { steps: vec![], wake_at: Some(at(101)), is_over: false });
    let over = case(40);
    assert!(matches!(over.plan().steps[..], [Step::Stop { .. }]));
    assert_eq!(over.told().reason.as_deref(), Some("DeadlineExceeded"));
}

#[test]
fn a_pod_whose_volumes_are_too_full_is_evicted() {
    let mut case = Case::new(json!({})).with(Slot::main(0), vec![running()]);
    case.overfull = Some("too much");
    assert!(matches!(case.plan().steps[..], [Step::Stop { .. }]));
    let told = case.told();
    let words = (told.phase.as_deref(), told.reason.as_deref(), told.message.as_deref());
    assert_eq!(words, (Some("Failed"), Some("Evicted"), Some("too much")));
}

#[test]
fn attempts_before_the_last_two_are_removed() {
    let case = Case::new(json!({})).with(Slot::main(0), vec![exited(1, 70), exited(1, 80), running()]);
    assert_eq!(case.plan().steps, [Step::Remove { attempt: attempt(0) }]);
}

#[test]
fn phases_follow_from_all_containers() {
    let two = |first: Option<Status>, second: Option<Status>, policy: &str| {
        let mut case = Case::new(json!({"restartPolicy": policy, "containers": [{"name": "a"}, {"name": "b"}]}));
        for (slot, status) in [(Slot::main(0), first), (Slot::main(1), second)] {
            if let Some(status) = status {
                case = case.with(slot, vec![status]);
            }
        }
        case.told().phase.unwrap()
    };
    let (fine, bad) = (|| Some(exited(0, 90)), || Some(exited(1, 90)));
    assert_eq!(two(None, None, "Always"), "Pending");
    assert_eq!(two(Some(running()), None, "Always"), "Pending");
    assert_eq!(two(Some(running()), Some(running()), "Always"), "Running");
    assert_eq!(two(Some(running()), fine(), "Never"), "Running");
    assert_eq!(two(fine(), fine(), "Never"), "Succeeded");
    assert_eq!(two(fine(), bad(), "Never"), "Failed");
    assert_eq!(two(fine(), bad(), "OnFailure"), "Running");
    assert_eq!(two(fine(), fine(), "OnFailure"), "Succeeded");
    assert_eq!(two(fine(), bad(), "Always"), "Running");
}

#[test]
fn a_failed_init_container_fails_a_pod_that_never_restarts() {
    let spec = json!({"restartPolicy": "Never", "initContainers": [{"name": "i"}]});
    let case = Case::new(spec).with(Slot::init(0), vec![exited(1, 90)]);
    assert_eq!(case.plan(), Plan::default());
    assert_eq!(case.told().phase.as_deref(), Some("Failed"));
}

#[test]
fn ends_have_the_reasons_of_kubernetes() {
    let unknown = ExitStatus::Unknown { reason: "nobody saw it".to_owned() };
    for (exit, oom_killed, code, reason) in [
        (ExitStatus::Code(0), false, 0, "Completed"),
        (ExitStatus::Code(3), false, 3, "Error"),
        (ExitStatus::Signal(9), false, 137, "Error"),
        (ExitStatus::Signal(9), true, 137, "OOMKilled"),
        (unknown, false, 255, "ContainerStatusUnknown"),
    ] {
        let exit = Exit { status: exit, at: at(90), oom_killed };
        let status = Status::Exited { init: INIT, started_at: at(80), exit };
        let case = Case::new(json!({"restartPolicy": "Never"})).with(Slot::main(0), vec![status]);
        let ended = &case.state()["terminated"];
        assert_eq!((&ended["exitCode"], &ended["reason"]), (&json!(code), &json!(reason)));
    }
    let case = Case::new(json!({"restartPolicy": "Never"})).with(Slot::main(0), vec![failed_start(no_command(), 90)]);
    assert_eq!(case.state()["terminated"]["reason"], "StartError");
    assert_eq!(case.state()["terminated"]["exitCode"], 128);
}

#[test]
fn a_trouble_is_why_a_container_waits() {
    let mut case = Case::new(json!({}));
    let trouble = |reason, since| Trouble { reason, message: "no image".to_owned(), since: at(since) };
    case.troubles.insert(Slot::main(0), trouble("CreateContainerConfigError", 0));
    assert_eq!(case.state()["waiting"], json!({"reason": "CreateContainerConfigError", "message": "no image"}));
    case.troubles.insert(Slot::main(0), trouble("ErrImagePull", 95));
    assert_eq!(case.state()["waiting"]["reason"], "ErrImagePull");
    case.troubles.insert(Slot::main(0), trouble("ErrImagePull", 90));
    assert_eq!(case.state()["waiting"]["reason"], "ImagePullBackOff");
}

#[test]
fn the_end_before_is_kept_beside_the_present() {
    let case = Case::new(json!({})).with(Slot::main(0), vec![exited(3, 70), running()]);
    let container = case.told().container_statuses.unwrap().remove(0);
    assert_eq!(container.restart_count, 1);
    assert_eq!(container.last_state.unwrap().terminated.unwrap().exit_code, 3);
    assert_eq!(container.container_id.as_deref(), Some(&*format!("trireme://{UID}.c0.1")));
}

fn condition(status: &PodStatus, kind: &str) -> (String, Option<String>) {
    let found = status.conditions.as_ref().unwrap().iter().find(|condition| condition.type_ == kind).unwrap();
    (found.status.clone(), found.message.clone())
}

#[test]
fn readiness_waits_for_containers_and_gates() {
    let gates = json!({"readinessGates": [{"conditionType": "example.com/gate"}]});
    let mut case = Case::new(gates).with(Slot::main(0), vec![running()]);
    let not = |message: &str| ("False".to_owned(), Some(message.to_owned()));
    assert_eq!(condition(&case.told(), "Ready"), not("containers with unready status: [c]"));
    case.health.insert(attempt(0), Health { started: true, ready: true, failing: None });
    assert_eq!(condition(&case.told(), "ContainersReady"), ("True".to_owned(), None));
    let absent = "corresponding condition of pod readiness gate \"example.com/gate\" does not exist.";
    assert_eq!(condition(&case.told(), "Ready"), not(absent));
    let gate = |status: &str| json!({"conditions": [{"type": "example.com/gate", "status": status}]});
    let closed = "the status of pod readiness gate \"example.com/gate\" is not \"True\", but False";
    let mut case = case.status(gate("False"));
    assert_eq!(condition(&case.told(), "Ready"), not(closed));
    case = case.status(gate("True"));
    assert_eq!(condition(&case.told(), "Ready"), ("True".to_owned(), None));
    // A container that has not started is not ready, whatever was asked.
    case.health.insert(attempt(0), Health { started: false, ready: true, failing: None });
    assert_eq!(condition(&case.told(), "Ready").0, "False");
}

#[test]
fn a_status_that_was_told_is_told_again_unchanged() {
    let mut case = Case::new(json!({})).with(Slot::main(0), vec![exited(1, 60), running()]);
    case.health.insert(attempt(1), Health { started: true, ready: true, failing: None });
    let first = case.told();
    case.now = at(1000);
    case.pod.status = Some(first.clone());
    assert_eq!(case.told(), first);
}

#[test]
fn what_others_have_written_stays() {
    let known = json!({"conditions": [{"type": "Foreign", "status": "True"}], "nominatedNodeName": "other"});
    let told = Case::new(json!({})).status(known).told();
    assert_eq!(condition(&told, "Foreign").0, "True");
    assert_eq!(told.nominated_node_name.as_deref(), Some("other"));
}

#[test]
fn ids_say_what_they_are_of() {
    let uid = Uid::new(UID).unwrap();
    for attempt in [Attempt { slot: Slot::main(12), number: 3 }, Attempt { slot: Slot::init(0), number: u32::MAX }] {
        assert_eq!(Attempt::parse(&attempt.id(&uid)), Some((uid.clone(), attempt)));
    }
    for stranger in ["x", "a.b", "a.c0", "a.z0.1", "a.c.1", "a.c0.1.2", "a.c0.x"] {
        assert_eq!(Attempt::parse(&container::ContainerId::new(stranger).unwrap()), None, "{stranger}");
    }
    for name in ["", "a.b", &"a".repeat(60), "A"] {
        assert!(Uid::new(name).is_err(), "{name}");
    }
}
