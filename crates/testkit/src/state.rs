//! The steady-state assertion: whoever reconciles what is as it should be writes nothing.

use std::collections::BTreeMap;

use client::{Client, Key, ListParams, discover};

/// Which version every object of a cluster has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    versions: BTreeMap<String, String>,
}

impl State {
    /// The state at this moment. Objects of a namespace for which `counts` is false are left out: tests make changes
    /// there, to see that a reconciler has come that far.
    pub async fn read(client: &Client, counts: impl Fn(&str) -> bool) -> Self {
        let resources = discover(client).await.expect("the server answers discovery").resources;
        let mut versions = BTreeMap::new();
        for resource in resources.iter().filter(|resource| resource.supports(&["list"])) {
            let list = client.metadata(resource, None).list(&ListParams::default()).await.expect("the server lists");
            for object in list {
                let key = Key::of(&object);
                let namespace = key.namespace.as_deref().unwrap_or(&key.name);
                if counts(namespace) {
                    let version = object.metadata.resource_version.clone().unwrap_or_default();
                    versions.insert(format!("{resource} {key}"), version);
                }
            }
        }
        Self { versions }
    }

    /// Fails when anything was created, changed or deleted since `before`, and names it.
    pub fn assert_same_as(&self, before: &Self) {
        let written: Vec<&String> = self
            .versions
            .iter()
            .filter(|(object, version)| before.versions.get(*object) != Some(version))
            .map(|(object, _)| object)
            .chain(before.versions.keys().filter(|object| !self.versions.contains_key(*object)))
            .collect();
        assert!(written.is_empty(), "written, although all was as it should be: {written:?}");
    }

    /// The objects in it, as `resource namespace/name`.
    pub fn objects(&self) -> impl Iterator<Item = &str> {
        self.versions.keys().map(String::as_str)
    }
}
