//! Pod templates and the selectors that must match them, as Deployment and ReplicaSet have them.

use machinery::field::{FieldError, Path};
use machinery::name;
use machinery::selector::LabelSelector;
use serde_json::Value;

use super::{Owner, items, text};

/// Everything that is wrong with the selector at `path`; the selector itself where it can be used.
pub(in crate::kinds) fn check_selector(
    path: &Path<'_>,
    selector: &Value,
    errors: &mut Vec<FieldError>,
) -> Option<LabelSelector> {
    if selector.is_null() {
        errors.push(FieldError::required(path, ""));
        return None;
    }
    match LabelSelector::from_object(path, selector) {
        Ok(parsed) => {
            if parsed.is_empty() {
                let why = "empty selector is invalid for deployment";
                errors.push(FieldError::invalid(path, selector.clone(), why));
            }
            Some(parsed)
        }
        Err(problems) => {
            errors.extend(problems);
            errors.push(FieldError::invalid(path, selector.clone(), "invalid label selector"));
            None
        }
    }
}

/// Everything that is wrong with the template at `path` of pods that are to run for good.
pub(in crate::kinds) fn check(
    path: &Path<'_>,
    template: &Value,
    selector: Option<&LabelSelector>,
    errors: &mut Vec<FieldError>,
) {
    if template.is_null() {
        errors.push(FieldError::required(path, ""));
        return;
    }
    let metadata = &template["metadata"];
    let labels = &metadata["labels"];
    if selector.is_some_and(|selector| !selector.is_empty() && !selector.matches(labels.as_object())) {
        let metadata = path.field("metadata");
        let why = "`selector` does not match template `labels`";
        errors.push(FieldError::invalid(&metadata.field("labels"), labels.clone(), why));
    }
    // Upstream leaves out the `metadata` in the path of these.
    if !labels.is_null() {
        errors.extend(name::check_labels(&path.field("labels"), labels));
    }
    if !metadata["annotations"].is_null() {
        errors.extend(name::check_annotations(&path.field("annotations"), &metadata["annotations"]));
    }
    let spec = &template["spec"];
    let path = path.field("spec");
    errors.extend(super::check(&path, spec, Owner::Template));
    let policy = text(&spec["restartPolicy"]);
    if policy != "Always" {
        errors.push(FieldError::not_supported(&path.field("restartPolicy"), policy, &["Always"]));
    }
    if !spec["activeDeadlineSeconds"].is_null() {
        let why = "activeDeadlineSeconds in ReplicaSet is not Supported";
        errors.push(FieldError::forbidden(&path.field("activeDeadlineSeconds"), why));
    }
    if !items(&spec["ephemeralContainers"]).is_empty() {
        let why = "ephemeral containers not allowed in pod template";
        errors.push(FieldError::forbidden(&path.field("ephemeralContainers"), why));
    }
}

/// The cells that tell what a template runs: the names of its containers, their images, the selector.
pub(in crate::kinds) fn cells(spec: &Value) -> [Value; 3] {
    let containers = items(&spec["template"]["spec"]["containers"]);
    let joined = |field: &str| -> Value {
        containers.iter().map(|container| text(&container[field])).collect::<Vec<_>>().join(",").into()
    };
    let selector = LabelSelector::from_object(&Path::ROOT, &spec["selector"])
        .map_or_else(|_invalid| "<invalid>".to_owned(), |selector| selector.to_string());
    [joined("name"), joined("image"), selector.into()]
}
