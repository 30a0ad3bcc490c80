//! Kinds that CustomResourceDefinitions bring: the schema says what is valid, the definition which columns are shown.

use jiff::Timestamp;
use machinery::field::FieldError;
use machinery::table::Column;
use serde_json::Value;

use super::{Rules, age};
use crate::object::Object;

/// The rules of one version of a custom kind.
pub(crate) struct CustomKind {
    /// The printer columns of the definition; without any, the age is shown.
    pub(crate) columns: Vec<Column>,
}

impl Rules for CustomKind {
    fn counts_generations(&self) -> bool {
        true
    }

    fn validate(&self, _object: &Object, _old: Option<&Object>) -> Vec<FieldError> {
        // All that is known about the kind is in its schema, which is checked for every kind.
        Vec::new()
    }

    fn cells(&self, object: &Object, now: Timestamp) -> Vec<Value> {
        let mut cells: Vec<Value> = vec![object.name().into()];
        if self.columns.is_empty() {
            cells.push(age(object, now));
        }
        cells.extend(self.columns.iter().map(|column| column.cell(object.as_value(), now)));
        cells
    }
}
