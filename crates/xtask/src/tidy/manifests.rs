//! The members' manifests, and the rule that a member decides nothing about versions, features and lints by itself.
//!
//! One place for features means that `-p` builds what the whole workspace builds. Start at [`check`]; [`Member`] is what
//! `layers` and `owners` look at.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Deserialize;
use toml::Value;

use crate::tidy::repository::{Finding, Repository};

/// A member of the workspace, as far as the rules look at it.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// The path of the manifest.
    pub(crate) path: String,
    /// `None` where the manifest has no valid `[package.metadata.trireme]`.
    pub(crate) place: Option<Place>,
    pub(crate) dependencies: Vec<Dependency>,
    declares_features: bool,
    inherits_lints: bool,
}

/// Where a crate stands: `[package.metadata.trireme]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    pub(crate) layer: Layer,
    pub(crate) floor: Floor,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) enum Layer {
    /// 0 to 6, base to product.
    Product(u8),
    /// Not part of what is shipped.
    Dev,
}

pub(crate) const TOP_LAYER: u8 = 6;

impl TryFrom<Value> for Layer {
    type Error = String;

    fn try_from(value: Value) -> Result<Layer, String> {
        match &value {
            Value::Integer(number) => u8::try_from(*number)
                .ok()
                .filter(|number| *number <= TOP_LAYER)
                .map(Layer::Product)
                .ok_or_else(|| format!("layer {number} is not in 0 to {TOP_LAYER}")),
            Value::String(text) if text == "dev" => Ok(Layer::Dev),
            _ => Err(format!("layer {value} is neither a number nor \"dev\"")),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Floor {
    Any,
    Cluster,
    Platform,
}

#[derive(Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) use_in: UseIn,
    inherited: bool,
    declares_features: bool,
}

/// Which of a member's builds a dependency is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UseIn {
    /// The crate itself or its build script.
    Crate,
    /// Only its tests.
    Tests,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Manifest {
    package: Package,
    #[serde(flatten)]
    dependencies: DependencyTables,
    #[serde(default)]
    target: BTreeMap<String, DependencyTables>,
    #[serde(default)]
    features: BTreeMap<String, Value>,
    #[serde(default)]
    lints: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    #[serde(default)]
    metadata: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct DependencyTables {
    #[serde(default)]
    dependencies: BTreeMap<String, Value>,
    #[serde(default)]
    build_dependencies: BTreeMap<String, Value>,
    #[serde(default)]
    dev_dependencies: BTreeMap<String, Value>,
}

impl Member {
    pub(crate) fn parse(path: &str, text: &str) -> Result<Member> {
        let manifest: Manifest = toml::from_str(text)?;
        let tables = [&manifest.dependencies].into_iter().chain(manifest.target.values());
        let place = manifest.package.metadata.get("trireme").cloned();
        Ok(Member {
            name: manifest.package.name,
            path: path.to_owned(),
            place: place.and_then(|value| value.try_into().ok()),
            dependencies: tables.flat_map(DependencyTables::all).collect(),
            declares_features: !manifest.features.is_empty(),
            inherits_lints: manifest.lints.get("workspace").and_then(Value::as_bool) == Some(true),
        })
    }
}

impl DependencyTables {
    fn all(&self) -> impl Iterator<Item = Dependency> {
        let in_crate = self.dependencies.iter().chain(&self.build_dependencies).map(|entry| (entry, UseIn::Crate));
        let in_tests = self.dev_dependencies.iter().map(|entry| (entry, UseIn::Tests));
        in_crate.chain(in_tests).map(|((name, value), use_in)| Dependency {
            name: name.clone(),
            use_in,
            inherited: value.get("workspace").and_then(Value::as_bool) == Some(true),
            declares_features: value.get("features").is_some() || value.get("default-features").is_some(),
        })
    }
}

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    repository.members.iter().flat_map(check_member).collect()
}

fn check_member(member: &Member) -> Vec<Finding> {
    let mut messages = Vec::new();
    if !member.inherits_lints {
        messages.push("does not inherit the lints of the workspace: [lints] workspace = true".to_owned());
    }
    if member.declares_features {
        messages.push("declares features: they belong into the root manifest".to_owned());
    }
    for dependency in &member.dependencies {
        let name = &dependency.name;
        if !dependency.inherited {
            messages.push(format!("{name} is not inherited: {name}.workspace = true"));
        }
        if dependency.declares_features {
            messages.push(format!("chooses features of {name}: they belong into the root manifest"));
        }
    }
    messages.into_iter().map(|message| Finding::in_file(&member.path, message)).collect()
}

#[cfg(test)]
mod tests;
