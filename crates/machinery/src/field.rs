//! Where in an object a problem is, and what the problem is, worded as Kubernetes words it.
//!
//! [`Path`] grows on the stack while a value is walked and is rendered only when there is something to report.
//! A [`FieldError`] becomes one cause of a `Status`; making the `Status` is the API server's work. Texts follow
//! `k8s.io/apimachinery/pkg/util/validation/field`, because clients and users match on them.

use std::borrow::Cow;
use std::fmt::{self, Display, Write};

use serde_json::Value;

/// Problems that one check reports. A body can hold a million of them, and no one reads more than a few; the checks of this
/// crate stop soon after this many.
pub const MAX_ERRORS: usize = 100;

/// Bytes of one name in a rendered path; the rest of a longer one is left out. Label keys have up to 317.
const MAX_STEP: usize = 512;

/// A place in an object. Borrows its parent, so a walk allocates nothing.
///
/// Renders as `spec.containers[0].name`, with map keys in brackets: `data[my.key]`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Debug, Clone, Copy, Default)]
enum Step<'a> {
    #[default]
    Root,
    Field(&'a str),
    Key(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    /// The object itself.
    pub const ROOT: Path<'static> = Path { parent: None, step: Step::Root };

    /// A path that starts with the field `name`, such as `metadata`.
    pub fn new(name: &'a str) -> Self {
        Path { parent: None, step: Step::Field(name) }
    }

    /// The field `name` of the object at this path.
    pub fn field<'b>(&'b self, name: &'b str) -> Path<'b> {
        Path { parent: Some(self), step: Step::Field(name) }
    }

    /// The entry `key` of the map at this path.
    pub fn key<'b>(&'b self, key: &'b str) -> Path<'b> {
        Path { parent: Some(self), step: Step::Key(key) }
    }

    /// The element at `index` of the list at this path.
    pub fn index(&self, index: usize) -> Path<'_> {
        Path { parent: Some(self), step: Step::Index(index) }
    }

    /// Writes the path and reports whether anything precedes the next step.
    fn render(&self, f: &mut fmt::Formatter<'_>) -> Result<bool, fmt::Error> {
        let preceded = match self.parent {
            Some(parent) => parent.render(f)?,
            None => false,
        };
        match self.step {
            Step::Root => return Ok(preceded),
            Step::Field(name) if preceded => write!(f, ".{}", shortened(name))?,
            Step::Field(name) => f.write_str(&shortened(name))?,
            Step::Key(key) => write!(f, "[{}]", shortened(key))?,
            Step::Index(index) => write!(f, "[{index}]")?,
        }
        Ok(true)
    }
}

fn shortened(name: &str) -> Cow<'_, str> {
    if name.len() <= MAX_STEP {
        name.into()
    } else {
        format!("{}…", &name[..name.floor_char_boundary(MAX_STEP)]).into()
    }
}

impl Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.render(f).map(drop)
    }
}

/// What kind of problem a field has. One to one with the `reason` of a `Status` cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A value is missing that must be there.
    Required,
    /// The value has the right type but breaks a rule.
    Invalid,
    /// The value has the wrong JSON type.
    TypeInvalid,
    /// The value is none of the supported ones.
    NotSupported,
    /// The value must be unique and is not.
    Duplicate,
    /// The value would be fine elsewhere, not here.
    Forbidden,
    /// A string, or a sum of strings, is too long.
    TooLong,
    /// A list or map has too many entries.
    TooMany,
    /// The value names something that is not there.
    NotFound,
}

impl ErrorKind {
    /// The machine-readable reason, as it stands in `status.details.causes[].reason`.
    pub fn reason(self) -> &'static str {
        match self {
            ErrorKind::Required => "FieldValueRequired",
            ErrorKind::Invalid => "FieldValueInvalid",
            ErrorKind::TypeInvalid => "FieldValueTypeInvalid",
            ErrorKind::NotSupported => "FieldValueNotSupported",
            ErrorKind::Duplicate => "FieldValueDuplicate",
            ErrorKind::Forbidden => "FieldValueForbidden",
            ErrorKind::TooLong => "FieldValueTooLong",
            ErrorKind::TooMany => "FieldValueTooMany",
            ErrorKind::NotFound => "FieldValueNotFound",
        }
    }

    fn text(self) -> &'static str {
        match self {
            ErrorKind::Required => "Required value",
            ErrorKind::Invalid | ErrorKind::TypeInvalid => "Invalid value",
            ErrorKind::NotSupported => "Unsupported value",
            ErrorKind::Duplicate => "Duplicate value",
            ErrorKind::Forbidden => "Forbidden",
            ErrorKind::TooLong => "Too long",
            ErrorKind::TooMany => "Too many",
            ErrorKind::NotFound => "Not found",
        }
    }
}

