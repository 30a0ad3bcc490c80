//! The `host` pseudo-image: which of the machine's files a container may see when it has no image.
//!
//! An allow-list, decided by looking and without changing anything; `rootfs` mounts what it says. Everything that is not
//! listed does not exist in the container. Start reading at [`HostRootfs`] and [`plan`].

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::SpecError;
use crate::spec::check_path;

/// The machine's own programs and libraries as a root file system: read-only where they are shown, with empty writable
/// storage everywhere else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HostRootfs {
    /// Further directories to show at their own paths, such as `/root/.rustup/toolchains`. Each is looked at first: one
    /// that holds credentials, or a whole home directory, is refused.
    pub toolchains: Vec<PathBuf>,
    /// Size in bytes of the writable storage (`/tmp`, `/run`, `/root`, …). It is memory of the container.
    pub scratch_bytes: u64,
}

/// Programs and libraries. On most machines all but `/usr` and `/opt` are links into `/usr`.
const PROGRAMS: [&str; 9] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/libexec", "/opt"];

/// Files of `/etc` that programs and libraries need and that tell nothing about the machine's secrets. Left out on
/// purpose: keys under `ssl/private` and `pki/tls/private`, and per-tool settings that may carry tokens.
const CONFIGURATION: [&str; 34] = [
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "debian_version",
    "fonts",
    "gai.conf",
    "group",
    "host.conf",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "lsb-release",
    "magic",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "passwd",
    "perl",
    "pki/ca-trust/extracted",
    "pki/tls/cert.pem",
    "pki/tls/certs",
    "protocols",
    "python3",
    "python3.11",
    "rpc",
    "services",
    "shells",
    "ssl/cert.pem",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
    "xattr.conf",
];

/// Settings of Java installations, to which the ones below `/usr/lib/jvm` link: `/etc/java-17-openjdk` and the like.
const CONFIGURATION_PREFIX: &str = "java-";

/// Writable by everyone, as usual.
pub(crate) const SHARED_DIRECTORIES: [&str; 2] = ["/tmp", "/var/tmp"];
/// Writable by the container's root.
pub(crate) const PRIVATE_DIRECTORIES: [&str; 7] =
    ["/root", "/home", "/run", "/mnt", "/var/cache", "/var/lib", "/var/log"];

/// Places that are more than a toolchain.
const TOO_BROAD: [&str; 13] =
    ["/", "/boot", "/dev", "/etc", "/home", "/proc", "/root", "/run", "/srv", "/sys", "/tmp", "/var", "/var/lib"];
/// Names of files and directories that hold credentials.
const CREDENTIALS: [&str; 14] = [
    ".aws",
    ".docker",
    ".git-credentials",
    ".gnupg",
    ".kube",
    ".netrc",
    ".npmrc",
    ".password-store",
    ".pypirc",
    ".ssh",
    "auth.json",
    "credentials",
    "credentials.json",
    "credentials.toml",
];

/// One thing that the container sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A file or directory of the machine, read-only.
    Bind(PathBuf),
    /// A symbolic link with the same target as on the machine.
    Link { path: PathBuf, target: PathBuf },
}

impl HostRootfs {
    /// Checks what needs no look at the machine.
    pub(crate) fn check(&self) -> Result<(), SpecError> {
        for path in &self.toolchains {
            check_path("toolchain", path)?;
            let refused = |reason: &str| Err(SpecError::Toolchain { path: path.clone(), reason: reason.to_owned() });
            let text = path.to_string_lossy();
            let below_home = path.strip_prefix("/home").is_ok_and(|rest| rest.components().count() < 2);
            if below_home || TOO_BROAD.contains(&text.trim_end_matches('/')) || text == "/" {
                return refused("it is not a toolchain but a whole part of the machine");
            }
            if path.iter().any(|part| CREDENTIALS.iter().any(|name| part == *name)) {
                return refused("it is a place for credentials");
            }
        }
        Ok(())
    }
}

/// What a container sees of the machine whose root directory is `root` (which is `/` except in tests).
///
/// # Errors
/// A toolchain that is missing, is no directory, or has credentials at its top.
pub(crate) fn plan(host: &HostRootfs, root: &Path) -> Result<Vec<Entry>, SpecError> {
    let configuration = CONFIGURATION.iter().map(|name| Path::new("/etc").join(name));
    let wanted = PROGRAMS.iter().map(PathBuf::from).chain(configuration).chain(java_configuration(root));
    let mut entries: Vec<Entry> = wanted.filter_map(|path| look(root, path)).collect();
    for toolchain in &host.toolchains {
        let is_shown = |entry: &Entry| matches!(entry, Entry::Bind(path) if toolchain.starts_with(path));
        if entries.iter().any(is_shown) {
            continue;
        }
        let refused = |reason: String| SpecError::Toolchain { path: toolchain.clone(), reason };
        let found = fs::read_dir(below(root, toolchain)).map_err(|error| refused(error.to_string()))?;
        for entry in found {
            let name = entry.map_err(|error| refused(error.to_string()))?.file_name();
            if CREDENTIALS.iter().any(|credential| name == *credential) {
                return Err(refused(format!("it contains {}", name.display())));
            }
        }
        entries.push(Entry::Bind(toolchain.clone()));
    }
    Ok(entries)
}

fn java_configuration(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root.join("etc")).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name());
    let mut found: Vec<PathBuf> = names
        .filter(|name| name.as_encoded_bytes().starts_with(CONFIGURATION_PREFIX.as_bytes()))
        .map(|name| Path::new("/etc").join(name))
        .collect();
    found.sort();
    found
}

/// What a listed path is on the machine; none if it is not there.
fn look(root: &Path, path: PathBuf) -> Option<Entry> {
    let real = below(root, &path);
    match fs::read_link(&real) {
        Ok(target) => Some(Entry::Link { path, target }),
        // EINVAL: it is there and no link.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Some(Entry::Bind(path)),
        Err(_) => None,
    }
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

#[cfg(test)]
mod tests;
