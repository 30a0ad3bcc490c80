//! Walking a schema: what it says about a place, with references followed.
//!
//! Reads only; nothing is copied. Start at [`Node::member`].

use serde_json::Value;

use super::{Definitions, Kind, ListType, PatchStrategy, Schema};

/// A place in a schema, with references followed. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    definitions: &'a Definitions,
    /// The node as its parent declares it: default, patch strategy and list type beside a reference are here.
    declared: &'a Schema,
    /// The node that `declared` stands for.
    pub(crate) schema: &'a Schema,
}

/// What a schema says about one name in an object.
#[derive(Debug, Clone, Copy)]
pub enum Member<'a> {
    /// A declared property.
    Property(Node<'a>),
    /// An entry of a map (`additionalProperties`).
    Entry(Node<'a>),
    /// Nothing is said, but anything may be there (`x-kubernetes-preserve-unknown-fields`, free-form types).
    Free,
    /// The name has no place here.
    Unknown,
}

impl<'a> Node<'a> {
    pub(super) fn new(definitions: &'a Definitions, declared: &'a Schema) -> Self {
        // References were checked when the definitions were added; an open one would read as "anything goes".
        let schema = match &declared.reference {
            Some(reference) => definitions.end_of_chain(reference).unwrap_or(declared),
            None => declared,
        };
        Node { definitions, declared, schema }
    }

    pub(crate) fn child(self, declared: &'a Schema) -> Self {
        Node::new(self.definitions, declared)
    }

    /// The JSON type asked for.
    pub fn kind(self) -> Kind {
        self.schema.kind
    }

    /// What the schema says about the name `name` in an object here.
    pub fn member(self, name: &str) -> Member<'a> {
        let properties = &self.schema.properties;
        if let Ok(i) = properties.binary_search_by(|(declared, _)| (**declared).cmp(name)) {
            Member::Property(self.child(&properties[i].1))
        } else if let Some(entry) = &self.schema.additional {
            Member::Entry(self.child(entry))
        } else if self.schema.preserve_unknown_fields {
            Member::Free
        } else {
            Member::Unknown
        }
    }

    /// The declared properties, sorted by name.
    pub fn properties(self) -> impl Iterator<Item = (&'a str, Node<'a>)> {
        self.schema.properties.iter().map(move |(name, schema)| (&**name, self.child(schema)))
    }

    /// The elements of a list.
    pub fn items(self) -> Option<Node<'a>> {
        self.schema.items.as_deref().map(|items| self.child(items))
    }

    /// The value that takes the place of an absent field. Never a published zero value, see [`crate::defaulting`].
    pub fn default(self) -> Option<&'a Value> {
        self.declared.default.as_deref().or(self.schema.default.as_deref())
    }

    /// Whether `null` is a value here; elsewhere it means absent.
    pub fn is_nullable(self) -> bool {
        self.declared.nullable || self.schema.nullable
    }

    /// Whether fields that the schema does not name are kept.
    pub fn preserves_unknown_fields(self) -> bool {
        self.declared.preserve_unknown_fields || self.schema.preserve_unknown_fields
    }

    /// Whether an object here is a resource with `apiVersion`, `kind` and `metadata` of its own.
    pub fn is_resource(self) -> bool {
        self.schema.resource_root || self.schema.embedded_resource
    }

    /// How a list here is merged and what is unique in it.
    pub fn list_type(self) -> &'a ListType {
        match &self.declared.list_type {
            ListType::Atomic => &self.schema.list_type,
            declared => declared,
        }
    }

    /// Whether server-side apply treats an object here as one value (`x-kubernetes-map-type: atomic`).
    pub fn is_atomic_map(self) -> bool {
        self.declared.atomic_map || self.schema.atomic_map
    }

    pub(crate) fn patch_strategy(self) -> PatchStrategy {
        self.declared.patch.as_deref().map_or(PatchStrategy::Unset, |patch| patch.strategy)
    }

    pub(crate) fn merge_key(self) -> Option<&'a str> {
        self.declared.patch.as_deref().and_then(|patch| patch.merge_key.as_deref())
    }

    /// True where values may have any shape: no structure is declared and none is ruled out.
    pub(crate) fn is_free_form(self) -> bool {
        let schema = self.schema;
        schema.preserve_unknown_fields && schema.properties.is_empty() && schema.additional.is_none()
    }
}
