//! Which pods this node cannot run as they are written.
//!
//! Pure. What a pod asks for and does not get is refused here, with the field's name, before anything of it runs: nothing
//! is ignored in silence. What is not mentioned here is honoured, or is the business of others (scheduling, services).
//! Start reading at [`check`].

use client::kinds::core::v1::{
    Container, EmptyDirVolumeSource, PodSecurityContext, PodSpec, Probe, SeccompProfile, SecurityContext, Volume,
};

use super::resources;

/// The reason in the status of a refused pod.
pub(crate) const REASON: &str = "NodeAdmissionRejected";

/// A demand that cannot be met: the path of the field and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub field: String,
    pub because: String,
}

impl Refusal {
    /// For the status of the pod.
    pub(crate) fn message(&self) -> String {
        format!("this node cannot run the pod: {}: {}", self.field, self.because)
    }
}

type Verdict = Result<(), Refusal>;

/// Whether the node can run a pod.
///
/// # Errors
/// The first field that it cannot honour.
pub(crate) fn check(spec: &PodSpec) -> Verdict {
    check_namespaces(spec)?;
    check_pod(spec)?;
    check_pod_security(spec.security_context.as_ref())?;
    for volume in spec.volumes.iter().flatten() {
        check_volume(volume)?;
    }
    let init = spec.init_containers.iter().flatten().enumerate();
    for (index, container) in init {
        let at = Path(format!("spec.initContainers[{index}]"));
        let sidecar = "sidecar containers are not supported yet";
        at.refuse(&[(container.restart_policy.is_some(), "restartPolicy", sidecar)])?;
        check_container(&at, container)?;
    }
    for (index, container) in spec.containers.iter().enumerate() {
        let at = Path(format!("spec.containers[{index}]"));
        at.refuse(&[(container.restart_policy.is_some(), "restartPolicy", "only the pod's own is supported")])?;
        check_container(&at, container)?;
    }
    Ok(())
}

fn refuse(field: impl Into<String>, because: impl Into<String>) -> Verdict {
    Err(Refusal { field: field.into(), because: because.into() })
}

/// A field whose children are looked at.
struct Path(String);

/// Whether something is asked for, the field that asks, and why it cannot be had.
type Demand<'a> = (bool, &'a str, &'a str);

