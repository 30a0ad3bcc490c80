//! Flow rules: which traffic, what happens to it, which rule wins.
//!
//! A rule is parsed once, from its message ([`Rule::try_from`]) or from the JSON that people write ([`str::parse`]); after
//! that every part has a type and a rule that cannot be carried out does not exist. [`Display`] writes the JSON again.
//! Nothing here matches traffic. The notation of `match` is in [`Match`].

mod action;
mod criteria;
mod header;

use std::fmt::{self, Display};
use std::str::FromStr;

pub use action::{Action, Backend, Forward, PathEdit, Redirect, Rewrite, Timeout};
pub use criteria::{HostPattern, Match, NamedMatch, PathMatch, Pattern, TextMatch, Transport};
pub use header::HeaderEdit;

use crate::invalid::{Invalid, Violation};
use crate::wire;

/// One flow rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Names the rule in events; rules with one name are counted together. Empty until a snapshot gives it one.
    pub id: String,
    /// Which traffic. Empty: all.
    pub criteria: Match,
    /// What happens to it.
    pub action: Action,
    /// The highest matching priority wins; within one priority the more specific rule (Gateway API, HTTPRouteRule), then
    /// the earlier one.
    pub priority: i32,
    /// The listeners that the rule is for. Empty: all.
    pub listeners: Vec<String>,
    /// Made to requests before they are forwarded.
    pub request_headers: HeaderEdit,
    /// Made to responses before they are returned, redirects included.
    pub response_headers: HeaderEdit,
}

/// The longest name of a rule, listener or cluster, in bytes; a Kubernetes namespace, name and index fit twice.
pub(crate) const NAME_LIMIT: usize = 1024;

impl TryFrom<wire::FlowRule> for Rule {
    type Error = Violation;

    fn try_from(rule: wire::FlowRule) -> Result<Self, Violation> {
        check_name("id", &rule.id)?;
        for (index, listener) in rule.listeners.iter().enumerate() {
            check_name(&format!("listeners[{index}]"), listener)?;
        }
        let criteria = Match::try_from(&rule.r#match)?;
        Ok(Self {
            action: Action::from_wire(&rule, &criteria)?,
            criteria,
            id: rule.id,
            priority: rule.priority,
            listeners: rule.listeners,
            request_headers: HeaderEdit::from_wire("requestHeaders", rule.request_headers)?,
            response_headers: HeaderEdit::from_wire("responseHeaders", rule.response_headers)?,
        })
    }
}

pub(crate) fn check_name(field: &str, name: &str) -> Result<(), Violation> {
    if name.len() > NAME_LIMIT {
        return Err(Violation::new(field, format!("is longer than {NAME_LIMIT} bytes")));
    }
    if name.chars().any(char::is_control) {
        return Err(Violation::new(field, "holds a control character"));
    }
    Ok(())
}

impl From<&Rule> for wire::FlowRule {
    fn from(rule: &Rule) -> Self {
        let mut message = Self {
            id: rule.id.clone(),
            r#match: (&rule.criteria).into(),
            priority: rule.priority,
            listeners: rule.listeners.clone(),
            request_headers: rule.request_headers.to_wire(),
            response_headers: rule.response_headers.to_wire(),
            ..Self::default()
        };
        rule.action.write(&mut message);
        message
    }
}

/// Writes the JSON form, on one line.
impl Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = serde_json::to_value(wire::FlowRule::from(self)).map_err(|_error| fmt::Error)?;
        without_defaults(value).fmt(f)
    }
}

/// Leaves out what is absent anyway: a rule of two keys is to be read as one.
fn without_defaults(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, value)| (key, without_defaults(value)))
            .filter(|(_, value)| !matches!(value, Value::Null))
            .filter(|(key, value)| key != "id" || value != "")
            .filter(|(_, value)| !value.as_array().is_some_and(Vec::is_empty))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_defaults).collect(),
        other => other,
    }
}

/// Reads the JSON form; a key that has no meaning is refused.
impl FromStr for Rule {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let message: wire::FlowRule =
            serde_json::from_str(text).map_err(|error| Violation::new("rule", error.to_string()))?;
        Ok(Self::try_from(message)?)
    }
}

#[cfg(test)]
mod tests;
