//! The row of a pod in a table: what `kubectl get pods` shows, in the words that people know and scripts look for.

use api::core::v1::pod::{INITIALIZED_CONDITION, READY_CONDITION};
use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::age;
use crate::kinds::pod_spec::{items, text};
use crate::object::Object;

/// The cells of a row, one for each column of the kind.
pub(super) fn of(object: &Object, now: Timestamp) -> Vec<Value> {
    let summary = Summary::of(object);
    let or_none = |text: &str| Value::from(if text.is_empty() { "<none>" } else { text });
    let status = object.at(&["status"]);
    vec![
        object.name().into(),
        format!("{}/{}", summary.ready, summary.total).into(),
        summary.reason.into(),
        restarts(&summary.restarts, now).into(),
        age(object, now),
        or_none(text(&status["podIPs"][0]["ip"])),
        or_none(object.text(&["spec", "nodeName"])),
        or_none(text(&status["nominatedNodeName"])),
        or_none(&readiness_gates(object)),
    ]
}

/// How often containers were restarted, and when the last one ended.
#[derive(Debug, Clone, Copy, Default)]
struct Restarts {
    count: i64,
    last: Option<Timestamp>,
}

impl Restarts {
    fn add(&mut self, status: &Value) {
        self.count += status["restartCount"].as_i64().unwrap_or_default();
        let ended = text(&status["lastState"]["terminated"]["finishedAt"]).parse().ok();
        self.last = self.last.max(ended);
    }
}

fn restarts(restarts: &Restarts, now: Timestamp) -> String {
    match restarts.last {
        Some(last) if restarts.count != 0 => {
            format!("{} ({} ago)", restarts.count, machinery::table::age(now.duration_since(last)))
        }
        _ => restarts.count.to_string(),
    }
}

/// What the containers of a pod come to.
struct Summary {
    reason: String,
    ready: usize,
    total: usize,
    restarts: Restarts,
}

impl Summary {
    fn of(object: &Object) -> Self {
        let (spec, status) = (object.at(&["spec"]), object.at(&["status"]));
        let phase = text(&status["phase"]);
        let mut reason = match text(&status["reason"]) {
            "" => phase.to_owned(),
            reason => reason.to_owned(),
        };
        if items(&status["conditions"]).iter().any(is_gated) {
            "SchedulingGated".clone_into(&mut reason);
        }
        let sidecars = items(&spec["initContainers"]).iter().filter(|container| container["restartPolicy"] == "Always");
        let total = items(&spec["containers"]).len() + sidecars.count();
        let init = Init::of(spec, status);
        let mut summary = Self { reason, ready: init.ready, total, restarts: init.restarts };
        let initializing = init.reason.is_some();
        if let Some(reason) = init.reason {
            summary.reason = reason;
        }
        if !initializing || is_true(status, INITIALIZED_CONDITION) {
            summary.restarts = init.sidecar_restarts;
            summary.add_containers(status);
        }
        if object.is_terminating() {
            if text(&status["reason"]) == "NodeLost" {
                "Unknown".clone_into(&mut summary.reason);
            } else if !matches!(phase, "Succeeded" | "Failed") {
                "Terminating".clone_into(&mut summary.reason);
            }
        }
        summary
    }

    /// The first container that has something to say decides, so they are looked at from the last one.
    fn add_containers(&mut self, status: &Value) {
        let mut running = false;
        for container in items(&status["containerStatuses"]).iter().rev() {
            self.restarts.add(container);
            let state = &container["state"];
            let waiting = text(&state["waiting"]["reason"]);
            if !waiting.is_empty() {
                waiting.clone_into(&mut self.reason);
            } else if state["terminated"].is_object() {
                self.reason = ended(&state["terminated"]);
            } else if container["ready"] == true && state["running"].is_object() {
                running = true;
                self.ready += 1;
            }
        }
        // One that is done does not hide one that runs.
        if self.reason == "Completed" && running {
            self.reason = if is_true(status, READY_CONDITION) { "Running" } else { "NotReady" }.to_owned();
        }
    }
}

/// What the init containers come to.
#[derive(Default)]
struct Init {
    /// Why the others wait; None once all have done their work.
    reason: Option<String>,
    ready: usize,
    restarts: Restarts,
    sidecar_restarts: Restarts,
}

impl Init {
    fn of(spec: &Value, status: &Value) -> Self {
        let containers = items(&spec["initContainers"]);
        let mut init = Self::default();
        for (i, container) in items(&status["initContainerStatuses"]).iter().enumerate() {
            let specified = containers.iter().find(|specified| specified["name"] == container["name"]);
            let sidecar = specified.is_some_and(|specified| specified["restartPolicy"] == "Always");
            init.restarts.add(container);
            if sidecar {
                init.sidecar_restarts.add(container);
            }
            let state = &container["state"];
            if state["terminated"]["exitCode"].as_i64() == Some(0) {
                continue;
            }
            if sidecar && container["started"] == true {
                init.ready += usize::from(container["ready"] == true);
                continue;
            }
            init.reason = Some(match text(&state["waiting"]["reason"]) {
                _ if state["terminated"].is_object() => format!("Init:{}", ended(&state["terminated"])),
                "" | "PodInitializing" => format!("Init:{i}/{}", containers.len()),
                waiting => format!("Init:{waiting}"),
            });
            break;
        }
        init
    }
}

/// How a container ended: the reason, else the signal, else the exit code.
fn ended(terminated: &Value) -> String {
    match (text(&terminated["reason"]), terminated["signal"].as_i64().unwrap_or_default()) {
        ("", 0) => format!("ExitCode:{}", terminated["exitCode"].as_i64().unwrap_or_default()),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn is_gated(condition: &Value) -> bool {
    condition["type"] == "PodScheduled" && condition["reason"] == "SchedulingGated"
}

fn is_true(status: &Value, condition: &str) -> bool {
    let found = items(&status["conditions"]).iter().find(|candidate| candidate["type"] == condition);
    found.is_some_and(|condition| condition["status"] == "True")
}

/// How many of the conditions that a pod waits for are true; empty when it waits for none.
fn readiness_gates(object: &Object) -> String {
    let status = object.at(&["status"]);
    let gates = items(object.at(&["spec", "readinessGates"]));
    if gates.is_empty() {
        return String::new();
    }
    let open = gates.iter().filter(|gate| is_true(status, text(&gate["conditionType"]))).count();
    format!("{open}/{}", gates.len())
}
