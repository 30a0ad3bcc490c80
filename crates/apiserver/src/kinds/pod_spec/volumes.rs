//! Volumes and where containers mount them.

use std::collections::BTreeSet;

use machinery::field::{FieldError, Path};
use machinery::name;
use serde_json::Value;

use super::{environment, items, resources, text};

/// Fields of the pod that a file can show; single labels and annotations by subscript beside them.
const FIELDS: [&str; 5] =
    ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];

/// Everything that is wrong with the volumes of a pod. The answer is the names of those that are right, which is what
/// mounts may refer to.
pub(super) fn check<'v>(path: &Path<'_>, volumes: &'v Value, errors: &mut Vec<FieldError>) -> BTreeSet<&'v str> {
    let mut names = BTreeSet::new();
    for (i, volume) in items(volumes).iter().enumerate() {
        let path = path.index(i);
        let before = errors.len();
        check_source(&path, volume, errors);
        let name = text(&volume["name"]);
        let name_path = path.field("name");
        if name.is_empty() {
            errors.push(FieldError::required(&name_path, ""));
        } else {
            let problems = name::check_label(name).into_iter();
            errors.extend(problems.map(|why| FieldError::invalid(&name_path, name, why)));
        }
        if names.contains(name) {
            errors.push(FieldError::duplicate(&name_path, name));
        }
        if errors.len() == before {
            names.insert(name);
        }
    }
    names
}

/// A volume has exactly one source: with none it has become an emptyDir before.
fn check_source(path: &Path<'_>, volume: &Value, errors: &mut Vec<FieldError>) {
    let fields = volume.as_object().into_iter().flatten();
    let mut sources = fields.filter(|(field, value)| *field != "name" && value.is_object());
    let Some((first, source)) = sources.next() else {
        errors.push(FieldError::required(path, "must specify a volume type"));
        return;
    };
    for (another, _) in sources {
        errors.push(FieldError::forbidden(&path.field(another), "may not specify more than 1 volume type"));
    }
    let path = path.field(first);
    match first.as_str() {
        "secret" => {
            check_reference(&path.field("secretName"), &source["secretName"], errors);
            check_files(&path, source, errors);
        }
        "configMap" => {
            check_reference(&path.field("name"), &source["name"], errors);
            check_files(&path, source, errors);
        }
        "downwardAPI" => {
            check_mode(&path.field("defaultMode"), &source["defaultMode"], errors);
            check_shown(&path, source, errors);
        }
        "projected" => check_projected(&path, source, errors),
        "hostPath" => check_host_path(&path, source, errors),
        "emptyDir" => resources::check_quantity(&path.field("sizeLimit"), &source["sizeLimit"], errors),
        "persistentVolumeClaim" => check_reference(&path.field("claimName"), &source["claimName"], errors),
        _held_to_its_schema_only => {}
    }
}

fn check_reference(path: &Path<'_>, name: &Value, errors: &mut Vec<FieldError>) {
    if text(name).is_empty() {
        errors.push(FieldError::required(path, ""));
    }
}

/// Keys that become files.
fn check_files(path: &Path<'_>, source: &Value, errors: &mut Vec<FieldError>) {
    check_mode(&path.field("defaultMode"), &source["defaultMode"], errors);
    let list = path.field("items");
    for (i, item) in items(&source["items"]).iter().enumerate() {
        let path = list.index(i);
        for field in ["key", "path"] {
            check_reference(&path.field(field), &item[field], errors);
        }
        errors.extend(check_file_path(&path.field("path"), text(&item["path"])));
        check_mode(&path.field("mode"), &item["mode"], errors);
    }
}

/// Fields of the pod that become files.
fn check_shown(path: &Path<'_>, source: &Value, errors: &mut Vec<FieldError>) {
    for item in items(&source["items"]) {
        check_reference(&path.field("path"), &item["path"], errors);
        errors.extend(check_file_path(&path.field("path"), text(&item["path"])));
        let (field, resource) = (&item["fieldRef"], &item["resourceFieldRef"]);
        match (field.is_object(), resource.is_object()) {
            (true, true) => {
                let why = "fieldRef and resourceFieldRef can not be specified simultaneously";
                errors.push(FieldError::invalid(path, "resource", why));
            }
            (true, false) => environment::check_field(&path.field("fieldRef"), field, &FIELDS, errors),
            (false, true) => {
                let path = path.field("resourceFieldRef");
                check_reference(&path.field("containerName"), &resource["containerName"], errors);
                resources::check_field(&path, resource, errors);
            }
            (false, false) => {
                errors.push(FieldError::required(path, "one of fieldRef and resourceFieldRef is required"));
            }
        }
        check_mode(&path.field("mode"), &item["mode"], errors);
    }
}

/// Several sources in one folder, whose files may not hide one another.
fn check_projected(path: &Path<'_>, source: &Value, errors: &mut Vec<FieldError>) {
    check_mode(&path.field("defaultMode"), &source["defaultMode"], errors);
    let list = path.field("sources");
    let mut paths = BTreeSet::new();
    for (i, source) in items(&source["sources"]).iter().enumerate() {
        let path_of_source = list.index(i);
        let kinds: Vec<_> =
            source.as_object().into_iter().flatten().filter(|(_, projection)| projection.is_object()).collect();
        if kinds.len() > 1 {
            let why = "may not specify more than 1 volume type per source";
            errors.push(FieldError::forbidden(&path_of_source, why));
        }
        for (kind, projection) in kinds {
            check_projection(&path_of_source.field(kind), kind, projection, errors);
            let files = items(&projection["items"]).iter().map(|item| text(&item["path"]));
            for file in files.chain([text(&projection["path"])]).filter(|file| !file.is_empty()) {
                if !paths.insert(file) {
                    errors.push(FieldError::invalid(path, file, "conflicting duplicate paths"));
                }
            }
        }
    }
}

