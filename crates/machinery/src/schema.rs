//! The schema of a kind: a tree of [`Schema`]s, walked through [`Node`]s that follow references.
//!
//! Parsed from OpenAPI v3, either as Kubernetes publishes it for built-in kinds ([`Definitions::add_document`]) or as a
//! CustomResourceDefinition carries it ([`Schema::parse_crd`]). Descriptions and examples are dropped: whoever
//! publishes a schema keeps the original document. CEL rules (`x-kubernetes-validations`) are not looked at. The two
//! dialects mean different things by the same words; the differences are settled while parsing (`parse.rs`), so that the
//! modules that walk a schema need not know where it came from. [`structural`] checks what a CRD may contain.

mod format;
mod node;
mod parse;
pub mod structural;

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::{Number, Value};
use thiserror::Error;

pub(crate) use format::Format;
pub use node::{Member, Node};

/// The JSON type that a node asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// No type is asked for.
    #[default]
    Any,
    /// `type: object`
    Object,
    /// `type: array`
    Array,
    /// `type: string`
    String,
    /// `type: integer`
    Integer,
    /// `type: number`
    Number,
    /// `type: boolean`
    Boolean,
    /// An integer or a string: `x-kubernetes-int-or-string`, or the published format `int-or-string`.
    IntOrString,
}

impl Kind {
    /// The word that schemas and messages use.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Any => "any",
            Kind::Object => "object",
            Kind::Array => "array",
            Kind::String => "string",
            Kind::Integer => "integer",
            Kind::Number => "number",
            Kind::Boolean => "boolean",
            Kind::IntOrString => "integer,string",
        }
    }
}

/// How a list is merged by server-side apply and what must be unique in it (`x-kubernetes-list-type`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ListType {
    /// The list is one value.
    #[default]
    Atomic,
    /// The elements are unique.
    Set,
    /// The elements are objects, unique in these keys together.
    Map(Box<[Box<str>]>),
}

/// How strategic merge patch treats a field (`x-kubernetes-patch-strategy`, `x-kubernetes-patch-merge-key`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct PatchMeta {
    pub(crate) strategy: PatchStrategy,
    pub(crate) merge_key: Option<Box<str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum PatchStrategy {
    /// Objects merge, lists are replaced.
    #[default]
    Unset,
    /// Objects and lists merge.
    Merge,
    /// Objects and lists are replaced.
    Replace,
}

/// One node of a schema. Immutable once parsed; put the root in an `Arc` to share it.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    pub(crate) kind: Kind,
    pub(crate) nullable: bool,
    pub(crate) preserve_unknown_fields: bool,
    pub(crate) embedded_resource: bool,
    /// The root of a custom resource: `apiVersion`, `kind` and `metadata` are there without being declared.
    pub(crate) resource_root: bool,
    pub(crate) atomic_map: bool,
    /// Parsed from what Kubernetes publishes about a built-in kind. Its own server is not as strict as that: it accepts, for
    /// instance, two environment variables of one name in a container, and a role without rules.
    pub(crate) published: bool,
    pub(crate) reference: Option<Box<str>>,
    pub(crate) properties: Properties,
    pub(crate) additional: Option<Box<Schema>>,
    pub(crate) items: Option<Box<Schema>>,
    pub(crate) required: Box<[Box<str>]>,
    pub(crate) list_type: ListType,
    pub(crate) default: Option<Box<Value>>,
    pub(crate) patch: Option<Box<PatchMeta>>,
    pub(crate) rules: Option<Box<Rules>>,
}

/// Sorted by name. A map would reserve room for eleven schemas in each of its nodes.
pub(crate) type Properties = Box<[(Box<str>, Schema)]>;

/// Value validations, boxed because most nodes have none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    pub(crate) allowed: Vec<Value>,
    pub(crate) format: Option<Format>,
    pub(crate) pattern: Option<Regex>,
    pub(crate) minimum: Option<Bound>,
    pub(crate) maximum: Option<Bound>,
    pub(crate) multiple_of: Option<Number>,
    pub(crate) min_length: Option<u64>,
    pub(crate) max_length: Option<u64>,
    pub(crate) min_items: Option<u64>,
    pub(crate) max_items: Option<u64>,
    pub(crate) min_properties: Option<u64>,
    pub(crate) max_properties: Option<u64>,
    pub(crate) unique_items: bool,
    pub(crate) all_of: Vec<Schema>,
    pub(crate) any_of: Vec<Schema>,
    pub(crate) one_of: Vec<Schema>,
    pub(crate) not: Option<Schema>,
}

/// A limit for numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bound {
    pub(crate) limit: Number,
    pub(crate) exclusive: bool,
}

