//! Documents tell the truth: files that they name exist, and so do the commands and flags of `trireme`.
//!
//! Looked at are the READMEs, ARCHITECTURE.md, CONTRIBUTING.md and what is under `docs/`; not the changelog, which tells of
//! what is gone. Files are recognised in links, and in code by the folder they begin with. Start at [`check`].

use crate::tidy::repository::{Finding, Repository, has_extension};
use crate::tidy::surface::Surface;

/// Folders at the root that paths in code begin with.
const FOLDERS: [&str; 10] = ["crates", "docs", "examples", "bench", "tests", "web", "sdk", "fuzz", ".ci", ".cargo"];
/// Files that are named without a folder when they are meant.
const BARE_EXTENSIONS: [&str; 2] = ["md", "toml"];

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repository.texts().filter(|(path, _)| is_document(path)) {
        let document = Document { repository, path };
        for (index, line) in lines(text).enumerate() {
            findings.extend(document.problems(&line).into_iter().map(|problem| Finding::at(path, index + 1, problem)));
        }
    }
    findings
}

fn is_document(path: &str) -> bool {
    has_extension(path, "md")
        && (path.starts_with("docs/")
            || ["ARCHITECTURE.md", "CONTRIBUTING.md"].contains(&path)
            || (path.starts_with("README") && !path.contains('/')))
}

enum Line<'a> {
    /// Between fences.
    Code(&'a str),
    Prose(&'a str),
}

fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut fenced = false;
    text.lines().map(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        if fenced || fence { Line::Code(line) } else { Line::Prose(line) }
    })
}

struct Document<'a> {
    repository: &'a Repository,
    path: &'a str,
}

impl Document<'_> {
    fn problems(&self, line: &Line<'_>) -> Vec<String> {
        let mut problems = Vec::new();
        match line {
            Line::Code(code) => self.check_code(code, &mut problems),
            Line::Prose(prose) => {
                prose.split('`').skip(1).step_by(2).for_each(|code| self.check_code(code, &mut problems));
                links(prose).filter(|link| !self.link_leads_somewhere(link)).for_each(|link| {
                    problems.push(format!("links to {link}, which is not there"));
                });
            }
        }
        problems
    }

    fn check_code(&self, code: &str, problems: &mut Vec<String>) {
        let words =
            code.split_whitespace().map(|word| word.trim_matches(['"', '\'', ',', ';', ':', '(', ')', '[', ']']));
        let words: Vec<&str> = words.collect();
        for word in words.iter().filter(|word| self.names_missing_file(word)) {
            problems.push(format!("names {word}, which is not there"));
        }
        let Ok(surface) = &self.repository.surface else {
            return;
        };
        for unknown in unknown_in_calls(surface, &words) {
            problems.push(format!("names `trireme {unknown}`, which the program does not have"));
        }
    }

    fn names_missing_file(&self, word: &str) -> bool {
        let word = word.trim_start_matches("./").trim_end_matches(['/', '.']);
        if !word.chars().all(|character| character.is_ascii_alphanumeric() || "._-/".contains(character)) {
            return false; // A placeholder, a pattern, an address.
        }
        match word.split_once('/') {
            Some((folder, _)) => FOLDERS.contains(&folder) && !self.repository.contains(word),
            None => {
                let file = |path: &str| path.rsplit('/').next() == Some(word);
                BARE_EXTENSIONS.iter().any(|extension| has_extension(word, extension))
                    && !self.repository.sizes().any(|(path, _)| file(path))
            }
        }
    }

    fn link_leads_somewhere(&self, link: &str) -> bool {
        let target = link.split(['#', '?']).next().unwrap_or_default();
        if target.is_empty() || link.contains("://") || link.starts_with("mailto:") {
            return true;
        }
        let mut parts: Vec<&str> = match target.strip_prefix('/') {
            Some(_) => Vec::new(),
            None => self.path.rsplit_once('/').map_or(Vec::new(), |(folder, _)| folder.split('/').collect()),
        };
        for part in target.split('/').filter(|part| !part.is_empty() && *part != ".") {
            match part {
                ".." => drop(parts.pop()),
                _ => parts.push(part),
            }
        }
        parts.is_empty() || self.repository.contains(&parts.join("/"))
    }
}

/// The targets of inline links and images.
fn links(prose: &str) -> impl Iterator<Item = &str> {
    prose.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next())
}

/// What calls of `trireme` in a line of code name that the program does not have.
fn unknown_in_calls(surface: &Surface, words: &[&str]) -> Vec<String> {
    let mut unknown = Vec::new();
    for (index, word) in words.iter().enumerate() {
        // The program is the first word of a command: at the beginning, after a prompt, or after what runs it.
        let begins = index == 0 || ["$", "#", "sudo", "&&", "|", ";", "exec"].contains(&words[index - 1]);
        if begins && word.rsplit('/').next() == Some("trireme") {
            let call = words[index + 1..].split(|end| ["|", "&&", "||", ";", ">", "#", "&", "→"].contains(end)).next();
            unknown.extend(surface.unknown(call.unwrap_or_default()));
        }
    }
    unknown
}

#[cfg(test)]
mod tests;
