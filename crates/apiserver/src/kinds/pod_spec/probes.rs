//! Probes and life-cycle hooks: one handler each, with numbers that make sense.

use machinery::field::{FieldError, Path};
use serde_json::Value;

use super::{check_not_negative, items, text};

/// The handlers, in the order in which upstream looks for them.
const HANDLERS: [&str; 5] = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"];

/// Everything that is wrong with the probes and hooks of a container that keeps running.
pub(super) fn check(path: &Path<'_>, container: &Value, grace: Option<i64>, errors: &mut Vec<FieldError>) {
    let lifecycle = path.field("lifecycle");
    for hook in ["postStart", "preStop"] {
        let value = &container["lifecycle"][hook];
        if value.is_object() {
            check_handler(&lifecycle.field(hook), value, grace, errors);
        }
    }
    for name in PROBES {
        let probe = &container[name];
        if !probe.is_object() {
            continue;
        }
        let path = path.field(name);
        check_handler(&path, probe, grace, errors);
        check_numbers(&path, probe, errors);
        let own_grace = &probe["terminationGracePeriodSeconds"];
        if name == "readinessProbe" {
            if !own_grace.is_null() {
                let path = path.field("terminationGracePeriodSeconds");
                errors.push(FieldError::invalid(&path, own_grace.clone(), "must not be set for readinessProbes"));
            }
        } else if probe["successThreshold"].as_i64().is_some_and(|threshold| threshold != 1) {
            let path = path.field("successThreshold");
            errors.push(FieldError::invalid(&path, probe["successThreshold"].clone(), "must be 1"));
        }
    }
}

pub(super) const PROBES: [&str; 3] = ["livenessProbe", "readinessProbe", "startupProbe"];

fn check_numbers(path: &Path<'_>, probe: &Value, errors: &mut Vec<FieldError>) {
    let fields = ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"];
    errors.extend(fields.iter().filter_map(|field| check_not_negative(&path.field(field), &probe[field])));
    let own_grace = probe["terminationGracePeriodSeconds"].as_i64();
    if let Some(seconds) = own_grace.filter(|seconds| *seconds <= 0) {
        let path = path.field("terminationGracePeriodSeconds");
        errors.push(FieldError::invalid(&path, seconds, "must be greater than 0"));
    }
}

fn check_handler(path: &Path<'_>, value: &Value, grace: Option<i64>, errors: &mut Vec<FieldError>) {
    let mut present = HANDLERS.into_iter().filter(|handler| value[handler].is_object());
    let Some(first) = present.next() else {
        errors.push(FieldError::required(path, "must specify a handler type"));
        return;
    };
    for another in present {
        errors.push(FieldError::forbidden(&path.field(another), "may not specify more than 1 handler type"));
    }
    let (path, value) = (path.field(first), &value[first]);
    match first {
        "exec" if items(&value["command"]).is_empty() => {
            errors.push(FieldError::required(&path.field("command"), ""));
        }
        "httpGet" => check_http(&path, value, errors),
        "tcpSocket" | "grpc" => check_port(&path.field("port"), &value["port"], errors),
        "sleep" => check_sleep(&path, value, grace, errors),
        _exec_with_a_command => {}
    }
}

fn check_http(path: &Path<'_>, action: &Value, errors: &mut Vec<FieldError>) {
    check_port(&path.field("port"), &action["port"], errors);
    let scheme = text(&action["scheme"]);
    if !["HTTP", "HTTPS"].contains(&scheme) {
        errors.push(FieldError::not_supported(&path.field("scheme"), scheme, &["HTTP", "HTTPS"]));
    }
    for header in items(&action["httpHeaders"]) {
        let name = text(&header["name"]);
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            let why = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex \
                       used for validation is '[-A-Za-z0-9]+')";
            errors.push(FieldError::invalid(&path.field("httpHeaders"), name, why));
        }
    }
}

fn check_sleep(path: &Path<'_>, action: &Value, grace: Option<i64>, errors: &mut Vec<FieldError>) {
    let seconds = action["seconds"].as_i64().unwrap_or_default();
    if let Some(grace) = grace.filter(|grace| seconds < 0 || seconds > *grace) {
        let why = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
        errors.push(FieldError::invalid(path, seconds, why));
    }
}

/// A port by number or by name.
fn check_port(path: &Path<'_>, port: &Value, errors: &mut Vec<FieldError>) {
    match port {
        Value::String(name) => {
            errors.extend(check_port_name(name).into_iter().map(|why| FieldError::invalid(path, name.as_str(), why)));
        }
        other => errors.extend(check_port_number(path, other)),
    }
}

/// A port by number. A missing one counts as 0.
pub(super) fn check_port_number(path: &Path<'_>, port: &Value) -> Option<FieldError> {
    let number = port.as_i64().unwrap_or_default();
    let valid = (1..=i64::from(u16::MAX)).contains(&number);
    (!valid).then(|| FieldError::invalid(path, number, "must be between 1 and 65535, inclusive"))
}

/// What is wrong with the name of a port, an IANA service name (RFC 6335, section 5.1).
pub(super) fn check_port_name(name: &str) -> Vec<&'static str> {
    let in_set = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let checks = [
        (name.len() > 15, "must be no more than 15 characters"),
        (
            name.is_empty() || !name.bytes().all(in_set),
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
        ),
        (!name.bytes().any(|byte| byte.is_ascii_lowercase()), "must contain at least one letter (a-z)"),
        (name.contains("--"), "must not contain consecutive hyphens"),
        (name.starts_with('-') || name.ends_with('-'), "must not begin or end with a hyphen"),
    ];
    checks.into_iter().filter(|(wrong, _)| *wrong).map(|(_, why)| why).collect()
}
