//! Names, labels, annotations and finalizers: which are valid, in Kubernetes' words, and how names are generated.
//!
//! A `check_…` of one string returns what is wrong with it, empty if nothing; the sentences fit into
//! [`FieldError::invalid`]. The rules are those of `k8s.io/apimachinery/pkg/util/validation` (RFC 1123, RFC 1035 and
//! "qualified names"). Length limits count bytes, as there. Start at [`Rule`].

use serde_json::Value;

use crate::field::{FieldError, MAX_ERRORS, Path};

const LABEL_MAX: usize = 63;
const SUBDOMAIN_MAX: usize = 253;
/// Keys and values of all annotations together, in bytes.
const ANNOTATIONS_MAX: usize = 256 << 10;
/// Generated names have at most 63 bytes, so that they are also valid labels; five belong to the suffix.
const GENERATED_BASE_MAX: usize = LABEL_MAX - SUFFIX_LENGTH;
const SUFFIX_LENGTH: usize = 5;
/// No vowels, so that no words come about, and nothing that looks like another character.
const SUFFIX_ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// Which names a kind accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// An RFC 1123 subdomain, up to 253 bytes: most kinds.
    Subdomain,
    /// An RFC 1123 label, up to 63 bytes: namespaces.
    Label,
    /// An RFC 1035 label, up to 63 bytes, beginning with a letter: services.
    Rfc1035Label,
    /// Anything that can be one segment of a URL path: roles and their bindings.
    PathSegment,
}

impl Rule {
    /// What is wrong with `name`.
    pub fn check(self, name: &str) -> Vec<String> {
        match self {
            Rule::Subdomain => check_subdomain(name),
            Rule::Label => check_label(name),
            Rule::Rfc1035Label => check_rfc1035_label(name),
            Rule::PathSegment => check_path_segment(name),
        }
    }

    /// What is wrong with `prefix` as a `generateName`. Other than a name it may end in a dash.
    pub fn check_prefix(self, prefix: &str) -> Vec<String> {
        match (self, prefix.strip_suffix('-')) {
            (Rule::PathSegment, _) => forbidden_in_segments(prefix),
            // Any letter may follow the dash; the length stays the same.
            (rule, Some(base)) if !base.is_empty() => rule.check(&format!("{base}a")),
            (rule, _) => rule.check(prefix),
        }
    }
}

/// What is wrong with `value` as an RFC 1123 label.
pub fn check_label(value: &str) -> Vec<String> {
    let mut problems = too_long(value, LABEL_MAX);
    if !is_label(value) {
        // A subdomain differs from a label only in its dots.
        problems.push(if is_subdomain(value) {
            "must not contain dots".to_owned()
        } else {
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end \
             with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
                .to_owned()
        });
    }
    problems
}

/// What is wrong with `value` as an RFC 1123 subdomain.
pub fn check_subdomain(value: &str) -> Vec<String> {
    let mut problems = too_long(value, SUBDOMAIN_MAX);
    if !is_subdomain(value) {
        problems.push(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start \
             and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
                .to_owned(),
        );
    }
    problems
}

/// What is wrong with `value` as an RFC 1035 label.
pub fn check_rfc1035_label(value: &str) -> Vec<String> {
    let mut problems = too_long(value, LABEL_MAX);
    if !(is_label(value) && value.starts_with(|c: char| c.is_ascii_lowercase())) {
        problems.push(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
             character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation \
             is '[a-z]([-a-z0-9]*[a-z0-9])?')"
                .to_owned(),
        );
    }
    problems
}

/// What is wrong with `value` as a qualified name, `[prefix/]name`: keys of labels and annotations, finalizers.
pub fn check_qualified(value: &str) -> Vec<String> {
    const SHAPE: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                         alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation \
                         is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    let mut problems = Vec::new();
    let name = match value.split('/').collect::<Vec<_>>()[..] {
        [name] => name,
        [prefix, name] => {
            let in_prefix = if prefix.is_empty() { vec!["must be non-empty".into()] } else { check_subdomain(prefix) };
            problems.extend(in_prefix.into_iter().map(|problem| format!("prefix part {problem}")));
            name
        }
        _ => {
            let optional = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            return vec![format!("a qualified name {SHAPE} {optional}")];
        }
    };
    if name.is_empty() {
        problems.push("name part must be non-empty".to_owned());
    }
    problems.extend(too_long(name, LABEL_MAX).into_iter().map(|problem| format!("name part {problem}")));
    if !is_word(name) {
        problems.push(format!("name part {SHAPE}"));
    }
    problems
}

/// What is wrong with `value` as the value of a label.
pub fn check_label_value(value: &str) -> Vec<String> {
    let mut problems = too_long(value, LABEL_MAX);
    if !value.is_empty() && !is_word(value) {
        problems.push(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start \
             and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation \
             is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
                .to_owned(),
        );
    }
    problems
}

