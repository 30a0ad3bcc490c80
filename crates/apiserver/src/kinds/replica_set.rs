//! ReplicaSet: a number of pods of one template. Which pods are its own never changes.

use jiff::Timestamp;
use machinery::field::{FieldError, Path};
use serde_json::{Value, json};

use super::pod_spec::{self, Owner, check_not_negative, check_selector, check_template};
use super::{Rules, age, check_unchanged};
use crate::object::Object;
use crate::resource::ScalePaths;

pub(super) struct ReplicaSet;

impl Rules for ReplicaSet {
    fn subresources(&self) -> &'static [&'static str] {
        &["scale", "status"]
    }

    fn scale_paths(&self) -> Option<ScalePaths> {
        Some(scale_paths())
    }

    fn counts_generations(&self) -> bool {
        true
    }

    fn apply_defaults(&self, object: &mut Object) {
        let Some(spec) = object.fields_mut().get_mut("spec").filter(|spec| spec.is_object()) else { return };
        if spec["replicas"].is_null() {
            spec["replicas"] = 1.into();
        }
        apply_template_defaults(spec);
    }

    fn validate(&self, object: &Object, old: Option<&Object>) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let spec = object.at(&["spec"]);
        // What is stored was right when it came; rules that have become stricter must not keep its status from changing.
        if old.is_none_or(|old| old.at(&["spec"]) != spec) {
            let path = Path::new("spec");
            let numbers = ["replicas", "minReadySeconds"];
            errors.extend(numbers.iter().filter_map(|field| check_not_negative(&path.field(field), &spec[field])));
            let selector = check_selector(&path.field("selector"), &spec["selector"], &mut errors);
            check_template(&path.field("template"), &spec["template"], selector.as_ref(), &mut errors);
        }
        if let Some(old) = old {
            errors.extend(check_unchanged(object, old, &["spec", "selector"]));
            let counts = ["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
            check_counts(object, old, &counts, &mut errors);
        }
        errors
    }

    fn cells(&self, object: &Object, now: Timestamp) -> Vec<Value> {
        let number = |path: &[&str]| Value::from(object.at(path).as_i64().unwrap_or_default());
        let [names, images, selector] = pod_spec::template_cells(object.at(&["spec"]));
        vec![
            object.name().into(),
            number(&["spec", "replicas"]),
            number(&["status", "replicas"]),
            number(&["status", "readyReplicas"]),
            age(object, now),
            names,
            images,
            selector,
        ]
    }
}

/// Where kinds with replicas and a selector keep what a Scale shows.
pub(super) fn scale_paths() -> ScalePaths {
    let path = |members: [&str; 2]| members.map(str::to_owned).to_vec();
    ScalePaths {
        spec_replicas: path(["spec", "replicas"]),
        status_replicas: path(["status", "replicas"]),
        label_selector: Some(path(["spec", "selector"])),
    }
}

/// The defaults of the template in the spec of a workload.
pub(super) fn apply_template_defaults(spec: &mut Value) {
    let Some(template) = spec.get_mut("template").and_then(Value::as_object_mut) else { return };
    let metadata = template.entry("metadata").or_insert_with(|| json!({}));
    if let Some(metadata) = metadata.as_object_mut() {
        // Empty maps mean the same as none, and clients differ in which they write.
        metadata.retain(|_, value| value.as_object().is_none_or(|map| !map.is_empty()));
    }
    if let Some(spec) = template.get_mut("spec") {
        pod_spec::apply_defaults(spec, Owner::Template);
    }
}

/// Everything that is wrong with the numbers in a status that has changed. `counts` starts with the total.
pub(super) fn check_counts(object: &Object, old: &Object, counts: &[&str], errors: &mut Vec<FieldError>) {
    let status = object.at(&["status"]);
    if status == old.at(&["status"]) {
        return;
    }
    let path = Path::new("status");
    let number = |field: &str| status[field].as_i64().unwrap_or_default();
    let others = ["observedGeneration", "collisionCount", "unavailableReplicas", "terminatingReplicas"];
    for field in counts.iter().chain(&others) {
        errors.extend(check_not_negative(&path.field(field), &status[*field]));
    }
    for field in counts.iter().skip(1).filter(|field| number(field) > number("replicas")) {
        let why = "cannot be greater than status.replicas";
        errors.push(FieldError::invalid(&path.field(field), number(field), why));
    }
    if number("availableReplicas") > number("readyReplicas") {
        let path = path.field("availableReplicas");
        errors.push(FieldError::invalid(&path, number("availableReplicas"), "cannot be greater than readyReplicas"));
    }
}

#[cfg(test)]
mod tests;
