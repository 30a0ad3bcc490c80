//! No file names the host of a package registry: where packages come from is the reader's configuration, and lock files
//! already record it.

use crate::tidy::repository::{Finding, Repository, has_extension};

/// Domain and top-level domain, apart so that this file passes its own rule.
const HOSTS: &[(&str, &str)] = &[
    ("crates", "io"),
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("npmjs", "org"),
    ("npmjs", "com"),
    ("yarnpkg", "com"),
    ("proxy.golang", "org"),
    ("sum.golang", "org"),
    ("goproxy", "io"),
    ("goproxy", "cn"),
    ("maven.apache", "org"),
    ("maven", "org"),
    ("rubygems", "org"),
    ("nuget", "org"),
    ("packagist", "org"),
];

/// Lock files that are named otherwise than `*.lock`.
const LOCKS: [&str; 4] = ["go.sum", "package-lock.json", "pnpm-lock.yaml", "gradle.lockfile"];

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    let hosts: Vec<String> = HOSTS.iter().map(|(domain, top)| format!("{domain}.{top}")).collect();
    for (path, text) in repository.texts() {
        let file = path.rsplit('/').next().unwrap_or(path);
        if has_extension(path, "lock") || LOCKS.contains(&file) {
            continue;
        }
        for (index, line) in text.lines().enumerate() {
            if let Some(host) = hosts.iter().find(|host| names_host(line, host)) {
                findings.push(Finding::at(path, index + 1, format!("names {host}, the host of a package registry")));
            }
        }
    }
    findings
}

/// Whether `host` stands in `line` as a whole: subdomains count, longer domains (`mycrates…`) do not.
fn names_host(line: &str, host: &str) -> bool {
    let letter = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    line.match_indices(host).any(|(start, _)| {
        let bytes = line.as_bytes();
        let before = start.checked_sub(1).and_then(|index| bytes.get(index));
        !letter(before) && !letter(bytes.get(start + host.len()))
    })
}

#[cfg(test)]
mod tests;
