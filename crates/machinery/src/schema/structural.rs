//! Whether a CustomResourceDefinition may carry a schema: is it structural, and does it keep to the keywords of CRDs.
//!
//! A structural schema declares the shape of every value outside of `allOf`, `anyOf`, `oneOf` and `not`, so that pruning and
//! defaulting have one answer; inside of these, only values are judged. The rules are those of the CustomResourceDefinition
//! documentation, the sentences those of `k8s.io/apiextensions-apiserver`. Works on the JSON document, since what is
//! forbidden has no place in a parsed [`Schema`]. CEL rules are compiled and judged in the API server. Start at [`check`];
//! `nested.rs` has the rules inside of the four combinations, `lists.rs` those of list and map types.

mod lists;
mod nested;

use serde_json::{Map, Value};

use super::Schema;
use crate::field::{FieldError, MAX_ERRORS, Path};
use crate::{unknown, validate};

/// All the reasons why `schema`, found at `path` (`spec.versions[0].schema.openAPIV3Schema`), may not stand in a
/// CustomResourceDefinition, sorted by their text. If there are none, [`Schema::parse_crd`] accepts it.
pub fn check(path: &Path<'_>, schema: &Value) -> Vec<FieldError> {
    let mut check = Check { errors: Vec::new() };
    check.node(path, schema, Level::Root);
    // Only a schema without problems is worth parsing; what is left then is beyond the limits of this crate.
    if check.errors.is_empty()
        && let Err(problem) = Schema::parse_crd(schema)
    {
        check.errors.push(FieldError::invalid(path, "", format!("cannot be enforced: {problem}")));
    }
    check.errors.sort_by_cached_key(ToString::to_string);
    check.errors
}

/// Where a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

type Keywords = Map<String, Value>;

struct Check {
    errors: Vec<FieldError>,
}

fn text<'v>(node: &'v Keywords, keyword: &str) -> Option<&'v str> {
    node.get(keyword).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn is_set(node: &Keywords, keyword: &str) -> bool {
    node.get(keyword) == Some(&Value::Bool(true))
}

fn properties(node: &Keywords) -> impl Iterator<Item = (&String, &Value)> {
    node.get("properties").and_then(Value::as_object).into_iter().flatten()
}

fn property<'v>(node: &'v Keywords, name: &str) -> Option<&'v Keywords> {
    node.get("properties")?.get(name)?.as_object()
}

impl Check {
    fn forbid(&mut self, path: &Path<'_>, detail: &str) {
        self.errors.push(FieldError::forbidden(path, detail));
    }

    /// A keyword that has to have a certain value: missing is one error, wrong another.
    fn demand(&mut self, path: &Path<'_>, actual: Option<&str>, detail: &str) {
        self.errors.push(match actual {
            Some(actual) => FieldError::invalid(path, actual, detail),
            None => FieldError::required(path, detail),
        });
    }

    /// A node that declares structure.
    fn node(&mut self, path: &Path<'_>, schema: &Value, level: Level) {
        if self.errors.len() >= MAX_ERRORS {
            return;
        }
        let Value::Object(node) = schema else {
            self.errors.push(FieldError::type_invalid(path, schema.clone(), "must be a schema object"));
            return;
        };
        self.keywords(path, node);
        self.types(path, node, level);
        self.extensions(path, node);
        self.resource(path, node, level);
        self.additional_properties(path, node, level);
        lists::check(self, path, node);
        self.default_value(path, schema, node);
        nested::check(self, path, node);
        match node.get("items") {
            Some(Value::Array(_)) => {
                self.forbid(&path.field("items"), "items must be a schema object and not an array")
            }
            Some(items) => self.node(&path.field("items"), items, Level::Item),
            None if text(node, "type") == Some("array") => {
                self.errors.push(FieldError::required(&path.field("items"), "must be specified"));
            }
            None => {}
        }
        for (name, child) in properties(node) {
            // The root's metadata declares restrictions of names, not structure.
            if !(level == Level::Root && name == "metadata") {
                self.node(&path.field("properties").key(name), child, Level::Field);
            }
        }
    }

    /// Keywords that CRDs do not have.
    fn keywords(&mut self, path: &Path<'_>, node: &Keywords) {
        const UNSUPPORTED: [&str; 12] = [
            "$ref",
            "additionalItems",
            "definitions",
            "dependencies",
            "deprecated",
            "discriminator",
            "id",
            "patternProperties",
            "readOnly",
            "writeOnly",
            "xml",
            "const",
        ];
        for keyword in UNSUPPORTED.into_iter().filter(|keyword| node.contains_key(*keyword)) {
            self.forbid(&path.field(keyword), &format!("{keyword} is not supported"));
        }
        if is_set(node, "uniqueItems") {
            let detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
            self.forbid(&path.field("uniqueItems"), detail);
        }
        if let Some(Err(problem)) = text(node, "pattern").map(super::parse::compile_pattern) {
            let detail = format!("must be a valid regular expression, but isn't: {problem}");
            self.errors.push(FieldError::invalid(&path.field("pattern"), node["pattern"].clone(), detail));
        }
    }

