//! JSONPath as kubectl and CRDs write it: `.spec.replicas`, `.status.conditions[?(@.type=="Ready")].status`.
//!
//! A path is translated to RFC 9535 once and evaluated many times by the `jsonpath-rust` crate. Of kubectl's dialect there are
//! fields (with escaped dots), `*`, indexes, slices, unions, quoted names and filters with one comparison, all optionally
//! in braces. Not there: recursive descent (`..`, whose cost is out of proportion), text around the braces, and
//! `range`. A quoted name is one name, as in RFC 9535; kubectl would split `['a.b']` at the dot.

use jsonpath_rust::parser::model::JpQuery;
use jsonpath_rust::parser::parse_json_path;
use jsonpath_rust::query::js_path_process;
use serde_json::Value;
use thiserror::Error;

/// Bytes of a path.
const MAX_LENGTH: usize = 1024;

/// A parsed path.
#[derive(Debug, Clone)]
pub struct JsonPath {
    query: JpQuery,
}

/// Why a text is not a path.
#[derive(Debug, Error)]
pub enum JsonPathError {
    /// Longer than 1 KiB.
    #[error("a JSONPath may have at most {MAX_LENGTH} bytes")]
    TooLong,
    /// Something does not belong where it is.
    #[error("invalid JSONPath {path:?}: expected {expected} at byte {at}")]
    Syntax {
        /// The whole text.
        path: String,
        /// Where, counted from the first byte of the text.
        at: usize,
        /// What may stand there.
        expected: &'static str,
    },
    /// A part of kubectl's dialect that is not supported.
    #[error("invalid JSONPath {path:?}: {feature} is not supported")]
    Unsupported {
        /// The whole text.
        path: String,
        /// Which part.
        feature: &'static str,
    },
    /// The translation is refused, for instance because a number is out of range.
    #[error("invalid JSONPath {path:?}")]
    Translation {
        /// The whole text.
        path: String,
        /// What the parser of RFC 9535 says.
        #[source]
        source: Box<jsonpath_rust::parser::errors::JsonPathError>,
    },
}

impl JsonPath {
    /// Parses a path. It begins with a dot or a bracket, optionally after `$` or `@`, optionally within braces.
    ///
    /// # Errors
    /// [`JsonPathError`]
    pub fn parse(text: &str) -> Result<Self, JsonPathError> {
        if text.len() > MAX_LENGTH {
            return Err(JsonPathError::TooLong);
        }
        let translated = Translator { text, at: 0, out: String::from("$") }.run()?;
        match parse_json_path(&translated) {
            Ok(query) => Ok(JsonPath { query }),
            Err(source) => Err(JsonPathError::Translation { path: text.to_owned(), source: Box::new(source) }),
        }
    }

    /// The values that the path selects; none where something is missing.
    pub fn select<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        // The evaluation of a query over references cannot fail; its signature serves other uses.
        js_path_process(&self.query, value)
            .map_or_else(|_| Vec::new(), |found| found.into_iter().map(|r| r.val).collect())
    }

    /// The first of the selected values.
    pub fn first<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.select(value).into_iter().next()
    }
}

struct Translator<'a> {
    text: &'a str,
    at: usize,
    out: String,
}

impl<'a> Translator<'a> {
    fn run(mut self) -> Result<String, JsonPathError> {
        let braced = self.take("{");
        self.skip_spaces();
        if !self.take("$") {
            self.take("@");
        }
        if !matches!(self.peek(), Some('.' | '[')) {
            return Err(self.expected("'.' or '['"));
        }
        self.steps()?;
        self.skip_spaces();
        if braced && !self.take("}") {
            return Err(self.expected("'}'"));
        }
        match self.peek() {
            None => Ok(self.out),
            Some(_) if braced => Err(self.unsupported("text around the braces")),
            Some(_) => Err(self.expected("the end")),
        }
    }

    /// Steps until something that is none. A lone dot stands for the value itself.
    fn steps(&mut self) -> Result<(), JsonPathError> {
        loop {
            if self.rest().starts_with("..") {
                return Err(self.unsupported("recursive descent"));
            } else if self.take(".") {
                match self.peek() {
                    Some('*') => {
                        self.at += 1;
                        self.out.push_str("[*]");
                    }
                    Some('[') => {}
                    _ => self.field()?,
                }
            } else if self.take("[?(") {
                self.filter()?;
            } else if self.take("[") {
                self.bracket()?;
            } else {
                return Ok(());
            }
        }
    }

