//! From a container of a pod to what the runtime is asked for.
//!
//! Pure, apart from the values that come in. What cannot be expressed has been refused by `admission`. Start reading at
//! [`container_spec`].

use std::path::{Path, PathBuf};

use client::kinds::core::v1::{Container, Pod, PodSpec, VolumeMount};
use container::{
    Access, ContainerSpec, DEFAULT_CAPABILITIES, EtcFiles, LogOptions, Mount, MountSource, Process, Rootfs, Security,
    Users,
};

use super::identity::{Attempt, Directory, Uid};
use super::resources::{self, Quality};
use crate::environment::Builder;
use crate::volume;

/// Signal that asks a container to end.
const TERMINATE: i32 = 15;
/// Size at which a log is begun anew, and how many parts are kept, as a kubelet does by default.
const LOG_BYTES: u64 = 10 << 20;
const LOG_FILES: u32 = 5;
/// Where a container may leave its last words when it does not say otherwise, API reference of Container.
const MESSAGE_PATH: &str = "/dev/termination-log";
/// Longest host name that Linux takes.
const MAX_HOSTNAME: usize = 63;

/// Why a container cannot be expressed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SpecError {
    #[error("no command specified")]
    NoCommand,
    #[error("container has runAsNonRoot and would run as root (container: {0})")]
    Root(String),
    #[error("{what} {id} is not between 0 and 65535")]
    User { what: &'static str, id: i64 },
    #[error("volume mount {0:?} names no volume of the pod")]
    Volume(String),
    #[error("subPath {0:?} leads out of the volume")]
    SubPath(String),
    #[error("subPathExpr {0:?} refers to an unknown variable")]
    SubPathExpression(String),
}

/// What a container is made from.
pub(crate) struct Parts<'a> {
    pub pod: &'a Pod,
    pub spec: &'a PodSpec,
    pub container: &'a Container,
    pub uid: &'a Uid,
    pub attempt: Attempt,
    pub directory: &'a Directory,
    pub rootfs: Rootfs,
    pub variables: Builder,
    pub first_user: u32,
    pub machine_bytes: u64,
}

/// What the runtime is asked for.
///
/// # Errors
/// What only shows with the values of the container.
pub(crate) fn container_spec(parts: Parts<'_>) -> Result<ContainerSpec, SpecError> {
    let Parts { pod, spec, container, uid, attempt, .. } = parts;
    let args: Vec<String> = container.command.iter().chain(&container.args).flatten().cloned().collect();
    let args: Vec<String> = args.iter().map(|word| parts.variables.expand(word)).collect();
    if args.is_empty() {
        return Err(SpecError::NoCommand);
    }
    let mut mounts = mounts(&parts)?;
    mounts.push(Mount {
        destination: PathBuf::from(container.termination_message_path.as_deref().unwrap_or(MESSAGE_PATH)),
        source: MountSource::Bind(parts.directory.message(attempt)),
        access: Access::ReadWrite,
    });
    let user = user(spec, container)?;
    let security = container.security_context.as_ref();
    Ok(ContainerSpec {
        id: attempt.id(uid),
        sandbox: uid.sandbox().clone(),
        rootfs: parts.rootfs,
        read_only_root: security.and_then(|security| security.read_only_root_filesystem) == Some(true),
        process: Process {
            args,
            env: parts.variables.into_pairs(),
            working_dir: PathBuf::from(container.working_dir.as_deref().filter(|dir| !dir.is_empty()).unwrap_or("/")),
            uid: user.uid,
            gid: user.gid,
            additional_gids: user.groups,
            oom_score_adj: Quality::of(spec).out_of_memory_score(container, parts.machine_bytes),
            stop_signal: TERMINATE,
        },
        mounts,
        etc: etc(pod, spec),
        resources: resources::limits(container),
        security: Security {
            capabilities: capabilities(container),
            no_new_privileges: security.and_then(|security| security.allow_privilege_escalation) != Some(true),
            users: Users::Shifted { first: parts.first_user },
        },
        log: LogOptions { path: parts.directory.log(attempt), max_size: LOG_BYTES, max_files: LOG_FILES },
    })
}

/// The host name of a pod.
pub(crate) fn hostname(pod: &Pod, spec: &PodSpec) -> String {
    let name = spec.hostname.as_deref().filter(|name| !name.is_empty());
    let name = name.or(pod.metadata.name.as_deref()).unwrap_or_default();
    let cut = &name[..name.len().min(MAX_HOSTNAME)];
    cut.trim_end_matches(['-', '.']).to_owned()
}

struct User {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
}

fn user(spec: &PodSpec, container: &Container) -> Result<User, SpecError> {
    let own = container.security_context.as_ref();
    let shared = spec.security_context.as_ref();
    let id =
        |what: &'static str, id: i64| u16::try_from(id).map(u32::from).map_err(|_beyond| SpecError::User { what, id });
    let uid = own.and_then(|own| own.run_as_user).or(shared.and_then(|shared| shared.run_as_user)).unwrap_or(0);
    let gid = own.and_then(|own| own.run_as_group).or(shared.and_then(|shared| shared.run_as_group)).unwrap_or(0);
    let not_root = own.and_then(|own| own.run_as_non_root).or(shared.and_then(|shared| shared.run_as_non_root));
    if not_root == Some(true) && uid == 0 {
        return Err(SpecError::Root(container.name.clone()));
    }
    let groups = shared.and_then(|shared| shared.supplemental_groups.as_deref()).unwrap_or_default();
    let all = groups.iter().copied().chain(shared.and_then(|shared| shared.fs_group));
    let groups = all.map(|group| id("group", group)).collect::<Result<Vec<u32>, SpecError>>()?;
    Ok(User { uid: id("user", uid)?, gid: id("group", gid)?, groups })
}

