//! Resource versions as clients send them, and which combinations of list and watch parameters mean what.
//!
//! Follows the Kubernetes API concepts ("resource versions") and KEP-3157 (streaming lists). Knows nothing of stored
//! revisions: whether one is too old or not reached yet is the store's answer. Start at [`list`] and [`watch`].

use std::fmt;
use std::str::FromStr;

use serde_json::Value;
use thiserror::Error;

use crate::field::{FieldError, Path};

/// A resource version as a number. Comparable between objects of one server (KEP-5504). Zero is no revision: clients use it for
/// "any".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(u64);

/// The text is no resource version of this server.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("must be a positive decimal number without leading zeros")]
pub struct RevisionError;

impl Revision {
    /// `None` for zero.
    pub fn new(number: u64) -> Option<Self> {
        (number > 0).then_some(Revision(number))
    }

    /// At least 1.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl FromStr for Revision {
    type Err = RevisionError;

    fn from_str(text: &str) -> Result<Self, RevisionError> {
        let canonical = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
        if !canonical {
            return Err(RevisionError);
        }
        text.parse().map(Revision).or(Err(RevisionError))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The parameters of a list or watch request that concern revisions, as sent; absent ones are empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct Params<'a> {
    /// `resourceVersion`
    pub resource_version: &'a str,
    /// `resourceVersionMatch`
    pub resource_version_match: &'a str,
    /// `continue`
    pub continue_token: &'a str,
    /// `limit`; zero for none.
    pub limit: u64,
    /// `sendInitialEvents`
    pub send_initial_events: Option<bool>,
}

/// Which state a read asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// The most recent state.
    Latest,
    /// Whatever state is at hand.
    Any,
    /// Exactly the state at this revision; 410 if it is gone.
    Exact(Revision),
    /// The state at this revision or a later one.
    NotOlderThan(Revision),
    /// The state that the continue token names.
    Continue,
}

/// How a watch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchStart {
    /// ADDED events for the objects of a state, then changes.
    State(Consistency),
    /// ADDED events for the objects of a state, a bookmark annotated `k8s.io/initial-events-end: "true"`, then changes (KEP-3157).
    StateThenBookmark(Consistency),
    /// Changes after this revision; 410 if it is too old.
    After(Revision),
    /// Changes from now on.
    Now,
}

/// Which state a get with this `resourceVersion` asks for.
///
/// # Errors
/// The problem with the parameter.
pub fn get(resource_version: &str) -> Result<Consistency, Vec<FieldError>> {
    Ok(match requested(resource_version)? {
        Requested::Unset => Consistency::Latest,
        Requested::Zero => Consistency::Any,
        Requested::At(revision) => Consistency::NotOlderThan(revision),
    })
}