fn check_projection(path: &Path<'_>, kind: &str, projection: &Value, errors: &mut Vec<FieldError>) {
    const MIN_TOKEN_SECONDS: i64 = 10 * 60;
    const MAX_TOKEN_SECONDS: i64 = 1 << 32;
    match kind {
        "secret" | "configMap" => {
            check_reference(&path.field("name"), &projection["name"], errors);
            check_files(path, projection, errors);
        }
        "downwardAPI" => check_shown(path, projection, errors),
        "serviceAccountToken" => {
            let seconds = projection["expirationSeconds"].as_i64().unwrap_or(MIN_TOKEN_SECONDS);
            let seconds_path = path.field("expirationSeconds");
            if seconds < MIN_TOKEN_SECONDS {
                let why = "may not specify a duration less than 10 minutes";
                errors.push(FieldError::invalid(&seconds_path, seconds, why));
            } else if seconds > MAX_TOKEN_SECONDS {
                let why = "may not specify a duration larger than 2^32 seconds";
                errors.push(FieldError::invalid(&seconds_path, seconds, why));
            }
            check_reference(&path.field("path"), &projection["path"], errors);
            errors.extend(check_file_path(&path.field("path"), text(&projection["path"])));
        }
        _held_to_its_schema_only => {}
    }
}

fn check_host_path(path: &Path<'_>, source: &Value, errors: &mut Vec<FieldError>) {
    const TYPES: [&str; 8] =
        ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
    check_reference(&path.field("path"), &source["path"], errors);
    errors.extend(check_no_way_up(&path.field("path"), text(&source["path"])));
    let kind = text(&source["type"]);
    if !TYPES.contains(&kind) {
        errors.push(FieldError::not_supported(&path.field("type"), kind, &TYPES));
    }
}

fn check_mode(path: &Path<'_>, mode: &Value, errors: &mut Vec<FieldError>) {
    if let Some(mode) = mode.as_i64().filter(|mode| !(0..=0o777).contains(mode)) {
        let why = "must be a number between 0 and 0777 (octal), both inclusive";
        errors.push(FieldError::invalid(path, mode, why));
    }
}

/// The path of a file below a mount point.
fn check_file_path(path: &Path<'_>, value: &str) -> Option<FieldError> {
    check_descending(path, value).or_else(|| {
        let reserved = value.starts_with("..");
        reserved.then(|| FieldError::invalid(path, value, "must not start with '..'"))
    })
}

/// A path that stays below where it starts.
fn check_descending(path: &Path<'_>, value: &str) -> Option<FieldError> {
    let absolute = value.starts_with('/');
    let error = absolute.then(|| FieldError::invalid(path, value, "must be a relative path"));
    error.or_else(|| check_no_way_up(path, value))
}

/// A path without `..` in it.
pub(super) fn check_no_way_up(path: &Path<'_>, value: &str) -> Option<FieldError> {
    let goes_up = value.split('/').any(|part| part == "..");
    goes_up.then(|| FieldError::invalid(path, value, "must not contain '..'"))
}

/// Everything that is wrong with the mounts of a container.
pub(super) fn check_mounts(path: &Path<'_>, container: &Value, volumes: &BTreeSet<&str>, errors: &mut Vec<FieldError>) {
    let list = path.field("volumeMounts");
    let mut taken = BTreeSet::new();
    for (i, mount) in items(&container["volumeMounts"]).iter().enumerate() {
        let path = list.index(i);
        let (name, target) = (text(&mount["name"]), text(&mount["mountPath"]));
        if name.is_empty() {
            errors.push(FieldError::required(&path.field("name"), ""));
        }
        if !volumes.contains(name) {
            errors.push(FieldError::not_found(&path.field("name"), name));
        }
        if target.is_empty() {
            errors.push(FieldError::required(&path.field("mountPath"), ""));
        }
        if !taken.insert(target) {
            errors.push(FieldError::invalid(&path.field("mountPath"), target, "must be unique"));
        }
        // Upstream reports these two at the list.
        let (part, expression) = (text(&mount["subPath"]), text(&mount["subPathExpr"]));
        errors.extend(check_descending(&list.field("subPath"), part));
        errors.extend(check_descending(&list.field("subPathExpr"), expression));
        if !part.is_empty() && !expression.is_empty() {
            let why = "subPathExpr and subPath are mutually exclusive";
            errors.push(FieldError::invalid(&path.field("subPathExpr"), expression, why));
        }
        check_propagation(&list.field("mountPropagation"), mount, container, errors);
    }
}

fn check_propagation(path: &Path<'_>, mount: &Value, container: &Value, errors: &mut Vec<FieldError>) {
    const MODES: [&str; 3] = ["Bidirectional", "HostToContainer", "None"];
    let Some(mode) = mount["mountPropagation"].as_str() else { return };
    if !MODES.contains(&mode) {
        errors.push(FieldError::not_supported(path, mode, &MODES));
    }
    if mode == "Bidirectional" && container["securityContext"]["privileged"] != true {
        let why = "Bidirectional mount propagation is available only to privileged containers";
        errors.push(FieldError::forbidden(path, why));
    }
}