/// The group that owns the volumes of a pod.
pub(crate) fn volume_group(spec: &PodSpec) -> Option<u32> {
    let group = spec.security_context.as_ref()?.fs_group?;
    u32::try_from(group).ok()
}

/// Names without `CAP_`: the default ones and those that are asked for, without what is dropped.
fn capabilities(container: &Container) -> Vec<String> {
    let asked = container.security_context.as_ref().and_then(|security| security.capabilities.as_ref());
    let plain = |name: &String| name.trim_start_matches("CAP_").to_owned();
    let drop: Vec<String> = asked.and_then(|asked| asked.drop.as_ref()).into_iter().flatten().map(plain).collect();
    let add: Vec<String> = asked.and_then(|asked| asked.add.as_ref()).into_iter().flatten().map(plain).collect();
    let drops_all = drop.iter().any(|name| name.eq_ignore_ascii_case("ALL"));
    let kept =
        |name: &&&str| add.iter().any(|added| added == **name) || !(drops_all || drop.iter().any(|d| d == **name));
    DEFAULT_CAPABILITIES.iter().filter(kept).map(|name| (*name).to_owned()).collect()
}

fn mounts(parts: &Parts<'_>) -> Result<Vec<Mount>, SpecError> {
    let given = parts.container.volume_mounts.iter().flatten();
    given.map(|mount| one_mount(parts, mount)).collect()
}

fn one_mount(parts: &Parts<'_>, mount: &VolumeMount) -> Result<Mount, SpecError> {
    let mut volumes = parts.spec.volumes.iter().flatten();
    let volume = volumes.find(|volume| volume.name == mount.name);
    let volume = volume.ok_or_else(|| SpecError::Volume(mount.name.clone()))?;
    let root = parts.directory.volume(&volume.name);
    let source = match sub_path(parts, mount)? {
        None => MountSource::Bind(root),
        Some(path) => MountSource::Below { root, path },
    };
    // What the agent writes is not for containers to change.
    let is_read_only = mount.read_only == Some(true) || !volume::sources(volume).is_empty();
    let access = if is_read_only { Access::ReadOnly } else { Access::ReadWrite };
    Ok(Mount { destination: Path::new("/").join(&mount.mount_path), source, access })
}

/// The path within the volume, with the volume as `/`.
fn sub_path(parts: &Parts<'_>, mount: &VolumeMount) -> Result<Option<PathBuf>, SpecError> {
    let plain = mount.sub_path.as_deref().filter(|path| !path.is_empty()).map(str::to_owned);
    let expression = mount.sub_path_expr.as_deref().filter(|path| !path.is_empty());
    let expanded = match expression {
        None => None,
        Some(expression) => {
            let expanded = parts.variables.expand(expression);
            if expanded.contains("$(") {
                return Err(SpecError::SubPathExpression(expression.to_owned()));
            }
            Some(expanded)
        }
    };
    let Some(path) = plain.or(expanded) else { return Ok(None) };
    let relative = Path::new(&path);
    if relative.is_absolute() || relative.components().any(|part| part == std::path::Component::ParentDir) {
        return Err(SpecError::SubPath(path));
    }
    // Without `.`, which says nothing.
    let parts = relative.components().filter(|part| matches!(part, std::path::Component::Normal(_)));
    Ok(Some(Path::new("/").join(parts.collect::<PathBuf>())))
}

fn etc(pod: &Pod, spec: &PodSpec) -> EtcFiles {
    let hostname = hostname(pod, spec);
    let mut hosts = format!("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.0.1\t{hostname}\n");
    for alias in spec.host_aliases.iter().flatten() {
        let names = alias.hostnames.as_deref().unwrap_or_default().join("\t");
        hosts.push_str(&format!("{}\t{names}\n", alias.ip));
    }
    EtcFiles { hosts: Some(hosts), resolv_conf: Some(resolver(spec)), hostname: Some(format!("{hostname}\n")) }
}

/// What the pod itself says about name resolution. There is nobody yet whom it could ask otherwise.
fn resolver(spec: &PodSpec) -> String {
    let Some(config) = &spec.dns_config else { return String::new() };
    let mut text = String::new();
    for server in config.nameservers.iter().flatten() {
        text.push_str(&format!("nameserver {server}\n"));
    }
    let searches = config.searches.as_deref().unwrap_or_default();
    if !searches.is_empty() {
        text.push_str(&format!("search {}\n", searches.join(" ")));
    }
    let options = config.options.iter().flatten().filter_map(|option| {
        let name = option.name.as_ref()?;
        Some(option.value.as_ref().map_or_else(|| name.clone(), |value| format!("{name}:{value}")))
    });
    let options: Vec<String> = options.collect();
    if !options.is_empty() {
        text.push_str(&format!("options {}\n", options.join(" ")));
    }
    text
}

#[cfg(test)]
mod tests;
