//! Rust source as the rules read it: code with comments and literals blanked, and the comments by themselves.
//!
//! This is a lexer, not a parser: it knows where comments, strings and characters begin and end, and no grammar.
//! Also here is the rule about the first line of a file. Start at [`RustText::parse`].

use crate::tidy::repository::{Finding, Repository};

/// A Rust source in two parts.
#[derive(Debug)]
pub(crate) struct RustText {
    /// The source with each character of a comment or literal replaced by a space; line breaks stay.
    pub(crate) code: String,
    /// Plain line comments (`//`, not `///` or `//!`) that stand alone on their line: line from 1, text after the slashes.
    pub(crate) comments: Vec<(usize, String)>,
}

impl RustText {
    pub(crate) fn parse(text: &str) -> RustText {
        let mut lexer = Lexer { rest: text, code: String::with_capacity(text.len()) };
        while !lexer.rest.is_empty() {
            lexer.step();
        }
        let comments = standalone_comments(text, &lexer.code);
        RustText { code: lexer.code, comments }
    }
}

/// A line that is blank in the code, but not in the source, and begins with two slashes there.
fn standalone_comments(text: &str, code: &str) -> Vec<(usize, String)> {
    let lines = text.lines().zip(code.lines()).enumerate();
    lines
        .filter(|(_, (_, code))| code.trim().is_empty())
        .filter_map(|(index, (line, _))| Some((index + 1, line.trim_start().strip_prefix("//")?.to_owned())))
        .filter(|(_, comment)| !comment.starts_with(['/', '!']))
        .collect()
}

struct Lexer<'a> {
    rest: &'a str,
    code: String,
}

impl Lexer<'_> {
    fn step(&mut self) {
        let rest = self.rest;
        if rest.starts_with("//") {
            self.blank(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.blank(block_comment_length(rest));
        } else if let Some(length) = raw_string_length(rest).filter(|_| !self.inside_word()) {
            self.blank(length);
        } else if rest.starts_with('"') {
            self.blank(quoted_length(rest, '"'));
        } else if let Some(length) = character_length(rest) {
            self.blank(length);
        } else {
            self.keep();
        }
    }

    /// Whether the character before belongs to an identifier, so that an `r` here does not begin a raw string.
    fn inside_word(&self) -> bool {
        self.code.ends_with(|before: char| before.is_alphanumeric() || before == '_')
    }

    fn keep(&mut self) {
        let mut characters = self.rest.chars();
        self.code.extend(characters.next());
        self.rest = characters.as_str();
    }

    fn blank(&mut self, length: usize) {
        let (blanked, rest) = self.rest.split_at(length);
        self.code.extend(blanked.chars().map(|character| if character == '\n' { '\n' } else { ' ' }));
        self.rest = rest;
    }
}

fn block_comment_length(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut position = 0;
    while position < text.len() {
        let rest = &text.as_bytes()[position..];
        if rest.starts_with(b"/*") {
            depth += 1;
            position += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            position += 2;
            if depth == 0 {
                return position;
            }
        } else {
            position += 1;
        }
    }
    text.len()
}

/// The length of a raw string that begins here: `r"…"`, `r#"…"#`, also with a `b` or `c` before.
fn raw_string_length(text: &str) -> Option<usize> {
    let after_prefix = text.trim_start_matches(['b', 'c']).strip_prefix('r')?;
    let hashes = after_prefix.len() - after_prefix.trim_start_matches('#').len();
    let body = after_prefix[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let opening = text.len() - body.len();
    Some(body.find(&end).map_or(text.len(), |found| opening + found + end.len()))
}

/// The length of what begins with `quote` and ends at the next one that no backslash precedes.
fn quoted_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (position, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return position + character.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// The length of a character literal; a lifetime is none, because no quote closes it.
fn character_length(text: &str) -> Option<usize> {
    let body = text.strip_prefix('\'')?;
    if body.starts_with('\\') {
        return Some(quoted_length(text, '\''));
    }
    let first = body.chars().next()?.len_utf8();
    body[first..].starts_with('\'').then_some(first + 2)
}

/// Each source says in its first line what it is. Files of tests are spared: their module is about the same thing.
pub(crate) fn check_module_docs(repository: &Repository) -> Vec<Finding> {
    repository
        .rust()
        .filter(|(path, text)| !path.ends_with("/tests.rs") && !text.starts_with("//!"))
        .map(|(path, _)| {
            Finding::at(path, 1, "does not open with //!: what it is, what it does not do, where to start")
        })
        .collect()
}

#[cfg(test)]
mod tests;
