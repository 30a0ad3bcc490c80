//! The schema table: which resources the API serves, and the OpenAPI v3 schemas of all they reach.
//!
//! What a resource offers (plural, short names, categories, verbs, subresources) is read from the discovery documents of
//! the same release rather than worked out from the paths of the OpenAPI documents: a discovery document states it, and
//! short names and categories are nowhere else. Schemas come from the OpenAPI documents, unchanged. The output has one
//! resource and one definition on a line, sorted, so that an update of Kubernetes reads as a diff.
//! Start at [`generate`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The kinds that the API serves, by group and version.
const KINDS: &[(GroupVersion, &[&str])] = &[
    (
        GroupVersion { group: "", version: "v1" },
        &["ConfigMap", "Event", "Namespace", "Node", "Pod", "Secret", "Service", "ServiceAccount"],
    ),
    (GroupVersion { group: "apiextensions.k8s.io", version: "v1" }, &["CustomResourceDefinition"]),
    (GroupVersion { group: "apps", version: "v1" }, &["Deployment", "ReplicaSet"]),
    (GroupVersion { group: "coordination.k8s.io", version: "v1" }, &["Lease"]),
    (GroupVersion { group: "discovery.k8s.io", version: "v1" }, &["EndpointSlice"]),
];

/// Schemas that belong to the protocol rather than to a resource.
const PROTOCOL: &[&str] = &["APIResourceList", "DeleteOptions", "Patch", "Status", "WatchEvent"];
const PROTOCOL_PREFIX: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";

const REFERENCE_PREFIX: &str = "#/components/schemas/";

/// An API group, empty for the core group, and one of its versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GroupVersion {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
}

impl GroupVersion {
    /// How the files about this group and version begin, in the folders of the release.
    pub(crate) fn file_stem(self) -> String {
        match self.group {
            "" => format!("api__{}", self.version),
            group => format!("apis__{group}__{}", self.version),
        }
    }
}

/// What a release says about one group and version.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) group_version: GroupVersion,
    pub(crate) openapi: Value,
    pub(crate) discovery: Value,
}

/// The group versions whose documents [`generate`] needs.
pub(crate) fn group_versions() -> Vec<GroupVersion> {
    KINDS.iter().map(|&(group_version, _)| group_version).collect()
}

/// The text of the table.
///
/// # Errors
/// When a wanted kind is not in the documents, or two documents define one name differently.
pub(crate) fn generate(documents: &[Document], version: &str) -> Result<String> {
    let schemas = Schemas::collect(documents)?;
    let mut resources = Vec::new();
    for &(group_version, kinds) in KINDS {
        let document = documents
            .iter()
            .find(|document| document.group_version == group_version)
            .with_context(|| format!("there is no document about {}", group_version.file_stem()))?;
        for kind in kinds {
            resources.push(resource(document, kind, &schemas)?);
        }
    }
    let definitions = schemas.reachable(roots(&resources))?;
    render(version, &resources, &definitions)
}

/// One row of the table. `api::builtin` reads it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    group: String,
    version: String,
    kind: String,
    plural: String,
    singular: String,
    short_names: Vec<String>,
    categories: Vec<String>,
    namespaced: bool,
    verbs: Vec<String>,
    definition: String,
    subresources: Vec<Subresource>,
}

#[derive(Debug, Serialize)]
struct Subresource {
    name: String,
    group: String,
    version: String,
    kind: String,
    verbs: Vec<String>,
    /// Absent where the body is no object, or only query parameters are taken (`pods/exec`).
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<String>,
}

/// A row of a discovery document, `APIResource` upstream.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Discovered {
    name: String,
    singular_name: String,
    namespaced: bool,
    kind: String,
    group: Option<String>,
    version: Option<String>,
    verbs: Vec<String>,
    #[serde(default)]
    short_names: Vec<String>,
    #[serde(default)]
    categories: Vec<String>,
}

fn resource(document: &Document, kind: &str, schemas: &Schemas) -> Result<Resource> {
    let GroupVersion { group, version } = document.group_version;
    let rows = Vec::<Discovered>::deserialize(&document.discovery["resources"])
        .with_context(|| format!("cannot read the discovery document of {group}/{version}"))?;
    let row = rows
        .iter()
        .find(|row| row.kind == kind && !row.name.contains('/'))
        .with_context(|| format!("{group}/{version} serves no {kind}"))?;
    let definition = schemas.of_kind(group, version, kind).with_context(|| format!("{kind} has no schema"))?;
    let subresources = rows
        .iter()
        .filter_map(|sub| {
            let name = sub.name.strip_prefix(&row.name)?.strip_prefix('/')?;
            Some(subresource(name, sub, document.group_version, schemas))
        })
        .collect();
    Ok(Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        plural: row.name.clone(),
        singular: row.singular_name.clone(),
        short_names: row.short_names.clone(),
        categories: row.categories.clone(),
        namespaced: row.namespaced,
        verbs: row.verbs.clone(),
        definition: definition.to_owned(),
        subresources,
    })
}

