//! The one list of findings that are accepted, each with its reason. It may only shrink.
//!
//! Three checks keep it so: an exception that excuses nothing is a finding itself, each needs a reason, and the length of
//! the list is a constant here, so that growing it takes a second, visible change.

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::tidy::repository::{Finding, Repository};

const PATH: &str = "crates/xtask/tidy-exceptions.toml";

/// How many exceptions there are. Lower it when one goes; a change that raises it must say why.
const LENGTH: usize = 0;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exceptions {
    #[serde(default, rename = "exception")]
    entries: Vec<Exception>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    rule: String,
    path: String,
    /// A part of the finding's message, such as the name of a test.
    about: String,
    reason: String,
}

pub(crate) fn read(repository: &Repository) -> Result<Exceptions> {
    let text = repository.text(PATH).with_context(|| format!("there is no {PATH}"))?;
    toml::from_str(text).with_context(|| format!("cannot read {PATH}"))
}

impl Exceptions {
    /// The findings that no exception excuses, and what is wrong with the list itself, as lines to print.
    pub(crate) fn judge(&self, findings: Vec<(&'static str, Finding)>) -> Vec<String> {
        self.judge_at_length(findings, LENGTH)
    }

    fn judge_at_length(&self, findings: Vec<(&'static str, Finding)>, length: usize) -> Vec<String> {
        let mut used = vec![false; self.entries.len()];
        let mut lines = Vec::new();
        for (rule, finding) in findings {
            match self.entries.iter().position(|exception| exception.excuses(rule, &finding)) {
                Some(index) => used[index] = true,
                None => lines.push(format!("{rule}: {finding}")),
            }
        }
        for (exception, used) in self.entries.iter().zip(used) {
            if !used {
                lines.push(format!("{PATH}: excuses nothing in {} ({}); remove it", exception.path, exception.about));
            }
            if exception.reason.trim().is_empty() {
                lines.push(format!("{PATH}: gives no reason for {} ({})", exception.path, exception.about));
            }
        }
        if self.entries.len() != length {
            lines.push(format!(
                "{PATH}: has {} exceptions, and LENGTH in exceptions.rs is {length}",
                self.entries.len()
            ));
        }
        lines
    }
}

impl Exception {
    fn excuses(&self, rule: &str, finding: &Finding) -> bool {
        self.rule == rule && self.path == finding.path && finding.message.contains(&self.about)
    }
}

#[cfg(test)]
mod tests;
