//! CustomResourceDefinition: the checks and defaults of a definition by itself.
//!
//! Whether its names are free, and what it makes the server offer, is `definitions`' work. Conversion webhooks are
//! refused; validation rules in CEL are accepted, as many published definitions carry them, and warned about.

use api::apiextensions::v1::custom_resource_definition::{APPROVED_ANNOTATION, CLEANUP_FINALIZER};
use jiff::Timestamp;
use machinery::field::{FieldError, Path};
use machinery::jsonpath::JsonPath;
use machinery::name;
use machinery::schema::{Schema, structural};
use machinery::table::ColumnType;
use serde_json::{Value, json};

use super::{Rules, check_unchanged};
use crate::object::Object;

pub(super) struct CustomResourceDefinition;

impl Rules for CustomResourceDefinition {
    fn subresources(&self) -> &'static [&'static str] {
        &["status"]
    }

    fn counts_generations(&self) -> bool {
        true
    }

    fn prepare_create(&self, object: &mut Object) {
        default_names(object);
        let stored: Vec<&str> = storage_version(object).into_iter().collect();
        let status = json!({
            "conditions": [],
            "acceptedNames": {"plural": "", "kind": ""},
            "storedVersions": stored,
        });
        object.set("status", Some(status));
    }

    fn prepare_update(&self, object: &mut Object, _old: &Object) {
        default_names(object);
        let Some(storage) = storage_version(object).map(str::to_owned) else { return };
        let stored = object
            .fields_mut()
            .entry("status")
            .or_insert_with(|| json!({}))
            .as_object_mut()
            .map(|status| status.entry("storedVersions").or_insert_with(|| json!([])));
        if let Some(Value::Array(stored)) = stored
            && !stored.iter().any(|version| version == &storage)
        {
            stored.push(storage.into());
        }
    }

    fn validate(&self, object: &Object, old: Option<&Object>) -> Vec<FieldError> {
        let mut errors = check_names(object);
        errors.extend(check_approval(object));
        errors.extend(check_conversion(object));
        errors.extend(check_versions(object));
        if let Some(old) = old {
            for path in
                [&["spec", "group"][..], &["spec", "scope"], &["spec", "names", "plural"], &["spec", "names", "kind"]]
            {
                errors.extend(check_unchanged(object, old, path));
            }
            errors.extend(check_stored_versions(object));
        }
        errors
    }

    fn warnings(&self, object: &Object) -> Vec<String> {
        let mut warnings = Vec::new();
        for (index, version) in versions(object).iter().enumerate() {
            let schema = version.get("schema").unwrap_or(&Value::Null);
            if has_key(schema, "x-kubernetes-validations") {
                warnings.push(format!(
                    "spec.versions[{index}].schema: x-kubernetes-validations rules (CEL) are stored but not evaluated"
                ));
            }
        }
        warnings
    }

    fn finalizers_on_delete(&self) -> &'static [&'static str] {
        &[CLEANUP_FINALIZER]
    }

    fn cells(&self, object: &Object, _now: Timestamp) -> Vec<Value> {
        vec![object.name().into(), object.text(&["metadata", "creationTimestamp"]).into()]
    }
}

