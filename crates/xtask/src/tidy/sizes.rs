//! How long a file may be: 800 lines of Rust, 256 KiB of anything.

use crate::tidy::repository::{Finding, Repository, has_extension};

/// Lines of a Rust file. Beyond it a reader no longer holds the file in mind; long before it, something wants to be split.
const MAX_LINES: usize = 800;
/// From here on a Rust file is worth a line of the report.
const LONG_LINES: usize = 500;
/// How many files the report names.
const REPORTED: usize = 10;
/// Bytes of any file: what is larger is data that someone must be able to make again.
const MAX_BYTES: usize = 256 * 1024;
/// Generated, and compared with their source by `codegen --check`.
const GENERATED: &str = "crates/api/schema/";

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repository.rust() {
        let lines = text.lines().count();
        if lines > MAX_LINES {
            findings.push(Finding::in_file(path, format!("{lines} lines, more than {MAX_LINES}; split it by subject")));
        }
    }
    for (path, bytes) in repository.sizes() {
        if bytes > MAX_BYTES && !path.starts_with(GENERATED) && !has_extension(path, "lock") {
            findings.push(Finding::in_file(path, format!("{bytes} bytes, more than {MAX_BYTES}")));
        }
    }
    findings
}

/// The longest Rust files that are worth a word, longest first.
pub(crate) fn longest(repository: &Repository) -> Vec<(usize, &str)> {
    let mut long: Vec<_> = repository
        .rust()
        .map(|(path, text)| (text.lines().count(), path))
        .filter(|(lines, _)| *lines > LONG_LINES)
        .collect();
    long.sort_by(|a, b| b.cmp(a));
    long.truncate(REPORTED);
    long
}

#[cfg(test)]
mod tests;
