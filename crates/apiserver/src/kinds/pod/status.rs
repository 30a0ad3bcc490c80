//! The status of a pod, as its node reports it: what the server keeps, and what cannot be true.

use machinery::field::{FieldError, Path};
use machinery::name;
use serde_json::{Value, json};

use crate::kinds::pod_spec::{items, text};
use crate::object::Object;

/// Keeps what the reporter does not know, and makes the two forms of each address agree.
pub(super) fn prepare(object: &mut Object, old: &Object) {
    let status = object.fields_mut().entry("status").or_insert_with(|| json!({}));
    if !status.is_object() {
        return;
    }
    // The class was decided when the pod was made.
    if text(&status["qosClass"]).is_empty() {
        status["qosClass"] = old.at(&["status", "qosClass"]).clone();
    }
    if text(&status["phase"]).is_empty() {
        status["phase"] = "Pending".into();
    }
    for (one, many) in [("podIP", "podIPs"), ("hostIP", "hostIPs")] {
        let first = text(&status[many][0]["ip"]).to_owned();
        let single = text(&status[one]).to_owned();
        if single.is_empty() && !first.is_empty() {
            status[one] = first.into();
        } else if !single.is_empty() && single != first {
            // Reporters that know only the single address are right about it.
            status[many] = json!([{"ip": single}]);
        }
    }
    keep_observed_generation(status, old.at(&["status"]));
}

/// A reporter that does not know of observed generations does not take them away.
fn keep_observed_generation(status: &mut Value, old: &Value) {
    const FIELD: &str = "observedGeneration";
    if status[FIELD].as_i64().unwrap_or_default() == 0 && !old[FIELD].is_null() {
        status[FIELD] = old[FIELD].clone();
    }
    for condition in status.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten() {
        let same = items(&old["conditions"]).iter().find(|old| old["type"] == condition["type"]);
        let known = same.map(|old| &old[FIELD]).filter(|known| !known.is_null());
        if let Some(known) = known.filter(|_| condition[FIELD].as_i64().unwrap_or_default() == 0) {
            condition[FIELD] = known.clone();
        }
    }
}

/// Everything that is wrong with the status of `object`, which was that of `old`.
pub(super) fn check(object: &Object, old: &Object, errors: &mut Vec<FieldError>) {
    let (new, before) = (object.at(&["status"]), old.at(&["status"]));
    if new == before {
        return;
    }
    let path = Path::new("status");
    check_conditions(&path.field("conditions"), new, errors);
    if new["qosClass"] != before["qosClass"] {
        errors.push(FieldError::invalid(&path.field("qosClass"), new["qosClass"].clone(), "field is immutable"));
    }
    let nominated = text(&new["nominatedNodeName"]);
    if !nominated.is_empty() && new["nominatedNodeName"] != before["nominatedNodeName"] {
        let path = path.field("nominatedNodeName");
        let problems = name::check_subdomain(nominated).into_iter();
        errors.extend(problems.map(|why| FieldError::invalid(&path, nominated, why)));
        if !old.text(&["spec", "nodeName"]).is_empty() {
            errors.push(FieldError::forbidden(&path, "may not be set on pods that are already bound to a node"));
        }
    }
    check_addresses(&path, new, errors);
    let spec = old.at(&["spec"]);
    for list in ["containerStatuses", "initContainerStatuses"] {
        check_transitions(&path.field(list), spec, [&new[list], &before[list]], errors);
    }
}

fn check_conditions(path: &Path<'_>, status: &Value, errors: &mut Vec<FieldError>) {
    for (i, condition) in items(&status["conditions"]).iter().enumerate() {
        let kind = text(&condition["type"]);
        let problems = name::check_qualified(kind).into_iter();
        errors.extend(problems.map(|why| FieldError::invalid(&path.index(i).field("Type"), kind, why)));
    }
}

fn check_addresses(path: &Path<'_>, status: &Value, errors: &mut Vec<FieldError>) {
    for field in ["podIPs", "hostIPs"] {
        let list = path.field(field);
        for (i, address) in items(&status[field]).iter().enumerate() {
            let ip = text(&address["ip"]);
            if ip.parse::<std::net::IpAddr>().is_err() {
                let why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
                errors.push(FieldError::invalid(&list.index(i), ip, why));
            }
        }
    }
}

/// A container that has ended and is not to be restarted cannot run again. `lists` has the new and the old statuses.
fn check_transitions(path: &Path<'_>, spec: &Value, lists: [&Value; 2], errors: &mut Vec<FieldError>) {
    let [new, old] = lists;
    for (i, old) in items(old).iter().enumerate() {
        let Some(exit_code) = old["state"]["terminated"]["exitCode"].as_i64() else { continue };
        let Some(new) = items(new).iter().find(|new| new["name"] == old["name"]) else { continue };
        if new["state"]["terminated"].is_null() && !restarts(spec, &old["name"], exit_code) {
            let why = "may not be transitioned to non-terminated state";
            errors.push(FieldError::forbidden(&path.index(i).field("state"), why));
        }
    }
}

/// Whether a container that ended with `exit_code` is started again. One's own policy comes before that of the pod.
fn restarts(spec: &Value, name: &Value, exit_code: i64) -> bool {
    let mut all = ["containers", "initContainers"].into_iter().flat_map(|list| items(&spec[list]));
    let container = all.find(|container| container["name"] == *name).unwrap_or(&Value::Null);
    // Rules of its own (KEP-5307) can restart a container that its policy would not.
    if !items(&container["restartPolicyRules"]).is_empty() {
        return true;
    }
    let policy = container["restartPolicy"].as_str().unwrap_or_else(|| text(&spec["restartPolicy"]));
    match policy {
        "Never" => false,
        "OnFailure" => exit_code != 0,
        _always => true,
    }
}
