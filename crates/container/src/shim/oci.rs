//! The container as the OCI runtime specification describes it, which is what libcontainer reads.
//!
//! Pure: a specification goes in, JSON comes out. It says nothing about mounts that `rootfs` has made, about host name,
//! network and IPC (the creating process has entered them), nor about limits that the operating system may refuse.
//! Start reading at [`config`].

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::spec::{ContainerSpec, Resources};

/// Used where the environment has none, as container runtimes do.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Microseconds in which a processor limit is enforced, the kernel's default.
const CPU_PERIOD: u64 = 100_000;
/// Files of the kernel that tell about the machine or let it be disturbed, as container runtimes hide them.
const MASKED_PATHS: [&str; 11] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/scsi",
    "/proc/timer_list",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/kernel/debug",
];
/// Files of the kernel that may be read only.
const READ_ONLY_PATHS: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// What the machine adds to a specification.
pub(crate) struct Machine<'a> {
    /// Where the root file system is mounted.
    pub rootfs: &'a Path,
    /// Name of the container's control group, without a leading slash.
    pub cgroup: &'a str,
    /// Directories of the control group and the names under which the container sees them.
    pub visible_cgroups: Vec<(PathBuf, &'static str)>,
    /// A file that stands for the user namespace.
    pub user_namespace: Option<String>,
}

/// The content of `config.json`.
pub(crate) fn config(spec: &ContainerSpec, machine: &Machine<'_>) -> Value {
    let process = &spec.process;
    let capabilities: Vec<String> = spec.security.capabilities.iter().map(|name| format!("CAP_{name}")).collect();
    let mut namespaces = vec![json!({"type": "pid"}), json!({"type": "mount"}), json!({"type": "cgroup"})];
    if let Some(path) = &machine.user_namespace {
        namespaces.push(json!({"type": "user", "path": path}));
    }
    json!({
        "ociVersion": "1.0.2",
        "root": {"path": machine.rootfs, "readonly": spec.read_only_root},
        "process": {
            "terminal": false,
            "user": {"uid": process.uid, "gid": process.gid, "additionalGids": process.additional_gids},
            "args": process.args,
            "env": environment(spec).iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>(),
            "cwd": process.working_dir,
            "capabilities": {
                "bounding": capabilities,
                "effective": capabilities,
                "permitted": capabilities,
            },
            "noNewPrivileges": spec.security.no_new_privileges,
        },
        "mounts": mounts(machine),
        "linux": {
            "cgroupsPath": format!("/{}", machine.cgroup),
            "namespaces": namespaces,
            "resources": resources(&spec.resources),
            "maskedPaths": MASKED_PATHS,
            "readonlyPaths": READ_ONLY_PATHS,
        },
    })
}

/// The complete environment: what was asked for, and defaults for what every program expects.
pub(crate) fn environment(spec: &ContainerSpec) -> Vec<(String, String)> {
    let mut environment: Vec<(String, String)> = Vec::new();
    let home = if spec.process.uid == 0 { "/root" } else { "/" };
    let defaults = [("PATH", DEFAULT_PATH), ("HOME", home)].map(|(name, value)| (name.to_owned(), value.to_owned()));
    for (name, value) in defaults.into_iter().chain(spec.process.env.iter().cloned()) {
        match environment.iter_mut().find(|(known, _)| *known == name) {
            Some(known) => known.1 = value,
            None => environment.push((name, value)),
        }
    }
    environment
}

fn mounts(machine: &Machine<'_>) -> Vec<Value> {
    let mut mounts = vec![
        json!({
            "destination": "/proc", "type": "proc", "source": "proc",
            "options": ["nosuid", "noexec", "nodev"],
        }),
        json!({
            "destination": "/dev/pts", "type": "devpts", "source": "devpts",
            "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        }),
    ];
    if machine.visible_cgroups.iter().any(|(_, name)| !name.is_empty()) {
        mounts.push(json!({
            "destination": "/sys/fs/cgroup", "type": "tmpfs", "source": "tmpfs",
            "options": ["nosuid", "noexec", "nodev", "mode=755", "size=65536"],
        }));
    }
    mounts.extend(machine.visible_cgroups.iter().map(|(source, name)| {
        let directory = Path::new("/sys/fs/cgroup");
        json!({
            "destination": if name.is_empty() { directory.to_owned() } else { directory.join(name) }, "type": "bind", "source": source,
            "options": ["bind", "ro", "nosuid", "noexec", "nodev"],
        })
    }));
    mounts
}

fn resources(limits: &Resources) -> Value {
    // Version 1 starts with everything allowed; libcontainer adds the devices that every container has.
    let mut resources = json!({"devices": [{"allow": false, "access": "rwm"}]});
    if let Some(bytes) = limits.memory {
        resources["memory"] = json!({"limit": bytes});
    }
    if let Some(processes) = limits.pids {
        resources["pids"] = json!({"limit": processes});
    }
    let mut cpu = serde_json::Map::new();
    if let Some(shares) = limits.cpu_shares {
        cpu.insert("shares".to_owned(), shares.into());
    }
    if let Some(millis) = limits.cpu_millis {
        cpu.insert("period".to_owned(), CPU_PERIOD.into());
        cpu.insert("quota".to_owned(), (millis * CPU_PERIOD / 1000).into());
    }
    if !cpu.is_empty() {
        resources["cpu"] = cpu.into();
    }
    resources
}

#[cfg(test)]
mod tests;
