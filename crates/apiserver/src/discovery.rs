//! Discovery: which groups, versions and resources there are, in the form that every client understands.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::resource::{Registry, Resource, api_version};

/// `/api`
pub(crate) fn core_versions(registry: &Registry) -> Value {
    let versions = registry.groups().get("").cloned().unwrap_or_default();
    // Clients other than the oldest ignore the addresses; upstream fills in where it listens.
    json!({"kind": "APIVersions", "versions": versions, "serverAddressByClientCIDRs": []})
}

/// `/apis`
pub(crate) fn groups(registry: &Registry) -> Value {
    let groups: Vec<Value> = registry
        .groups()
        .iter()
        .filter(|(group, _)| !group.is_empty())
        .map(|(group, versions)| group_entry(group, versions))
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/GROUP`; None for a group that is not served.
pub(crate) fn group(registry: &Registry, group: &str) -> Option<Value> {
    let versions = registry.groups().get(group).filter(|_| !group.is_empty())?;
    let mut entry = group_entry(group, versions);
    entry["kind"] = "APIGroup".into();
    entry["apiVersion"] = "v1".into();
    Some(entry)
}

fn group_entry(group: &str, versions: &[String]) -> Value {
    let entry = |version: &String| json!({"groupVersion": api_version(group, version), "version": version});
    json!({
        "name": group,
        "versions": versions.iter().map(entry).collect::<Vec<_>>(),
        "preferredVersion": versions.first().map(entry),
    })
}

/// `/api/v1`, `/apis/GROUP/VERSION`; None for a version that is not served.
pub(crate) fn resources(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let resources = registry.of_version(group, version)?;
    let mut rows = Vec::new();
    for resource in resources {
        rows.push(resource_row(resource));
        rows.extend(resource.subresources.iter().map(|subresource| {
            let mut row = json!({
                "name": format!("{}/{}", resource.plural, subresource.name),
                "singularName": "",
                "namespaced": resource.namespaced,
                "kind": subresource.kind,
                "verbs": subresource.verbs,
            });
            if (&subresource.group, &subresource.version) != (&resource.group, &resource.version) {
                row["group"] = subresource.group.as_str().into();
                row["version"] = subresource.version.as_str().into();
            }
            row
        }));
    }
    Some(json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": api_version(group, version),
        "resources": rows,
    }))
}

fn resource_row(resource: &Resource) -> Value {
    let mut row = json!({
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": resource.verbs,
        "storageVersionHash": storage_version_hash(resource),
    });
    if !resource.short_names.is_empty() {
        row["shortNames"] = resource.short_names.clone().into();
    }
    if !resource.categories.is_empty() {
        row["categories"] = resource.categories.clone().into();
    }
    row
}

/// Changes when objects are stored in another version; clients treat it as opaque.
fn storage_version_hash(resource: &Resource) -> String {
    use base64::Engine;
    let identity = format!("{}/{}/{}", resource.group, resource.storage_version, resource.kind);
    let digest = Sha256::digest(identity.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(&digest[..8])
}
