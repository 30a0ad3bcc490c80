//! Environment variables: their names, and where their values come from.

use machinery::field::{FieldError, Path};
use machinery::name;
use serde_json::Value;

use super::{items, resources, text, volumes};
use crate::kinds::check_data_key;

/// Fields of the pod that a variable can show.
const FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// Everything that is wrong with the environment of a container.
pub(super) fn check(path: &Path<'_>, container: &Value, errors: &mut Vec<FieldError>) {
    let variables = path.field("env");
    for (i, variable) in items(&container["env"]).iter().enumerate() {
        let path = variables.index(i);
        match text(&variable["name"]) {
            "" => errors.push(FieldError::required(&path.field("name"), "")),
            name => errors.extend(check_name(&path.field("name"), name)),
        }
        if variable["valueFrom"].is_object() {
            check_source(&path.field("valueFrom"), variable, errors);
        }
    }
    let sources = path.field("envFrom");
    for (i, source) in items(&container["envFrom"]).iter().enumerate() {
        check_source_of_many(&sources, i, source, errors);
    }
}

/// What is wrong with the name of a variable, or with the beginning of one.
fn check_name(path: &Path<'_>, name: &str) -> Option<FieldError> {
    let printable = |byte: u8| (0x20..0x7f).contains(&byte) && byte != b'=';
    let why = "a valid environment variable name must consist only of printable ASCII characters other than '='";
    (!name.bytes().all(printable)).then(|| FieldError::invalid(path, name, why))
}

fn check_source(path: &Path<'_>, variable: &Value, errors: &mut Vec<FieldError>) {
    const SOURCES: [&str; 5] = ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];
    let source = &variable["valueFrom"];
    let present: Vec<&str> = SOURCES.into_iter().filter(|name| source[name].is_object()).collect();
    for name in &present {
        let (path, source) = (path.field(name), &source[*name]);
        match *name {
            "fieldRef" => check_field(&path, source, &FIELDS, errors),
            "resourceFieldRef" => resources::check_field(&path, source, errors),
            "fileKeyRef" => check_file_key(&path, source, errors),
            _key_of_object => check_key(&path, source, errors),
        }
    }
    let why = match present.len() {
        0 => "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        _ if !text(&variable["value"]).is_empty() => "may not be specified when `value` is not empty",
        1 => return,
        _ => "may not have more than one field specified at a time",
    };
    errors.push(FieldError::invalid(path, "", why));
}

/// A field of the pod, one of `fields` or a single label or annotation.
pub(super) fn check_field(path: &Path<'_>, reference: &Value, fields: &[&str], errors: &mut Vec<FieldError>) {
    let (version, field) = (text(&reference["apiVersion"]), text(&reference["fieldPath"]));
    let field_path = path.field("fieldPath");
    if field.is_empty() {
        errors.push(FieldError::required(&field_path, ""));
        return;
    }
    if version != "v1" {
        let why = format!("error converting fieldPath: unsupported pod version: {version}");
        errors.push(FieldError::invalid(&field_path, field, why));
        return;
    }
    let subscript = field.strip_suffix("']").and_then(|rest| rest.split_once("['"));
    match subscript {
        Some(("metadata.labels", key)) => {
            let problems = name::check_qualified(key).into_iter();
            errors.extend(problems.map(|why| FieldError::invalid(path, key, why)));
        }
        Some(("metadata.annotations", key)) => {
            let problems = name::check_qualified(&key.to_lowercase()).into_iter();
            errors.extend(problems.map(|why| FieldError::invalid(path, key, why)));
        }
        Some(_) => {
            let why = format!("error converting fieldPath: field label does not support subscript: {field}");
            errors.push(FieldError::invalid(&field_path, field, why));
        }
        None if fields.contains(&field) => {}
        None => errors.push(FieldError::not_supported(&field_path, field, fields)),
    }
}

/// One key of a ConfigMap or Secret.
fn check_key(path: &Path<'_>, reference: &Value, errors: &mut Vec<FieldError>) {
    let (name, key) = (text(&reference["name"]), text(&reference["key"]));
    let problems = name::check_subdomain(name).into_iter();
    errors.extend(problems.map(|why| FieldError::invalid(&path.field("name"), name, why)));
    match key {
        "" => errors.push(FieldError::required(&path.field("key"), "")),
        key => errors.extend(check_data_key(key).map(|why| FieldError::invalid(&path.field("key"), key, why))),
    }
}

/// One key of a file in a volume (KEP-3721).
fn check_file_key(path: &Path<'_>, reference: &Value, errors: &mut Vec<FieldError>) {
    for field in ["key", "volumeName", "path"] {
        if text(&reference[field]).is_empty() {
            errors.push(FieldError::required(&path.field(field), ""));
        }
    }
    errors.extend(check_name(&path.field("key"), text(&reference["key"])));
    errors.extend(volumes::check_no_way_up(&path.field("path"), text(&reference["path"])));
}

/// All keys of a ConfigMap or Secret. Upstream reports some problems at the list, not at its element.
fn check_source_of_many(list: &Path<'_>, i: usize, source: &Value, errors: &mut Vec<FieldError>) {
    let path = list.index(i);
    errors.extend(check_name(&path.field("prefix"), text(&source["prefix"])));
    let present: Vec<&str> =
        ["configMapRef", "secretRef"].into_iter().filter(|name| source[name].is_object()).collect();
    for reference in &present {
        let (path, name) = (path.field(reference), text(&source[*reference]["name"]));
        if name.is_empty() {
            errors.push(FieldError::required(&path.field("name"), ""));
        } else {
            // Upstream takes beginnings of names here, too.
            let problems = name::Rule::Subdomain.check_prefix(name).into_iter();
            errors.extend(problems.map(|why| FieldError::invalid(&path.field("name"), name, why)));
        }
    }
    match present.len() {
        0 => errors.push(FieldError::invalid(list, "", "must specify one of: `configMapRef` or `secretRef`")),
        1 => {}
        _ => errors.push(FieldError::invalid(list, "", "may not have more than one field specified at a time")),
    }
}