impl Path {
    /// Refuses the first demand that is made.
    fn refuse(&self, demands: &[Demand<'_>]) -> Verdict {
        match demands.iter().find(|(is_made, ..)| *is_made) {
            Some((_, field, because)) => refuse(format!("{}.{field}", self.0), *because),
            None => Ok(()),
        }
    }

    fn at(&self, field: &str) -> Path {
        Path(format!("{}.{field}", self.0))
    }
}

fn is_filled<T>(list: Option<&Vec<T>>) -> bool {
    list.is_some_and(|list| !list.is_empty())
}

fn check_namespaces(spec: &PodSpec) -> Verdict {
    let shared = "containers have namespaces of their own here";
    Path("spec".to_owned()).refuse(&[
        (spec.host_network == Some(true), "hostNetwork", shared),
        (spec.host_pid == Some(true), "hostPID", shared),
        (spec.host_ipc == Some(true), "hostIPC", shared),
        (spec.host_users == Some(true), "hostUsers", "containers have user namespaces of their own here"),
        (
            spec.share_process_namespace == Some(true),
            "shareProcessNamespace",
            "each container has a process namespace of its own here",
        ),
    ])
}

fn check_pod(spec: &PodSpec) -> Verdict {
    let has_overhead = spec.overhead.as_ref().is_some_and(|amounts| !amounts.is_empty());
    Path("spec".to_owned()).refuse(&[
        (is_filled(spec.ephemeral_containers.as_ref()), "ephemeralContainers", "they are not supported yet"),
        (spec.runtime_class_name.is_some(), "runtimeClassName", "there is one runtime, and it has no name"),
        (has_overhead, "overhead", "the runtime has none"),
        (is_filled(spec.resource_claims.as_ref()), "resourceClaims", "dynamic resources are not supported"),
        (spec.resources.is_some(), "resources", "limits for a whole pod are not supported yet"),
        (spec.hostname_override.is_some(), "hostnameOverride", "it is not supported yet"),
        (spec.set_hostname_as_fqdn == Some(true), "setHostnameAsFQDN", "pods have no cluster-wide names yet"),
        (spec.os.as_ref().is_some_and(|os| os.name != "linux"), "os.name", "this node runs Linux"),
    ])
}

const NO_SECCOMP: &str = "system call filters are not supported yet; only Unconfined is";

fn asks_for_filter(profile: Option<&SeccompProfile>) -> bool {
    profile.is_some_and(|profile| profile.type_ != "Unconfined")
}

fn check_pod_security(security: Option<&PodSecurityContext>) -> Verdict {
    let Some(security) = security else { return Ok(()) };
    let profile = security.app_armor_profile.as_ref();
    // Supplementary groups: Merge and Strict mean the same, since no image has a group file that could add any.
    Path("spec.securityContext".to_owned()).refuse(&[
        (asks_for_filter(security.seccomp_profile.as_ref()), "seccompProfile", NO_SECCOMP),
        (profile.is_some_and(|profile| profile.type_ != "Unconfined"), "appArmorProfile", "AppArmor is not supported"),
        (security.se_linux_options.is_some(), "seLinuxOptions", "SELinux is not supported"),
        (security.windows_options.is_some(), "windowsOptions", "this node runs Linux"),
        (is_filled(security.sysctls.as_ref()), "sysctls", "kernel settings of a pod are not supported yet"),
    ])
}

fn check_container(at: &Path, container: &Container) -> Verdict {
    let ports = container.ports.iter().flatten();
    at.refuse(&[
        (container.stdin == Some(true), "stdin", "containers cannot be attached to yet"),
        (container.stdin_once == Some(true), "stdinOnce", "containers cannot be attached to yet"),
        (container.tty == Some(true), "tty", "containers cannot be attached to yet"),
        (is_filled(container.volume_devices.as_ref()), "volumeDevices", "block devices are not supported"),
        (is_filled(container.restart_policy_rules.as_ref()), "restartPolicyRules", "they are not supported yet"),
        (
            ports.into_iter().any(|port| port.host_port.is_some_and(|port| port != 0)),
            "ports.hostPort",
            "pods have no network beyond themselves yet",
        ),
    ])?;
    check_lifecycle(at, container)?;
    check_resources(at, container)?;
    check_container_security(&at.at("securityContext"), container.security_context.as_ref())?;
    let probes = [
        ("startupProbe", &container.startup_probe),
        ("readinessProbe", &container.readiness_probe),
        ("livenessProbe", &container.liveness_probe),
    ];
    for (name, probe) in probes {
        probe.as_ref().map_or(Ok(()), |probe| check_probe(&at.at(name), probe))?;
    }
    for mount in container.volume_mounts.iter().flatten() {
        at.at("volumeMounts").refuse(&[
            (
                mount.mount_propagation.as_deref().is_some_and(|mode| mode != "None"),
                "mountPropagation",
                "mounts do not pass between machine and pod",
            ),
            (mount.recursive_read_only.as_deref() == Some("Enabled"), "recursiveReadOnly", "it is not supported yet"),
        ])?;
    }
    let sources = container.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref());
    let mut sources = sources.into_iter();
    at.refuse(&[(
        sources.any(|source| source.file_key_ref.is_some()),
        "env.valueFrom.fileKeyRef",
        "it is not supported yet",
    )])
}

fn check_lifecycle(at: &Path, container: &Container) -> Verdict {
    let Some(lifecycle) = &container.lifecycle else { return Ok(()) };
    at.at("lifecycle").refuse(&[
        (lifecycle.post_start.is_some(), "postStart", "hooks are not supported yet"),
        (lifecycle.pre_stop.is_some(), "preStop", "hooks are not supported yet"),
        (lifecycle.stop_signal.is_some(), "stopSignal", "containers are stopped with SIGTERM"),
    ])
}

