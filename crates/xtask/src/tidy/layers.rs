//! Which crate may use which: strictly down the layers, and never from one floor into the other.
//!
//! The layers are those of ARCHITECTURE.md. "Down" is not all: mechanism crates know no kinds, so they may not use the
//! vocabulary although it is below them. Tests obey the same rule, except that they may use `testkit`. Start at [`check`].

use std::collections::BTreeMap;

use crate::tidy::manifests::{Floor, Layer, Member, Place, TOP_LAYER, UseIn};
use crate::tidy::repository::{Finding, Repository};

/// Layer 1 crates that know no kinds, so that mechanism may use them.
const KINDLESS_VOCABULARY: [&str; 2] = ["flow", "pki"];
/// The one crate of layer 0 that its neighbours may use.
const BASE_OF_THE_BASE: &str = "stdx";
/// The one capability that the in-process test server is made of.
const TESTED_SERVER: &str = "apiserver";

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let members: BTreeMap<&str, &Member> = repository.members.iter().map(|member| (&*member.name, member)).collect();
    let mut findings = Vec::new();
    for user in &repository.members {
        let Some(place) = user.place else {
            let message =
                "has no [package.metadata.trireme] with layer (0 to 6 or \"dev\") and floor (any, cluster, platform)";
            findings.push(Finding::in_file(&user.path, message));
            continue;
        };
        for dependency in &user.dependencies {
            let Some(used) = members.get(&*dependency.name) else {
                continue;
            };
            if let Some(reason) = refusal(&Edge { user, place, used, use_in: dependency.use_in }) {
                findings.push(Finding::in_file(&user.path, format!("may not use {}: {reason}", used.name)));
            }
        }
    }
    findings
}

struct Edge<'a> {
    user: &'a Member,
    place: Place,
    used: &'a Member,
    use_in: UseIn,
}

/// Why the edge may not be, or nothing if it may.
fn refusal(edge: &Edge<'_>) -> Option<String> {
    // A crate without a place is a finding of its own.
    let used = edge.used.place?;
    match (edge.place.layer, used.layer) {
        (_, Layer::Dev) => refuse_dev(edge),
        (Layer::Dev, Layer::Product(layer)) => refuse_use_by_dev(edge, layer),
        (Layer::Product(from), Layer::Product(to)) => {
            refuse_layer(from, to, &edge.used.name).or_else(|| refuse_floor(edge.place, used.floor))
        }
    }
}

fn refuse_layer(from: u8, to: u8, used: &str) -> Option<String> {
    let allowed = match from {
        0 => to == 0 && used == BASE_OF_THE_BASE,
        1 => to == 0,
        2 => to == 0 || (to == 1 && KINDLESS_VOCABULARY.contains(&used)),
        3 => to <= 1,
        4 => to <= 3,
        5 => to <= 1 || to == 3,
        _ => to < TOP_LAYER,
    };
    (!allowed).then(|| format!("layer {from} may not use it in layer {to}"))
}

/// A crate of no floor may be linked by either, so it may use only crates of no floor. The product wires both.
fn refuse_floor(user: Place, used: Floor) -> Option<String> {
    let allowed = used == Floor::Any || used == user.floor || user.layer == Layer::Product(TOP_LAYER);
    (!allowed).then(|| "it stands on the other floor, and the seam between them is the Kubernetes API".to_owned())
}

fn refuse_dev(edge: &Edge<'_>) -> Option<String> {
    if edge.use_in == UseIn::Crate {
        return Some("it is no part of the product; only tests use it".to_owned());
    }
    let tested = edge.used.dependencies.iter().any(|dependency| dependency.name == edge.user.name);
    tested.then(|| "it is built from this crate, so the tests would see two of them".to_owned())
}

fn refuse_use_by_dev(edge: &Edge<'_>, layer: u8) -> Option<String> {
    if edge.user.name == "xtask" {
        return Some("automation must build without the product".to_owned());
    }
    let allowed = layer <= 3 || edge.used.name == TESTED_SERVER;
    (!allowed).then(|| format!("fixtures use layers 0 to 3 and {TESTED_SERVER}, it is in layer {layer}"))
}

#[cfg(test)]
mod tests;
