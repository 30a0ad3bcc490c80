//! Secret: `stringData` becomes `data`, types demand their keys, type and (if asked for) content never change.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use machinery::field::{FieldError, Path};
use serde_json::{Map, Value, json};

use super::{MAX_DATA_BYTES, Rules, age, check_data_key, check_immutable, check_unchanged, count};
use crate::object::Object;

pub(super) struct Secret;

impl Rules for Secret {
    fn prepare_create(&self, object: &mut Object) {
        merge_string_data(object);
        if object.text(&["type"]).is_empty() {
            object.set("type", Some("Opaque".into()));
        }
    }

    fn prepare_update(&self, object: &mut Object, old: &Object) {
        merge_string_data(object);
        if object.text(&["type"]).is_empty() {
            object.set("type", Some(old.at(&["type"]).clone()));
        }
    }

    fn validate(&self, object: &Object, old: Option<&Object>) -> Vec<FieldError> {
        let mut errors = check_immutable(object, old, &["data"]);
        errors.extend(old.and_then(|old| check_unchanged(object, old, &["type"])));
        let field = Path::new("data");
        let mut bytes = 0;
        for (key, value) in object.at(&["data"]).as_object().into_iter().flatten() {
            errors.extend(check_data_key(key).map(|why| FieldError::invalid(&field.key(key), key.as_str(), why)));
            match STANDARD.decode(value.as_str().unwrap_or_default()) {
                Ok(decoded) => bytes += decoded.len(),
                Err(error) => errors.push(FieldError::invalid(
                    &field.key(key),
                    "<secret contents redacted>",
                    format!("must be base64: {error}"),
                )),
            }
        }
        if bytes > MAX_DATA_BYTES {
            errors.push(FieldError::too_long(&field, MAX_DATA_BYTES as u64));
        }
        errors.extend(check_type(object));
        errors
    }

    fn cells(&self, object: &Object, now: Timestamp) -> Vec<Value> {
        let data = count(object.at(&["data"]));
        vec![object.name().into(), object.text(&["type"]).into(), data.into(), age(object, now)]
    }
}

/// Write-only convenience: plain text that goes, encoded, into `data` and wins over what is there.
fn merge_string_data(object: &mut Object) {
    let Some(Value::Object(plain)) = object.fields_mut().remove("stringData") else { return };
    let data = object.fields_mut().entry("data").or_insert_with(|| json!({}));
    if !data.is_object() {
        *data = Value::Object(Map::new());
    }
    for (key, value) in plain {
        if let (Some(data), Value::String(text)) = (data.as_object_mut(), value) {
            data.insert(key, STANDARD.encode(text).into());
        }
    }
}

/// What a secret of a well-known type must contain.
fn check_type(object: &Object) -> Vec<FieldError> {
    const ACCOUNT: &str = "kubernetes.io/service-account.name";
    let (data, metadata) = (Path::new("data"), Path::new("metadata"));
    let has = |key: &str| object.at(&["data", key]).is_string();
    let require = |keys: &[&str]| -> Vec<FieldError> {
        keys.iter().filter(|key| !has(key)).map(|key| FieldError::required(&data.key(key), "")).collect()
    };
    match object.text(&["type"]) {
        "kubernetes.io/service-account-token" if object.text(&["metadata", "annotations", ACCOUNT]).is_empty() => {
            vec![FieldError::required(&metadata.field("annotations").key(ACCOUNT), "")]
        }
        "kubernetes.io/dockercfg" => require_json(object, ".dockercfg"),
        "kubernetes.io/dockerconfigjson" => require_json(object, ".dockerconfigjson"),
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => require(&["username", "password"]),
        "kubernetes.io/ssh-auth" if object.text(&["data", "ssh-privatekey"]).is_empty() => {
            vec![FieldError::required(&data.key("ssh-privatekey"), "")]
        }
        "kubernetes.io/tls" => require(&["tls.crt", "tls.key"]),
        _ => Vec::new(),
    }
}

fn require_json(object: &Object, key: &str) -> Vec<FieldError> {
    let data = Path::new("data");
    let Some(text) = object.at(&["data", key]).as_str() else {
        return vec![FieldError::required(&data.key(key), "")];
    };
    // Broken base64 has been reported already.
    let Ok(decoded) = STANDARD.decode(text) else { return Vec::new() };
    match serde_json::from_slice::<Map<String, Value>>(&decoded) {
        Ok(_) => Vec::new(),
        Err(error) => {
            vec![FieldError::invalid(&data.key(key), "<secret contents redacted>", error.to_string())]
        }
    }
}
