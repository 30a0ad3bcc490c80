//! The sub-resources of pods that are more than a view of the pod: binding, eviction, log.

mod binding;
mod eviction;
mod log;

use http::StatusCode;
use machinery::decode::Decoded;
use machinery::field::Path;
use machinery::{unknown, validate};
use serde_json::{Value, json};

use crate::body::{self, ResponseBody};
use crate::context::Context;
use crate::negotiate::BodyFormat;
use crate::object::Object;
use crate::resource::{ObjectSchema, api_version};
use crate::status::Failure;
use crate::write::{Validation, decode_body};

pub(crate) use binding::bind;
pub(crate) use eviction::evict;
pub(crate) use log::log;

/// The kind of the object that is sent to a sub-resource.
struct Sent {
    group: &'static str,
    kind: &'static str,
    definition: &'static str,
}

impl Sent {
    /// Reads the body: of the right kind and name, known fields of the right types.
    ///
    /// # Errors
    /// 400 for anything else.
    fn read(&self, ctx: &Context, body: &[u8]) -> Result<Object, Failure> {
        let Decoded { value, duplicates, .. } = decode_body(BodyFormat::of(&ctx.headers)?, body)?;
        let mut object = Object::from_value(value)?;
        let kind = self.kind;
        let version = api_version(self.group, "v1");
        if object.kind() != kind || object.api_version() != version {
            let (found, found_version) = (object.kind(), object.api_version());
            return Err(Failure::bad_request(format!(
                "the body must be a {kind} of {version}, not a {found} of {found_version}"
            )));
        }
        let schema = match &ctx.resource.schema {
            ObjectSchema::Builtin { definitions, .. } => definitions.get(self.definition),
            ObjectSchema::Custom(_) => None,
        };
        let schema = schema.ok_or_else(|| Failure::internal(format!("the table has no {}", self.definition)))?;
        let complaints: Vec<String> = unknown::prune(&Path::ROOT, schema, object.as_value_mut())
            .iter()
            .map(|path| unknown::unknown_message(path))
            .chain(duplicates.iter().map(|path| unknown::duplicate_message(path)))
            .collect();
        if Validation::of(&ctx.query)? == Validation::Strict && !complaints.is_empty() {
            return Err(Failure::bad_request(format!("strict decoding error: {}", complaints.join(", "))));
        }
        if let Some(error) = validate::check(&Path::ROOT, schema, object.as_value()).first() {
            return Err(Failure::bad_request(format!(
                "{kind} in version \"v1\" cannot be handled as a {kind}: {error}"
            )));
        }
        if object.name() != ctx.name() {
            return Err(Failure::bad_request(format!("name in URL does not match name in {kind} object")));
        }
        if ![ctx.namespace().unwrap_or_default(), ""].contains(&object.namespace()) {
            return Err(Failure::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        Ok(object)
    }
}

/// The answer to a request that has taken effect and has nothing to show.
fn done() -> http::Response<ResponseBody> {
    let status: Value = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    body::json_value(StatusCode::CREATED, &status)
}

/// Puts a condition into a pod's status, in place of the one of that type. The time of its last transition stays where
/// its truth does.
fn set_condition(pod: &mut Object, mut condition: Value, now: Value) {
    let status = pod.fields_mut().entry("status").or_insert_with(|| json!({}));
    let Some(status) = status.as_object_mut() else { return };
    let conditions = status.entry("conditions").or_insert_with(|| json!([]));
    let Some(conditions) = conditions.as_array_mut() else { return };
    let found = conditions.iter_mut().find(|present| present["type"] == condition["type"]);
    let unchanged = found.as_ref().is_some_and(|present| present["status"] == condition["status"]);
    condition["lastTransitionTime"] = match &found {
        Some(present) if unchanged => present["lastTransitionTime"].clone(),
        Some(_) | None => now,
    };
    match found {
        Some(present) => *present = condition,
        None => conditions.push(condition),
    }
}

#[cfg(test)]
mod tests;
