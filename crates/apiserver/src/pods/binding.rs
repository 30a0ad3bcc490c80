//! `pods/binding`: a scheduler gives a pod its node, once and for all.

use api::core::v1::pod::SCHEDULED_CONDITION;
use http::Response;
use machinery::field::{FieldError, Path};
use machinery::name;
use serde_json::{Value, json};

use super::{Sent, done, set_condition};
use crate::body::ResponseBody;
use crate::context::Context;
use crate::object::Object;
use crate::status::{Failure, Subject};
use crate::write::{MAX_ATTEMPTS, contention, overwrite, timestamp};

const BINDING: Sent = Sent { group: "", kind: "Binding", definition: "io.k8s.api.core.v1.Binding" };

/// POST of a Binding.
///
/// # Errors
/// 409 when the pod has a node already, is being deleted, waits at a gate, or is not the one that was meant.
pub(crate) async fn bind(ctx: &Context, body: &[u8]) -> Result<Response<ResponseBody>, Failure> {
    let binding = BINDING.read(ctx, body)?;
    check(&binding)?;
    for _ in 0..MAX_ATTEMPTS {
        let entry = ctx.entry()?;
        let pod = ctx.resource.restore(&entry.value)?;
        let bound = bound(ctx, &binding, &pod)?;
        if ctx.dry_run()? || overwrite(&ctx.server, &ctx.resource, &entry, &bound).await?.is_some() {
            return Ok(done());
        }
    }
    Err(contention(ctx, ctx.name()))
}

fn check(binding: &Object) -> Result<(), Failure> {
    let target = Path::new("target");
    let mut errors = Vec::new();
    let kind = binding.text(&["target", "kind"]);
    if !["", "Node"].contains(&kind) {
        errors.push(FieldError::not_supported(&target.field("kind"), kind, &["Node", "<empty>"]));
    }
    let node = binding.text(&["target", "name"]);
    if node.is_empty() {
        errors.push(FieldError::required(&target.field("name"), ""));
    } else {
        let problems = name::check_subdomain(node).into_iter();
        errors.extend(problems.map(|why| FieldError::invalid(&target.field("name"), node, why)));
    }
    // They end up on the pod, which must stay valid.
    let metadata = Path::new("metadata");
    let (labels, annotations) = (binding.at(&["metadata", "labels"]), binding.at(&["metadata", "annotations"]));
    if !labels.is_null() {
        errors.extend(name::check_labels(&metadata.field("labels"), labels));
    }
    if !annotations.is_null() {
        errors.extend(name::check_annotations(&metadata.field("annotations"), annotations));
    }
    if errors.is_empty() {
        return Ok(());
    }
    let subject = Subject { kind: "Binding".to_owned(), name: binding.name().to_owned(), ..Subject::default() };
    Err(Failure::invalid(subject, &errors))
}

/// The pod with its node.
fn bound(ctx: &Context, binding: &Object, pod: &Object) -> Result<Object, Failure> {
    let name = pod.name();
    let conflict = |why: String| {
        let subject = Subject { kind: "pods/binding".to_owned(), name: name.to_owned(), ..Subject::default() };
        Err(Failure::conflict(subject, &why))
    };
    for (what, expected, actual) in
        [("UID", binding.uid(), pod.uid()), ("ResourceVersion", binding.resource_version(), pod.resource_version())]
    {
        if !expected.is_empty() && expected != actual {
            return conflict(format!(
                "Precondition failed: {what} in precondition: {expected}, {what} in object meta: {actual}"
            ));
        }
    }
    let node = pod.text(&["spec", "nodeName"]);
    if pod.is_terminating() {
        return conflict(format!("pod {name} is being deleted, cannot be assigned to a host"));
    }
    if !node.is_empty() {
        return conflict(format!("pod {name} is already assigned to node \"{node}\""));
    }
    if pod.at(&["spec", "schedulingGates"]).as_array().is_some_and(|gates| !gates.is_empty()) {
        return conflict(format!("pod {name} has non-empty .spec.schedulingGates"));
    }
    let mut bound = pod.clone();
    if let Some(spec) = bound.fields_mut().get_mut("spec") {
        spec["nodeName"] = binding.at(&["target", "name"]).clone();
    }
    // The nomination was a hint for schedulers, and this settles it.
    if let Some(status) = bound.fields_mut().get_mut("status").and_then(Value::as_object_mut) {
        status.remove("nominatedNodeName");
    }
    for field in ["annotations", "labels"] {
        merge_metadata(&mut bound, field, binding.at(&["metadata", field]));
    }
    set_condition(&mut bound, json!({"type": SCHEDULED_CONDITION, "status": "True"}), timestamp(ctx));
    Ok(bound)
}

/// What the binding carries goes to the pod and wins there.
fn merge_metadata(pod: &mut Object, field: &str, sent: &Value) {
    let Some(sent) = sent.as_object().filter(|sent| !sent.is_empty()) else { return };
    let present = pod.metadata_mut().entry(field).or_insert_with(|| json!({}));
    if let Some(present) = present.as_object_mut() {
        present.extend(sent.clone());
    }
}