/// The versions of a definition, served or not.
pub(crate) fn versions(object: &Object) -> &[Value] {
    object.at(&["spec", "versions"]).as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The version in which objects are stored.
pub(crate) fn storage_version(object: &Object) -> Option<&str> {
    versions(object).iter().find(|version| version["storage"] == true)?.get("name")?.as_str()
}

fn default_names(object: &mut Object) {
    let kind = object.text(&["spec", "names", "kind"]).to_owned();
    let Some(spec) = object.fields_mut().get_mut("spec").and_then(Value::as_object_mut) else { return };
    spec.entry("conversion").or_insert_with(|| json!({"strategy": "None"}));
    let Some(names) = spec.get_mut("names").and_then(Value::as_object_mut) else { return };
    for (field, value) in [("singular", kind.to_lowercase()), ("listKind", format!("{kind}List"))] {
        let present = names.get(field).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
        if !present {
            names.insert(field.to_owned(), value.into());
        }
    }
}

fn check_names(object: &Object) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let (spec, metadata) = (Path::new("spec"), Path::new("metadata"));
    let names = spec.field("names");
    let group = object.text(&["spec", "group"]);
    let plural = object.text(&["spec", "names", "plural"]);
    let mut check = |path: &Path<'_>, value: &str, problems: Vec<String>| {
        errors.extend(problems.into_iter().map(|why| FieldError::invalid(path, value, why)));
    };
    check(&spec.field("group"), group, name::check_subdomain(group));
    check(&names.field("plural"), plural, name::check_rfc1035_label(plural));
    for field in ["singular", "kind", "listKind"] {
        let value = object.text(&["spec", "names", field]);
        check(&names.field(field), value, name::check_rfc1035_label(&value.to_lowercase()));
    }
    for field in ["shortNames", "categories"] {
        for value in object.at(&["spec", "names", field]).as_array().into_iter().flatten().filter_map(Value::as_str) {
            check(&names.field(field), value, name::check_rfc1035_label(value));
        }
    }
    if !group.contains('.') {
        errors.push(FieldError::invalid(&spec.field("group"), group, "should be a domain with at least one dot"));
    }
    let expected = format!("{plural}.{group}");
    if object.name() != expected {
        let why = format!("must be spec.names.plural+\".\"+spec.group, that is {expected}");
        errors.push(FieldError::invalid(&metadata.field("name"), object.name(), why));
    }
    let scope = object.text(&["spec", "scope"]);
    if !matches!(scope, "Cluster" | "Namespaced") {
        errors.push(FieldError::not_supported(&spec.field("scope"), scope, &["Cluster", "Namespaced"]));
    }
    errors
}

/// Groups of the Kubernetes project may only be defined with its approval (KEP-1111).
fn check_approval(object: &Object) -> Option<FieldError> {
    let group = object.text(&["spec", "group"]);
    let protected = ["k8s.io", "kubernetes.io"]
        .iter()
        .any(|domain| group == *domain || group.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')));
    if !protected || !object.text(&["metadata", "annotations", APPROVED_ANNOTATION]).is_empty() {
        return None;
    }
    let metadata = Path::new("metadata");
    let annotations = metadata.field("annotations");
    Some(FieldError::required(
        &annotations.key(APPROVED_ANNOTATION),
        "protected groups must have approval annotation, see https://github.com/kubernetes/enhancements/pull/1111",
    ))
}

fn check_conversion(object: &Object) -> Option<FieldError> {
    let spec = Path::new("spec");
    let conversion = spec.field("conversion");
    if object.at(&["spec", "preserveUnknownFields"]) == &Value::Bool(true) {
        return Some(FieldError::invalid(&spec.field("preserveUnknownFields"), true, "must be false"));
    }
    match object.text(&["spec", "conversion", "strategy"]) {
        "None" => None,
        "Webhook" => Some(FieldError::forbidden(
            &conversion.field("strategy"),
            "conversion webhooks are not supported; use None",
        )),
        other => Some(FieldError::not_supported(&conversion.field("strategy"), other, &["None"])),
    }
}

fn check_versions(object: &Object) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let spec = Path::new("spec");
    let path = spec.field("versions");
    let mut names = Vec::new();
    for (index, version) in versions(object).iter().enumerate() {
        let path = path.index(index);
        let name = version["name"].as_str().unwrap_or_default();
        let problems = name::check_rfc1035_label(name).into_iter();
        errors.extend(problems.map(|why| FieldError::invalid(&path.field("name"), name, why)));
        if names.contains(&name) {
            errors.push(FieldError::duplicate(&path.field("name"), name));
        }
        names.push(name);
        errors.extend(check_schema(&path, version));
        errors.extend(check_columns(&path, version));
        errors.extend(check_scale(&path, version));
    }
    if versions(object).iter().filter(|version| version["storage"] == true).count() != 1 {
        let why = "must have exactly one version marked as storage version";
        errors.push(FieldError::invalid(&path, object.at(&["spec", "versions"]).clone(), why));
    }
    errors
}

