//! Label selectors.
//!
//! The query syntax is parsed in `query.rs`, objects are read here. Both end in [`Requirement`]s, sorted by key.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

use super::{SelectorError, query};
use crate::field::{FieldError, MAX_ERRORS, Path};
use crate::name;

/// A conjunction of conditions on labels. Empty, it matches everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Requirement {
    pub(super) key: String,
    pub(super) condition: Condition,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Condition {
    Equals(String),
    /// Also true without the label.
    NotEquals(String),
    In(BTreeSet<String>),
    /// Also true without the label.
    NotIn(BTreeSet<String>),
    Exists,
    Absent,
    GreaterThan(i64),
    LessThan(i64),
}

impl Condition {
    fn holds(&self, label: Option<&str>) -> bool {
        let number = || label.and_then(|value| value.parse::<i64>().ok());
        match self {
            Condition::Equals(value) => label == Some(value),
            Condition::NotEquals(value) => label != Some(value),
            Condition::In(values) => label.is_some_and(|label| values.contains(label)),
            Condition::NotIn(values) => label.is_none_or(|label| !values.contains(label)),
            Condition::Exists => label.is_some(),
            Condition::Absent => label.is_none(),
            Condition::GreaterThan(limit) => number().is_some_and(|number| number > *limit),
            Condition::LessThan(limit) => number().is_some_and(|number| number < *limit),
        }
    }
}

impl LabelSelector {
    /// Parses the query syntax: `a=b,c!=d,e in (x,y),f notin (z),!g,h,n>1`. Empty text matches everything.
    ///
    /// # Errors
    /// [`SelectorError::Syntax`], [`SelectorError::Label`].
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        query::parse(text).map(Self::new)
    }

    /// Reads a `LabelSelector` object (`matchLabels`, `matchExpressions`), found at `path`.
    ///
    /// An empty object matches everything. What an absent selector means differs from field to field, so it is the caller's
    /// to decide.
    ///
    /// # Errors
    /// Everything that is wrong with the object.
    pub fn from_object(path: &Path<'_>, object: &Value) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut requirements = Vec::new();
        if !object.is_object() {
            return Err(vec![FieldError::type_invalid(path, object.clone(), "must be an object")]);
        }
        let labels = object.get("matchLabels").filter(|labels| !labels.is_null());
        if let Some(labels) = labels {
            errors.extend(name::check_labels(&path.field("matchLabels"), labels));
        }
        for (key, value) in labels.and_then(Value::as_object).into_iter().flatten() {
            let condition = Condition::Equals(value.as_str().unwrap_or_default().to_owned());
            requirements.push(Requirement { key: key.clone(), condition });
        }
        let path = path.field("matchExpressions");
        match object.get("matchExpressions") {
            None | Some(Value::Null) => {}
            Some(Value::Array(expressions)) => {
                for (i, expression) in expressions.iter().enumerate() {
                    if errors.len() >= MAX_ERRORS {
                        break;
                    }
                    match expression_requirement(&path.index(i), expression) {
                        Ok(requirement) => requirements.push(requirement),
                        Err(problems) => errors.extend(problems),
                    }
                }
            }
            Some(other) => errors.push(FieldError::type_invalid(&path, other.clone(), "must be a list")),
        }
        if errors.is_empty() { Ok(Self::new(requirements)) } else { Err(errors) }
    }

    fn new(mut requirements: Vec<Requirement>) -> Self {
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        LabelSelector { requirements }
    }

    /// True if everything matches.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether `labels`, the `metadata.labels` of an object, satisfy all conditions. `None` stands for no labels.
    pub fn matches(&self, labels: Option<&Map<String, Value>>) -> bool {
        self.matches_by(|key| labels?.get(key)?.as_str())
    }

    /// Whether the labels that `label` looks up satisfy all conditions.
    pub fn matches_by<'l>(&self, label: impl Fn(&str) -> Option<&'l str>) -> bool {
        self.requirements.iter().all(|requirement| requirement.condition.holds(label(&requirement.key)))
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, requirement) in self.requirements.iter().enumerate() {
            let separator = if i > 0 { "," } else { "" };
            write!(f, "{separator}{requirement}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        let joined = |values: &BTreeSet<String>| values.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        match &self.condition {
            Condition::Equals(value) => write!(f, "{key}={value}"),
            Condition::NotEquals(value) => write!(f, "{key}!={value}"),
            Condition::In(values) => write!(f, "{key} in ({})", joined(values)),
            Condition::NotIn(values) => write!(f, "{key} notin ({})", joined(values)),
            Condition::Exists => f.write_str(key),
            Condition::Absent => write!(f, "!{key}"),
            Condition::GreaterThan(limit) => write!(f, "{key}>{limit}"),
            Condition::LessThan(limit) => write!(f, "{key}<{limit}"),
        }
    }
}

fn expression_requirement(path: &Path<'_>, expression: &Value) -> Result<Requirement, Vec<FieldError>> {
    let mut errors = Vec::new();
    let text = |field: &str| expression.get(field).and_then(Value::as_str).unwrap_or_default();
    let (key, operator) = (text("key"), text("operator"));
    let listed = expression.get("values").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let values: BTreeSet<String> = listed.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let values_path = path.field("values");
    match operator {
        "In" | "NotIn" if listed.is_empty() => {
            errors.push(FieldError::required(&values_path, "must be specified when `operator` is 'In' or 'NotIn'"));
        }
        "Exists" | "DoesNotExist" if !listed.is_empty() => {
            let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.push(FieldError::forbidden(&values_path, detail));
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        other => errors.push(FieldError::invalid(&path.field("operator"), other, "not a valid selector operator")),
    }
    let problems = name::check_qualified(key);
    errors.extend(problems.into_iter().map(|problem| FieldError::invalid(&path.field("key"), key, problem)));
    for (i, value) in listed.iter().enumerate() {
        let path = values_path.index(i);
        match value.as_str() {
            Some(text) => {
                let problems = name::check_label_value(text);
                errors.extend(problems.into_iter().map(|problem| FieldError::invalid(&path, text, problem)));
            }
            None => errors.push(FieldError::type_invalid(&path, value.clone(), "must be a string")),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let condition = match operator {
        "In" => Condition::In(values),
        "NotIn" => Condition::NotIn(values),
        "Exists" => Condition::Exists,
        _ => Condition::Absent,
    };
    Ok(Requirement { key: key.to_owned(), condition })
}
