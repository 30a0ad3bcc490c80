//! Committed files that are made from other files, so that building needs neither their tools nor a network.
//!
//! There is one: the schema table of the `api` crate, made from what Kubernetes publishes ([`table`]) in its Go module
//! ([`module`]). [`write`] makes it again, [`check`] refuses a committed file that differs.

mod module;
mod table;

use std::path::Path;

use anyhow::{Context, Result};

use crate::outcome::Outcome;
use crate::workspace::Workspace;

const TABLE: &str = "crates/api/schema/kubernetes.json";

/// Makes the generated files again.
pub(crate) fn write(workspace: &Workspace) -> Result<()> {
    let directory = module::fetch(workspace)?;
    let text = generate(&directory)?;
    let path = workspace.root().join(TABLE);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    std::fs::write(&path, &text).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{TABLE}: {} bytes from Kubernetes {}", text.len(), module::VERSION);
    Ok(())
}

/// Compares the generated files with the committed ones; skipped where their source cannot be had.
pub(crate) fn check(workspace: &Workspace) -> Result<Outcome> {
    let directory = match module::fetch(workspace) {
        Ok(directory) => directory,
        Err(error) => return Ok(Outcome::Skipped(format!("{error:#}"))),
    };
    let committed = std::fs::read_to_string(workspace.root().join(TABLE)).unwrap_or_default();
    if committed == generate(&directory)? {
        return Ok(Outcome::Passed);
    }
    Ok(Outcome::Failed(format!(
        "{TABLE} differs from what Kubernetes {} publishes; run `cargo xtask codegen` and commit the result",
        module::VERSION
    )))
}

fn generate(module: &Path) -> Result<String> {
    table::generate(&module::documents(module, &table::group_versions())?, module::VERSION)
}
