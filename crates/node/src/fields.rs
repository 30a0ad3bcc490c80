//! What a container can learn about itself: `fieldRef` and `resourceFieldRef` (the downward API).
//!
//! Pure. The fields are those of Kubernetes (documentation of the Downward API). Start reading at [`field`].

use client::kinds::core::v1::{Container, Pod, ResourceFieldSelector};
use machinery::quantity::Quantity;

/// What the node has, for containers that ask for a limit that they do not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allocatable {
    pub cpu_millis: u64,
    pub memory_bytes: u64,
}

/// Why a field has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FieldError {
    #[error("unsupported fieldPath: {0}")]
    Unknown(String),
    #[error("{0} is not known yet: pods have no addresses of their own so far")]
    NoAddress(String),
    #[error("unsupported container resource: {0}")]
    Resource(String),
    #[error("divisor {0:?} is no positive quantity")]
    Divisor(String),
    #[error("there is no container {0:?}")]
    Container(String),
}

/// The value of a field of the pod.
///
/// # Errors
/// [`FieldError::Unknown`] for a path that the downward API does not have, [`FieldError::NoAddress`].
pub(crate) fn field(pod: &Pod, path: &str, host_ip: &str) -> Result<String, FieldError> {
    let metadata = &pod.metadata;
    let spec = pod.spec.as_ref();
    let text = |text: Option<&String>| Ok(text.cloned().unwrap_or_default());
    if let Some((map, key)) = subscript(path) {
        let entries = match map {
            "metadata.labels" => &metadata.labels,
            "metadata.annotations" => &metadata.annotations,
            _ => return Err(FieldError::Unknown(path.to_owned())),
        };
        return text(entries.as_ref().and_then(|entries| entries.get(key)));
    }
    match path {
        "metadata.name" => text(metadata.name.as_ref()),
        "metadata.namespace" => text(metadata.namespace.as_ref()),
        "metadata.uid" => text(metadata.uid.as_ref()),
        "metadata.labels" => Ok(lines(metadata.labels.iter().flatten())),
        "metadata.annotations" => Ok(lines(metadata.annotations.iter().flatten())),
        "spec.nodeName" => text(spec.and_then(|spec| spec.node_name.as_ref())),
        "spec.serviceAccountName" => text(spec.and_then(|spec| spec.service_account_name.as_ref())),
        "status.hostIP" | "status.hostIPs" => Ok(host_ip.to_owned()),
        "status.podIP" | "status.podIPs" => {
            let address = pod.status.as_ref().and_then(|status| status.pod_ip.clone());
            address.ok_or_else(|| FieldError::NoAddress(path.to_owned()))
        }
        _ => Err(FieldError::Unknown(path.to_owned())),
    }
}

/// `map['key']`
fn subscript(path: &str) -> Option<(&str, &str)> {
    let (map, rest) = path.split_once("['")?;
    Some((map, rest.strip_suffix("']")?))
}

/// A map as files of the downward API have it: sorted lines `key="value"`.
fn lines<'a>(entries: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    let lines: Vec<String> = entries.map(|(key, value)| format!("{key}={}", quoted(value))).collect();
    lines.join("\n")
}

/// A text in quotes as Go writes it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => quoted.extend(c.escape_default()),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// The value of a resource of a container: in units of the divisor, rounded up.
///
/// # Errors
/// [`FieldError::Resource`] for what is not a request or limit of processor or memory, [`FieldError::Divisor`].
pub(crate) fn resource(
    container: &Container,
    selector: &ResourceFieldSelector,
    allocatable: Allocatable,
) -> Result<String, FieldError> {
    let unknown = || FieldError::Resource(selector.resource.clone());
    let (list, name) = selector.resource.split_once('.').ok_or_else(unknown)?;
    let resources = container.resources.as_ref();
    let quantities = match list {
        "limits" => resources.and_then(|resources| resources.limits.as_ref()),
        "requests" => resources.and_then(|resources| resources.requests.as_ref()),
        _ => return Err(unknown()),
    };
    let whole = match (name, list) {
        ("cpu", "limits") => i128::from(allocatable.cpu_millis) * 1_000_000,
        ("memory", "limits") => i128::from(allocatable.memory_bytes) * 1_000_000_000,
        ("cpu" | "memory", _) => 0,
        _ => return Err(unknown()),
    };
    let given = quantities.and_then(|quantities| quantities.get(name)?.0.parse::<Quantity>().ok());
    let value = given.map_or(whole, Quantity::nanos);
    let text = selector.divisor.as_ref().map_or("1", |divisor| &divisor.0);
    // The API server's default is "0", which stands for 1.
    let divisor = text.parse::<Quantity>().map_or(-1, Quantity::nanos);
    let divisor = if divisor == 0 { 1_000_000_000 } else { divisor };
    if divisor < 0 {
        return Err(FieldError::Divisor(text.to_owned()));
    }
    let rounded = value.div_euclid(divisor) + i128::from(value.rem_euclid(divisor) > 0);
    Ok(rounded.to_string())
}

#[cfg(test)]
mod tests;
