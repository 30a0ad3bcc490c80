//! Requests and limits: quantities in their canonical form, what is wrong with them, and the class that follows.

use std::cmp::Ordering;

use machinery::field::{FieldError, Path};
use machinery::name;
use machinery::quantity::Quantity;
use serde_json::Value;

use super::{CONTAINER_LISTS, NEGATIVE, items, text};

/// Resources of containers that need no prefix.
const CONTAINER_RESOURCES: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
/// Resources of other things, which quotas count. They cannot be requested by a container.
const OTHER_RESOURCES: [&str; 17] = [
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "storage",
    "requests.storage",
    "services.nodeports",
    "services.loadbalancers",
];
const HUGE_PAGES: &str = "hugepages-";
const QUOTA_PREFIX: &str = "requests.";
const NATIVE_PREFIX: &str = "kubernetes.io/";
/// What a class of service is made of.
const COMPUTE: [&str; 2] = ["cpu", "memory"];
const NANOS_PER_MILLI: i128 = 1_000_000;

/// Writes the quantities of a list as Kubernetes stores them: as texts, one text for each value, and no finer than a
/// thousandth, rounded up.
pub(super) fn canonicalize(list: &mut Value) {
    list.as_object_mut().into_iter().flatten().for_each(|(_, value)| canonicalize_one(value));
}

/// The same for one quantity. What is none is left for the schema to refuse.
pub(super) fn canonicalize_one(value: &mut Value) {
    let Some(quantity) = quantity(value) else { return };
    let millis = -(-quantity.nanos()).div_euclid(NANOS_PER_MILLI);
    let rounded = match quantity.nanos() % NANOS_PER_MILLI {
        0 => Some(quantity),
        _ => format!("{millis}m").parse().ok(),
    };
    if let Some(rounded) = rounded {
        *value = rounded.to_string().into();
    }
}

fn quantity(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Everything that is wrong with the `ResourceRequirements` of a container.
pub(super) fn check(path: &Path<'_>, requirements: &Value, errors: &mut Vec<FieldError>) {
    let limits = &requirements["limits"];
    for list in ["limits", "requests"] {
        let path = path.field(list);
        for (resource, value) in requirements[list].as_object().into_iter().flatten() {
            let path = path.key(resource);
            check_container_resource(&path, resource, errors);
            check_quantity(&path, value, errors);
        }
    }
    let requests = path.field("requests");
    for (resource, value) in requirements["requests"].as_object().into_iter().flatten() {
        let overcommits = is_native(resource) && !resource.starts_with(HUGE_PAGES);
        let Some(request) = quantity(value) else { continue };
        let Some(limit) = quantity(&limits[resource.as_str()]) else {
            if !overcommits {
                let why = "Limit must be set for non overcommitable resources";
                errors.push(FieldError::required(&path.field("limits"), why));
            }
            continue;
        };
        let relation = match (request.cmp(&limit), overcommits) {
            (Ordering::Equal, _) | (Ordering::Less, true) => continue,
            (Ordering::Greater, true) => "less than or equal",
            (_, false) => "equal",
        };
        let why = format!("must be {relation} to {resource} limit of {limit}");
        errors.push(FieldError::invalid(&requests, request.to_string(), why));
    }
}

/// What is wrong with a quantity, on the part of the kind: its syntax is checked by its schema.
pub(in crate::kinds) fn check_quantity(path: &Path<'_>, value: &Value, errors: &mut Vec<FieldError>) {
    if let Some(negative) = quantity(value).filter(|quantity| quantity.nanos() < 0) {
        errors.push(FieldError::invalid(path, negative.to_string(), NEGATIVE));
    }
}

fn check_container_resource(path: &Path<'_>, resource: &str, errors: &mut Vec<FieldError>) {
    let problems = name::check_qualified(resource);
    if !problems.is_empty() {
        errors.extend(problems.into_iter().map(|why| FieldError::invalid(path, resource, why)));
        return;
    }
    if !resource.contains('/') {
        let of_containers = CONTAINER_RESOURCES.contains(&resource) || resource.starts_with(HUGE_PAGES);
        if !of_containers && !OTHER_RESOURCES.contains(&resource) {
            let why = "must be a standard resource type or fully qualified";
            errors.push(FieldError::invalid(path, resource, why));
        }
        if !of_containers {
            errors.push(FieldError::invalid(path, resource, "must be a standard resource for containers"));
        }
    } else if !is_native(resource) && !is_extended(resource) {
        errors.push(FieldError::invalid(path, resource, "doesn't follow extended resource name standard"));
    }
}

fn is_native(resource: &str) -> bool {
    !resource.contains('/') || resource.contains(NATIVE_PREFIX)
}

fn is_extended(resource: &str) -> bool {
    !resource.starts_with(QUOTA_PREFIX) && name::check_qualified(&format!("{QUOTA_PREFIX}{resource}")).is_empty()
}

/// The quality-of-service class of a pod: `Guaranteed` if each container limits processor and memory to just what it
/// requests, `BestEffort` if none says anything, else `Burstable`.
pub(in crate::kinds) fn qos_class(spec: &Value) -> &'static str {
    let of_pod = &spec["resources"];
    let all: Vec<&Value> = match of_pod.is_object() {
        true => vec![of_pod],
        // Ephemeral containers cannot have resources.
        false => CONTAINER_LISTS[..2]
            .iter()
            .flat_map(|list| items(&spec[list]))
            .map(|container| &container["resources"])
            .collect(),
    };
    let amount = |requirements: &Value, list: &str, resource: &str| {
        quantity(&requirements[list][resource]).map_or(0, |quantity| quantity.nanos().max(0))
    };
    let total = |list: &str, resource: &str| -> i128 {
        all.iter().map(|requirements| amount(requirements, list, resource)).fold(0, i128::saturating_add)
    };
    let totals = COMPUTE.map(|resource| (total("requests", resource), total("limits", resource)));
    if totals.iter().all(|(requested, limited)| *requested == 0 && *limited == 0) {
        return "BestEffort";
    }
    let limits_all =
        |requirements: &&Value| COMPUTE.iter().all(|resource| amount(requirements, "limits", resource) > 0);
    match all.iter().all(limits_all) && totals.iter().all(|(requested, limited)| requested == limited) {
        true => "Guaranteed",
        false => "Burstable",
    }
}

/// Environment variables and files show resources under these names.
pub(super) fn check_field(path: &Path<'_>, reference: &Value, errors: &mut Vec<FieldError>) {
    const FIELDS: [&str; 6] = [
        "limits.cpu",
        "limits.ephemeral-storage",
        "limits.memory",
        "requests.cpu",
        "requests.ephemeral-storage",
        "requests.memory",
    ];
    let path = path.field("resource");
    let resource = text(&reference["resource"]);
    let huge = ["requests.hugepages-", "limits.hugepages-"].iter().any(|prefix| resource.starts_with(prefix));
    if resource.is_empty() {
        errors.push(FieldError::required(&path, ""));
    } else if !FIELDS.contains(&resource) && !huge {
        errors.push(FieldError::not_supported(&path, resource, &FIELDS));
    }
}
