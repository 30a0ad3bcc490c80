//! Pod: what the server decides when one is made, what of it may change, and how long it takes to go.

mod cells;
mod status;
mod update;

use jiff::Timestamp;
use machinery::field::{FieldError, Path};
use serde_json::{Value, json};

use super::Rules;
use super::pod_spec::{self, Owner, items, text};
use crate::object::{Object, rfc3339};

pub(super) struct Pod;

/// The account of pods that name none.
const DEFAULT_ACCOUNT: &str = api::core::v1::service_account::DEFAULT_NAME;

impl Rules for Pod {
    fn subresources(&self) -> &'static [&'static str] {
        &["binding", "eviction", "log", "status"]
    }

    fn counts_generations(&self) -> bool {
        true
    }

    fn apply_defaults(&self, object: &mut Object) {
        if let Some(spec) = object.fields_mut().get_mut("spec") {
            pod_spec::apply_defaults(spec, Owner::Pod);
        }
    }

    fn prepare_create(&self, object: &mut Object) {
        let created = object.creation_timestamp();
        let Some(spec) = object.fields_mut().get_mut("spec").filter(|spec| spec.is_object()) else { return };
        admit_account(spec);
        let mut status = json!({"phase": "Pending", "qosClass": pod_spec::qos_class(spec)});
        if !items(&spec["schedulingGates"]).is_empty() {
            status["conditions"] = json!([{
                "type": "PodScheduled",
                "status": "False",
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
                "lastTransitionTime": created.map(rfc3339),
            }]);
        }
        object.set("status", Some(status));
    }

    fn prepare_status(&self, object: &mut Object, old: &Object) {
        status::prepare(object, old);
    }

    fn validate(&self, object: &Object, old: Option<&Object>) -> Vec<FieldError> {
        let path = Path::new("spec");
        let spec = object.at(&["spec"]);
        let mut errors = Vec::new();
        match old {
            None => {
                errors.extend(pod_spec::check(&path, spec, Owner::Pod));
                check_new(&path, spec, &mut errors);
            }
            // What is stored was right when it came; rules that have become stricter must not keep it from ending.
            Some(old) if old.at(&["spec"]) == spec => {}
            Some(old) => {
                errors.extend(pod_spec::check(&path, spec, Owner::Pod));
                update::check(&path, spec, old.at(&["spec"]), &mut errors);
            }
        }
        if let Some(old) = old {
            status::check(object, old, &mut errors);
        }
        errors.extend(check_annotations(object));
        errors
    }

    fn grace_seconds(&self, object: &Object, requested: Option<i64>) -> Option<i64> {
        let phase = object.text(&["status", "phase"]);
        // Nothing runs that could end by itself, and no node would confirm.
        if object.text(&["spec", "nodeName"]).is_empty() || matches!(phase, "Succeeded" | "Failed") {
            return Some(0);
        }
        let own = object.at(&["spec", "terminationGracePeriodSeconds"]).as_i64();
        let seconds = requested.or(own).unwrap_or_default();
        Some(if seconds < 0 { 1 } else { seconds })
    }

    fn answers_deletion_with_object(&self) -> bool {
        true
    }

    fn cells(&self, object: &Object, now: Timestamp) -> Vec<Value> {
        cells::of(object, now)
    }
}

/// Every pod runs as some account, as the ServiceAccount admission of Kubernetes has it. Its token is not mounted.
fn admit_account(spec: &mut Value) {
    if text(&spec["serviceAccountName"]).is_empty() {
        spec["serviceAccountName"] = DEFAULT_ACCOUNT.into();
        spec["serviceAccount"] = DEFAULT_ACCOUNT.into();
    }
}

/// What only holds when a pod is made.
fn check_new(path: &Path<'_>, spec: &Value, errors: &mut Vec<FieldError>) {
    if !items(&spec["ephemeralContainers"]).is_empty() {
        errors.push(FieldError::forbidden(&path.field("ephemeralContainers"), "cannot be set on create"));
    }
    if !text(&spec["nodeName"]).is_empty() && !items(&spec["schedulingGates"]).is_empty() {
        let why = "cannot be set until all schedulingGates have been cleared";
        errors.push(FieldError::forbidden(&path.field("nodeName"), why));
    }
}

/// Annotations that the platform gives a meaning.
fn check_annotations(object: &Object) -> Option<FieldError> {
    const COST: &str = api::core::v1::pod::DELETION_COST_ANNOTATION;
    let cost = object.at(&["metadata", "annotations", COST]).as_str()?;
    let metadata = Path::new("metadata");
    let path = metadata.field("annotations");
    cost.parse::<i32>().is_err().then(|| FieldError::invalid(&path.key(COST), cost, "must be a 32bit integer"))
}

#[cfg(test)]
mod tests;
