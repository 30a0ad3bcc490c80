//! What of the machine's toolchains and settings containers on `host` get.
//!
//! Directories of known toolchains that are outside of the machine's own programs, a `PATH` that finds them, and an
//! allow-list of variables that say how to reach the world. Nothing that may hold credentials: not `~/.cargo`, which has
//! them beside its programs, but the toolchains themselves. Start reading at [`detect`].

use std::fs;
use std::path::{Path, PathBuf};

/// Where programs of a machine are, in the order of most distributions.
const PATH: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
/// Directories in the home of whoever runs the server that hold nothing but toolchains: one for each version.
const RUST: &str = ".rustup/toolchains";
/// The same for Go, as `go install golang.org/dl/…` lays them out.
const GO: &str = "sdk";

/// Variables that containers get if the server has them: proxies and mirrors, in both spellings that programs look for.
const PASSED_ON: [&str; 15] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "GOPROXY",
    "GONOSUMDB",
    "GOSUMDB",
    "PIP_INDEX_URL",
    "NPM_CONFIG_REGISTRY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Where to look.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The home directory of whoever runs the server.
    pub home: PathBuf,
    /// The variables of the server.
    pub variables: Vec<(String, String)>,
}

/// What `host` shows beyond the machine's own programs; for [`crate::Options`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostImage {
    /// Directories.
    pub toolchains: Vec<PathBuf>,
    /// Variables.
    pub environment: Vec<(String, String)>,
}

/// Looks for toolchains and settings. What cannot be read is taken not to be there. Blocks for some milliseconds.
pub fn detect(surroundings: &Surroundings) -> HostImage {
    let home = &surroundings.home;
    let rust = directories(&home.join(RUST));
    let go = directories(&home.join(GO)).into_iter().filter(|version| version.join("bin/go").is_file());
    let go: Vec<PathBuf> = go.collect();
    // The first of each is the one that commands find: of Rust `stable` before others, of Go the newest.
    let preferred = rust.iter().find(|version| name_of(version).starts_with("stable")).or(rust.first());
    let found = preferred.into_iter().chain(go.last()).map(|version| version.join("bin"));
    let usual = PATH.iter().map(PathBuf::from).chain([PathBuf::from("/usr/local/go/bin")]);
    let path: Vec<String> = found.chain(usual).map(|directory| directory.display().to_string()).collect();
    let passed = surroundings.variables.iter().filter(|(name, value)| is_passed_on(name, value)).cloned();
    HostImage {
        toolchains: rust.iter().chain(&go).cloned().collect(),
        environment: [("PATH".to_owned(), path.join(":"))].into_iter().chain(passed).collect(),
    }
}

/// Whether containers may know a variable: one of the list whose value carries no password, as `http://user:word@proxy` would.
fn is_passed_on(name: &str, value: &str) -> bool {
    PASSED_ON.contains(&name) && !value.contains('@')
}

fn name_of(directory: &Path) -> String {
    directory.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The directories in a directory, by name; links are left out, because their targets are not shown.
fn directories(parent: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests;
