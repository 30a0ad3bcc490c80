//! ServiceAccount: an identity for programs. Nothing beyond its schema is checked.

use jiff::Timestamp;
use machinery::field::FieldError;
use serde_json::Value;

use super::{Rules, age, count};
use crate::object::Object;

pub(super) struct ServiceAccount;

impl Rules for ServiceAccount {
    fn validate(&self, _object: &Object, _old: Option<&Object>) -> Vec<FieldError> {
        Vec::new()
    }

    fn cells(&self, object: &Object, now: Timestamp) -> Vec<Value> {
        vec![object.name().into(), count(object.at(&["secrets"])).into(), age(object, now)]
    }
}
