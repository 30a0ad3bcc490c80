//! What Pods and pod templates have in common: the defaults and the rules of a PodSpec.
//!
//! [`canonical`](fn@canonical::apply) and [`defaults`] bring a spec into the one form in which it is stored, [`check`]
//! finds what is wrong with it. Semantics and wording follow `pkg/apis/core` of Kubernetes 1.34, for what users meet:
//! names, images, ports, environment, volumes, probes, resources, tolerations. Fields that no rule here mentions are held
//! to their schema only; the node refuses a pod that asks for what it cannot give.

mod canonical;
mod containers;
mod defaults;
mod environment;
mod probes;
mod resources;
mod scheduling;
mod template;
mod volumes;

use machinery::field::{FieldError, Path};
use machinery::name;
use serde_json::Value;

pub(super) use defaults::Owner;
pub(super) use resources::{check_quantity, qos_class};
pub(super) use scheduling::{check_effect, check_tolerations};
pub(super) use template::{cells as template_cells, check as check_template, check_selector};

/// What upstream says about numbers below zero.
pub(super) const NEGATIVE: &str = "must be greater than or equal to 0";

/// Brings a spec into the form in which it is stored.
pub(super) fn apply_defaults(spec: &mut Value, owner: Owner) {
    canonical::apply(spec);
    defaults::apply(spec, owner);
}

/// Everything that is wrong with the spec at `path`.
pub(super) fn check(path: &Path<'_>, spec: &Value, owner: Owner) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let volumes = volumes::check(&path.field("volumes"), &spec["volumes"], &mut errors);
    let pod = containers::Pod { spec, volumes: &volumes, owner };
    containers::check(path, &pod, &mut errors);
    check_choices(path, spec, &mut errors);
    check_names(path, spec, &mut errors);
    if spec["nodeSelector"].is_object() {
        errors.extend(name::check_labels(&path.field("nodeSelector"), &spec["nodeSelector"]));
    }
    check_tolerations(&path.field("tolerations"), &spec["tolerations"], &mut errors);
    check_addresses(path, spec, &mut errors);
    let deadline = spec["activeDeadlineSeconds"].as_i64();
    if let Some(seconds) = deadline.filter(|seconds| !(1..=i64::from(i32::MAX)).contains(seconds)) {
        let why = format!("must be between 1 and {}, inclusive", i32::MAX);
        errors.push(FieldError::invalid(&path.field("activeDeadlineSeconds"), seconds, why));
    }
    errors
}

/// Fields that take one of a few words.
fn check_choices(path: &Path<'_>, spec: &Value, errors: &mut Vec<FieldError>) {
    choice(&path.field("restartPolicy"), &spec["restartPolicy"], &["Always", "OnFailure", "Never"], errors);
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    choice(&path.field("dnsPolicy"), &spec["dnsPolicy"], &policies, errors);
}

/// A field that must have one of `allowed`.
fn choice(path: &Path<'_>, value: &Value, allowed: &[&str], errors: &mut Vec<FieldError>) {
    match text(value) {
        "" => errors.push(FieldError::required(path, "")),
        chosen if allowed.contains(&chosen) => {}
        other => errors.push(FieldError::not_supported(path, other, allowed)),
    }
}

/// Names of other objects, and those that become host names.
fn check_names(path: &Path<'_>, spec: &Value, errors: &mut Vec<FieldError>) {
    type Check = fn(&str) -> Vec<String>;
    const NAMES: [(&str, Check); 4] = [
        ("serviceAccountName", name::check_subdomain),
        ("nodeName", name::check_subdomain),
        ("hostname", name::check_label),
        ("subdomain", name::check_label),
    ];
    for (field, check) in NAMES {
        let value = text(&spec[field]);
        if !value.is_empty() {
            errors.extend(check(value).into_iter().map(|why| FieldError::invalid(&path.field(field), value, why)));
        }
    }
}

/// The addresses that a pod resolves names with.
fn check_addresses(path: &Path<'_>, spec: &Value, errors: &mut Vec<FieldError>) {
    const NOT_AN_ADDRESS: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
    let mut check = |path: &Path<'_>, value: &Value| {
        if text(value).parse::<std::net::IpAddr>().is_err() {
            errors.push(FieldError::invalid(path, text(value), NOT_AN_ADDRESS));
        }
    };
    for (i, alias) in items(&spec["hostAliases"]).iter().enumerate() {
        check(&path.field("hostAliases").index(i).field("ip"), &alias["ip"]);
    }
    let config = path.field("dnsConfig");
    let servers = items(&spec["dnsConfig"]["nameservers"]);
    for (i, server) in servers.iter().enumerate() {
        check(&config.field("nameservers").index(i), server);
    }
    if text(&spec["dnsPolicy"]) == "None" && servers.is_empty() {
        let why = "must provide at least one DNS nameserver when `dnsPolicy` is None";
        errors.push(FieldError::required(&config.field("nameservers"), why));
    }
}

/// The text of a value, empty for anything that is none.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The elements of a list, none for anything that is none.
pub(super) fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The lists of containers in a spec, in the order in which they start.
pub(super) const CONTAINER_LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// A number that may not be below zero. Anything that is no number passes: its schema has an opinion of it.
pub(super) fn check_not_negative(path: &Path<'_>, value: &Value) -> Option<FieldError> {
    value.as_i64().filter(|number| *number < 0).map(|number| FieldError::invalid(path, number, NEGATIVE))
}

#[cfg(test)]
mod tests;
