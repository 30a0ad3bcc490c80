//! The lists of containers: what holds for each one, and for all of them together.

use std::collections::BTreeSet;

use machinery::field::{FieldError, Path};
use machinery::name;
use serde_json::Value;

use super::{Owner, choice, environment, items, probes, resources, text, volumes};

/// What containers are checked against.
pub(super) struct Pod<'v> {
    pub(super) spec: &'v Value,
    /// The names that mounts may refer to.
    pub(super) volumes: &'v BTreeSet<&'v str>,
    pub(super) owner: Owner,
}

impl Pod<'_> {
    fn grace(&self) -> Option<i64> {
        self.spec["terminationGracePeriodSeconds"].as_i64()
    }
}

/// Everything that is wrong with the containers of the spec at `path`.
pub(super) fn check(path: &Path<'_>, pod: &Pod<'_>, errors: &mut Vec<FieldError>) {
    let list = path.field("containers");
    let containers = items(&pod.spec["containers"]);
    if containers.is_empty() {
        errors.push(FieldError::required(&list, ""));
    }
    let mut names = BTreeSet::new();
    for (i, container) in containers.iter().enumerate() {
        let path = list.index(i);
        check_one(&path, pod, container, errors);
        check_unique(&path, container, &mut names, errors);
        probes::check(&path, container, pod.grace(), errors);
        check_restart(&path, container, &["Always", "OnFailure", "Never"], errors);
    }
    check_host_ports(&list, containers, errors);
    check_host_network(&list, pod, errors);
    check_init(&path.field("initContainers"), pod, names, errors);
}

/// Init containers run before the others; those that restart go on beside them (KEP-753).
fn check_init<'v>(list: &Path<'_>, pod: &Pod<'v>, mut names: BTreeSet<&'v str>, errors: &mut Vec<FieldError>) {
    const WHY: &str = "may not be set for init containers without restartPolicy=Always";
    for (i, container) in items(&pod.spec["initContainers"]).iter().enumerate() {
        let path = list.index(i);
        check_one(&path, pod, container, errors);
        check_unique(&path, container, &mut names, errors);
        check_restart(&path, container, &["Always", "OnFailure", "Never"], errors);
        // They run one after another, so only the ports within one can conflict.
        check_host_ports(list, std::slice::from_ref(container), errors);
        if is_sidecar(container) {
            probes::check(&path, container, pod.grace(), errors);
            continue;
        }
        for field in ["lifecycle"].into_iter().chain(probes::PROBES) {
            if container[field].is_object() {
                errors.push(FieldError::forbidden(&path.field(field), WHY));
            }
        }
    }
}

/// Whether an init container keeps running.
pub(super) fn is_sidecar(container: &Value) -> bool {
    container["restartPolicy"] == "Always"
}

fn check_one(path: &Path<'_>, pod: &Pod<'_>, container: &Value, errors: &mut Vec<FieldError>) {
    let (name, image) = (text(&container["name"]), text(&container["image"]));
    if name.is_empty() {
        errors.push(FieldError::required(&path.field("name"), ""));
    } else {
        let problems = name::check_label(name).into_iter();
        errors.extend(problems.map(|why| FieldError::invalid(&path.field("name"), name, why)));
    }
    if image.is_empty() {
        errors.push(FieldError::required(&path.field("image"), ""));
    }
    // Templates have been stored with such images before anyone looked.
    if pod.owner == Owner::Pod && image.trim() != image {
        let why = "must not have leading or trailing whitespace";
        errors.push(FieldError::invalid(&path.field("image"), image, why));
    }
    let policies = ["FallbackToLogsOnError", "File"];
    choice(&path.field("terminationMessagePolicy"), &container["terminationMessagePolicy"], &policies, errors);
    let policies = ["Always", "IfNotPresent", "Never"];
    choice(&path.field("imagePullPolicy"), &container["imagePullPolicy"], &policies, errors);
    check_ports(&path.field("ports"), container, errors);
    environment::check(path, container, errors);
    volumes::check_mounts(path, container, pod.volumes, errors);
    resources::check(&path.field("resources"), &container["resources"], errors);
}

fn check_unique<'v>(
    path: &Path<'_>,
    container: &'v Value,
    names: &mut BTreeSet<&'v str>,
    errors: &mut Vec<FieldError>,
) {
    let name = text(&container["name"]);
    if !name.is_empty() && !names.insert(name) {
        errors.push(FieldError::duplicate(&path.field("name"), name));
    }
}

fn check_restart(path: &Path<'_>, container: &Value, allowed: &[&str], errors: &mut Vec<FieldError>) {
    if !container["restartPolicy"].is_null() {
        choice(&path.field("restartPolicy"), &container["restartPolicy"], allowed, errors);
    }
}

fn check_ports(list: &Path<'_>, container: &Value, errors: &mut Vec<FieldError>) {
    let mut names = BTreeSet::new();
    for (i, port) in items(&container["ports"]).iter().enumerate() {
        let path = list.index(i);
        let name = text(&port["name"]);
        if !name.is_empty() {
            let name_path = path.field("name");
            let problems = probes::check_port_name(name);
            if problems.is_empty() && !names.insert(name) {
                errors.push(FieldError::duplicate(&name_path, name));
            }
            errors.extend(problems.into_iter().map(|why| FieldError::invalid(&name_path, name, why)));
        }
        let number = &port["containerPort"];
        match number.as_i64() {
            None | Some(0) => errors.push(FieldError::required(&path.field("containerPort"), "")),
            Some(_) => errors.extend(probes::check_port_number(&path.field("containerPort"), number)),
        }
        if !port["hostPort"].is_null() {
            errors.extend(probes::check_port_number(&path.field("hostPort"), &port["hostPort"]));
        }
        choice(&path.field("protocol"), &port["protocol"], &["SCTP", "TCP", "UDP"], errors);
    }
}

/// A port of the node can be given away once.
fn check_host_ports(list: &Path<'_>, containers: &[Value], errors: &mut Vec<FieldError>) {
    let mut taken = BTreeSet::new();
    for (i, container) in containers.iter().enumerate() {
        let path = list.index(i);
        let path = path.field("ports");
        for (j, port) in items(&container["ports"]).iter().enumerate() {
            let Some(number) = port["hostPort"].as_i64() else { continue };
            let claim = format!("{}/{}/{number}", text(&port["protocol"]), text(&port["hostIP"]));
            if taken.contains(&claim) {
                errors.push(FieldError::duplicate(&path.index(j).field("hostPort"), claim.as_str()));
            }
            taken.insert(claim);
        }
    }
}

/// In the network of the node there is no translation between the two.
fn check_host_network(list: &Path<'_>, pod: &Pod<'_>, errors: &mut Vec<FieldError>) {
    if pod.spec["hostNetwork"] != true {
        return;
    }
    for (i, container) in items(&pod.spec["containers"]).iter().enumerate() {
        let path = list.index(i);
        let path = path.field("ports");
        for (j, port) in items(&container["ports"]).iter().enumerate() {
            let host = &port["hostPort"];
            if !host.is_null() && *host != port["containerPort"] {
                let why = "must match `containerPort` when `hostNetwork` is true";
                errors.push(FieldError::invalid(&path.index(j).field("hostPort"), host.clone(), why));
            }
        }
    }
}
