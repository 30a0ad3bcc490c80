//! What `kubectl get pods` shows, state by state.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::fixture::{pod, with};
use crate::kinds::pod::cells;
use crate::object::Object;

/// READY, STATUS and RESTARTS of a pod with these changes.
#[track_caller]
fn check(changes: &[(&str, Value)], expected: [&str; 3]) {
    let now: Timestamp = "2026-01-01T00:10:00Z".parse().unwrap();
    let object = Object::from_value(with(pod("web"), changes)).unwrap();
    let cells = cells::of(&object, now);
    assert_eq!(cells[1..4], expected.map(Value::from), "{changes:?}");
}

fn running() -> Value {
    json!({"name": "main", "ready": true, "restartCount": 0, "state": {"running": {}}})
}

fn in_state(state: Value) -> Value {
    with(running(), &[("/ready", json!(false)), ("/state", state)])
}

const PHASE: &str = "/status/phase";
const FIRST: &str = "/status/containerStatuses/0";
const INIT: &str = "/status/initContainerStatuses/0";

#[test]
fn a_pod_without_containers_shows_its_phase_or_reason() {
    check(&[(PHASE, json!("Pending"))], ["0/1", "Pending", "0"]);
    check(&[(PHASE, json!("Failed")), ("/status/reason", json!("Evicted"))], ["0/1", "Evicted", "0"]);
}

#[test]
fn the_state_of_the_first_container_that_has_a_reason_shows() {
    let phase = (PHASE, json!("Running"));
    check(&[phase.clone(), (FIRST, running())], ["1/1", "Running", "0"]);
    let waiting = in_state(json!({"waiting": {"reason": "ContainerCreating"}}));
    check(&[(PHASE, json!("Pending")), (FIRST, waiting)], ["0/1", "ContainerCreating", "0"]);
    let looping = with(
        in_state(json!({"waiting": {"reason": "CrashLoopBackOff"}})),
        &[
            ("/restartCount", json!(3)),
            ("/lastState/terminated", json!({"exitCode": 1, "finishedAt": "2026-01-01T00:05:00Z"})),
        ],
    );
    check(&[phase.clone(), (FIRST, looping)], ["0/1", "CrashLoopBackOff", "3 (5m ago)"]);
    for (terminated, shown) in [
        (json!({"exitCode": 0, "reason": "Completed"}), "Completed"),
        (json!({"exitCode": 2}), "ExitCode:2"),
        (json!({"exitCode": 137, "signal": 9}), "Signal:9"),
        (json!({"exitCode": 137, "reason": "OOMKilled"}), "OOMKilled"),
    ] {
        check(&[phase.clone(), (FIRST, in_state(json!({"terminated": terminated})))], ["0/1", shown, "0"]);
    }
}

#[test]
fn a_completed_container_does_not_hide_a_running_one() {
    let done = in_state(json!({"terminated": {"exitCode": 0, "reason": "Completed"}}));
    let two = [
        ("/spec/containers/1", json!({"name": "b", "image": "b"})),
        (PHASE, json!("Running")),
        (FIRST, done),
        ("/status/containerStatuses/1", running()),
    ];
    check(&two, ["1/2", "NotReady", "0"]);
    let ready = ("/status/conditions/0", json!({"type": "Ready", "status": "True"}));
    check(&[&two[..], &[ready]].concat(), ["1/2", "Running", "0"]);
}

#[test]
fn init_containers_show_until_all_are_done() {
    let init = ("/spec/initContainers", json!([{"name": "a", "image": "a"}, {"name": "b", "image": "b"}]));
    let phase = (PHASE, json!("Pending"));
    let at = |status: Value| vec![init.clone(), phase.clone(), (INIT, with(status, &[("/name", json!("a"))]))];
    check(&at(in_state(json!({"running": {}}))), ["0/1", "Init:0/2", "0"]);
    check(&at(in_state(json!({"waiting": {"reason": "PodInitializing"}}))), ["0/1", "Init:0/2", "0"]);
    check(&at(in_state(json!({"waiting": {"reason": "ErrImagePull"}}))), ["0/1", "Init:ErrImagePull", "0"]);
    check(&at(in_state(json!({"terminated": {"exitCode": 3}}))), ["0/1", "Init:ExitCode:3", "0"]);
    let restarted =
        with(in_state(json!({"terminated": {"exitCode": 3, "reason": "Error"}})), &[("/restartCount", json!(2))]);
    check(&at(restarted), ["0/1", "Init:Error", "2"]);
    let done = in_state(json!({"terminated": {"exitCode": 0}}));
    let second = ("/status/initContainerStatuses/1", with(in_state(json!({"running": {}})), &[("/name", json!("b"))]));
    check(&[at(done), vec![second]].concat(), ["0/1", "Init:1/2", "0"]);
}

#[test]
fn sidecars_count_as_containers() {
    let sidecar = with(running(), &[("/name", json!("side")), ("/started", json!(true)), ("/restartCount", json!(1))]);
    let changes = [
        ("/spec/initContainers/0", json!({"name": "side", "image": "s", "restartPolicy": "Always"})),
        (PHASE, json!("Running")),
        (INIT, sidecar),
        (FIRST, running()),
    ];
    check(&changes, ["2/2", "Running", "1"]);
}

#[test]
fn a_pod_on_its_way_out_shows_that() {
    let deleted = ("/metadata/deletionTimestamp", json!("2026-01-01T00:10:30Z"));
    check(&[(PHASE, json!("Running")), (FIRST, running()), deleted.clone()], ["1/1", "Terminating", "0"]);
    let done = in_state(json!({"terminated": {"exitCode": 0, "reason": "Completed"}}));
    check(&[(PHASE, json!("Succeeded")), (FIRST, done), deleted.clone()], ["0/1", "Completed", "0"]);
    check(&[(PHASE, json!("Running")), ("/status/reason", json!("NodeLost")), deleted], ["0/1", "Unknown", "0"]);
}

#[test]
fn wide_columns_show_where_the_pod_is() {
    let object = Object::from_value(with(
        pod("web"),
        &[
            ("/spec/nodeName", json!("n1")),
            ("/spec/readinessGates", json!([{"conditionType": "a/b"}, {"conditionType": "c/d"}])),
            ("/status/podIPs/0/ip", json!("10.1.0.2")),
            ("/status/conditions/0", json!({"type": "a/b", "status": "True"})),
        ],
    ));
    let cells = cells::of(&object.unwrap(), Timestamp::UNIX_EPOCH);
    assert_eq!(cells[5..], ["10.1.0.2", "n1", "<none>", "1/2"].map(Value::from));
}
