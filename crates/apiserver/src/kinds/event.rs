//! Event: something that happened to an object. It lives in the namespace of that object.

use jiff::Timestamp;
use machinery::field::{FieldError, Path};
use serde_json::Value;

use super::{Rules, since};
use crate::object::Object;

pub(super) struct Event;

const MAX_REPORTING_INSTANCE: usize = 128;
const MAX_ACTION: usize = 128;
const MAX_REASON: usize = 128;
const MAX_NOTE: usize = 1024;

impl Rules for Event {
    fn validate(&self, object: &Object, _old: Option<&Object>) -> Vec<FieldError> {
        // Events of the older API have no eventTime and are held to the older rules.
        if object.text(&["eventTime"]).is_empty() {
            let involved = object.text(&["involvedObject", "namespace"]);
            let expected = if involved.is_empty() { "default" } else { involved };
            return (object.namespace() != expected).then(|| namespace_mismatch(involved)).into_iter().collect();
        }
        let mut errors = Vec::new();
        let involved = object.text(&["involvedObject", "namespace"]);
        if involved.is_empty() && !matches!(object.namespace(), "default" | "kube-system") {
            errors.push(namespace_mismatch(involved));
        }
        let controller = object.text(&["reportingComponent"]);
        let path = Path::new("reportingComponent");
        if controller.is_empty() {
            errors.push(FieldError::required(&path, ""));
        } else {
            let problems = machinery::name::check_qualified(controller).into_iter();
            errors.extend(problems.map(|why| FieldError::invalid(&path, controller, why)));
        }
        for (field, limit) in
            [("reportingInstance", MAX_REPORTING_INSTANCE), ("action", MAX_ACTION), ("reason", MAX_REASON)]
        {
            if object.text(&[field]).is_empty() {
                errors.push(FieldError::required(&Path::new(field), ""));
            }
            errors.extend(longer_than(object, field, limit));
        }
        errors.extend(longer_than(object, "message", MAX_NOTE));
        errors
    }

    fn cells(&self, object: &Object, now: Timestamp) -> Vec<Value> {
        let time = |path: &[&str]| object.text(path).parse::<Timestamp>().ok();
        let first = time(&["firstTimestamp"]).or_else(|| time(&["eventTime"]));
        let last = time(&["series", "lastObservedTime"]).or_else(|| time(&["lastTimestamp"])).or(first);
        let count = object.at(&["series", "count"]).as_i64().or_else(|| object.at(&["count"]).as_i64());
        let kind = object.text(&["involvedObject", "kind"]).to_lowercase();
        let target = match object.text(&["involvedObject", "name"]) {
            "" => kind,
            name => format!("{kind}/{name}"),
        };
        vec![
            since(last, now),
            object.text(&["type"]).into(),
            object.text(&["reason"]).into(),
            target.into(),
            object.text(&["involvedObject", "fieldPath"]).into(),
            source(object).into(),
            object.text(&["message"]).trim().into(),
            since(first, now),
            count.filter(|count| *count > 0).unwrap_or(1).into(),
            object.name().into(),
        ]
    }
}

fn namespace_mismatch(involved: &str) -> FieldError {
    let path = Path::new("involvedObject");
    FieldError::invalid(&path.field("namespace"), involved, "does not match event.namespace")
}

fn longer_than(object: &Object, field: &str, limit: usize) -> Option<FieldError> {
    let long = object.text(&[field]).len() > limit;
    long.then(|| FieldError::invalid(&Path::new(field), "", format!("can have at most {limit} characters")))
}

/// Who reported the event, and from where.
fn source(object: &Object) -> String {
    let first = |a: &[&str], b: &[&str]| match object.text(a) {
        "" => object.text(b).to_owned(),
        text => text.to_owned(),
    };
    let component = first(&["source", "component"], &["reportingComponent"]);
    match first(&["source", "host"], &["reportingInstance"]) {
        instance if instance.is_empty() => component,
        instance => format!("{component}, {instance}"),
    }
}
