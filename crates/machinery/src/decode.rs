//! Request bodies to [`Value`]: JSON and YAML with one result, one depth limit and one report of duplicate fields.
//!
//! Accepts exactly one document. Does not judge fields; that is [`crate::unknown`]. Memory stays proportional to the
//! body: aliases in YAML are expanded at most to [`MAX_YAML_NODES`]. The size of the body itself is the caller's limit.
//! Start at [`json`] and [`yaml`]; `tree.rs` builds the value for both.

mod tree;

use serde::de::DeserializeSeed;
use serde_json::Value;
use serde_saphyr::Options;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use thiserror::Error;

use tree::{Budget, Report, Tree};

/// Nested lists and objects that a body may have. Pod templates inside custom resources need about 40 levels. Below the limit
/// of 127 that serde_json has of its own, so that JSON and YAML refuse at the same depth.
pub const MAX_DEPTH: usize = 120;

/// Scalars, lists and objects that a YAML body may expand to, aliases included.
/// A body of the 3 MiB that Kubernetes accepts has at most about as many when it uses none.
pub const MAX_YAML_NODES: usize = 250_000;

/// Bytes of text that YAML may expand to, aliases included.
const MAX_YAML_TEXT: usize = 16 << 20;

/// Stack for the YAML parser, which recurses with frames of up to 30 KiB in debug builds; tokio's threads have 2 MiB.
const YAML_STACK: usize = 8 << 20;

/// A decoded body.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The value; of a field that occurs twice, the last value.
    pub value: Value,
    /// Paths of fields that occur more than once in their object, such as `metadata.name`, each once, in document order; at most
    /// [`MAX_ERRORS`](crate::field::MAX_ERRORS).
    pub duplicates: Vec<String>,
}

/// Why a body cannot be read. Only another body helps.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// Nothing but white space, or in YAML nothing but comments.
    #[error("the body is empty")]
    Empty,
    /// More than [`MAX_DEPTH`] levels.
    #[error("lists and objects are nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    /// YAML that expands to more than [`MAX_YAML_NODES`] values or 16 MiB of text. Where the parser meets its own limit
    /// first, inside an alias, the refusal is a [`DecodeError::Yaml`].
    #[error("the YAML document expands to more than {MAX_YAML_NODES} values")]
    TooLarge,
    /// More than one YAML document.
    #[error("the body has more than one YAML document")]
    SeveralDocuments,
    /// Not JSON, or not one document.
    #[error("the body is not valid JSON")]
    Json(#[source] serde_json::Error),
    /// Not YAML, or not representable in JSON.
    #[error("the body is not valid YAML")]
    Yaml(#[source] Box<serde_saphyr::Error>),
}

/// Decodes one JSON document.
///
/// # Errors
/// [`DecodeError`]; the causes name line and column.
pub fn json(body: &[u8]) -> Result<Decoded, DecodeError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(DecodeError::Empty);
    }
    let mut report = Report::default();
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = Tree::new(&mut report)
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|source| if report.too_deep { DecodeError::TooDeep } else { DecodeError::Json(source) })?;
    Ok(Decoded { value, duplicates: report.duplicates })
}

/// Decodes one YAML document (YAML 1.2 with merge keys; `yes`, `no`, `on` and `off` are booleans, as Kubernetes reads
/// them). Keys that are numbers or booleans become strings.
///
/// # Errors
/// [`DecodeError`]; the causes name line and column.
pub fn yaml(body: &[u8]) -> Result<Decoded, DecodeError> {
    let mut report =
        Report { budget: Some(Budget { values: MAX_YAML_NODES, text: MAX_YAML_TEXT }), ..Report::default() };
    let parsed = stacker::maybe_grow(YAML_STACK / 2, YAML_STACK, || {
        serde_saphyr::with_deserializer_from_slice_with_options(body, yaml_options(), |deserializer| {
            Tree::new(&mut report).deserialize(deserializer)
        })
    });
    match parsed {
        Ok(Value::Null) => Err(DecodeError::Empty),
        Ok(value) => Ok(Decoded { value, duplicates: report.duplicates }),
        Err(_) if report.too_deep => Err(DecodeError::TooDeep),
        Err(_) if report.exhausted => Err(DecodeError::TooLarge),
        Err(source) => Err(yaml_error(source)),
    }
}

fn yaml_options() -> Options {
    serde_saphyr::options! {
        // Room for `Tree` to meet its own limits first, in the same words as for JSON. The scanner counts brackets up to
        // 1,024 characters ahead.
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH + 8,
            flow_nesting_limit: MAX_DEPTH + 2048,
            max_nodes: MAX_YAML_NODES,
            max_events: 2 * MAX_YAML_NODES,
            max_recorded_anchor_events: MAX_YAML_NODES,
            max_total_scalar_bytes: 2 * MAX_YAML_TEXT,
            max_recorded_anchor_bytes: 2 * MAX_YAML_TEXT,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_YAML_NODES },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::Reject,
        with_snippet: false,
    }
}

fn yaml_error(source: serde_saphyr::Error) -> DecodeError {
    use serde_saphyr::Error;
    match source {
        Error::Eof { .. } => DecodeError::Empty,
        Error::MultipleDocuments { .. } => DecodeError::SeveralDocuments,
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => DecodeError::TooDeep,
        Error::Budget { .. } | Error::AliasReplayLimitExceeded { .. } | Error::AliasReplayStackDepthExceeded { .. } => {
            DecodeError::TooLarge
        }
        source => DecodeError::Yaml(Box::new(source)),
    }
}

#[cfg(test)]
pub(crate) mod tests;
