//! ConfigMaps and Secrets that pods use: which ones, and what is in them.
//!
//! [`references`] is pure. [`Reader`] asks the API for the present content, because a cache may not have an object yet that
//! was made just before the pod. Start reading there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use client::kinds::core::v1::{ConfigMap, Container, PodSpec, Secret};
use client::{Client, Error};

/// A ConfigMap or Secret in the namespace of a pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Reference {
    pub kind: Kind,
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    ConfigMap,
    Secret,
}

/// As upstream writes it in messages.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::ConfigMap => "configmap",
            Kind::Secret => "secret",
        };
        write!(f, "{kind} {:?}", self.name)
    }
}

impl Reference {
    pub(crate) fn config_map(name: &str) -> Self {
        Self { kind: Kind::ConfigMap, name: name.to_owned() }
    }

    pub(crate) fn secret(name: &str) -> Self {
        Self { kind: Kind::Secret, name: name.to_owned() }
    }
}

/// The content of a [`Reference`] at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub data: BTreeMap<String, Vec<u8>>,
    /// The resource version, which tells whether it has changed since.
    pub version: String,
}

/// Everything that a pod refers to.
pub(crate) fn references(spec: &PodSpec) -> BTreeSet<Reference> {
    let mut found = BTreeSet::new();
    for container in spec.init_containers.iter().flatten().chain(&spec.containers) {
        found.extend(of_environment(container));
    }
    for volume in spec.volumes.iter().flatten() {
        found.extend(crate::volume::sources(volume).into_iter().filter_map(|source| source.reference()));
    }
    found
}

fn of_environment(container: &Container) -> Vec<Reference> {
    let mut found = Vec::new();
    for source in container.env_from.iter().flatten() {
        found.extend(source.config_map_ref.as_ref().map(|map| Reference::config_map(&map.name)));
        found.extend(source.secret_ref.as_ref().map(|secret| Reference::secret(&secret.name)));
    }
    for source in container.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref()) {
        found.extend(source.config_map_key_ref.as_ref().map(|key| Reference::config_map(&key.name)));
        found.extend(source.secret_key_ref.as_ref().map(|key| Reference::secret(&key.name)));
    }
    found
}

/// Reads contents from the API, each at most once.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    client: &'a Client,
    namespace: &'a str,
    known: HashMap<Reference, Option<Content>>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(client: &'a Client, namespace: &'a str) -> Self {
        Self { client, namespace, known: HashMap::new() }
    }

    /// What is in a ConfigMap or Secret; none if there is none.
    ///
    /// # Errors
    /// When the API gives no answer; retry.
    pub(crate) async fn read(&mut self, reference: &Reference) -> Result<Option<Content>, Error> {
        if let Some(known) = self.known.get(reference) {
            return Ok(known.clone());
        }
        let content = match reference.kind {
            Kind::ConfigMap => self.config_map(&reference.name).await?,
            Kind::Secret => self.secret(&reference.name).await?,
        };
        self.known.insert(reference.clone(), content.clone());
        Ok(content)
    }

    async fn config_map(&self, name: &str) -> Result<Option<Content>, Error> {
        let found = self.client.namespaced::<ConfigMap>(self.namespace).get_opt(name).await?;
        Ok(found.map(|map| {
            let text = map.data.into_iter().flatten().map(|(key, value)| (key, value.into_bytes()));
            let binary = map.binary_data.into_iter().flatten().map(|(key, value)| (key, value.0));
            let version = map.metadata.resource_version.unwrap_or_default();
            Content { data: text.chain(binary).collect(), version }
        }))
    }

    async fn secret(&self, name: &str) -> Result<Option<Content>, Error> {
        let found = self.client.namespaced::<Secret>(self.namespace).get_opt(name).await?;
        Ok(found.map(|secret| {
            let data = secret.data.into_iter().flatten().map(|(key, value)| (key, value.0));
            Content { data: data.collect(), version: secret.metadata.resource_version.unwrap_or_default() }
        }))
    }
}
