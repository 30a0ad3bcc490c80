//! Lease: who holds what until when. Durations are positive.

use jiff::Timestamp;
use machinery::field::{FieldError, Path};
use serde_json::Value;

use super::{Rules, age};
use crate::object::Object;

pub(super) struct Lease;

impl Rules for Lease {
    fn validate(&self, object: &Object, _old: Option<&Object>) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let spec = Path::new("spec");
        let number = |field: &str| object.at(&["spec", field]).as_i64();
        if let Some(seconds) = number("leaseDurationSeconds").filter(|seconds| *seconds <= 0) {
            errors.push(FieldError::invalid(&spec.field("leaseDurationSeconds"), seconds, "must be greater than 0"));
        }
        if let Some(transitions) = number("leaseTransitions").filter(|transitions| *transitions < 0) {
            let why = "must be greater than or equal to 0";
            errors.push(FieldError::invalid(&spec.field("leaseTransitions"), transitions, why));
        }
        let strategy = object.text(&["spec", "strategy"]);
        if !object.text(&["spec", "preferredHolder"]).is_empty() && strategy.is_empty() {
            let why = "may only be specified if `strategy` is defined";
            errors.push(FieldError::forbidden(&spec.field("preferredHolder"), why));
        }
        if !strategy.is_empty() && strategy != "OldestEmulationVersion" {
            errors.push(FieldError::not_supported(&spec.field("strategy"), strategy, &["OldestEmulationVersion"]));
        }
        errors
    }

    fn cells(&self, object: &Object, now: Timestamp) -> Vec<Value> {
        let holder = object.text(&["spec", "holderIdentity"]);
        vec![object.name().into(), holder.into(), age(object, now)]
    }
}
