//! Pod templates: when two are the same, and what a replica set of one is called.
//!
//! Pure. Templates are compared by content, not by hash; the hash only makes names and labels different. It need not be the
//! one that kube-controller-manager computes, because nothing relies on its value (API conventions of
//! `pod-template-hash`). Start reading at [`same`].

use client::kinds::core::v1::PodTemplateSpec;
use serde_json::Value;

/// The label that keeps pods of different templates apart.
pub(crate) const HASH_LABEL: &str = "pod-template-hash";

/// What generated names are made of in Kubernetes: no vowels and no digits that look like them, so no words.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
/// Ten characters of the alphabet hold 47 bits; collisions are noticed and survived.
const HASH_LENGTH: usize = 10;
/// The longest name of an object, a DNS subdomain (RFC 1123).
const NAME_LIMIT: usize = 253;

/// Whether pods made from the two templates are the same but for [`HASH_LABEL`].
pub(crate) fn same(one: &PodTemplateSpec, other: &PodTemplateSpec) -> bool {
    canonical(one) == canonical(other)
}

/// The value of [`HASH_LABEL`] for a template. `collisions` changes it when a name turned out to be taken.
pub(crate) fn hash(template: &PodTemplateSpec, collisions: i32) -> String {
    let text = canonical(template).to_string();
    let mut rest = fingerprint(text.bytes().chain(collisions.to_le_bytes()));
    let mut hash = String::with_capacity(HASH_LENGTH);
    for _ in 0..HASH_LENGTH {
        let digit = usize::try_from(rest % 27).expect("less than 27");
        hash.push(char::from(ALPHABET[digit]));
        rest /= 27;
    }
    hash
}

/// The name of a deployment's replica set for a template: the deployment's name, shortened if need be, and the hash.
pub(crate) fn replica_set_name(deployment: &str, hash: &str) -> String {
    let room = NAME_LIMIT - 1 - hash.len();
    // Names are ASCII, so every index is a border of characters.
    format!("{}-{hash}", deployment.get(..room).unwrap_or(deployment))
}

/// A template as JSON, without the hash and without the differences that the API does not make: absent, null and empty lists
/// and maps of strings are the same.
fn canonical(template: &PodTemplateSpec) -> Value {
    let mut value = serde_json::to_value(template).expect("objects from the API are JSON");
    if let Some(labels) = value.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove(HASH_LABEL);
    }
    drop_empty(&mut value);
    value
}

fn drop_empty(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(drop_empty);
            fields.retain(|field, value| !is_empty(value, field));
        }
        Value::Array(items) => items.iter_mut().for_each(drop_empty),
        _ => {}
    }
}

/// Empty structures such as `emptyDir: {}` say something; empty maps say nothing.
fn is_empty(value: &Value, field: &str) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => {
            fields.is_empty()
                && matches!(field, "metadata" | "labels" | "annotations" | "nodeSelector" | "limits" | "requests")
        }
        _ => false,
    }
}

/// FNV-1a: the same in every build, which the standard library's hashes do not promise.
fn fingerprint(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests;
