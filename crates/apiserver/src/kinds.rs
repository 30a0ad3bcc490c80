//! What distinguishes one kind from another: the rules that schemas cannot say.
//!
//! Everything that is the same for all kinds lives in `write`; each file below has the rest for one built-in kind, and
//! `custom` for those that CustomResourceDefinitions bring.

mod config_map;
pub(crate) mod custom;
pub(crate) mod custom_resource_definition;
mod deployment;
mod event;
mod lease;
pub(crate) mod namespace;
mod node;
mod pod;
mod pod_spec;
mod replica_set;
mod secret;
mod service_account;

use jiff::Timestamp;
use machinery::field::{FieldError, Path};
use serde_json::Value;

use crate::object::Object;
use crate::resource::ScalePaths;

/// The rules of one kind. Objects arrive with defaults applied and unknown fields removed.
pub(crate) trait Rules: Send + Sync {
    /// Whether `metadata.generation` counts the changes of the desired state.
    fn counts_generations(&self) -> bool {
        false
    }

    /// The sub-resources that are served, of those that the table of kinds names.
    fn subresources(&self) -> &'static [&'static str] {
        &[]
    }

    /// Where the numbers of the scale sub-resource are.
    fn scale_paths(&self) -> Option<ScalePaths> {
        None
    }

    /// Fills in defaults that no schema states. Runs on everything that clients send; a second run changes nothing.
    fn apply_defaults(&self, _object: &mut Object) {}

    /// Whether a new object keeps the status that its client sent.
    fn keeps_status_on_create(&self) -> bool {
        false
    }

    /// Fills in what the server decides when an object is made.
    fn prepare_create(&self, _object: &mut Object) {}

    /// Fills in, or puts back, what the server decides when an object is changed.
    fn prepare_update(&self, _object: &mut Object, _old: &Object) {}

    /// Fills in, or puts back, what the server decides when only the status is changed.
    fn prepare_status(&self, _object: &mut Object, _old: &Object) {}

    /// What is wrong with a new object, or with a change from `old`.
    fn validate(&self, object: &Object, old: Option<&Object>) -> Vec<FieldError>;

    /// What the user should know although it is no error.
    fn warnings(&self, _object: &Object) -> Vec<String> {
        Vec::new()
    }

    /// How many seconds an object may take to go, for kinds whose deletion is confirmed by someone; None for the others.
    /// `requested` is what the client asked for.
    fn grace_seconds(&self, _object: &Object, _requested: Option<i64>) -> Option<i64> {
        None
    }

    /// Whether a deletion that takes place at once is answered with the object instead of a Status.
    fn answers_deletion_with_object(&self) -> bool {
        false
    }

    /// Finalizers that a deletion adds by itself.
    fn finalizers_on_delete(&self) -> &'static [&'static str] {
        &[]
    }

    /// Changes that a deletion makes to an object that stays for its finalizers.
    fn prepare_delete(&self, _object: &mut Object) {}

    /// Whether something other than metadata finalizers keeps a terminating object.
    fn holds_deletion(&self, _object: &Object) -> bool {
        false
    }

    /// The cells of a table row, one for each column of the kind.
    fn cells(&self, object: &Object, now: Timestamp) -> Vec<Value>;
}

/// The rules of a built-in kind; None for a kind that is not served.
pub(crate) fn builtin(group: &str, kind: &str) -> Option<Box<dyn Rules>> {
    Some(match (group, kind) {
        ("", "Namespace") => Box::new(namespace::Namespace),
        ("", "ConfigMap") => Box::new(config_map::ConfigMap),
        ("", "Secret") => Box::new(secret::Secret),
        ("", "ServiceAccount") => Box::new(service_account::ServiceAccount),
        ("", "Event") => Box::new(event::Event),
        ("", "Node") => Box::new(node::Node),
        ("", "Pod") => Box::new(pod::Pod),
        ("apps", "Deployment") => Box::new(deployment::Deployment),
        ("apps", "ReplicaSet") => Box::new(replica_set::ReplicaSet),
        ("coordination.k8s.io", "Lease") => Box::new(lease::Lease),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            Box::new(custom_resource_definition::CustomResourceDefinition)
        }
        _ => return None,
    })
}

/// The names of all containers of a pod, in the order in which they start.
pub(crate) fn containers_of_pod(pod: &Object) -> Vec<&str> {
    let lists = pod_spec::CONTAINER_LISTS.into_iter().flat_map(|list| pod_spec::items(pod.at(&["spec", list])));
    lists.map(|container| pod_spec::text(&container["name"])).collect()
}

/// The age cell: time since creation, `<unknown>` for an object without one.
fn age(object: &Object, now: Timestamp) -> Value {
    since(object.creation_timestamp(), now)
}

/// Time since a moment as people read it, `<unknown>` without one.
fn since(at: Option<Timestamp>, now: Timestamp) -> Value {
    at.map_or_else(|| "<unknown>".to_owned(), |at| machinery::table::age(now.duration_since(at))).into()
}

/// How many entries a map or list has.
fn count(value: &Value) -> usize {
    match value {
        Value::Object(map) => map.len(),
        Value::Array(list) => list.len(),
        _ => 0,
    }
}

/// The total of all `data` values may not exceed this, as upstream has it for ConfigMap and Secret.
const MAX_DATA_BYTES: usize = 1024 * 1024;

/// Rules that ConfigMap and Secret share: keys, and that `immutable` holds.
fn check_immutable(object: &Object, old: Option<&Object>, fields: &[&str]) -> Vec<FieldError> {
    const WHY: &str = "field is immutable when `immutable` is set";
    let Some(old) = old.filter(|old| old.at(&["immutable"]) == &Value::Bool(true)) else { return Vec::new() };
    let mut errors = Vec::new();
    if object.at(&["immutable"]) != &Value::Bool(true) {
        errors.push(FieldError::forbidden(&Path::new("immutable"), WHY));
    }
    for field in fields.iter().filter(|field| object.at(&[field]) != old.at(&[field])) {
        errors.push(FieldError::forbidden(&Path::new(field), WHY));
    }
    errors
}

/// A field that may not change once set.
fn check_unchanged(object: &Object, old: &Object, path: &[&str]) -> Option<FieldError> {
    if object.at(path) == old.at(path) {
        return None;
    }
    let rendered = path.join(".");
    Some(FieldError::invalid(&Path::new(&rendered), object.at(path).clone(), "field is immutable"))
}

/// What is wrong with a key of ConfigMap or Secret data: each may become the name of a file.
fn check_data_key(key: &str) -> Option<&'static str> {
    const MAX_BYTES: usize = 253;
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if key.len() > MAX_BYTES {
        Some("must be no more than 253 characters")
    } else if key.is_empty() || !key.bytes().all(valid) {
        Some(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or \
             'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
        )
    } else if key == "." {
        Some("must not be '.'")
    } else if key == ".." {
        Some("must not be '..'")
    } else if key.starts_with("..") {
        Some("must not start with '..'")
    } else {
        None
    }
}
