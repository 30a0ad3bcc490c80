//! What is served: every resource with its names, schema and rules, built in or brought by a definition.
//!
//! A [`Registry`] is immutable; `definitions` builds a new one whenever a CustomResourceDefinition changes, and requests
//! keep the one they started with.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use api::builtin::{Facts, Name, Scope, Update, facts, table};
use machinery::defaulting;
use machinery::schema::{Definitions, Node, Schema};
use serde_json::Value;
use store::{Key, KeyError};
use task::CancellationToken;

use crate::kinds::{self, Rules};
use crate::object::Object;
use crate::openapi;
use crate::request::ResourcePath;
use crate::status::{Failure, Subject};

/// One resource of one group and version.
pub(crate) struct Resource {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    pub(crate) verbs: Vec<&'static str>,
    pub(crate) subresources: Vec<Subresource>,
    /// Where the store keeps the objects of all versions.
    pub(crate) collection: Arc<str>,
    /// The version that stored objects have.
    pub(crate) storage_version: String,
    /// The order of versions within a group, best first.
    pub(crate) priority: usize,
    pub(crate) schema: ObjectSchema,
    pub(crate) names: Name,
    pub(crate) update: Update,
    pub(crate) selectable_fields: Vec<SelectableField>,
    pub(crate) columns: Vec<Column>,
    pub(crate) rules: Box<dyn Rules>,
    /// Where the scale sub-resource finds its numbers; None for a kind that has no scale.
    pub(crate) scale: Option<ScalePaths>,
    /// None for built-in kinds; the definition's own state for the others.
    pub(crate) custom: Option<Custom>,
}

/// What only resources of a definition have.
pub(crate) struct Custom {
    /// The name of the CustomResourceDefinition.
    pub(crate) definition: String,
    /// A digest of what the definition says about this version; the resource is rebuilt when it changes.
    pub(crate) digest: String,
    /// The definition is being deleted: no new objects.
    pub(crate) terminating: bool,
    /// Cancelled when the resource is gone or changed, which ends its watches.
    pub(crate) removed: CancellationToken,
    /// How the stored bytes of an object of this version begin; most do, and need no parsing then.
    pub(crate) beginning: String,
    /// Whether the schema has defaults. They hold for objects that were written before there were any, so that stored
    /// bytes need not be what is shown.
    pub(crate) defaults: bool,
    /// The schema as OpenAPI documents show it.
    pub(crate) openapi: Value,
}

/// Where a resource keeps what `autoscaling/v1` Scale shows: JSON paths of plain members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScalePaths {
    pub(crate) spec_replicas: Vec<String>,
    pub(crate) status_replicas: Vec<String>,
    /// Leads to the text of a selector, or to a LabelSelector object.
    pub(crate) label_selector: Option<Vec<String>>,
}

/// A path below an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subresource {
    pub(crate) name: String,
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) verbs: Vec<&'static str>,
}

/// The schema of a resource's objects.
pub(crate) enum ObjectSchema {
    /// A definition in the table of built-in kinds.
    Builtin { definitions: Arc<Definitions>, name: String },
    /// The schema that a CustomResourceDefinition brought.
    Custom(Schema),
}

impl ObjectSchema {
    pub(crate) fn node(&self) -> Node<'_> {
        match self {
            ObjectSchema::Builtin { definitions, name } => {
                definitions.get(name).expect("the registry takes only resources whose definition exists")
            }
            ObjectSchema::Custom(schema) => schema.node(),
        }
    }
}

/// A field that field selectors may name, and where its value is: the first path with a text or a boolean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SelectableField {
    pub(crate) name: String,
    pub(crate) paths: Vec<Vec<String>>,
    /// The value where no path leads to one.
    pub(crate) absent: &'static str,
}

/// A column of a Table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) r#type: String,
    pub(crate) format: String,
    pub(crate) description: String,
    pub(crate) priority: i32,
}

