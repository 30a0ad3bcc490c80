//! Value validations: ranges, lengths, patterns, formats, enumerations and their combinations.
//!
//! Each check applies to the JSON type that it is about and ignores the others, as JSON Schema says. Start at [`check`].

use std::cmp::Ordering;
use std::collections::HashSet;

use serde_json::{Number, Value};

use super::{Place, walk};
use crate::field::{FieldError, Path};
use crate::schema::{Format, Rules, Schema};

/// Reports every rule that the value breaks.
pub(super) fn check(place: &Place<'_>, rules: &Rules, errors: &mut Vec<FieldError>) {
    let (path, value) = (place.path, place.value);
    if !rules.allowed.is_empty() && !rules.allowed.contains(value) {
        let supported: Vec<String> = rules.allowed.iter().map(plain).collect();
        let supported: Vec<&str> = supported.iter().map(String::as_str).collect();
        errors.push(FieldError::not_supported(path, value.clone(), &supported));
    }
    match value {
        Value::String(text) => check_text(path, rules, text, errors),
        Value::Number(number) => check_number(path, rules, number, errors),
        Value::Array(list) => check_list(path, rules, list, errors),
        Value::Object(map) => {
            let sizes = Sizes { min: rules.min_properties, max: rules.max_properties, unit: "properties" };
            sizes.check(path, map.len(), errors);
        }
        Value::Null | Value::Bool(_) => {}
    }
    check_combinations(place, rules, errors);
}

/// A value as a list of supported ones names it.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn check_text(path: &Path<'_>, rules: &Rules, text: &str, errors: &mut Vec<FieldError>) {
    let length = text.chars().count() as u64;
    if let Some(max) = rules.max_length.filter(|max| length > *max) {
        errors.push(FieldError::too_long(path, max));
    }
    if let Some(min) = rules.min_length.filter(|min| length < *min) {
        let detail = format!("{path} in body should be at least {min} chars long");
        errors.push(FieldError::invalid(path, text, detail));
    }
    if let Some(pattern) = rules.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
        errors.push(FieldError::invalid(path, text, format!("{path} in body should match '{pattern}'")));
    }
    if let Some(format) = rules.format.filter(|format| !format.accepts(text)) {
        let detail = format!("{path} in body must be of type {}: {}", format.name(), crate::field::quote(text));
        errors.push(FieldError::type_invalid(path, text, detail));
    }
}

fn check_number(path: &Path<'_>, rules: &Rules, number: &Number, errors: &mut Vec<FieldError>) {
    let mut refuse = |detail: String| errors.push(FieldError::invalid(path, number.clone(), detail));
    if let Some(bound) = &rules.minimum {
        match (compare(number, &bound.limit), bound.exclusive) {
            (Ordering::Less | Ordering::Equal, true) => {
                refuse(format!("{path} in body should be greater than {}", bound.limit));
            }
            (Ordering::Less, false) => {
                refuse(format!("{path} in body should be greater than or equal to {}", bound.limit))
            }
            _ => {}
        }
    }
    if let Some(bound) = &rules.maximum {
        match (compare(number, &bound.limit), bound.exclusive) {
            (Ordering::Greater | Ordering::Equal, true) => {
                refuse(format!("{path} in body should be less than {}", bound.limit));
            }
            (Ordering::Greater, false) => {
                refuse(format!("{path} in body should be less than or equal to {}", bound.limit))
            }
            _ => {}
        }
    }
    if let Some(factor) = rules.multiple_of.as_ref().filter(|factor| !is_multiple(number, factor)) {
        refuse(format!("{path} in body should be a multiple of {factor}"));
    }
    let in_range = match rules.format {
        Some(Format::Int32) => integer(number).is_some_and(|n| i32::try_from(n).is_ok()),
        Some(Format::Int64) => integer(number).is_some_and(|n| i64::try_from(n).is_ok()),
        Some(Format::Quantity) => Format::Quantity.accepts(&number.to_string()),
        _ => true,
    };
    if let Some(format) = rules.format.filter(|_| !in_range) {
        refuse(format!("{path} in body must be of type {}", format.name()));
    }
}

