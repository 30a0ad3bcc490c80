//! From OpenAPI v3 JSON to [`Schema`]. Settles what the two dialects mean by the same words.
//!
//! Reads node by node and refuses keywords that would change what is valid and are not enforced. It does not judge whether
//! a CRD may use a keyword; that is `structural.rs`. Start at [`schema`].

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Number, Value};

use super::{Bound, Format, Kind, ListType, PatchMeta, PatchStrategy, Properties, Rules, Schema, SchemaError};
use crate::field::Path;

/// Compiled size of one pattern, in bytes. The longest patterns of the Gateway API need about 100 KiB.
const PATTERN_SIZE_LIMIT: usize = 512 << 10;

/// Published definitions that declare no structure because any object may be there. Other published types without
/// properties really have none.
const FREE_FORM: [&str; 3] = [
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Patch",
    "io.k8s.apimachinery.pkg.runtime.RawExtension",
];
/// Published as "a string or a number", without saying which strings.
const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";

/// Whose OpenAPI this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `components.schemas` of the documents that Kubernetes publishes.
    Published,
    /// `openAPIV3Schema` of a CustomResourceDefinition.
    Crd,
}

/// Parses one schema document.
pub(super) fn schema(document: &Value, dialect: Dialect) -> Result<Schema, SchemaError> {
    Parser { dialect }.node(&Path::ROOT, document)
}

/// Parses one published definition, with what its name alone tells.
pub(super) fn definition(name: &str, document: &Value) -> Result<Schema, SchemaError> {
    let parser = Parser { dialect: Dialect::Published };
    let mut schema = parser.node(&Path::new(name), document)?;
    if FREE_FORM.contains(&name) {
        schema.preserve_unknown_fields = true;
    }
    if name == QUANTITY {
        schema.rules = Some(Box::new(Rules { format: Some(Format::Quantity), ..Rules::default() }));
    }
    Ok(schema)
}

struct Parser {
    dialect: Dialect,
}

impl Parser {
    fn node(&self, path: &Path<'_>, document: &Value) -> Result<Schema, SchemaError> {
        let Value::Object(map) = document else { return Err(malformed(path, "an object")) };
        let fields = Fields { map, path };
        for keyword in ["patternProperties", "additionalItems", "dependencies", "definitions"] {
            if map.contains_key(keyword) {
                return Err(SchemaError::Unsupported { path: path.field(keyword).to_string() });
            }
        }
        let mut schema = Schema {
            kind: self.kind(&fields)?,
            nullable: fields.flag("nullable")?,
            preserve_unknown_fields: fields.flag("x-kubernetes-preserve-unknown-fields")?,
            embedded_resource: fields.flag("x-kubernetes-embedded-resource")?,
            resource_root: false,
            atomic_map: fields.text("x-kubernetes-map-type")? == Some("atomic"),
            published: self.dialect == Dialect::Published,
            reference: self.reference(&fields)?,
            properties: self.properties(&fields)?,
            additional: self.additional(&fields)?,
            items: fields.child("items", |path, value| self.element(path, value))?.map(Box::new),
            required: fields.names("required")?,
            list_type: list_type(&fields)?,
            default: map.get("default").filter(|value| self.keeps_default(value)).map(|value| Box::new(value.clone())),
            patch: patch_meta(&fields)?.map(Box::new),
            rules: self.rules(&fields)?.map(Box::new),
        };
        if self.dialect == Dialect::Published && map.keys().all(|key| key == "description") {
            // `{}` is how free JSON is published (the type called JSON and its kin).
            schema.preserve_unknown_fields = true;
        }
        Ok(schema)
    }

    fn kind(&self, fields: &Fields<'_>) -> Result<Kind, SchemaError> {
        if fields.flag("x-kubernetes-int-or-string")? || fields.text("format")? == Some("int-or-string") {
            return Ok(Kind::IntOrString);
        }
        Ok(match fields.text("type")? {
            None => Kind::Any,
            Some("object") => Kind::Object,
            Some("array") => Kind::Array,
            Some("string") => Kind::String,
            Some("integer") => Kind::Integer,
            Some("number") => Kind::Number,
            Some("boolean") => Kind::Boolean,
            Some(_) => return Err(fields.malformed("type", "one of array, boolean, integer, number, object, string")),
        })
    }

