//! One form for one meaning: zero values that mean the same as nothing are taken out, quantities are written one way.
//!
//! Clients that read into Go types and write back leave out empty lists, false flags and empty texts, where those are
//! not behind a pointer, and always write `resources`. If such a difference counted, their update of a label would be
//! refused as a change of a pod's spec, or would roll out a Deployment anew. Kubernetes has the same effect by decoding
//! into those types itself.

use serde_json::{Map, Value, json};

use super::{CONTAINER_LISTS, resources};

/// Fields of a PodSpec for which the zero value is no value.
const SPEC: [&str; 19] = [
    "dnsPolicy",
    "hostAliases",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostname",
    "imagePullSecrets",
    "initContainers",
    "nodeName",
    "nodeSelector",
    "overhead",
    "priorityClassName",
    "readinessGates",
    "restartPolicy",
    "schedulerName",
    "schedulingGates",
    "subdomain",
    "tolerations",
    "topologySpreadConstraints",
];
/// The same, for a container.
const CONTAINER: [&str; 16] = [
    "args",
    "command",
    "env",
    "envFrom",
    "image",
    "imagePullPolicy",
    "ports",
    "resizePolicy",
    "stdin",
    "stdinOnce",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
    "volumeDevices",
    "volumeMounts",
    "workingDir",
];
const PORT: [&str; 4] = ["hostIP", "hostPort", "name", "protocol"];
const MOUNT: [&str; 3] = ["readOnly", "subPath", "subPathExpr"];
const PROBE: [&str; 5] =
    ["failureThreshold", "initialDelaySeconds", "periodSeconds", "successThreshold", "timeoutSeconds"];
const TOLERATION: [&str; 4] = ["effect", "key", "operator", "value"];

/// Brings a PodSpec into its one form. A second run changes nothing.
pub(super) fn apply(spec: &mut Value) {
    let Some(map) = spec.as_object_mut() else { return };
    drop_zero(map, &SPEC);
    drop_zero(map, &["ephemeralContainers", "volumes", "serviceAccount", "serviceAccountName"]);
    if let Some(overhead) = map.get_mut("overhead") {
        resources::canonicalize(overhead);
    }
    if let Some(requirements) = map.get_mut("resources") {
        requirements_form(requirements);
    }
    each(map, "tolerations", |toleration| drop_zero(toleration, &TOLERATION));
    each(map, "volumes", volume);
    for list in CONTAINER_LISTS {
        each(map, list, container);
    }
}

fn container(container: &mut Map<String, Value>) {
    drop_zero(container, &CONTAINER);
    each(container, "ports", |port| drop_zero(port, &PORT));
    each(container, "volumeMounts", |mount| drop_zero(mount, &MOUNT));
    each(container, "env", |variable| drop_zero(variable, &["value"]));
    each(container, "envFrom", |source| drop_zero(source, &["prefix"]));
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(probe).and_then(Value::as_object_mut) {
            drop_zero(probe, &PROBE);
        }
    }
    requirements_form(container.entry("resources").or_insert_with(|| json!({})));
}

fn requirements_form(requirements: &mut Value) {
    let Some(map) = requirements.as_object_mut() else { return };
    drop_zero(map, &["claims", "limits", "requests"]);
    for list in ["limits", "requests"] {
        if let Some(list) = map.get_mut(list) {
            resources::canonicalize(list);
        }
    }
}

fn volume(volume: &mut Map<String, Value>) {
    if let Some(directory) = volume.get_mut("emptyDir").and_then(Value::as_object_mut) {
        drop_zero(directory, &["medium"]);
        if let Some(limit) = directory.get_mut("sizeLimit") {
            resources::canonicalize_one(limit);
        }
    }
}

/// Runs `apply` on each map of a list.
pub(super) fn each(map: &mut Map<String, Value>, list: &str, mut apply: impl FnMut(&mut Map<String, Value>)) {
    let elements = map.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
    elements.filter_map(Value::as_object_mut).for_each(&mut apply);
}

/// Takes out those of `fields` that hold the zero value of their type.
fn drop_zero(map: &mut Map<String, Value>, fields: &[&str]) {
    let is_zero = |value: &Value| match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    };
    for field in fields {
        if map.get(*field).is_some_and(is_zero) {
            map.remove(*field);
        }
    }
}
