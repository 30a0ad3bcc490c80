//! Field selectors: `metadata.name=x,status.phase!=Running`.
//!
//! In values, backslash, comma and equals sign are escaped with a backslash. Terms are kept in the order of the text.

use std::borrow::Cow;
use std::fmt;

use super::SelectorError;

/// A conjunction of comparisons of fields. Empty, it matches everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct FieldSelector {
    terms: Vec<FieldTerm>,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldTerm {
    /// Such as `metadata.name`. Which fields there are is the kind's business.
    pub field: String,
    /// How the field and the value compare.
    pub comparison: Comparison,
    /// The value, without escapes.
    pub value: String,
}

/// How a field and a value compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `=` or `==`
    Equals,
    /// `!=`
    NotEquals,
}

impl FieldSelector {
    /// Parses a selector. Empty text, and empty terms, match everything.
    ///
    /// # Errors
    /// [`SelectorError::Field`], [`SelectorError::Escape`], [`SelectorError::Unescaped`].
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let terms = split_terms(text).into_iter().filter(|term| !term.is_empty()).map(|term| {
            let problem = || SelectorError::Field { selector: text.to_owned(), term: term.to_owned() };
            let (field, comparison, value) = split_term(term).ok_or_else(problem)?;
            Ok(FieldTerm { field: field.to_owned(), comparison, value: unescape(value)? })
        });
        Ok(FieldSelector { terms: terms.collect::<Result<_, _>>()? })
    }

    /// The comparisons, in the order of the text.
    pub fn terms(&self) -> &[FieldTerm] {
        &self.terms
    }

    /// True if everything matches.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The value that `field` must have, if a term demands one: a look-up instead of a scan.
    pub fn exact(&self, field: &str) -> Option<&str> {
        let demands = |term: &&FieldTerm| term.field == field && term.comparison == Comparison::Equals;
        self.terms.iter().find(demands).map(|term| term.value.as_str())
    }

    /// Whether all terms hold, `field` giving the value of a field: empty where the object has none.
    pub fn matches_by<'v>(&self, field: impl Fn(&str) -> Cow<'v, str>) -> bool {
        self.terms.iter().all(|term| (field(&term.field) == term.value) == (term.comparison == Comparison::Equals))
    }
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, term) in self.terms.iter().enumerate() {
            let separator = if i > 0 { "," } else { "" };
            let operator = match term.comparison {
                Comparison::Equals => "=",
                Comparison::NotEquals => "!=",
            };
            write!(f, "{separator}{}{operator}{}", term.field, escape(&term.value))?;
        }
        Ok(())
    }
}

/// At the commas that are not escaped.
fn split_terms(text: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (i, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                terms.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    terms.push(&text[start..]);
    terms
}

/// At the first operator. Field names have no escapes.
fn split_term(term: &str) -> Option<(&str, Comparison, &str)> {
    let at = term.char_indices().find(|(i, c)| *c == '=' || term[*i..].starts_with("!="))?.0;
    let (field, rest) = term.split_at(at);
    if let Some(value) = rest.strip_prefix("!=") {
        return Some((field, Comparison::NotEquals, value));
    }
    let value = rest.strip_prefix("==").or_else(|| rest.strip_prefix('='))?;
    Some((field, Comparison::Equals, value))
}

fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '\\' | ',' | '=') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

fn unescape(value: &str) -> Result<String, SelectorError> {
    let mut plain = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => plain.push(c),
                Some(other) => return Err(SelectorError::Escape(format!("\\{other}"))),
                None => return Err(SelectorError::Escape("\\".to_owned())),
            },
            '=' | ',' => return Err(SelectorError::Unescaped(c)),
            c => plain.push(c),
        }
    }
    Ok(plain)
}
