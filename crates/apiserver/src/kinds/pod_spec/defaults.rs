//! What Kubernetes fills into a PodSpec that says nothing about it, beyond what schemas state
//! (`pkg/apis/core/v1/defaults.go`).
//!
//! Zero values have been taken out before (`canonical`), so a field that is there has been chosen.

use api::core::v1::pod::{DEFAULT_SCHEDULER_NAME, DEFAULT_TERMINATION_GRACE_SECONDS};
use serde_json::{Map, Value, json};

use super::canonical::each;
use super::{CONTAINER_LISTS, text};

/// Whose spec it is: some rules hold only for a pod that is really there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kinds) enum Owner {
    Pod,
    Template,
}

/// Fills in what is missing. A second run changes nothing.
pub(super) fn apply(spec: &mut Value, owner: Owner) {
    let Some(map) = spec.as_object_mut() else { return };
    fill(map, "dnsPolicy", "ClusterFirst");
    fill(map, "restartPolicy", "Always");
    fill(map, "securityContext", json!({}));
    fill(map, "terminationGracePeriodSeconds", DEFAULT_TERMINATION_GRACE_SECONDS);
    fill(map, "schedulerName", DEFAULT_SCHEDULER_NAME);
    mirror_service_account(map);
    each(map, "volumes", volume);
    for list in CONTAINER_LISTS {
        each(map, list, container);
    }
    match owner {
        Owner::Pod => pod(map),
        Owner::Template => {}
    }
}

/// What is only filled in where containers will really run.
fn pod(map: &mut Map<String, Value>) {
    fill(map, "enableServiceLinks", true);
    let host_network = map.get("hostNetwork").and_then(Value::as_bool).unwrap_or_default();
    for list in ["containers", "initContainers"] {
        each(map, list, |container| {
            if let Some(requirements) = container.get_mut("resources").and_then(Value::as_object_mut) {
                request_limits(requirements);
            }
            if host_network {
                each(container, "ports", |port| {
                    let number = port.get("containerPort").cloned().unwrap_or_default();
                    fill(port, "hostPort", number);
                });
            }
        });
    }
}

/// Whoever limits a resource and requests none of it requests what the limit is.
fn request_limits(requirements: &mut Map<String, Value>) {
    let Some(Value::Object(limits)) = requirements.get("limits").cloned() else { return };
    let requests = requirements.entry("requests").or_insert_with(|| json!({}));
    if let Some(requests) = requests.as_object_mut() {
        for (name, limit) in limits {
            requests.entry(name).or_insert(limit);
        }
    }
}

/// The account has an older name, under which clients still look for it. The newer one wins.
pub(in crate::kinds) fn mirror_service_account(map: &mut Map<String, Value>) {
    let name = map.get("serviceAccountName").or_else(|| map.get("serviceAccount")).cloned();
    if let Some(name) = name {
        map.insert("serviceAccountName".to_owned(), name.clone());
        map.insert("serviceAccount".to_owned(), name);
    }
}

fn container(container: &mut Map<String, Value>) {
    let image = container.get("image").map(text).unwrap_or_default();
    let policy = pull_policy(image);
    fill(container, "imagePullPolicy", policy);
    fill(container, "terminationMessagePath", "/dev/termination-log");
    fill(container, "terminationMessagePolicy", "File");
    each(container, "ports", |port| fill(port, "protocol", "TCP"));
    each(container, "env", |variable| {
        let Some(source) = variable.get_mut("valueFrom").and_then(Value::as_object_mut) else { return };
        reference(source);
        if let Some(file) = source.get_mut("fileKeyRef").and_then(Value::as_object_mut) {
            fill(file, "optional", false);
        }
    });
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(probe).and_then(Value::as_object_mut) {
            self::probe(probe);
        }
    }
    for hook in ["postStart", "preStop"] {
        if let Some(hook) = container.get_mut("lifecycle").and_then(|lifecycle| lifecycle.get_mut(hook)) {
            http_get(hook);
        }
    }
}

/// Always for the tag that moves, named or not; otherwise what is there is right.
fn pull_policy(image: &str) -> &'static str {
    let (name, digest) = image.split_once('@').map_or((image, None), |(name, digest)| (name, Some(digest)));
    // A colon before the last slash belongs to the port of a registry.
    let last = name.rsplit('/').next().unwrap_or_default();
    let tag = last.split_once(':').map(|(_, tag)| tag);
    match (tag, digest) {
        (Some("latest"), _) => "Always",
        (None, None) if !name.is_empty() => "Always",
        _ => "IfNotPresent",
    }
}