    fn types(&mut self, path: &Path<'_>, node: &Keywords, level: Level) {
        const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
        let type_path = path.field("type");
        match text(node, "type") {
            Some("null") => {
                self.forbid(&type_path, "type cannot be set to null, use nullable as an alternative");
            }
            Some(name) if !TYPES.contains(&name) => {
                self.errors.push(FieldError::not_supported(&type_path, name, &TYPES));
            }
            Some("object") => {}
            actual if is_set(node, "x-kubernetes-embedded-resource") => {
                self.demand(&type_path, actual, "must be object if x-kubernetes-embedded-resource is true");
            }
            Some(name) if level == Level::Root => self.demand(&type_path, Some(name), "must be object at the root"),
            Some(_) => {}
            None if is_set(node, "x-kubernetes-int-or-string") => {}
            None if is_set(node, "x-kubernetes-preserve-unknown-fields") => {}
            None => {
                let detail = match level {
                    Level::Root => "must not be empty at the root",
                    Level::Item => "must not be empty for specified array items",
                    Level::Field => "must not be empty for specified object fields",
                };
                self.errors.push(FieldError::required(&type_path, detail));
            }
        }
    }

    fn extensions(&mut self, path: &Path<'_>, node: &Keywords) {
        if is_set(node, "x-kubernetes-int-or-string") {
            for keyword in ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"] {
                if is_set(node, keyword) {
                    let detail = "must be false if x-kubernetes-int-or-string is true";
                    self.errors.push(FieldError::invalid(&path.field(keyword), true, detail));
                }
            }
        }
        let preserve = "x-kubernetes-preserve-unknown-fields";
        if node.get(preserve) == Some(&Value::Bool(false)) {
            self.errors.push(FieldError::invalid(&path.field(preserve), false, "must be true or undefined"));
        }
    }

    /// The root and embedded resources: what they have without declaring it can only be restricted.
    fn resource(&mut self, path: &Path<'_>, node: &Keywords, level: Level) {
        let embedded = is_set(node, "x-kubernetes-embedded-resource");
        if embedded && !is_set(node, "x-kubernetes-preserve-unknown-fields") && properties(node).next().is_none() {
            let detail = "must not be empty if x-kubernetes-embedded-resource is true without \
                          x-kubernetes-preserve-unknown-fields";
            self.errors.push(FieldError::required(&path.field("properties"), detail));
        }
        if level != Level::Root && !embedded {
            return;
        }
        let declared = path.field("properties");
        for (name, wanted) in [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")] {
            let Some(property) = property(node, name) else { continue };
            if text(property, "type") != Some(wanted) {
                let actual = text(property, "type").unwrap_or_default();
                let path = declared.key(name);
                self.errors.push(FieldError::invalid(&path.field("type"), actual, format!("must be {wanted}")));
            }
        }
        if let Some(metadata) = property(node, "metadata").filter(|_| level == Level::Root) {
            self.root_metadata(&declared.key("metadata"), metadata);
        }
    }

    fn root_metadata(&mut self, path: &Path<'_>, metadata: &Keywords) {
        let only = |map: &Keywords, allowed: &[&str]| map.keys().all(|key| allowed.contains(&key.as_str()));
        let names = metadata.get("properties").and_then(Value::as_object);
        let restricts_names = names.is_none_or(|names| only(names, &["name", "generateName"]));
        if !restricts_names || !only(metadata, &["type", "properties", "description"]) {
            let detail =
                "must not specify anything other than name and generateName, but metadata is implicitly specified";
            self.forbid(path, detail);
        }
        for name in ["name", "generateName"] {
            if let Some(restriction) = names.and_then(|names| names.get(name)) {
                self.node(&path.field("properties").key(name), restriction, Level::Field);
            }
        }
    }

    fn additional_properties(&mut self, path: &Path<'_>, node: &Keywords, level: Level) {
        let Some(additional) = node.get("additionalProperties") else { return };
        let path = path.field("additionalProperties");
        if level == Level::Root {
            self.forbid(&path, "must not be used at the root");
        }
        if is_set(node, "x-kubernetes-embedded-resource") {
            self.forbid(&path, "must not be used if x-kubernetes-embedded-resource is set");
        }
        if properties(node).next().is_some() && *additional != Value::Bool(true) {
            self.forbid(&path, "additionalProperties and properties are mutual exclusive");
        }
        match additional {
            Value::Bool(true) => {}
            Value::Bool(false) => self.forbid(&path, "additionalProperties cannot be set to false"),
            schema => self.node(&path, schema, Level::Field),
        }
    }

    /// A default is a value that the node itself accepts, and that pruning leaves as it is.
    fn default_value(&mut self, path: &Path<'_>, schema: &Value, node: &Keywords) {
        let Some(default) = node.get("default") else { return };
        // A node that cannot be parsed has been reported for another reason, or will be at the end.
        let Ok(parsed) = super::parse::schema(schema, super::parse::Dialect::Crd) else { return };
        let path = path.field("default");
        if default.is_null() && !is_set(node, "nullable") {
            self.errors.push(FieldError::invalid(
                &path,
                Value::Null,
                "must not be null, since the field is not nullable",
            ));
            return;
        }
        let mut pruned = default.clone();
        let removed = unknown::prune(&Path::ROOT, parsed.node(), &mut pruned);
        if !removed.is_empty() {
            let detail = format!("must not have fields that the schema does not declare: {}", removed.join(", "));
            self.errors.push(FieldError::invalid(&path, default.clone(), detail));
        }
        crate::defaulting::apply(parsed.node(), &mut pruned);
        self.errors.extend(validate::check(&path, parsed.node(), &pruned));
    }
}

#[cfg(test)]
mod tests;