/// One problem of one field. `Display` gives the full sentence, [`FieldError::body`] the part after the path.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldError {
    /// The rendered path; `<nil>` for the object itself, as Kubernetes writes it.
    pub path: String,
    /// What kind of problem it is.
    pub kind: ErrorKind,
    /// The offending value, where the message shows it.
    pub bad_value: Option<Value>,
    /// What would have been right; may be empty.
    pub detail: String,
}

impl FieldError {
    fn new(path: &Path<'_>, kind: ErrorKind, bad_value: Option<Value>, detail: impl Into<String>) -> Self {
        let rendered = path.to_string();
        let path = if rendered.is_empty() { "<nil>".to_owned() } else { rendered };
        FieldError { path, kind, bad_value, detail: detail.into() }
    }

    /// `path: Required value: detail`.
    pub fn required(path: &Path<'_>, detail: impl Into<String>) -> Self {
        Self::new(path, ErrorKind::Required, None, detail)
    }

    /// `path: Invalid value: "value": detail`.
    pub fn invalid(path: &Path<'_>, bad_value: impl Into<Value>, detail: impl Into<String>) -> Self {
        Self::new(path, ErrorKind::Invalid, Some(bad_value.into()), detail)
    }

    /// `path: Invalid value: "value": detail`, for a wrong JSON type or format.
    pub fn type_invalid(path: &Path<'_>, bad_value: impl Into<Value>, detail: impl Into<String>) -> Self {
        Self::new(path, ErrorKind::TypeInvalid, Some(bad_value.into()), detail)
    }

    /// `path: Unsupported value: "value": supported values: "a", "b"`.
    pub fn not_supported(path: &Path<'_>, bad_value: impl Into<Value>, supported: &[&str]) -> Self {
        let quoted: Vec<String> = supported.iter().map(|value| quote(value)).collect();
        let detail = match quoted.as_slice() {
            [] => String::new(),
            values => format!("supported values: {}", values.join(", ")),
        };
        Self::new(path, ErrorKind::NotSupported, Some(bad_value.into()), detail)
    }

    /// `path: Duplicate value: "value"`.
    pub fn duplicate(path: &Path<'_>, bad_value: impl Into<Value>) -> Self {
        Self::new(path, ErrorKind::Duplicate, Some(bad_value.into()), "")
    }

    /// `path: Forbidden: detail`.
    pub fn forbidden(path: &Path<'_>, detail: impl Into<String>) -> Self {
        Self::new(path, ErrorKind::Forbidden, None, detail)
    }

    /// `path: Too long: may not be more than max_bytes bytes`.
    pub fn too_long(path: &Path<'_>, max_bytes: u64) -> Self {
        let unit = if max_bytes == 1 { "byte" } else { "bytes" };
        Self::new(path, ErrorKind::TooLong, None, format!("may not be more than {max_bytes} {unit}"))
    }

    /// `path: Too many: actual: must have at most max items`.
    pub fn too_many(path: &Path<'_>, actual: usize, max: u64) -> Self {
        let unit = if max == 1 { "item" } else { "items" };
        Self::new(path, ErrorKind::TooMany, Some(actual.into()), format!("must have at most {max} {unit}"))
    }

    /// `path: Not found: "value"`.
    pub fn not_found(path: &Path<'_>, bad_value: impl Into<Value>) -> Self {
        Self::new(path, ErrorKind::NotFound, Some(bad_value.into()), "")
    }

    /// The message without the path: what a `Status` cause carries beside its `field`.
    pub fn body(&self) -> String {
        let mut body = self.kind.text().to_owned();
        match &self.bad_value {
            Some(Value::String(text)) => body.push_str(&format!(": {}", quote(text))),
            Some(value) => body.push_str(&format!(": {value}")),
            None => {}
        }
        if !self.detail.is_empty() {
            body.push_str(": ");
            body.push_str(&self.detail);
        }
        body
    }
}

impl Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.body())
    }
}

impl std::error::Error for FieldError {}

/// A string in double quotes, escaped as Go's `%q` does: that is how Kubernetes quotes values in its messages.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_ascii_control() => write!(quoted, "\\x{:02x}", u32::from(c)).expect("writing to a String"),
            c if c.is_control() => write!(quoted, "\\u{:04x}", u32::from(c)).expect("writing to a String"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests;