fn check_resources(at: &Path, container: &Container) -> Verdict {
    let Some(given) = &container.resources else { return Ok(()) };
    let at = at.at("resources");
    let limits_disk = given.limits.as_ref().is_some_and(|limits| limits.contains_key("ephemeral-storage"));
    at.refuse(&[
        (is_filled(given.claims.as_ref()), "claims", "they are not supported"),
        (limits_disk, "limits[ephemeral-storage]", "disk use cannot be limited yet"),
    ])?;
    let mut names = given.limits.iter().chain(&given.requests).flat_map(|amounts| amounts.keys());
    let unknown = names.find(|name| !["cpu", "memory", "ephemeral-storage"].contains(&name.as_str()));
    unknown.map_or(Ok(()), |name| refuse(format!("{}[{name}]", at.0), "this node has no such resource"))
}

fn check_container_security(at: &Path, security: Option<&SecurityContext>) -> Verdict {
    let Some(security) = security else { return Ok(()) };
    let profile = security.app_armor_profile.as_ref();
    at.refuse(&[
        (security.privileged == Some(true), "privileged", "no container gets the machine's privileges"),
        (asks_for_filter(security.seccomp_profile.as_ref()), "seccompProfile", NO_SECCOMP),
        (profile.is_some_and(|profile| profile.type_ != "Unconfined"), "appArmorProfile", "AppArmor is not supported"),
        (security.se_linux_options.is_some(), "seLinuxOptions", "SELinux is not supported"),
        (security.windows_options.is_some(), "windowsOptions", "this node runs Linux"),
        (security.proc_mount.as_deref().is_some_and(|kind| kind != "Default"), "procMount", "/proc is always masked"),
    ])?;
    let mut added = security.capabilities.iter().flat_map(|set| set.add.iter().flatten());
    let unknown = added.find(|name| !container::DEFAULT_CAPABILITIES.contains(&name.trim_start_matches("CAP_")));
    unknown.map_or(Ok(()), |name| {
        refuse(format!("{}.capabilities.add", at.0), format!("{name} is not granted to containers"))
    })
}

fn check_probe(at: &Path, probe: &Probe) -> Verdict {
    let http = probe.http_get.as_ref();
    let host = "a probe asks the pod itself";
    at.refuse(&[
        (probe.exec.is_some(), "exec", "commands cannot be run in containers yet"),
        (probe.grpc.is_some(), "grpc", "it is not supported yet"),
        (http.is_some_and(|http| http.host.is_some()), "httpGet.host", host),
        (
            http.is_some_and(|http| http.scheme.as_deref().is_some_and(|scheme| scheme != "HTTP")),
            "httpGet.scheme",
            "only HTTP is supported yet",
        ),
        (probe.tcp_socket.as_ref().is_some_and(|tcp| tcp.host.is_some()), "tcpSocket.host", host),
    ])
}

fn check_volume(volume: &Volume) -> Verdict {
    let at = format!("spec.volumes[{}]", volume.name);
    if let Some(source) = &volume.projected {
        for source in source.sources.iter().flatten() {
            let known = source.config_map.is_some() || source.secret.is_some() || source.downward_api.is_some();
            if !known {
                return refuse(
                    format!("{at}.projected"),
                    "only configMap, secret and downwardAPI can be projected yet",
                );
            }
        }
        return Ok(());
    }
    if let Some(source) = &volume.empty_dir {
        return check_empty_dir(&at, source);
    }
    if volume.config_map.is_some() || volume.secret.is_some() || volume.downward_api.is_some() {
        return Ok(());
    }
    if volume.host_path.is_some() {
        return refuse(format!("{at}.hostPath"), "pods do not see the machine's directories");
    }
    refuse(at, "volumes of this type are not supported")
}

fn check_empty_dir(at: &str, source: &EmptyDirVolumeSource) -> Verdict {
    let is_known = matches!(source.medium.as_deref(), None | Some("" | "Memory"));
    if !is_known {
        return refuse(format!("{at}.emptyDir.medium"), "only disk and Memory are supported");
    }
    match source.size_limit.as_ref().map(|limit| resources::bytes(&limit.0)) {
        Some(None) => refuse(format!("{at}.emptyDir.sizeLimit"), "it is no quantity"),
        Some(Some(_)) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