    /// A name up to the next terminator; a backslash takes the next character literally.
    fn field(&mut self) -> Result<(), JsonPathError> {
        let mut name = String::new();
        while let Some(c) = self.peek() {
            match c {
                '\\' => {
                    self.at += 1;
                    let Some(literal) = self.peek() else { return Err(self.expected("a character after '\\'")) };
                    name.push(literal);
                    self.at += literal.len_utf8();
                }
                '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}' | ' ' | '\t' | '\r' | '\n' | '=' | '!' | '<' | '>'
                | ')' | '&' | '|' => break,
                c => {
                    name.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
        if name.is_empty() {
            return if self.out == "$" && self.rest().is_empty() { Ok(()) } else { Err(self.expected("a field name")) };
        }
        self.push_name(&name);
        Ok(())
    }

    /// After `[`: `*`, indexes, slices and quoted names, separated by commas.
    fn bracket(&mut self) -> Result<(), JsonPathError> {
        self.out.push('[');
        loop {
            self.skip_spaces();
            match self.peek() {
                Some('*') => {
                    self.at += 1;
                    self.out.push('*');
                }
                Some(quote @ ('\'' | '"')) => {
                    let name = self.quoted(quote)?;
                    push_literal(&mut self.out, &name);
                }
                _ => {
                    let rest = self.rest();
                    let end = rest.find(|c: char| !matches!(c, '0'..='9' | '-' | ':')).unwrap_or(rest.len());
                    if end == 0 {
                        return Err(self.expected("'*', an index, a slice or a quoted name"));
                    }
                    self.out.push_str(&rest[..end]);
                    self.at += end;
                }
            }
            self.skip_spaces();
            if self.take(",") {
                self.out.push(',');
            } else if self.take("]") {
                self.out.push(']');
                return Ok(());
            } else {
                return Err(self.expected("',' or ']'"));
            }
        }
    }

    /// After `[?(`: an operand, or two with a comparison between them.
    fn filter(&mut self) -> Result<(), JsonPathError> {
        self.out.push_str("[?(");
        self.operand()?;
        let operators = ["==", "!=", "<=", ">=", "<", ">"];
        if let Some(operator) = operators.into_iter().find(|operator| self.take(operator)) {
            self.out.push_str(operator);
            self.operand()?;
        }
        if self.rest().starts_with("&&") || self.rest().starts_with("||") {
            return Err(self.unsupported("a combination of conditions"));
        }
        if !self.take(")]") {
            return Err(self.expected("a comparison or ')]'"));
        }
        self.out.push_str(")]");
        Ok(())
    }

    /// A path from the element (`@`) or the root (`$`), a quoted text, a number, `true` or `false`.
    fn operand(&mut self) -> Result<(), JsonPathError> {
        self.skip_spaces();
        match self.peek() {
            Some(root @ ('@' | '$')) => {
                self.at += 1;
                self.out.push(root);
                self.steps()?;
            }
            Some(quote @ ('\'' | '"')) => {
                let text = self.quoted(quote)?;
                push_literal(&mut self.out, &text);
            }
            _ => {
                let rest = self.rest();
                let end =
                    rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))).unwrap_or(rest.len());
                let word = &rest[..end];
                let is_number = word.starts_with(|c: char| c.is_ascii_digit() || c == '-');
                if !(is_number || matches!(word, "true" | "false")) {
                    return Err(self.expected("'@', a quoted text, a number or a boolean"));
                }
                self.out.push_str(word);
                self.at += end;
            }
        }
        self.skip_spaces();
        Ok(())
    }

    /// A quoted text; a backslash takes the next character literally.
    fn quoted(&mut self, quote: char) -> Result<String, JsonPathError> {
        self.at += 1;
        let mut text = String::new();
        while let Some(c) = self.peek() {
            self.at += c.len_utf8();
            match c {
                c if c == quote => return Ok(text),
                '\\' => {
                    let Some(literal) = self.peek() else { break };
                    text.push(literal);
                    self.at += literal.len_utf8();
                }
                c => text.push(c),
            }
        }
        Err(self.expected("a closing quote"))
    }

    fn push_name(&mut self, name: &str) {
        self.out.push('[');
        push_literal(&mut self.out, name);
        self.out.push(']');
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn skip_spaces(&mut self) {
        while self.take(" ") {}
    }

    fn expected(&self, expected: &'static str) -> JsonPathError {
        JsonPathError::Syntax { path: self.text.to_owned(), at: self.at, expected }
    }

    fn unsupported(&self, feature: &'static str) -> JsonPathError {
        JsonPathError::Unsupported { path: self.text.to_owned(), feature }
    }
}

/// A string literal of RFC 9535. JSON's is one, with all its escapes.
fn push_literal(out: &mut String, text: &str) {
    out.push_str(&Value::from(text).to_string());
}

#[cfg(test)]
mod tests;