fn check_path_segment(name: &str) -> Vec<String> {
    match name {
        "." | ".." => vec![format!("may not be '{name}'")],
        _ => forbidden_in_segments(name),
    }
}

fn forbidden_in_segments(text: &str) -> Vec<String> {
    ["/", "%"].iter().filter(|part| text.contains(**part)).map(|part| format!("may not contain '{part}'")).collect()
}

fn too_long(value: &str, max: usize) -> Vec<String> {
    if value.len() > max { vec![format!("must be no more than {max} characters")] } else { Vec::new() }
}

/// `[a-z0-9]([-a-z0-9]*[a-z0-9])?`
fn is_label(value: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = |byte: Option<&u8>| byte.is_some_and(|byte| alphanumeric(*byte));
    let bytes = value.as_bytes();
    ends(bytes.first()) && ends(bytes.last()) && bytes.iter().all(|byte| alphanumeric(*byte) || *byte == b'-')
}

fn is_subdomain(value: &str) -> bool {
    value.split('.').all(is_label)
}

/// `([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]`
fn is_word(value: &str) -> bool {
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = value.as_bytes();
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    ends(bytes.first()) && ends(bytes.last()) && bytes.iter().all(inner)
}

/// What is wrong with `labels`, an object of strings at `path`.
pub fn check_labels(path: &Path<'_>, labels: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (key, value) in strings(path, labels, &mut errors) {
        if errors.len() >= MAX_ERRORS {
            break;
        }
        errors.extend(check_qualified(key).into_iter().map(|problem| FieldError::invalid(path, key, problem)));
        errors.extend(check_label_value(value).into_iter().map(|problem| FieldError::invalid(path, value, problem)));
    }
    errors
}

/// What is wrong with `annotations`, an object of strings at `path`. Values may be anything; all together may have 256 KiB.
pub fn check_annotations(path: &Path<'_>, annotations: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut size = 0;
    for (key, value) in strings(path, annotations, &mut errors) {
        size += key.len() + value.len();
        if errors.len() >= MAX_ERRORS {
            continue;
        }
        // Case does not count in the prefix of an annotation's key.
        let problems = check_qualified(&key.to_lowercase());
        errors.extend(problems.into_iter().map(|problem| FieldError::invalid(path, key, problem)));
    }
    if size > ANNOTATIONS_MAX {
        errors.push(FieldError::too_long(path, ANNOTATIONS_MAX as u64));
    }
    errors
}

/// What is wrong with `finalizers`, a list of strings at `path`.
pub fn check_finalizers(path: &Path<'_>, finalizers: &Value) -> Vec<FieldError> {
    let Value::Array(list) = finalizers else {
        return vec![FieldError::type_invalid(path, finalizers.clone(), "must be a list of strings")];
    };
    let mut errors = Vec::new();
    for (i, finalizer) in list.iter().enumerate() {
        if errors.len() >= MAX_ERRORS {
            break;
        }
        match finalizer.as_str() {
            Some(name) => {
                errors
                    .extend(check_qualified(name).into_iter().map(|problem| FieldError::invalid(path, name, problem)));
            }
            None => errors.push(FieldError::type_invalid(&path.index(i), finalizer.clone(), "must be a string")),
        }
    }
    let has = |name: &str| list.iter().any(|finalizer| finalizer == name);
    if has("orphan") && has("foregroundDeletion") {
        let detail = "finalizer orphan and foregroundDeletion cannot be both set";
        errors.push(FieldError::invalid(path, finalizers.clone(), detail));
    }
    errors
}

/// The entries of an object of strings; other values become errors.
fn strings<'v>(path: &Path<'_>, map: &'v Value, errors: &mut Vec<FieldError>) -> Vec<(&'v str, &'v str)> {
    let Value::Object(entries) = map else {
        errors.push(FieldError::type_invalid(path, map.clone(), "must be a map of strings"));
        return Vec::new();
    };
    let mut texts = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        match value.as_str() {
            Some(text) => texts.push((key.as_str(), text)),
            None if errors.len() >= MAX_ERRORS => {}
            None => errors.push(FieldError::type_invalid(&path.key(key), value.clone(), "must be a string")),
        }
    }
    texts
}

/// A name made of `base` (a `generateName`) and five characters that `randomness` chooses.
///
/// There are 27⁵ (14 million) suffixes; on a collision the caller tries again with other randomness. A base of more than 58
/// bytes is cut.
pub fn generate(base: &str, randomness: u64) -> String {
    let mut end = base.len().min(GENERATED_BASE_MAX);
    while !base.is_char_boundary(end) {
        end -= 1;
    }
    let mut name = base[..end].to_owned();
    let mut rest = randomness;
    for _ in 0..SUFFIX_LENGTH {
        let index = usize::try_from(rest % 27).expect("below 27");
        name.push(char::from(SUFFIX_ALPHABET[index]));
        rest /= 27;
    }
    name
}

#[cfg(test)]
mod tests;