fn probe(probe: &mut Map<String, Value>) {
    fill(probe, "timeoutSeconds", 1);
    fill(probe, "periodSeconds", 10);
    fill(probe, "successThreshold", 1);
    fill(probe, "failureThreshold", 3);
    if let Some(call) = probe.get_mut("grpc").and_then(Value::as_object_mut) {
        fill(call, "service", "");
    }
    if let Some(action) = probe.get_mut("httpGet").and_then(Value::as_object_mut) {
        http_action(action);
    }
}

fn http_get(hook: &mut Value) {
    if let Some(action) = hook.get_mut("httpGet").and_then(Value::as_object_mut) {
        http_action(action);
    }
}

fn http_action(action: &mut Map<String, Value>) {
    fill_text(action, "path", "/");
    fill_text(action, "scheme", "HTTP");
}

/// The version of `fieldRef` and the unit of `resourceFieldRef`.
fn reference(source: &mut Map<String, Value>) {
    if let Some(reference) = source.get_mut("fieldRef").and_then(Value::as_object_mut) {
        fill_text(reference, "apiVersion", "v1");
    }
    if let Some(reference) = source.get_mut("resourceFieldRef").and_then(Value::as_object_mut) {
        fill(reference, "divisor", "0");
    }
}

/// Modes of files as the decimal numbers that JSON knows: 0644.
const FILE_MODE: u32 = 0o644;
/// How long a projected token is valid.
const TOKEN_SECONDS: u32 = 60 * 60;

fn volume(volume: &mut Map<String, Value>) {
    if volume.keys().all(|field| field == "name") {
        volume.insert("emptyDir".to_owned(), json!({}));
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = volume.get_mut(source).and_then(Value::as_object_mut) {
            fill(source, "defaultMode", FILE_MODE);
            each(source, "items", reference);
            each(source, "sources", projection);
        }
    }
    if let Some(path) = volume.get_mut("hostPath").and_then(Value::as_object_mut) {
        fill(path, "type", "");
    }
    if let Some(image) = volume.get_mut("image").and_then(Value::as_object_mut) {
        let policy = pull_policy(image.get("reference").map(text).unwrap_or_default());
        fill_text(image, "pullPolicy", policy);
    }
    remote_volume(volume);
}

fn projection(source: &mut Map<String, Value>) {
    if let Some(files) = source.get_mut("downwardAPI").and_then(Value::as_object_mut) {
        each(files, "items", reference);
    }
    if let Some(token) = source.get_mut("serviceAccountToken").and_then(Value::as_object_mut) {
        fill(token, "expirationSeconds", TOKEN_SECONDS);
    }
}

/// Sources that are elsewhere. No node of ours mounts them; they are stored as Kubernetes would.
fn remote_volume(volume: &mut Map<String, Value>) {
    const DEFAULTS: [(&str, &[(&str, &str)]); 4] = [
        ("iscsi", &[("iscsiInterface", "default")]),
        ("rbd", &[("pool", "rbd"), ("user", "admin"), ("keyring", "/etc/ceph/keyring")]),
        ("azureDisk", &[("cachingMode", "ReadWrite"), ("fsType", "ext4"), ("kind", "Shared")]),
        ("scaleIO", &[("storageMode", "ThinProvisioned"), ("fsType", "xfs")]),
    ];
    for (source, defaults) in DEFAULTS {
        let Some(source) = volume.get_mut(source).and_then(Value::as_object_mut) else { continue };
        for (field, value) in defaults {
            fill_text(source, field, value);
        }
    }
    if let Some(disk) = volume.get_mut("azureDisk").and_then(Value::as_object_mut) {
        fill(disk, "readOnly", false);
    }
    let claim = volume.get_mut("ephemeral").and_then(|ephemeral| ephemeral.pointer_mut("/volumeClaimTemplate/spec"));
    if let Some(claim) = claim.and_then(Value::as_object_mut) {
        fill(claim, "volumeMode", "Filesystem");
    }
}

/// Sets a field that is not there.
fn fill(map: &mut Map<String, Value>, field: &str, value: impl Into<Value>) {
    let current = map.entry(field).or_insert(Value::Null);
    if current.is_null() {
        *current = value.into();
    }
}

/// Sets a field that is not there or an empty text.
fn fill_text(map: &mut Map<String, Value>, field: &str, value: &str) {
    let current = map.entry(field).or_insert(Value::Null);
    if current.is_null() || current.as_str() == Some("") {
        *current = value.into();
    }
}