fn check_schema(path: &Path<'_>, version: &Value) -> Vec<FieldError> {
    let schema_path = path.field("schema");
    let path = schema_path.field("openAPIV3Schema");
    let Some(schema) = version.pointer("/schema/openAPIV3Schema") else {
        return vec![FieldError::required(&path, "schemas are required")];
    };
    let errors = structural::check(&path, schema);
    if !errors.is_empty() {
        return errors;
    }
    match Schema::parse_crd(schema) {
        Ok(_) => Vec::new(),
        Err(error) => vec![FieldError::invalid(&path, Value::Null, stdx::error_chain(&error).to_string())],
    }
}

fn check_columns(path: &Path<'_>, version: &Value) -> Vec<FieldError> {
    const TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
    let mut errors = Vec::new();
    let columns = version["additionalPrinterColumns"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (index, column) in columns.iter().enumerate() {
        let list = path.field("additionalPrinterColumns");
        let path = list.index(index);
        let text = |field: &str| column[field].as_str().unwrap_or_default();
        if text("name").is_empty() {
            errors.push(FieldError::required(&path.field("name"), ""));
        }
        if ColumnType::parse(text("type")).is_none() {
            errors.push(FieldError::not_supported(&path.field("type"), text("type"), &TYPES));
        }
        if let Err(error) = JsonPath::parse(text("jsonPath")) {
            let why = stdx::error_chain(&error).to_string();
            errors.push(FieldError::invalid(&path.field("jsonPath"), text("jsonPath"), why));
        }
    }
    errors
}

fn check_scale(path: &Path<'_>, version: &Value) -> Vec<FieldError> {
    let Some(scale) = version.pointer("/subresources/scale") else { return Vec::new() };
    let subresources = path.field("subresources");
    let path = subresources.field("scale");
    let mut errors = Vec::new();
    for (field, prefix) in
        [("specReplicasPath", ".spec."), ("statusReplicasPath", ".status."), ("labelSelectorPath", ".")]
    {
        match scale[field].as_str() {
            Some(text) if text.starts_with(prefix) && member_path(text).is_some() => {}
            None if field == "labelSelectorPath" => {}
            None => errors.push(FieldError::required(&path.field(field), "")),
            Some(text) => {
                let why = format!("should be a json path under {}", prefix.trim_end_matches('.'));
                errors.push(FieldError::invalid(&path.field(field), text, why));
            }
        }
    }
    errors
}

/// The members that a path without lists and wildcards, such as `.spec.replicas`, goes through.
pub(crate) fn member_path(text: &str) -> Option<Vec<String>> {
    let members: Vec<String> = text.strip_prefix('.')?.split('.').map(str::to_owned).collect();
    let plain = |member: &String| {
        !member.is_empty() && member.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    members.iter().all(plain).then_some(members)
}

/// A version that objects may be stored in cannot be dropped.
fn check_stored_versions(object: &Object) -> Vec<FieldError> {
    let status = Path::new("status");
    let path = status.field("storedVersions");
    let stored = object.at(&["status", "storedVersions"]).as_array().map(Vec::as_slice).unwrap_or_default();
    let known = |name: &Value| versions(object).iter().any(|version| &version["name"] == name);
    let missing = stored.iter().enumerate().filter(|(_, name)| !known(name));
    missing
        .map(|(index, name)| FieldError::invalid(&path.index(index), name.clone(), "must appear in spec.versions"))
        .collect()
}

/// Whether a key occurs anywhere in a document.
pub(crate) fn has_key(value: &Value, key: &str) -> bool {
    match value {
        Value::Object(map) => map.contains_key(key) || map.values().any(|value| has_key(value, key)),
        Value::Array(list) => list.iter().any(|value| has_key(value, key)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
