//! What the rules look at: the files that belong to the repository, its members' manifests, the product's commands.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::path::Path;

use anyhow::{Context, Result};

use crate::tidy::manifests::Member;
use crate::tidy::surface::Surface;
use crate::workspace::{Workspace, output_of};

/// The repository as read at one moment.
#[derive(Debug)]
pub(crate) struct Repository {
    files: BTreeMap<String, File>,
    pub(crate) members: Vec<Member>,
    /// What the product's command line offers, or why that is not known.
    pub(crate) surface: Result<Surface, String>,
}

#[derive(Debug)]
struct File {
    size: usize,
    /// Absent if it is no UTF-8.
    text: Option<String>,
}

impl Repository {
    /// Reads all files that git tracks or would add.
    pub(crate) fn read(workspace: &Workspace) -> Result<Repository> {
        let mut git = workspace.command("git");
        git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let listed = output_of(&mut git)?;
        let mut files = BTreeMap::new();
        for path in listed.split_terminator('\0') {
            // Not there: deleted, and the deletion is not committed yet. No file: a link or a submodule.
            if workspace.root().join(path).is_file() {
                files.insert(path.to_owned(), read(&workspace.root().join(path))?);
            }
        }
        Repository::new(files, Surface::of(&workspace.binary()))
    }

    fn new(files: BTreeMap<String, File>, surface: Result<Surface, String>) -> Result<Repository> {
        let mut members = Vec::new();
        for (path, file) in &files {
            if let (Some(text), Some(true)) = (&file.text, path.strip_prefix("crates/").map(is_member_manifest)) {
                members.push(Member::parse(path, text).with_context(|| format!("cannot read {path}"))?);
            }
        }
        Ok(Repository { files, members, surface })
    }

    /// All files, sorted, with their size in bytes.
    pub(crate) fn sizes(&self) -> impl Iterator<Item = (&str, usize)> {
        self.files.iter().map(|(path, file)| (path.as_str(), file.size))
    }

    /// All files that hold text, sorted.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, file)| Some((path.as_str(), file.text.as_deref()?)))
    }

    /// All Rust sources that people write, sorted. What generators write says so in its first line and follows their
    /// style; a test of its crate compares it with its source.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(|(path, text)| has_extension(path, "rs") && !is_generated(text))
    }

    /// The text of one file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.text.as_deref()
    }

    /// Whether there is a file or a folder of that path.
    pub(crate) fn contains(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        self.files.contains_key(path)
            || self.files.range(folder.clone()..).next().is_some_and(|(next, _)| next.starts_with(&folder))
    }
}

fn is_generated(text: &str) -> bool {
    text.lines().next().is_some_and(|line| line.starts_with("// This file is @generated"))
}

/// Whether `path` ends in `.<extension>`.
pub(crate) fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

fn is_member_manifest(below_crates: &str) -> bool {
    below_crates.split_once('/').is_some_and(|(_, rest)| rest == "Cargo.toml")
}

fn read(path: &Path) -> Result<File> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(File { size: bytes.len(), text: String::from_utf8(bytes).ok() })
}

/// A place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) path: String,
    /// Counted from 1; none if the file as a whole is meant.
    pub(crate) line: Option<usize>,
    pub(crate) message: String,
}

impl Finding {
    pub(crate) fn in_file(path: &str, message: impl Into<String>) -> Finding {
        Finding { path: path.to_owned(), line: None, message: message.into() }
    }

    pub(crate) fn at(path: &str, line: usize, message: impl Into<String>) -> Finding {
        Finding { line: Some(line), ..Finding::in_file(path, message) }
    }
}

impl Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path, self.message),
            None => write!(f, "{}: {}", self.path, self.message),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