/// Which state a list asks for.
///
/// # Errors
/// All problems with the parameters.
pub fn list(params: Params<'_>) -> Result<Consistency, Vec<FieldError>> {
    let mut errors = check_list(&params);
    let continues = !params.continue_token.is_empty();
    if continues && !matches!(params.resource_version, "" | "0") {
        let detail = "specifying resource version is not allowed when using continue";
        errors.push(FieldError::invalid(&Path::new("resourceVersion"), params.resource_version, detail));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let requested = requested(params.resource_version)?;
    if continues {
        return Ok(Consistency::Continue);
    }
    Ok(match (requested, params.resource_version_match) {
        (Requested::Unset, _) => Consistency::Latest,
        (Requested::Zero, _) => Consistency::Any,
        (Requested::At(revision), "Exact") => Consistency::Exact(revision),
        // Pages of a given revision: older than resourceVersionMatch, and still what a limit without a match means.
        (Requested::At(revision), "") if params.limit > 0 => Consistency::Exact(revision),
        (Requested::At(revision), _) => Consistency::NotOlderThan(revision),
    })
}

/// How a watch begins.
///
/// # Errors
/// All problems with the parameters.
pub fn watch(params: Params<'_>) -> Result<WatchStart, Vec<FieldError>> {
    let errors = check_watch(&params);
    if !errors.is_empty() {
        return Err(errors);
    }
    let requested = requested(params.resource_version)?;
    Ok(match (requested, params.send_initial_events) {
        (Requested::Unset, Some(true)) => WatchStart::StateThenBookmark(Consistency::Latest),
        (Requested::Zero, Some(true)) => WatchStart::StateThenBookmark(Consistency::Any),
        (Requested::At(revision), Some(true)) => WatchStart::StateThenBookmark(Consistency::NotOlderThan(revision)),
        (Requested::Unset | Requested::Zero, Some(false)) => WatchStart::Now,
        (Requested::Unset, None) => WatchStart::State(Consistency::Latest),
        (Requested::Zero, None) => WatchStart::State(Consistency::Any),
        (Requested::At(revision), Some(false) | None) => WatchStart::After(revision),
    })
}

enum Requested {
    Unset,
    Zero,
    At(Revision),
}

fn requested(resource_version: &str) -> Result<Requested, Vec<FieldError>> {
    match resource_version {
        "" => Ok(Requested::Unset),
        "0" => Ok(Requested::Zero),
        text => text.parse().map(Requested::At).map_err(|problem: RevisionError| {
            vec![FieldError::invalid(&Path::new("resourceVersion"), text, problem.to_string())]
        }),
    }
}

fn check_list(params: &Params<'_>) -> Vec<FieldError> {
    let path = Path::new("resourceVersionMatch");
    let mut errors = Vec::new();
    let matching = params.resource_version_match;
    if !matching.is_empty() {
        if params.resource_version.is_empty() {
            let detail = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            errors.push(FieldError::forbidden(&path, detail));
        }
        if !params.continue_token.is_empty() {
            errors.push(FieldError::forbidden(&path, "resourceVersionMatch is forbidden when continue is provided"));
        }
        if !matches!(matching, "Exact" | "NotOlderThan") {
            errors.push(FieldError::not_supported(&path, matching, &["Exact", "NotOlderThan", ""]));
        }
        if matching == "Exact" && params.resource_version == "0" {
            let detail = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            errors.push(FieldError::forbidden(&path, detail));
        }
    }
    if params.send_initial_events.is_some() {
        let detail = "sendInitialEvents is forbidden for list";
        errors.push(FieldError::forbidden(&Path::new("sendInitialEvents"), detail));
    }
    errors
}

fn check_watch(params: &Params<'_>) -> Vec<FieldError> {
    let path = Path::new("resourceVersionMatch");
    let mut errors = Vec::new();
    let matching = params.resource_version_match;
    if params.send_initial_events.is_some() && matching != "NotOlderThan" {
        let detail = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        errors.push(FieldError::forbidden(&path, detail));
    }
    if !matching.is_empty() {
        if params.send_initial_events.is_none() {
            let detail = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            errors.push(FieldError::forbidden(&path, detail));
        }
        if matching != "NotOlderThan" {
            errors.push(FieldError::not_supported(&path, matching, &["NotOlderThan"]));
        }
        if !params.continue_token.is_empty() {
            errors.push(FieldError::forbidden(&path, "resourceVersionMatch is forbidden when continue is provided"));
        }
    }
    errors
}

/// The `metadata.resourceVersion` of an object as its sender states it: a precondition, or none.
///
/// # Errors
/// The text is neither empty, nor `0`, nor a resource version.
pub fn precondition(object: &Value) -> Result<Option<Revision>, FieldError> {
    let path = Path::new("metadata");
    let path = path.field("resourceVersion");
    match object.pointer("/metadata/resourceVersion") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() || text == "0" => Ok(None),
        Some(Value::String(text)) => match text.parse() {
            Ok(revision) => Ok(Some(revision)),
            Err(problem) => Err(FieldError::invalid(&path, text.as_str(), RevisionError::to_string(&problem))),
        },
        Some(other) => Err(FieldError::type_invalid(&path, other.clone(), "must be a string")),
    }
}

#[cfg(test)]
mod tests;
