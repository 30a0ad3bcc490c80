//! ConfigMap: keys are file names, the sum of the values is bounded, `immutable` holds.

use jiff::Timestamp;
use machinery::field::{FieldError, Path};
use serde_json::Value;

use super::{MAX_DATA_BYTES, Rules, age, check_data_key, check_immutable, count};
use crate::object::Object;

pub(super) struct ConfigMap;

impl Rules for ConfigMap {
    fn validate(&self, object: &Object, old: Option<&Object>) -> Vec<FieldError> {
        let mut errors = check_immutable(object, old, &["data", "binaryData"]);
        let binary = object.at(&["binaryData"]);
        let mut bytes = 0;
        for (field, key, value) in ["data", "binaryData"].iter().flat_map(|field| entries(object, field)) {
            let field = Path::new(field);
            errors.extend(check_data_key(key).map(|why| FieldError::invalid(&field.key(key), key, why)));
            if field.to_string() == "data" && binary.get(key).is_some() {
                errors.push(FieldError::invalid(&field.key(key), key, "duplicate of key present in binaryData"));
            }
            bytes += value.as_str().map_or(0, str::len);
        }
        if bytes > MAX_DATA_BYTES {
            errors.push(FieldError::too_long(&Path::new(""), MAX_DATA_BYTES as u64));
        }
        errors
    }

    fn cells(&self, object: &Object, now: Timestamp) -> Vec<Value> {
        let data = count(object.at(&["data"])) + count(object.at(&["binaryData"]));
        vec![object.name().into(), data.into(), age(object, now)]
    }
}

fn entries<'a>(object: &'a Object, field: &'a str) -> impl Iterator<Item = (&'a str, &'a str, &'a Value)> {
    object.at(&[field]).as_object().into_iter().flatten().map(move |(key, value)| (field, key.as_str(), value))
}
