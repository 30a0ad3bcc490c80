//! The `scale` sub-resource: replicas without knowledge of the kind, built in or custom.

use http::{Response, StatusCode};
use machinery::field::Path;
use machinery::selector::LabelSelector;
use serde_json::{Value, json};

use crate::body::{self, ResponseBody};
use crate::context::{Answer, Context, Written, with_warnings};
use crate::negotiate::{BodyFormat, PatchFormat};
use crate::object::Object;
use crate::request::Verb;
use crate::resource::ScalePaths;
use crate::status::{Failure, Reason};
use crate::write::{Change, Fields, Part, Validation, decode_body, replace};

/// GET, PUT and PATCH of `/scale`.
///
/// # Errors
/// 404 where the kind has no scale, and as for a change of the object itself.
pub(crate) async fn serve(ctx: &Context, verb: Verb, body: &[u8]) -> Result<Response<ResponseBody>, Failure> {
    let paths = ctx.resource.scale.as_ref().ok_or_else(Failure::no_such_resource)?;
    match verb {
        Verb::Get => {
            let object = ctx.resource.restore(&ctx.entry()?.value)?;
            Ok(body::json_value(StatusCode::OK, &scale_of(&object, paths)))
        }
        Verb::Update | Verb::Patch => {
            let answer = change(ctx, paths, verb, body).await?;
            let object = match &answer.written {
                Written::Stored(entry) | Written::Unchanged(entry) => ctx.resource.restore(&entry.value)?,
                Written::Rehearsed(object) => object.clone(),
            };
            Ok(with_warnings(body::json_value(answer.code, &scale_of(&object, paths)), &answer.warnings))
        }
        Verb::List | Verb::Watch | Verb::Create | Verb::Delete | Verb::DeleteCollection => {
            Err(Failure::method_not_allowed())
        }
    }
}

async fn change(ctx: &Context, paths: &ScalePaths, verb: Verb, body: &[u8]) -> Result<Answer, Failure> {
    let format = if verb == Verb::Patch { Some(PatchFormat::of(&ctx.headers)?) } else { None };
    let body_format = if verb == Verb::Patch { BodyFormat::Json } else { BodyFormat::of(&ctx.headers)? };
    let decoded = decode_body(body_format, body)?;
    let fields = Fields { validation: Validation::of(&ctx.query)?, duplicates: decoded.duplicates };
    let change = Change { part: Part::Main, fields };
    replace(ctx, &change, |current| {
        let scale = match format {
            None => decoded.value.clone(),
            Some(format) => patched(scale_of(current, paths), &decoded.value, format)?,
        };
        let replicas = scale.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or_default();
        if replicas < 0 {
            let message = "spec.replicas: Invalid value: must be greater than or equal to 0";
            return Err(Failure::new(Reason::Invalid, message).about(ctx.resource.subject(ctx.name())));
        }
        let mut next = current.clone();
        // Preconditions on the Scale are preconditions on the object.
        for field in ["uid", "resourceVersion"] {
            let sent = scale["metadata"][field].as_str().unwrap_or_default();
            if !sent.is_empty() {
                next.set_metadata(field, Some(sent.into()));
            }
        }
        set_path(next.as_value_mut(), &paths.spec_replicas, replicas.into());
        Ok(next)
    })
    .await
}

/// A strategic merge of a Scale is a plain merge: it has no lists.
fn patched(mut scale: Value, patch: &Value, format: PatchFormat) -> Result<Value, Failure> {
    match format {
        PatchFormat::Merge | PatchFormat::Strategic => {
            machinery::patch::merge(&mut scale, patch);
            Ok(scale)
        }
        PatchFormat::Json => machinery::patch::JsonPatch::parse(patch)
            .and_then(|operations| operations.apply(&scale))
            .map_err(|error| Failure::bad_request(stdx::error_chain(&error).to_string())),
    }
}

fn scale_of(object: &Object, paths: &ScalePaths) -> Value {
    let at = |path: &[String]| {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        object.at(&path).clone()
    };
    let mut metadata = json!({});
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object.metadata().get(field) {
            metadata[field] = value.clone();
        }
    }
    let number = |path: &[String]| at(path).as_i64().unwrap_or_default();
    let mut status = json!({"replicas": number(&paths.status_replicas)});
    if let Some(selector) = paths.label_selector.as_deref().map(at).and_then(selector_text) {
        status["selector"] = selector.into();
    }
    json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": {"replicas": number(&paths.spec_replicas)},
        "status": status,
    })
}

/// The selector in the form of queries, in which autoscalers list the pods.
fn selector_text(selector: Value) -> Option<String> {
    match selector {
        Value::String(text) => Some(text),
        object @ Value::Object(_) => {
            LabelSelector::from_object(&Path::ROOT, &object).ok().map(|selector| selector.to_string())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    }
}

fn set_path(value: &mut Value, path: &[String], leaf: Value) {
    let Some((first, rest)) = path.split_first() else {
        *value = leaf;
        return;
    };
    if !value.is_object() {
        *value = json!({});
    }
    if let Some(map) = value.as_object_mut() {
        set_path(map.entry(first.clone()).or_insert(Value::Null), rest, leaf);
    }
}

#[cfg(test)]
mod tests;
