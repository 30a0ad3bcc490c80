//! What a resource is called and can do, and what an object is called within it.

use std::collections::BTreeSet;
use std::fmt;

use kube::Resource as Kind;
use kube::api::ApiResource;

/// Whether objects of a resource live in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// They do.
    Namespaced,
    /// They do not.
    Cluster,
}

/// A resource that an API server offers, in one of its versions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Resource {
    /// Group, version, kind and plural name.
    pub names: ApiResource,
    /// Whether its objects live in namespaces.
    pub scope: Scope,
    /// What can be done with it: `get`, `list`, `watch`, `delete`, …
    pub verbs: BTreeSet<String>,
}

impl Resource {
    /// Whether all of `verbs` are offered.
    pub fn supports(&self, verbs: &[&str]) -> bool {
        verbs.iter().all(|verb| self.verbs.contains(*verb))
    }

    /// Group and plural name: what identifies the resource among all versions.
    pub fn group_and_plural(&self) -> (&str, &str) {
        (&self.names.group, &self.names.plural)
    }
}

/// `plural.group`, or the plural alone in the core group.
impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.names.group.as_str() {
            "" => f.write_str(&self.names.plural),
            group => write!(f, "{}.{group}", self.names.plural),
        }
    }
}

/// The name of an object within its resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// None for an object of cluster scope.
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
}

impl Key {
    /// The name of an object in a namespace.
    pub fn namespaced(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: Some(namespace.into()), name: name.into() }
    }

    /// The name of an object of cluster scope.
    pub fn cluster(name: impl Into<String>) -> Self {
        Self { namespace: None, name: name.into() }
    }

    /// The name that an object has.
    pub fn of<K: Kind>(object: &K) -> Self {
        let metadata = object.meta();
        Self { namespace: metadata.namespace.clone(), name: metadata.name.clone().unwrap_or_default() }
    }
}

/// `namespace/name`, or the name alone.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}
