//! Text that nobody will read again: markers of unfinished work, and code in comments.

use crate::tidy::repository::{Finding, Repository, has_extension};
use crate::tidy::rust_text::RustText;

/// Written apart so that this file passes its own rule.
const MARKERS: [&str; 2] = [concat!("FIX", "ME"), concat!("XX", "X")];

/// How many lines of code in a comment in a row are no example any more.
const CODE_LINES: usize = 3;

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repository.texts() {
        // The table repeats descriptions of Kubernetes; checksums in lock files can spell anything.
        if path.starts_with("crates/api/schema/") || has_extension(path, "lock") {
            continue;
        }
        for (index, line) in text.lines().enumerate() {
            if let Some(marker) = MARKERS.into_iter().find(|marker| has_word(line, marker)) {
                findings.push(Finding::at(path, index + 1, format!("{marker}: do it, or open an issue")));
            }
        }
    }
    for (path, text) in repository.rust() {
        for line in commented_out(text) {
            findings.push(Finding::at(path, line, "code in a comment: remove it, git remembers"));
        }
    }
    findings
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|separator: char| !separator.is_alphanumeric() && separator != '_').any(|found| found == word)
}

/// The first line of each run of commented-out code.
fn commented_out(text: &str) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut run: Option<(usize, usize)> = None;
    for (line, _) in RustText::parse(text).comments.iter().filter(|(_, comment)| looks_like_code(comment)) {
        run = match run {
            Some((start, end)) if end + 1 == *line => Some((start, *line)),
            _ => Some((*line, *line)),
        };
        if let Some((start, end)) = run
            && end - start + 1 == CODE_LINES
        {
            starts.push(start);
        }
    }
    starts
}

/// Lines of code end in punctuation that sentences do not end in, or begin with a keyword and hold a bracket or an equals
/// sign.
fn looks_like_code(comment: &str) -> bool {
    const KEYWORDS: [&str; 10] =
        ["let ", "fn ", "pub ", "use ", "if ", "for ", "match ", "return ", "impl ", "struct "];
    let line = comment.trim();
    line.ends_with([';', '{', '}'])
        || line.ends_with(");")
        || line.ends_with("=>")
        || line.starts_with("#[")
        || line.starts_with('.') && line.contains('(')
        || KEYWORDS.iter().any(|keyword| line.starts_with(keyword)) && line.contains(['(', '=', '{'])
}

#[cfg(test)]
mod tests;
