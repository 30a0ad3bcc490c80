//! Deployment: pods of one template, and how they are replaced when it changes.

use jiff::Timestamp;
use machinery::field::{FieldError, Path};
use serde_json::{Map, Value, json};

use super::pod_spec::{self, check_not_negative, check_selector, check_template, text};
use super::replica_set::{apply_template_defaults, check_counts, scale_paths};
use super::{Rules, age, check_unchanged};
use crate::object::Object;
use crate::resource::ScalePaths;

pub(super) struct Deployment;

/// How many pods may be missing, and how many too many, while they are replaced.
const DEFAULT_STEP: &str = "25%";
const DEFAULT_HISTORY: i64 = 10;
const DEFAULT_DEADLINE_SECONDS: i64 = 600;

impl Rules for Deployment {
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
        let Some(spec) = object.fields_mut().get_mut("spec").and_then(Value::as_object_mut) else { return };
        let numbers = [
            ("replicas", 1),
            ("revisionHistoryLimit", DEFAULT_HISTORY),
            ("progressDeadlineSeconds", DEFAULT_DEADLINE_SECONDS),
        ];
        for (field, number) in numbers {
            spec.entry(field).or_insert_with(|| number.into());
        }
        let strategy = spec.entry("strategy").or_insert_with(|| json!({}));
        if let Some(strategy) = strategy.as_object_mut() {
            apply_strategy_defaults(strategy);
        }
        if let Some(spec) = object.fields_mut().get_mut("spec") {
            apply_template_defaults(spec);
        }
    }

    fn prepare_update(&self, object: &mut Object, old: &Object) {
        // Annotations are copied to the ReplicaSets, so the controller must see that they have changed.
        if object.at(&["metadata", "annotations"]) != old.at(&["metadata", "annotations"]) {
            object.set_metadata("generation", Some((old.generation() + 1).into()));
        }
    }

    fn validate(&self, object: &Object, old: Option<&Object>) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let spec = object.at(&["spec"]);
        // What is stored was right when it came; rules that have become stricter must not keep its status from changing.
        if old.is_none_or(|old| old.at(&["spec"]) != spec) {
            check_spec(&Path::new("spec"), spec, &mut errors);
        }
        if let Some(old) = old {
            errors.extend(check_unchanged(object, old, &["spec", "selector"]));
            let counts = ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"];
            check_counts(object, old, &counts, &mut errors);
            let collisions = |object: &Object| object.at(&["status", "collisionCount"]).as_i64().unwrap_or_default();
            if collisions(object) < collisions(old) {
                let path = Path::new("status");
                let path = path.field("collisionCount");
                errors.push(FieldError::invalid(&path, collisions(object), "cannot be decremented"));
            }
        }
        errors
    }

    fn cells(&self, object: &Object, now: Timestamp) -> Vec<Value> {
        let number = |path: &[&str]| object.at(path).as_i64().unwrap_or_default();
        let [names, images, selector] = pod_spec::template_cells(object.at(&["spec"]));
        vec![
            object.name().into(),
            format!("{}/{}", number(&["status", "readyReplicas"]), number(&["spec", "replicas"])).into(),
            number(&["status", "updatedReplicas"]).into(),
            number(&["status", "availableReplicas"]).into(),
            age(object, now),
            names,
            images,
            selector,
        ]
    }
}

fn apply_strategy_defaults(strategy: &mut Map<String, Value>) {
    let kind = strategy.entry("type").or_insert(Value::Null);
    if text(kind).is_empty() {
        *kind = "RollingUpdate".into();
    }
    if kind != "RollingUpdate" {
        return;
    }
    let steps = strategy.entry("rollingUpdate").or_insert_with(|| json!({}));
    if let Some(steps) = steps.as_object_mut() {
        for field in ["maxUnavailable", "maxSurge"] {
            steps.entry(field).or_insert_with(|| DEFAULT_STEP.into());
        }
    }
}

fn check_spec(path: &Path<'_>, spec: &Value, errors: &mut Vec<FieldError>) {
    let numbers = ["replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"];
    errors.extend(numbers.iter().filter_map(|field| check_not_negative(&path.field(field), &spec[field])));
    let selector = check_selector(&path.field("selector"), &spec["selector"], errors);
    check_template(&path.field("template"), &spec["template"], selector.as_ref(), errors);
    check_strategy(&path.field("strategy"), &spec["strategy"], errors);
    let number = |field: &str| spec[field].as_i64().unwrap_or_default();
    if number("progressDeadlineSeconds") <= number("minReadySeconds") {
        let why = "must be greater than minReadySeconds";
        let path = path.field("progressDeadlineSeconds");
        errors.push(FieldError::invalid(&path, number("progressDeadlineSeconds"), why));
    }
}

fn check_strategy(path: &Path<'_>, strategy: &Value, errors: &mut Vec<FieldError>) {
    let steps = &strategy["rollingUpdate"];
    let path_of_steps = path.field("rollingUpdate");
    match text(&strategy["type"]) {
        "Recreate" if steps.is_null() => {}
        "Recreate" => {
            let why = "may not be specified when strategy `type` is 'Recreate'";
            errors.push(FieldError::forbidden(&path_of_steps, why));
        }
        "RollingUpdate" => check_steps(&path_of_steps, steps, errors),
        other => errors.push(FieldError::not_supported(&path.field("type"), other, &["Recreate", "RollingUpdate"])),
    }
}

fn check_steps(path: &Path<'_>, steps: &Value, errors: &mut Vec<FieldError>) {
    for field in ["maxUnavailable", "maxSurge"] {
        check_step(&path.field(field), &steps[field], errors);
    }
    let (unavailable, surge) = (step(&steps["maxUnavailable"]), step(&steps["maxSurge"]));
    let path = path.field("maxUnavailable");
    if unavailable == Some(0) && surge == Some(0) {
        let why = "may not be 0 when `maxSurge` is 0";
        errors.push(FieldError::invalid(&path, steps["maxUnavailable"].clone(), why));
    }
    if steps["maxUnavailable"].is_string() && unavailable.is_some_and(|percent| percent > 100) {
        errors.push(FieldError::invalid(&path, steps["maxUnavailable"].clone(), "must not be greater than 100%"));
    }
}

fn check_step(path: &Path<'_>, value: &Value, errors: &mut Vec<FieldError>) {
    if value.is_string() && step(value).is_none() {
        let why = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', \
                   regex used for validation is '[0-9]+%')";
        errors.push(FieldError::invalid(path, value.clone(), why));
    }
    errors.extend(check_not_negative(path, value));
}

/// A number of pods or of percent; None for a text that is not `<digits>%`.
fn step(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => {
            let digits = text.strip_suffix('%').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
            // More digits than a number holds are as good as the largest number.
            (!digits.is_empty()).then(|| digits.parse().unwrap_or(i64::MAX))
        }
        other => other.as_i64(),
    }
}

#[cfg(test)]
mod tests;
