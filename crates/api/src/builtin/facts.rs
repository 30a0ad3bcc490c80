//! What the API server must know of a kind that neither its schema nor discovery states.
//!
//! In Kubernetes these facts stand in the strategies under `pkg/registry`, in field label conversions and in
//! `pkg/printers`. Here each kind has them in its own file, as one [`Facts`] constant.

use serde::Deserialize;

use crate::builtin::table;

/// The facts of one kind.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// The API group, empty for the core group.
    pub group: &'static str,
    /// The version within the group.
    pub version: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// Which names its objects may have.
    pub name: Name,
    /// What an update may do that is not plain replacement of a known version.
    pub update: Update,
    /// Fields for field selectors, beyond `metadata.name` and, where namespaced, `metadata.namespace`.
    pub selectable_fields: &'static [SelectableField],
    /// The columns of its objects in a `Table`.
    pub columns: &'static [Column],
}

/// Which names the objects of a kind may have. In `generateName` each form may also end in a dash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// RFC 1123 label: at most 63 of lower-case letters, digits and `-`, first and last no `-`.
    Label,
    /// RFC 1123 subdomain: labels joined by `.`, at most 253 characters.
    Subdomain,
    /// [`Name::Subdomain`] equal to `<spec.names.plural>.<spec.group>` of the object itself.
    PluralAndGroup,
    /// Anything that can be one part of a path: neither `.` nor `..`, without `/` and `%`.
    PathSegment,
}

/// What an update of a kind may do, beside replacing the version that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Update {
    /// Whether it may leave out `metadata.resourceVersion` and then replaces whatever version is there.
    pub unconditional: bool,
    /// Whether it creates the object if there is none.
    pub creates: bool,
}

/// A field that field selectors may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SelectableField {
    /// The name in selectors.
    pub name: &'static str,
    /// Where the value is in the object, members joined by `.`: the first of these that holds a text other than the empty
    /// one, or a boolean, whose texts are `true` and `false`.
    pub paths: &'static [&'static str],
    /// The value where no path leads to one.
    pub absent: &'static str,
}

impl SelectableField {
    /// A field whose name in selectors is also its path.
    pub(crate) const fn at(path: &'static [&'static str; 1]) -> SelectableField {
        SelectableField { name: path[0], paths: path, absent: "" }
    }

    /// The same for a boolean that is false unless it is set.
    pub(crate) const fn flag(path: &'static [&'static str; 1]) -> SelectableField {
        SelectableField { name: path[0], paths: path, absent: "false" }
    }
}

/// A column of a `Table`, `TableColumnDefinition` upstream. The order of the cells is that of the columns.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// The title; clients print it in upper case.
    pub name: &'static str,
    /// The OpenAPI type, such as `string`, `integer`, `date`.
    pub r#type: &'static str,
    /// The OpenAPI format, empty or `name`: clients may put the kind before such a cell.
    pub format: &'static str,
    /// What the column shows, in words.
    pub description: Description,
    /// 0 for a column that is always shown; higher ones only appear in `kubectl get -o wide`.
    pub priority: i32,
}

/// What a column shows, in words: most repeat the description of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Description {
    /// This text.
    Text(&'static str),
    /// The description of a property of a schema in the table.
    Property {
        /// The key in `Table::definitions`.
        definition: &'static str,
        /// The property of that schema.
        property: &'static str,
    },
}

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const CREATION_TIMESTAMP: Description =
    Description::Property { definition: OBJECT_META, property: "creationTimestamp" };

impl Column {
    /// The name of the object.
    pub(crate) const NAME: Column = Column {
        name: "Name",
        r#type: "string",
        format: "name",
        description: Description::Property { definition: OBJECT_META, property: "name" },
        priority: 0,
    };

    /// How long ago the object was created, as text such as `5m`.
    pub(crate) const AGE: Column = Column::text("Age", CREATION_TIMESTAMP);

    /// When the object was created. Kinds without columns of their own have this one after the name.
    pub(crate) const CREATED_AT: Column = Column { r#type: "date", ..Column::text("Created At", CREATION_TIMESTAMP) };

    /// The containers of a pod template, by name.
    pub(crate) const CONTAINERS: Column =
        Column::text("Containers", Description::Text("Names of each container in the template.")).wide();

    /// The images of a pod template's containers.
    pub(crate) const IMAGES: Column =
        Column::text("Images", Description::Text("Images referenced by each container in the template.")).wide();

    pub(crate) const fn text(name: &'static str, description: Description) -> Column {
        Column { name, r#type: "string", format: "", description, priority: 0 }
    }

    /// The same column, for `kubectl get -o wide` only.
    pub(crate) const fn wide(self) -> Column {
        Column { priority: 1, ..self }
    }
}

impl Description {
    /// The words.
    pub fn text(self) -> String {
        match self {
            Description::Text(text) => text.to_owned(),
            Description::Property { definition, property } => described(definition, property)
                .expect("facts name properties that the table describes: a test of this crate resolves each"),
        }
    }
}

fn described(definition: &str, property: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Schema {
        properties: std::collections::BTreeMap<String, Property>,
    }
    #[derive(Deserialize)]
    struct Property {
        description: Option<String>,
    }
    let mut schema: Schema = serde_json::from_str(table().definitions.get(definition)?.get()).ok()?;
    schema.properties.remove(property)?.description
}
