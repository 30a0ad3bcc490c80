//! Dependencies that are heavy to build, or that decide how the product works, have owners: no other member names them.

use crate::tidy::repository::{Finding, Repository};

/// Package and the members that may name it. Where no package from outside uses one too, `deny.toml` says the same to
/// `cargo deny`; here it holds without that tool.
const OWNERS: &[(&str, &[&str])] = &[
    ("kube", &["client"]),
    ("k8s-openapi", &["client"]),
    ("redb", &["store"]),
    ("libcontainer", &["container"]),
    ("rustls", &["apiserver"]),
    ("tokio-rustls", &["apiserver"]),
];

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in &repository.members {
        for dependency in &member.dependencies {
            let Some((_, owners)) = OWNERS.iter().find(|(package, _)| *package == dependency.name) else {
                continue;
            };
            if !owners.contains(&&*member.name) {
                let message = format!("names {}, which belongs to {}", dependency.name, owners.join(" and "));
                findings.push(Finding::in_file(&member.path, message));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests;