/// Why a document is not a schema that this crate can enforce. None of these can be retried.
#[derive(Debug, Error)]
pub enum SchemaError {
    /// A keyword has a value of the wrong type, or one that is not known.
    #[error("{path}: must be {expected}")]
    Malformed {
        /// Where in the document.
        path: String,
        /// What was expected there.
        expected: &'static str,
    },
    /// A keyword that changes what is valid and is not enforced here.
    #[error("{path}: is not supported")]
    Unsupported {
        /// Where in the document.
        path: String,
    },
    /// A pattern that is no regular expression, or one that compiles to more than the limit.
    #[error("{path}: cannot compile the pattern")]
    Pattern {
        /// Where in the document.
        path: String,
        /// What is wrong with the pattern.
        #[source]
        source: Box<regex::Error>,
    },
    /// A reference to a definition that is not there, or a chain of references without an end.
    #[error("definition {name} refers to {reference}, which is not a definition")]
    Dangling {
        /// The definition with the reference in it.
        name: String,
        /// What it refers to.
        reference: String,
    },
}

impl Schema {
    /// Parses an `openAPIV3Schema` of a CustomResourceDefinition; the root is the custom resource.
    ///
    /// # Errors
    /// [`SchemaError`] for what cannot be enforced. Whether the schema is structural is the question of
    /// [`structural::check`], which reports all problems at once and should be asked first.
    pub fn parse_crd(document: &Value) -> Result<Schema, SchemaError> {
        let mut root = parse::schema(document, parse::Dialect::Crd)?;
        root.resource_root = true;
        Ok(root)
    }

    /// The root, ready to be walked. For schemas without references, such as those of CRDs.
    pub fn node(&self) -> Node<'_> {
        Node::new(&NO_DEFINITIONS, self)
    }
}

static NO_DEFINITIONS: Definitions = Definitions { schemas: BTreeMap::new() };

/// Named schemas that refer to one another: `components.schemas` of published OpenAPI documents.
#[derive(Debug, Clone, Default)]
pub struct Definitions {
    schemas: BTreeMap<Box<str>, Schema>,
}

impl Definitions {
    /// No definitions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `components.schemas` of an OpenAPI v3 document as Kubernetes publishes them, one document for each group
    /// and version. A name that is already there keeps its schema: the documents repeat the types that they share.
    ///
    /// # Errors
    /// [`SchemaError`]; nothing has been added then.
    pub fn add_document(&mut self, document: &Value) -> Result<(), SchemaError> {
        let malformed = || SchemaError::Malformed { path: "components.schemas".into(), expected: "an object" };
        let schemas = document.pointer("/components/schemas").and_then(Value::as_object).ok_or_else(malformed)?;
        let mut added = Definitions::default();
        for (name, schema) in schemas.iter().filter(|(name, _)| !self.schemas.contains_key(name.as_str())) {
            added.schemas.insert(name.as_str().into(), parse::definition(name, schema)?);
        }
        let resolves =
            |reference: &str| added.end_of_chain(reference).or_else(|| self.end_of_chain(reference)).is_some();
        for (name, schema) in &added.schemas {
            if let Some(reference) = schema.find_reference(&|reference| !resolves(reference)) {
                return Err(SchemaError::Dangling { name: name.to_string(), reference: reference.to_owned() });
            }
        }
        self.schemas.append(&mut added.schemas);
        Ok(())
    }

    /// The definition called `name`, such as `io.k8s.api.apps.v1.Deployment`.
    pub fn get(&self, name: &str) -> Option<Node<'_>> {
        self.schemas.get(name).map(|schema| Node::new(self, schema))
    }

    /// The names of all definitions, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.schemas.keys().map(|name| &**name)
    }

    /// Follows a reference to the first schema that is none. Chains are short; a longer one is a circle.
    fn end_of_chain(&self, reference: &str) -> Option<&Schema> {
        const MAX_CHAIN: usize = 8;
        let mut schema = self.schemas.get(reference)?;
        for _ in 0..MAX_CHAIN {
            match &schema.reference {
                Some(next) => schema = self.schemas.get(next)?,
                None => return Some(schema),
            }
        }
        None
    }
}

impl Schema {
    /// The first reference in this tree that `wanted` accepts.
    fn find_reference<'s>(&'s self, wanted: &dyn Fn(&str) -> bool) -> Option<&'s str> {
        if let Some(reference) = self.reference.as_deref().filter(|reference| wanted(reference)) {
            return Some(reference);
        }
        let nested = self
            .rules
            .iter()
            .flat_map(|rules| rules.all_of.iter().chain(&rules.any_of).chain(&rules.one_of).chain(&rules.not));
        let children = self
            .properties
            .iter()
            .map(|(_, child)| child)
            .chain(self.additional.as_deref())
            .chain(self.items.as_deref());
        children.chain(nested).find_map(|child| child.find_reference(wanted))
    }
}

#[cfg(test)]
mod tests;