    /// `$ref`, or the published form of a reference with siblings: `allOf` with the reference as its only element.
    fn reference(&self, fields: &Fields<'_>) -> Result<Option<Box<str>>, SchemaError> {
        let direct = fields.text("$ref")?;
        let wrapped = match self.dialect {
            Dialect::Published => {
                fields.map.get("allOf").and_then(|all| all.pointer("/0/$ref")).and_then(Value::as_str)
            }
            Dialect::Crd => None,
        };
        let Some(reference) = direct.or(wrapped) else { return Ok(None) };
        match reference.strip_prefix("#/components/schemas/") {
            Some(name) if self.dialect == Dialect::Published => Ok(Some(name.into())),
            _ => Err(SchemaError::Unsupported { path: fields.path.field("$ref").to_string() }),
        }
    }

    fn properties(&self, fields: &Fields<'_>) -> Result<Properties, SchemaError> {
        let parse = |path: &Path<'_>, value: &Value| {
            let map = value.as_object().ok_or_else(|| malformed(path, "an object"))?;
            let parsed = map.iter().map(|(name, value)| Ok((name.as_str().into(), self.node(&path.key(name), value)?)));
            let mut properties: Properties = parsed.collect::<Result<_, _>>()?;
            // JSON objects are sorted unless a feature of serde_json is switched on somewhere in the tree.
            properties.sort_by(|(a, _), (b, _)| a.cmp(b));
            Ok(properties)
        };
        Ok(fields.child("properties", parse)?.unwrap_or_default())
    }

    /// `true` reads as a schema without structure: scalars pass, fields inside are unknown.
    fn additional(&self, fields: &Fields<'_>) -> Result<Option<Box<Schema>>, SchemaError> {
        let parse = |path: &Path<'_>, value: &Value| match value {
            Value::Bool(true) => Ok(Some(Schema::default())),
            Value::Bool(false) => Ok(None),
            value => self.element(path, value).map(Some),
        };
        Ok(fields.child("additionalProperties", parse)?.flatten().map(Box::new))
    }

    /// An element of a list or an entry of a map. A default means something only for an explicit `null` there, and Kubernetes reads
    /// that as the zero value, so published zero defaults stay.
    fn element(&self, path: &Path<'_>, value: &Value) -> Result<Schema, SchemaError> {
        let mut schema = self.node(path, value)?;
        if self.dialect == Dialect::Published {
            schema.default = value.get("default").map(|value| Box::new(value.clone()));
        }
        Ok(schema)
    }

    /// Published defaults are for the most part the zero values of Go's types. Their JSON form leaves them out, so a server
    /// that wrote them into objects would invent fields. In a CRD a zero default was asked for.
    fn keeps_default(&self, value: &Value) -> bool {
        let zero = match value {
            Value::Null => true,
            Value::Bool(flag) => !flag,
            Value::Number(number) => number.as_f64() == Some(0.0),
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
        };
        match self.dialect {
            Dialect::Published => !zero,
            Dialect::Crd => !value.is_null(),
        }
    }

    fn rules(&self, fields: &Fields<'_>) -> Result<Option<Rules>, SchemaError> {
        const KEYWORDS: [&str; 18] = [
            "enum",
            "format",
            "pattern",
            "minimum",
            "maximum",
            "exclusiveMinimum",
            "exclusiveMaximum",
            "multipleOf",
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
            "minProperties",
            "maxProperties",
            "uniqueItems",
            "anyOf",
            "oneOf",
            "not",
        ];
        let is_reference = self.reference(fields)?.is_some();
        let all_of = if is_reference { Vec::new() } else { self.nested(fields, "allOf")? };
        if all_of.is_empty() && !KEYWORDS.iter().any(|keyword| fields.map.contains_key(*keyword)) {
            return Ok(None);
        }
        let bound = |limit: &'static str, exclusive| -> Result<Option<Bound>, SchemaError> {
            let exclusive = fields.flag(exclusive)?;
            Ok(fields.number(limit)?.map(|limit| Bound { limit, exclusive }))
        };
        Ok(Some(Rules {
            allowed: fields.list("enum")?.to_vec(),
            format: fields.text("format")?.and_then(Format::parse),
            pattern: pattern(fields)?,
            minimum: bound("minimum", "exclusiveMinimum")?,
            maximum: bound("maximum", "exclusiveMaximum")?,
            multiple_of: fields.number("multipleOf")?,
            min_length: fields.count("minLength")?,
            max_length: fields.count("maxLength")?,
            min_items: fields.count("minItems")?,
            max_items: fields.count("maxItems")?,
            min_properties: fields.count("minProperties")?,
            max_properties: fields.count("maxProperties")?,
            unique_items: fields.flag("uniqueItems")?,
            all_of,
            any_of: self.nested(fields, "anyOf")?,
            one_of: self.nested(fields, "oneOf")?,
            not: fields.child("not", |path, value| self.node(path, value))?,
        }))
    }

    fn nested(&self, fields: &Fields<'_>, keyword: &'static str) -> Result<Vec<Schema>, SchemaError> {
        let path = fields.path.field(keyword);
        fields.list(keyword)?.iter().enumerate().map(|(i, value)| self.node(&path.index(i), value)).collect()
    }
}