fn subresource(name: &str, row: &Discovered, parent: GroupVersion, schemas: &Schemas) -> Subresource {
    let group = row.group.as_deref().unwrap_or(parent.group);
    let version = row.version.as_deref().unwrap_or(parent.version);
    Subresource {
        name: name.to_owned(),
        group: group.to_owned(),
        version: version.to_owned(),
        kind: row.kind.clone(),
        verbs: row.verbs.clone(),
        definition: schemas.of_kind(group, version, &row.kind).map(str::to_owned),
    }
}

fn roots(resources: &[Resource]) -> BTreeSet<String> {
    let mut roots: BTreeSet<String> = PROTOCOL.iter().map(|name| format!("{PROTOCOL_PREFIX}{name}")).collect();
    for resource in resources {
        roots.insert(resource.definition.clone());
        roots.insert(format!("{}List", resource.definition));
        roots.extend(resource.subresources.iter().filter_map(|sub| sub.definition.clone()));
    }
    roots
}

/// All schemas of all documents, and which kind each describes.
#[derive(Debug, Default)]
struct Schemas {
    by_name: BTreeMap<String, Value>,
    by_kind: BTreeMap<[String; 3], String>,
}

impl Schemas {
    fn collect(documents: &[Document]) -> Result<Schemas> {
        let mut schemas = Schemas::default();
        for document in documents {
            let stem = document.group_version.file_stem();
            let found = document.openapi["components"]["schemas"].as_object();
            for (name, schema) in found.with_context(|| format!("the OpenAPI document {stem} has no schemas"))? {
                schemas.add(name, schema).with_context(|| format!("in {stem}"))?;
            }
        }
        Ok(schemas)
    }

    fn add(&mut self, name: &str, schema: &Value) -> Result<()> {
        if let Some(known) = self.by_name.get(name) {
            ensure!(known == schema, "{name} differs from its definition in another document");
            return Ok(());
        }
        self.by_name.insert(name.to_owned(), schema.clone());
        // Protocol objects such as DeleteOptions list every group; only a schema of one kind describes a resource.
        if let Some([only]) = schema["x-kubernetes-group-version-kind"].as_array().map(Vec::as_slice) {
            let part = |field: &str| only[field].as_str().unwrap_or_default().to_owned();
            self.by_kind.insert([part("group"), part("version"), part("kind")], name.to_owned());
        }
        Ok(())
    }

    fn of_kind(&self, group: &str, version: &str, kind: &str) -> Option<&str> {
        self.by_kind.get(&[group.to_owned(), version.to_owned(), kind.to_owned()]).map(String::as_str)
    }

    fn reachable(&self, roots: BTreeSet<String>) -> Result<BTreeMap<&str, &Value>> {
        let mut reached = BTreeMap::new();
        let mut open: Vec<String> = roots.into_iter().collect();
        while let Some(name) = open.pop() {
            let Some((name, schema)) = self.by_name.get_key_value(&name) else {
                bail!("there is no schema {name}");
            };
            if reached.insert(name.as_str(), schema).is_none() {
                references(schema, &mut open);
            }
        }
        Ok(reached)
    }
}

fn references(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            for (key, value) in members {
                match value.as_str().and_then(|text| text.strip_prefix(REFERENCE_PREFIX)) {
                    Some(name) if key == "$ref" => found.push(name.to_owned()),
                    _ => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn render(version: &str, resources: &[Resource], definitions: &BTreeMap<&str, &Value>) -> Result<String> {
    let mut text = format!("{{\n\"version\": {},\n\"resources\": [\n", serde_json::to_string(version)?);
    for (index, resource) in resources.iter().enumerate() {
        writeln!(text, "{}{}", serde_json::to_string(resource)?, separator(index, resources.len()))?;
    }
    text.push_str("],\n\"definitions\": {\n");
    for (index, (name, schema)) in definitions.iter().enumerate() {
        // Sorted here, because whether a JSON object sorts itself depends on features that other crates may turn on.
        let mut schema = (*schema).clone();
        schema.sort_all_objects();
        let line = format!("{}: {}", serde_json::to_string(name)?, serde_json::to_string(&schema)?);
        writeln!(text, "{line}{}", separator(index, definitions.len()))?;
    }
    text.push_str("}\n}\n");
    Ok(text)
}

fn separator(index: usize, count: usize) -> &'static str {
    if index + 1 < count { "," } else { "" }
}

#[cfg(test)]
mod tests;