impl Resource {
    /// `v1` or `apps/v1`.
    pub(crate) fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }

    /// Whether stored bytes are what this resource shows, so that they can be passed on as they are. Objects of a
    /// definition are stored in the version that was the storage version when they were written, with the defaults of
    /// then.
    pub(crate) fn shows_as_stored(&self, stored: &[u8]) -> bool {
        let shows = |custom: &Custom| !custom.defaults && stored.starts_with(custom.beginning.as_bytes());
        self.custom.as_ref().is_none_or(shows)
    }

    /// A stored object as this resource shows it: in its version, with its defaults.
    ///
    /// # Errors
    /// 500 when the stored bytes are no object.
    pub(crate) fn restore(&self, stored: &[u8]) -> Result<Object, Failure> {
        let mut object = Object::decode(stored)?;
        if self.is_custom() {
            object.set("apiVersion", Some(self.api_version().into()));
            defaulting::apply(self.schema.node(), object.as_value_mut());
        }
        Ok(object)
    }

    /// The `apiVersion` that objects are stored with.
    pub(crate) fn storage_api_version(&self) -> String {
        api_version(&self.group, &self.storage_version)
    }

    pub(crate) fn is_custom(&self) -> bool {
        self.custom.is_some()
    }

    pub(crate) fn has_status(&self) -> bool {
        self.subresource("status").is_some()
    }

    pub(crate) fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|subresource| subresource.name == name)
    }

    /// An object of this resource, for messages about absence and conflicts.
    pub(crate) fn subject(&self, name: &str) -> Subject {
        Subject { group: self.group.clone(), kind: self.plural.clone(), name: name.to_owned() }
    }

    /// An object of this resource, for messages about its content.
    pub(crate) fn kind_subject(&self, name: &str) -> Subject {
        Subject { group: self.group.clone(), kind: self.kind.clone(), name: name.to_owned() }
    }

    /// The key of an object.
    ///
    /// # Errors
    /// 404: a name that cannot be a key is the name of nothing.
    pub(crate) fn key(&self, namespace: Option<&str>, name: &str) -> Result<Key, Failure> {
        let full = match namespace {
            Some(namespace) => format!("{namespace}/{name}"),
            None => name.to_owned(),
        };
        Key::new(self.collection.clone(), full).map_err(|_refused: KeyError| Failure::not_found(self.subject(name)))
    }

    /// What the keys of a namespace's objects start with; all keys without one.
    pub(crate) fn prefix(&self, namespace: Option<&str>) -> String {
        namespace.map(|namespace| format!("{namespace}/")).unwrap_or_default()
    }

    /// The text of a selectable field; None for a field that is not one.
    pub(crate) fn field<'o>(&self, object: &'o Object, name: &str) -> Option<&'o str> {
        match name {
            "metadata.name" => Some(object.name()),
            "metadata.namespace" if self.namespaced => Some(object.namespace()),
            _ => {
                let field = self.selectable_fields.iter().find(|field| field.name == name)?;
                let texts = field.paths.iter().map(|path| {
                    let path: Vec<&str> = path.iter().map(String::as_str).collect();
                    match object.at(&path) {
                        Value::Bool(true) => "true",
                        Value::Bool(false) => "false",
                        other => other.as_str().unwrap_or_default(),
                    }
                });
                Some(texts.into_iter().find(|text| !text.is_empty()).unwrap_or(field.absent))
            }
        }
    }

    pub(crate) fn has_field(&self, name: &str) -> bool {
        name == "metadata.name"
            || (name == "metadata.namespace" && self.namespaced)
            || self.selectable_fields.iter().any(|field| field.name == name)
    }
}

/// `v1` for the core group, `group/version` for the others.
pub(crate) fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// The collection in which the store keeps a resource's objects, whatever their version.
pub(crate) fn collection(group: &str, plural: &str) -> Arc<str> {
    format!("{}/{plural}", if group.is_empty() { "core" } else { group }).into()
}

/// Everything that is served at one moment.
pub(crate) struct Registry {
    resources: HashMap<Address, Arc<Resource>>,
    /// Groups with their versions, best version first, in the order of discovery.
    groups: BTreeMap<String, Vec<String>>,
    /// Made at first use: most registries of a machine that sets itself up are replaced before anyone asks.
    openapi: OnceLock<openapi::Documents>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Address {
    group: String,
    version: String,
    plural: String,
}

impl Registry {
    pub(crate) fn new(resources: impl IntoIterator<Item = Arc<Resource>>) -> Self {
        let mut versions: BTreeMap<String, Vec<(usize, String)>> = BTreeMap::new();
        let mut map = HashMap::new();
        for resource in resources {
            let group = versions.entry(resource.group.clone()).or_default();
            if !group.iter().any(|(_, version)| *version == resource.version) {
                group.push((resource.priority, resource.version.clone()));
            }
            let address = Address {
                group: resource.group.clone(),
                version: resource.version.clone(),
                plural: resource.plural.clone(),
            };
            map.insert(address, resource);
        }
        let groups = versions
            .into_iter()
            .map(|(group, mut versions)| {
                versions.sort();
                (group, versions.into_iter().map(|(_, version)| version).collect())
            })
            .collect();
        Self { resources: map, groups, openapi: OnceLock::new() }
    }

