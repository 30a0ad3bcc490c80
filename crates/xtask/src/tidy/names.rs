//! Names that say nothing: a file, folder or module of one of them becomes the place for whatever has none.

use crate::tidy::repository::{Finding, Repository};
use crate::tidy::rust_text::RustText;

const BANNED: [&str; 8] = ["util", "utils", "helper", "helpers", "common", "misc", "manager", "managers"];

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, _) in repository.sizes() {
        for part in path.split('/') {
            if let Some(word) = banned_word(part) {
                findings.push(Finding::in_file(path, format!("{part} is named {word}; name what it is about")));
            }
        }
    }
    for (path, text) in repository.rust() {
        let code = RustText::parse(text).code;
        for (index, line) in code.lines().enumerate() {
            if let Some(word) = module_name(line).and_then(banned_word) {
                findings.push(Finding::at(
                    path,
                    index + 1,
                    format!("the module is named {word}; name what it is about"),
                ));
            }
        }
    }
    findings
}

fn module_name(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace().skip_while(|word| word.starts_with("pub"));
    (words.next()? == "mod").then(|| words.next().map(|name| name.trim_end_matches(['{', ';', '}'])))?
}

fn banned_word(name: &str) -> Option<&'static str> {
    name.split(|separator: char| !separator.is_alphanumeric())
        .find_map(|word| BANNED.into_iter().find(|banned| word.eq_ignore_ascii_case(banned)))
}

#[cfg(test)]
mod tests;
