//! The typed form of the schema table. Start at [`table`].

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::KUBERNETES_SCHEMA;

/// The schema table, read once per process (about 0.5 ms in a release build).
pub fn table() -> &'static Table {
    static TABLE: LazyLock<Table> = LazyLock::new(|| {
        serde_json::from_slice(KUBERNETES_SCHEMA)
            .expect("the committed table is well-formed: a test of this crate reads it")
    });
    &TABLE
}

/// Which resources there are, and the schemas of their objects.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The release of Kubernetes that the table was made from, such as `1.34.2`.
    pub version: String,
    /// Sorted by group, version and kind.
    pub resources: Vec<Resource>,
    /// OpenAPI v3 schemas as JSON text, by the names that OpenAPI documents use (`io.k8s.api.core.v1.Secret`). References
    /// between them have the form `#/components/schemas/<name>`, and each leads to a name in this map.
    #[serde(borrow)]
    pub definitions: BTreeMap<&'static str, &'static RawValue>,
}

/// A kind and the paths under which its objects are served: `APIResource` of the discovery documents.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resource {
    /// The API group, empty for the core group.
    pub group: String,
    /// The version within the group, such as `v1`.
    pub version: String,
    /// The kind, such as `ConfigMap`; a list of them is of kind `ConfigMapList`.
    pub kind: String,
    /// The name in paths and in `kubectl get`, such as `configmaps`.
    pub plural: String,
    /// The singular that clients accept for the plural, such as `configmap`.
    pub singular: String,
    /// The abbreviations that clients accept for the plural, such as `cm`.
    pub short_names: Vec<String>,
    /// The groups of resources that clients list as one, such as `all`.
    pub categories: Vec<String>,
    /// Whether objects are in a namespace.
    #[serde(rename = "namespaced")]
    pub scope: Scope,
    /// What can be done with the objects, in alphabetical order.
    pub verbs: Vec<Verb>,
    /// The key of the object's schema in [`Table::definitions`]; the schema of a list has `List` appended.
    pub definition: String,
    /// What is served below the path of one object.
    pub subresources: Vec<Subresource>,
}

/// Whether the objects of a kind are in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(from = "bool")]
pub enum Scope {
    /// Each object is in a namespace.
    Namespaced,
    /// Objects belong to the cluster as a whole.
    Cluster,
}

impl From<bool> for Scope {
    fn from(namespaced: bool) -> Scope {
        if namespaced { Scope::Namespaced } else { Scope::Cluster }
    }
}

/// What is served at `<object>/<name>`, such as `pods/x/log`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subresource {
    /// The last part of the path.
    pub name: String,
    /// The group of [`Subresource::kind`], which may differ from that of the parent.
    pub group: String,
    /// The version of [`Subresource::kind`].
    pub version: String,
    /// The kind of the object that is read or written there.
    pub kind: String,
    /// What can be done there, in alphabetical order.
    pub verbs: Vec<Verb>,
    /// The key of the kind's schema in [`Table::definitions`], or none where the kind stands for query parameters.
    pub definition: Option<String>,
}

/// What a client can do with a resource, by the names that discovery and RBAC use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are those of the Kubernetes API and say all there is")]
pub enum Verb {
    Create,
    Delete,
    DeleteCollection,
    Get,
    List,
    Patch,
    Update,
    Watch,
}

impl Verb {
    /// The name in discovery documents and RBAC rules.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Create => "create",
            Verb::Delete => "delete",
            Verb::DeleteCollection => "deletecollection",
            Verb::Get => "get",
            Verb::List => "list",
            Verb::Patch => "patch",
            Verb::Update => "update",
            Verb::Watch => "watch",
        }
    }
}