fn pattern(fields: &Fields<'_>) -> Result<Option<Regex>, SchemaError> {
    let Some(pattern) = fields.text("pattern")? else { return Ok(None) };
    compile_pattern(pattern).map(Some).map_err(|source| SchemaError::Pattern {
        path: fields.path.field("pattern").to_string(),
        source: Box::new(source),
    })
}

/// Compiles a `pattern`. Kubernetes uses RE2, whose syntax is the one of the `regex` crate.
pub(super) fn compile_pattern(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).size_limit(PATTERN_SIZE_LIMIT).build()
}

fn list_type(fields: &Fields<'_>) -> Result<ListType, SchemaError> {
    Ok(match fields.text("x-kubernetes-list-type")? {
        None | Some("atomic") => ListType::Atomic,
        Some("set") => ListType::Set,
        Some("map") => ListType::Map(fields.names("x-kubernetes-list-map-keys")?),
        Some(_) => return Err(fields.malformed("x-kubernetes-list-type", "one of atomic, set, map")),
    })
}

fn patch_meta(fields: &Fields<'_>) -> Result<Option<PatchMeta>, SchemaError> {
    let merge_key = fields.text("x-kubernetes-patch-merge-key")?.map(Box::from);
    let strategies = fields.text("x-kubernetes-patch-strategy")?;
    if merge_key.is_none() && strategies.is_none() {
        return Ok(None);
    }
    let mut strategy = PatchStrategy::Unset;
    for word in strategies.into_iter().flat_map(|text| text.split(',')) {
        match word {
            "merge" => strategy = PatchStrategy::Merge,
            "replace" => strategy = PatchStrategy::Replace,
            // `$retainKeys` is honoured wherever a patch carries it, as Kubernetes does.
            "retainKeys" => {}
            _ => return Err(fields.malformed("x-kubernetes-patch-strategy", "one of merge, replace, retainKeys")),
        }
    }
    Ok(Some(PatchMeta { strategy, merge_key }))
}

fn malformed(path: &Path<'_>, expected: &'static str) -> SchemaError {
    let rendered = path.to_string();
    SchemaError::Malformed { path: if rendered.is_empty() { "schema".into() } else { rendered }, expected }
}

/// Typed access to the keywords of one node.
struct Fields<'a> {
    map: &'a Map<String, Value>,
    path: &'a Path<'a>,
}

impl<'a> Fields<'a> {
    fn malformed(&self, keyword: &str, expected: &'static str) -> SchemaError {
        malformed(&self.path.field(keyword), expected)
    }

    fn flag(&self, keyword: &str) -> Result<bool, SchemaError> {
        match self.map.get(keyword) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.malformed(keyword, "a boolean")),
        }
    }

    fn text(&self, keyword: &str) -> Result<Option<&'a str>, SchemaError> {
        match self.map.get(keyword) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.malformed(keyword, "a string")),
        }
    }

    fn number(&self, keyword: &str) -> Result<Option<Number>, SchemaError> {
        match self.map.get(keyword) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(number.clone())),
            Some(_) => Err(self.malformed(keyword, "a number")),
        }
    }

    fn count(&self, keyword: &str) -> Result<Option<u64>, SchemaError> {
        match self.map.get(keyword) {
            None => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or_else(|| self.malformed(keyword, "a non-negative integer")),
        }
    }

    fn list(&self, keyword: &str) -> Result<&'a [Value], SchemaError> {
        match self.map.get(keyword) {
            None => Ok(&[]),
            Some(Value::Array(list)) => Ok(list),
            Some(_) => Err(self.malformed(keyword, "a list")),
        }
    }

    fn names(&self, keyword: &str) -> Result<Box<[Box<str>]>, SchemaError> {
        let name =
            |value: &Value| value.as_str().map(Box::from).ok_or_else(|| self.malformed(keyword, "a list of strings"));
        self.list(keyword)?.iter().map(name).collect()
    }

    fn child<T>(
        &self,
        keyword: &str,
        parse: impl FnOnce(&Path<'_>, &Value) -> Result<T, SchemaError>,
    ) -> Result<Option<T>, SchemaError> {
        self.map.get(keyword).map(|value| parse(&self.path.field(keyword), value)).transpose()
    }
}
