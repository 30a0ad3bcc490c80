//! House rules that the compiler and clippy do not know.
//!
//! A [`Rule`] is a pure function of the [`Repository`]; each has a module of its own, with a good and a bad example in its
//! tests. Findings that are accepted for a reason are listed in `tidy-exceptions.toml` ([`exceptions`]). Formatting is not
//! checked here, nor anything that a lint can say. Start at [`RULES`].

mod assertions;
mod dead_text;
mod documents;
mod exceptions;
mod layers;
mod manifests;
mod names;
mod owners;
mod registries;
mod repository;
mod rust_text;
mod sizes;
mod surface;

use anyhow::Result;

use crate::outcome::Outcome;
use crate::tidy::repository::{Finding, Repository};
use crate::workspace::Workspace;

struct Rule {
    /// The name in messages and in the list of exceptions.
    name: &'static str,
    check: fn(&Repository) -> Vec<Finding>,
}

const RULES: &[Rule] = &[
    Rule { name: "layers", check: layers::check },
    Rule { name: "owners", check: owners::check },
    Rule { name: "manifests", check: manifests::check },
    Rule { name: "names", check: names::check },
    Rule { name: "module-docs", check: rust_text::check_module_docs },
    Rule { name: "assertions", check: assertions::check },
    Rule { name: "dead-text", check: dead_text::check },
    Rule { name: "sizes", check: sizes::check },
    Rule { name: "documents", check: documents::check },
    Rule { name: "registries", check: registries::check },
];

/// Checks all rules and prints what they find.
pub(crate) fn run(workspace: &Workspace) -> Result<Outcome> {
    let repository = Repository::read(workspace)?;
    let found = RULES.iter().flat_map(|rule| (rule.check)(&repository).into_iter().map(|finding| (rule.name, finding)));
    let judged = exceptions::read(&repository)?.judge(found.collect());
    for line in &judged {
        println!("{line}");
    }
    for (lines, path) in sizes::longest(&repository) {
        println!("tidy: long file, {lines} lines: {path}");
    }
    if let Err(reason) = &repository.surface {
        println!("tidy: commands and flags in documents not checked: {reason}");
    }
    match judged.len() {
        0 => Ok(Outcome::Passed),
        count => Ok(Outcome::Failed(format!("{count} findings"))),
    }
}
