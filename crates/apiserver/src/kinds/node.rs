//! Node: what machines report of themselves, and what keeps pods away from them.

use std::collections::BTreeSet;

use api::core::v1::node::{ROLE_LABEL, ROLE_LABEL_PREFIX};
use jiff::Timestamp;
use machinery::field::{FieldError, Path};
use machinery::name;
use serde_json::{Value, json};

use super::pod_spec::{check_effect, check_quantity, items, text};
use super::{Rules, age};
use crate::object::Object;

pub(super) struct Node;

impl Rules for Node {
    fn subresources(&self) -> &'static [&'static str] {
        &["status"]
    }

    /// A node registers itself with all that it knows.
    fn keeps_status_on_create(&self) -> bool {
        true
    }

    fn apply_defaults(&self, object: &mut Object) {
        let capacity = object.at(&["status", "capacity"]).clone();
        let status = object.fields_mut().get_mut("status").and_then(Value::as_object_mut);
        if let Some(status) = status.filter(|_| !capacity.is_null()) {
            status.entry("allocatable").or_insert(capacity);
        }
        if let Some(spec) = object.fields_mut().get_mut("spec").filter(|spec| spec.is_object()) {
            agree_on_range(spec);
        }
    }

    fn validate(&self, object: &Object, old: Option<&Object>) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let metadata = Path::new("metadata");
        // Upstream reports taints there.
        check_taints(&metadata.field("taints"), object.at(&["spec", "taints"]), &mut errors);
        let status = Path::new("status");
        for list in ["capacity", "allocatable"] {
            let path = status.field(list);
            for (resource, quantity) in object.at(&["status", list]).as_object().into_iter().flatten() {
                check_quantity(&path.field(resource), quantity, &mut errors);
            }
        }
        let addresses = status.field("addresses");
        let mut seen = Vec::new();
        for (i, address) in items(object.at(&["status", "addresses"])).iter().enumerate() {
            if seen.contains(&address) {
                errors.push(FieldError::duplicate(&addresses.index(i), address.clone()));
            }
            seen.push(address);
        }
        if let Some(old) = old {
            errors.extend(check_unchanged(object, old));
        }
        errors
    }

    fn cells(&self, object: &Object, now: Timestamp) -> Vec<Value> {
        let system = |field: &str| object.text(&["status", "nodeInfo", field]);
        let known = |field: &str| Value::from(if system(field).is_empty() { "<unknown>" } else { system(field) });
        vec![
            object.name().into(),
            state(object).into(),
            roles(object).into(),
            age(object, now),
            system("kubeletVersion").into(),
            address(object, "InternalIP").into(),
            address(object, "ExternalIP").into(),
            known("osImage"),
            known("kernelVersion"),
            known("containerRuntimeVersion"),
        ]
    }
}

/// The address range of a node's pods is there twice: alone, and as the first of a list.
fn agree_on_range(spec: &mut Value) {
    let (one, first) = (text(&spec["podCIDR"]).to_owned(), text(&spec["podCIDRs"][0]).to_owned());
    if one.is_empty() && !first.is_empty() {
        spec["podCIDR"] = first.into();
    } else if !one.is_empty() && one != first {
        spec["podCIDRs"] = json!([one]);
    }
}

/// What is set once for all.
fn check_unchanged(object: &Object, old: &Object) -> Vec<FieldError> {
    const ONCE: [(&str, &str); 2] = [
        ("podCIDRs", "node updates may not change podCIDR except from \"\" to valid"),
        ("providerID", "node updates may not change providerID except from \"\" to valid"),
    ];
    let spec = Path::new("spec");
    let changed = ONCE.into_iter().filter(|(field, _)| {
        let before = old.at(&["spec", field]);
        !before.is_null() && object.at(&["spec", field]) != before
    });
    changed.map(|(field, why)| FieldError::forbidden(&spec.field(field), why)).collect()
}

fn check_taints(path: &Path<'_>, taints: &Value, errors: &mut Vec<FieldError>) {
    let mut seen = BTreeSet::new();
    for (i, taint) in items(taints).iter().enumerate() {
        let path = path.index(i);
        let (key, effect) = (text(&taint["key"]), text(&taint["effect"]));
        let problems = name::check_qualified(key).into_iter();
        errors.extend(problems.map(|why| FieldError::invalid(&path.field("key"), key, why)));
        let problems = name::check_label_value(text(&taint["value"]));
        if !problems.is_empty() {
            let why = problems.join(";");
            errors.push(FieldError::invalid(&path.field("value"), taint["value"].clone(), why));
        }
        check_effect(&path.field("effect"), effect, errors);
        if !seen.insert((key, effect)) {
            let mut duplicate = FieldError::duplicate(&path, taint.clone());
            "taints must be unique by key and effect pair".clone_into(&mut duplicate.detail);
            errors.push(duplicate);
        }
    }
}

/// `Ready`, `NotReady` or `Unknown`, and whether new pods are kept away.
fn state(object: &Object) -> String {
    let conditions = items(object.at(&["status", "conditions"]));
    let ready = conditions.iter().rfind(|condition| condition["type"] == "Ready");
    let mut state = match ready.map(|condition| text(&condition["status"])) {
        None => "Unknown",
        Some("True") => "Ready",
        Some(_) => "NotReady",
    }
    .to_owned();
    if object.at(&["spec", "unschedulable"]) == &Value::Bool(true) {
        state.push_str(",SchedulingDisabled");
    }
    state
}

/// The roles that labels give a node, `<none>` without any.
fn roles(object: &Object) -> String {
    let labels = object.at(&["metadata", "labels"]).as_object().into_iter().flatten();
    let roles: BTreeSet<&str> = labels
        .filter_map(|(key, value)| match key.strip_prefix(ROLE_LABEL_PREFIX) {
            Some(role) => Some(role),
            None if key == ROLE_LABEL => value.as_str(),
            None => None,
        })
        .filter(|role| !role.is_empty())
        .collect();
    if roles.is_empty() { "<none>".to_owned() } else { roles.into_iter().collect::<Vec<_>>().join(",") }
}

fn address<'o>(object: &'o Object, kind: &str) -> &'o str {
    let addresses = items(object.at(&["status", "addresses"]));
    addresses.iter().find(|address| address["type"] == kind).map_or("<none>", |address| text(&address["address"]))
}

#[cfg(test)]
mod tests;