    /// The resource of a path.
    ///
    /// # Errors
    /// 404 when there is none, or its scope does not fit the path.
    pub(crate) fn find(&self, path: &ResourcePath) -> Result<&Arc<Resource>, Failure> {
        self.get(&path.group, &path.version, &path.plural)
            // A list over all namespaces has no namespace in its path; one object of a namespaced kind must have one.
            .filter(|resource| {
                if resource.namespaced {
                    path.namespace.is_some() || path.name.is_none()
                } else {
                    path.namespace.is_none()
                }
            })
            .ok_or_else(Failure::no_such_resource)
    }

    pub(crate) fn get(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        let address = Address { group: group.to_owned(), version: version.to_owned(), plural: plural.to_owned() };
        self.resources.get(&address)
    }

    /// All resources, in no order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.values()
    }

    /// The resources of one version, by name; None if the version is not served.
    pub(crate) fn of_version(&self, group: &str, version: &str) -> Option<Vec<&Arc<Resource>>> {
        let versions = self.groups.get(group)?;
        versions.iter().any(|served| served == version).then(|| {
            let mut found: Vec<_> =
                self.all().filter(|resource| resource.group == group && resource.version == version).collect();
            found.sort_by(|a, b| a.plural.cmp(&b.plural));
            found
        })
    }

    /// The OpenAPI documents of what is served.
    pub(crate) fn openapi(&self) -> &openapi::Documents {
        self.openapi.get_or_init(|| openapi::Documents::of(self))
    }

    /// Groups and their versions, best version first.
    pub(crate) fn groups(&self) -> &BTreeMap<String, Vec<String>> {
        &self.groups
    }
}

/// The schemas of all built-in kinds, parsed.
///
/// # Errors
/// When the committed table cannot be parsed: a defect that a test finds.
pub(crate) fn builtin_definitions() -> Result<Arc<Definitions>, machinery::schema::SchemaError> {
    let schemas: serde_json::Map<String, Value> = table()
        .definitions
        .iter()
        .map(|(name, text)| ((*name).to_owned(), serde_json::from_str(text.get()).unwrap_or_default()))
        .collect();
    let mut definitions = Definitions::new();
    definitions.add_document(&serde_json::json!({"components": {"schemas": schemas}}))?;
    Ok(Arc::new(definitions))
}

/// The built-in resources that are served: those of the table that have facts and rules.
pub(crate) fn builtin(definitions: &Arc<Definitions>) -> Vec<Arc<Resource>> {
    table()
        .resources
        .iter()
        .filter_map(|resource| {
            let rules = kinds::builtin(&resource.group, &resource.kind)?;
            let facts = facts(resource)?;
            definitions.get(&resource.definition)?;
            Some(Arc::new(from_table(resource, facts, rules, definitions)))
        })
        .collect()
}

fn from_table(
    resource: &api::builtin::Resource,
    facts: &Facts,
    rules: Box<dyn Rules>,
    definitions: &Arc<Definitions>,
) -> Resource {
    Resource {
        group: resource.group.clone(),
        version: resource.version.clone(),
        kind: resource.kind.clone(),
        list_kind: format!("{}List", resource.kind),
        plural: resource.plural.clone(),
        singular: resource.singular.clone(),
        short_names: resource.short_names.clone(),
        categories: resource.categories.clone(),
        namespaced: resource.scope == Scope::Namespaced,
        verbs: resource.verbs.iter().map(|verb| verb.name()).collect(),
        subresources: resource
            .subresources
            .iter()
            .filter(|subresource| rules.subresources().contains(&&*subresource.name))
            .map(|subresource| Subresource {
                name: subresource.name.clone(),
                group: subresource.group.clone(),
                version: subresource.version.clone(),
                kind: subresource.kind.clone(),
                verbs: subresource.verbs.iter().map(|verb| verb.name()).collect(),
            })
            .collect(),
        collection: collection(&resource.group, &resource.plural),
        storage_version: resource.version.clone(),
        priority: 0,
        schema: ObjectSchema::Builtin { definitions: definitions.clone(), name: resource.definition.clone() },
        names: facts.name,
        update: facts.update,
        selectable_fields: facts.selectable_fields.iter().map(selectable).collect(),
        columns: facts.columns.iter().map(column).collect(),
        scale: rules.scale_paths(),
        rules,
        custom: None,
    }
}

fn selectable(field: &api::builtin::SelectableField) -> SelectableField {
    let split = |path: &&str| path.split('.').map(str::to_owned).collect();
    SelectableField {
        name: field.name.to_owned(),
        paths: field.paths.iter().map(split).collect(),
        absent: field.absent,
    }
}

fn column(column: &api::builtin::Column) -> Column {
    Column {
        name: column.name.to_owned(),
        r#type: column.r#type.to_owned(),
        format: column.format.to_owned(),
        description: column.description.text(),
        priority: column.priority,
    }
}
