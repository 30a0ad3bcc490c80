//! Namespace: a scope for names. It stays, terminating, until its content is gone.
//!
//! The content is removed by the namespace controller; the `kubernetes` finalizer in `spec` is the sign that this has
//! not happened yet, and only the `finalize` sub-resource takes it away.

use api::core::v1::namespace::{FINALIZER, NAME_LABEL};
use jiff::Timestamp;
use machinery::field::{FieldError, Path};
use serde_json::{Value, json};

use super::{Rules, age};
use crate::object::Object;

pub(super) struct Namespace;

/// Namespaces that cannot be deleted.
const UNDELETABLE: [&str; 3] = ["default", "kube-system", "kube-public"];

/// Whether a namespace may be deleted at all.
pub(crate) fn is_deletable(name: &str) -> bool {
    !UNDELETABLE.contains(&name)
}

/// Whether a namespace takes no new objects.
pub(crate) fn is_terminating(namespace: &Object) -> bool {
    namespace.text(&["status", "phase"]) == "Terminating" || namespace.is_terminating()
}

impl Rules for Namespace {
    fn subresources(&self) -> &'static [&'static str] {
        &["finalize", "status"]
    }

    fn prepare_create(&self, object: &mut Object) {
        object.set("status", Some(json!({"phase": "Active"})));
        let mut finalizers = spec_finalizers(object);
        if !finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
            finalizers.push(FINALIZER.into());
        }
        object.set("spec", Some(json!({"finalizers": finalizers})));
        label_with_name(object);
    }

    fn prepare_update(&self, object: &mut Object, old: &Object) {
        // Only the finalize sub-resource changes the spec.
        object.set("spec", old.fields().get("spec").cloned());
        label_with_name(object);
    }

    fn validate(&self, object: &Object, old: Option<&Object>) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let spec = Path::new("spec");
        errors.extend(machinery::name::check_finalizers(&spec.field("finalizers"), object.at(&["spec", "finalizers"])));
        let phase = object.text(&["status", "phase"]);
        if old.is_some() && object.is_terminating() && phase != "Terminating" {
            let why = "may only be 'Terminating' if `deletionTimestamp` is not empty";
            errors.push(FieldError::invalid(&Path::new("status.Phase"), phase, why));
        }
        errors
    }

    fn prepare_delete(&self, object: &mut Object) {
        if let Some(status) = object.fields_mut().entry("status").or_insert_with(|| json!({})).as_object_mut() {
            status.insert("phase".to_owned(), "Terminating".into());
        }
    }

    fn holds_deletion(&self, object: &Object) -> bool {
        !spec_finalizers(object).is_empty()
    }

    fn cells(&self, object: &Object, now: Timestamp) -> Vec<Value> {
        vec![object.name().into(), object.text(&["status", "phase"]).into(), age(object, now)]
    }
}

fn spec_finalizers(object: &Object) -> Vec<Value> {
    object.at(&["spec", "finalizers"]).as_array().cloned().unwrap_or_default()
}

fn label_with_name(object: &mut Object) {
    let name = object.name().to_owned();
    if name.is_empty() {
        return;
    }
    let labels = object.metadata_mut().entry("labels").or_insert_with(|| json!({}));
    if let Some(labels) = labels.as_object_mut() {
        labels.insert(NAME_LABEL.to_owned(), name.into());
    }
}