fn check_list(path: &Path<'_>, rules: &Rules, list: &[Value], errors: &mut Vec<FieldError>) {
    let sizes = Sizes { min: rules.min_items, max: rules.max_items, unit: "items" };
    sizes.check(path, list.len(), errors);
    let mut seen = HashSet::new();
    if rules.unique_items && !list.iter().all(|element| seen.insert(element.to_string())) {
        errors.push(FieldError::invalid(path, list.to_vec(), format!("{path} in body shouldn't contain duplicates")));
    }
}

/// How many entries a list or an object may have.
struct Sizes {
    min: Option<u64>,
    max: Option<u64>,
    unit: &'static str,
}

impl Sizes {
    fn check(&self, path: &Path<'_>, actual: usize, errors: &mut Vec<FieldError>) {
        if let Some(max) = self.max.filter(|max| actual as u64 > *max) {
            errors.push(FieldError::too_many(path, actual, max));
        }
        if let Some(min) = self.min.filter(|min| (actual as u64) < *min) {
            let detail = format!("{path} in body should have at least {min} {}", self.unit);
            errors.push(FieldError::invalid(path, actual, detail));
        }
    }
}

impl Place<'_> {
    fn errors_under(&self, schema: &Schema) -> Vec<FieldError> {
        let mut errors = Vec::new();
        walk(self.path, self.schema.child(schema), self.value, &mut errors);
        errors
    }

    fn refuse(&self, rule: &str) -> FieldError {
        FieldError::invalid(self.path, "", format!("\"{}\" must {rule}", self.path))
    }
}

fn check_combinations(place: &Place<'_>, rules: &Rules, errors: &mut Vec<FieldError>) {
    errors.extend(rules.all_of.iter().flat_map(|schema| place.errors_under(schema)));
    if !rules.any_of.is_empty() {
        let refusals = refusals(place, &rules.any_of);
        if refusals.len() == rules.any_of.len() {
            errors.push(place.refuse("validate at least one schema (anyOf)"));
            errors.extend(closest(refusals));
        }
    }
    if !rules.one_of.is_empty() {
        let refusals = refusals(place, &rules.one_of);
        match rules.one_of.len() - refusals.len() {
            1 => {}
            0 => {
                errors.push(place.refuse("validate one and only one schema (oneOf). Found none valid"));
                errors.extend(closest(refusals));
            }
            valid => {
                let rule = format!("validate one and only one schema (oneOf). Found {valid} valid alternatives");
                errors.push(place.refuse(&rule));
            }
        }
    }
    if rules.not.as_ref().is_some_and(|schema| place.errors_under(schema).is_empty()) {
        errors.push(place.refuse("not validate the schema (not)"));
    }
}

/// What each alternative that does not fit has to say.
fn refusals(place: &Place<'_>, alternatives: &[Schema]) -> Vec<Vec<FieldError>> {
    alternatives.iter().map(|schema| place.errors_under(schema)).filter(|errors| !errors.is_empty()).collect()
}

/// The alternative that was missed by the least tells the user most.
fn closest(refusals: Vec<Vec<FieldError>>) -> Vec<FieldError> {
    refusals.into_iter().min_by_key(Vec::len).unwrap_or_default()
}

/// Exact for integers; otherwise as floating point.
fn compare(a: &Number, b: &Number) -> Ordering {
    match (integer(a), integer(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal),
    }
}

/// Up to 2⁵³, floating point holds every whole number.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The number, if it is whole; `1.0` is.
fn integer(number: &Number) -> Option<i128> {
    match (number.as_i64(), number.as_u64()) {
        (Some(number), _) => Some(number.into()),
        (None, Some(number)) => Some(number.into()),
        (None, None) => {
            let whole = number.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < EXACT);
            #[expect(clippy::cast_possible_truncation, reason = "a whole number within ±2⁵³")]
            whole.map(|number| number as i128)
        }
    }
}

fn is_multiple(number: &Number, factor: &Number) -> bool {
    match (integer(number), integer(factor)) {
        (_, Some(0)) => false,
        (Some(number), Some(factor)) => number % factor == 0,
        _ => {
            // 0.3 is a multiple of 0.1 for users, if not in binary.
            const TOLERANCE: f64 = 1e-9;
            let ratio = number.as_f64().unwrap_or(f64::NAN) / factor.as_f64().unwrap_or(f64::NAN);
            (ratio - ratio.round()).abs() <= TOLERANCE * ratio.abs().max(1.0)
        }
    }
}
