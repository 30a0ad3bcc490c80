//! The resource that a CustomResourceDefinition makes, from those of its fields that say so. Schemas are not read.

use std::collections::BTreeSet;

use api::apiextensions::v1::custom_resource_definition::ESTABLISHED_CONDITION;
use client::{ApiResource, Projection, Resource, Scope};
use serde::{Deserialize, Serialize};

/// A CustomResourceDefinition without its schemas, which are most of it.
pub(super) type Definition = Projection<Spec, Status>;

/// What custom resources can do: there is no choice in it.
const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

#[derive(Debug, Clone, Deserialize, Serialize)]
pub(super) struct Spec {
    group: String,
    names: Names,
    scope: String,
    versions: Vec<Version>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
struct Names {
    kind: String,
    plural: String,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
struct Version {
    name: String,
    served: bool,
    storage: bool,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub(super) struct Status {
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
struct Condition {
    r#type: String,
    status: String,
}

/// The names of the resource of definitions.
pub(super) fn names() -> ApiResource {
    ApiResource {
        group: "apiextensions.k8s.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "apiextensions.k8s.io/v1".to_owned(),
        kind: "CustomResourceDefinition".to_owned(),
        plural: "customresourcedefinitions".to_owned(),
    }
}

/// The resource that a definition makes; None while it makes none.
pub(super) fn resource(definition: &Definition) -> Option<Resource> {
    let conditions = definition.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let established =
        conditions.iter().any(|condition| condition.r#type == ESTABLISHED_CONDITION && condition.status == "True");
    let Spec { group, names, scope, versions } = &definition.spec;
    let served = || versions.iter().filter(|version| version.served);
    // Any version does for metadata; the stored one needs no conversion.
    let version = served().find(|version| version.storage).or_else(|| served().next())?;
    established.then(|| Resource {
        names: ApiResource {
            group: group.clone(),
            version: version.name.clone(),
            api_version: format!("{group}/{}", version.name),
            kind: names.kind.clone(),
            plural: names.plural.clone(),
        },
        scope: if scope == "Namespaced" { Scope::Namespaced } else { Scope::Cluster },
        verbs: BTreeSet::from(VERBS.map(str::to_owned)),
    })
}

#[cfg(test)]
mod tests;
