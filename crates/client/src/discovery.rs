//! Which resources the API server offers, by the discovery documents that every server has.
//!
//! kube's `Discovery` gives up on everything when one group does not answer, as groups of broken aggregated servers do;
//! here the others are found all the same, and the failures are told.

use kube::core::discovery::ApiResource;
use meta::{APIGroupList, APIResource, APIResourceList, APIVersions};

use crate::{Client, Error, Resource, Result, Scope, meta};

/// What discovery found.
#[derive(Debug)]
pub struct Discovered {
    /// Each resource once, in the version that its group prefers among those that have it. No sub-resources.
    pub resources: Vec<Resource>,
    /// Group versions that did not answer, with the reason. Their resources are unknown.
    pub failures: Vec<(String, Error)>,
}

/// Asks the server for all of its resources: one request for each group version.
///
/// # Errors
/// When not even the groups can be listed; retry.
pub async fn discover(client: &Client) -> Result<Discovered> {
    let mut found = Discovered { resources: Vec::new(), failures: Vec::new() };
    let core: APIVersions = client.kube().list_core_api_versions().await?;
    let groups: APIGroupList = client.kube().list_api_groups().await?;
    for version in core.versions {
        let rows = client.kube().list_core_api_resources(&version).await;
        found.add(GroupVersion { group: "", version: &version }, rows);
    }
    for group in groups.groups {
        let mut versions: Vec<&str> = group.versions.iter().map(|version| version.version.as_str()).collect();
        let preferred = group.preferred_version.as_ref().map(|version| version.version.as_str());
        // Stable: the others stay in the server's order.
        versions.sort_by_key(|version| Some(*version) != preferred);
        for version in versions {
            let rows = client.kube().list_api_group_resources(&format!("{}/{version}", group.name)).await;
            found.add(GroupVersion { group: &group.name, version }, rows);
        }
    }
    Ok(found)
}

struct GroupVersion<'a> {
    group: &'a str,
    version: &'a str,
}

impl GroupVersion<'_> {
    fn api_version(&self) -> String {
        match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        }
    }

    fn resource(&self, row: APIResource) -> Resource {
        Resource {
            names: ApiResource {
                group: self.group.to_owned(),
                version: self.version.to_owned(),
                api_version: self.api_version(),
                kind: row.kind,
                plural: row.name,
            },
            scope: if row.namespaced { Scope::Namespaced } else { Scope::Cluster },
            verbs: row.verbs.into_iter().collect(),
        }
    }
}

impl Discovered {
    fn add(&mut self, version: GroupVersion<'_>, rows: Result<APIResourceList, kube::Error>) {
        let rows = match rows.map_err(Error::from) {
            Ok(rows) => rows.resources,
            // The version went away after the list of groups was made.
            Err(error) if error.is_not_found() => return,
            Err(error) => return self.failures.push((version.api_version(), error)),
        };
        for row in rows.into_iter().filter(|row| !row.name.contains('/')) {
            let resource = version.resource(row);
            let known = self.resources.iter().any(|known| known.group_and_plural() == resource.group_and_plural());
            if !known {
                self.resources.push(resource);
            }
        }
    }
}
