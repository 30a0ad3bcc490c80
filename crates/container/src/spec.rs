//! What a caller asks for: sandboxes and the containers in them.
//!
//! Plain values, checked by [`ContainerSpec::check`] before anything is written. No defaults of Kubernetes live here: the
//! node agent fills everything in. Start reading at [`ContainerSpec`].

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::SpecError;
use crate::host::HostRootfs;

/// Longest id in bytes. It becomes a cgroup, a directory and, with a suffix, a socket name, each of which has to fit.
pub const MAX_ID_LENGTH: usize = 64;

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Takes 1 to [`MAX_ID_LENGTH`] characters of `a-z 0-9 . _ -`, the first of them a letter or digit.
            ///
            /// # Errors
            /// [`SpecError::Id`] for anything else.
            pub fn new(id: impl Into<String>) -> Result<Self, SpecError> {
                let id = id.into();
                if is_valid_id(&id) { Ok(Self(id)) } else { Err(SpecError::Id { id }) }
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = SpecError;

            fn try_from(id: String) -> Result<Self, SpecError> {
                Self::new(id)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

id_type! {
    /// Names a container within one [`crate::Runtime`].
    ContainerId
}
id_type! {
    /// Names a sandbox within one [`crate::Runtime`].
    SandboxId
}

fn is_valid_id(id: &str) -> bool {
    let first_is_plain = id.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    first_is_plain && id.len() <= MAX_ID_LENGTH && id.chars().all(known)
}

/// A sandbox: host name, network and System V IPC that its containers share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SandboxSpec {
    /// Its name.
    pub id: SandboxId,
    /// Host name that its containers see, at most 64 bytes (the kernel's limit).
    pub hostname: String,
    /// Where its network comes from.
    pub network: Network,
}

/// The network namespace of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Network {
    /// A namespace of its own with nothing but a loopback interface, which is up.
    NewNamespace,
    /// An existing namespace, named by a file that stands for it (as `ip netns` keeps them). Its owner removes it.
    Path(PathBuf),
}

/// A container: one program and what it may see and use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ContainerSpec {
    /// Its name.
    pub id: ContainerId,
    /// The sandbox it belongs to, which must exist when it starts.
    pub sandbox: SandboxId,
    /// Its root file system.
    pub rootfs: Rootfs,
    /// Mounts the root read-only. Mounts below it keep their own access.
    pub read_only_root: bool,
    /// What runs in it.
    pub process: Process,
    /// What is mounted over the root file system, in this order.
    pub mounts: Vec<Mount>,
    /// Files that are written for this container.
    pub etc: EtcFiles,
    /// What it may use.
    pub resources: Resources,
    /// What it may do.
    pub security: Security,
    /// Where its output goes.
    pub log: LogOptions,
}

/// The root file system of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Rootfs {
    /// An unpacked image. It is never written to: each container has a writable overlay of its own.
    Directory(PathBuf),
    /// The machine's own programs and libraries, read-only.
    Host(HostRootfs),
}

/// The program of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Process {
    /// Command and arguments. A command without `/` is looked up in the `PATH` of `env`.
    pub args: Vec<String>,
    /// The complete environment, in order; a later entry wins. `PATH` and `HOME` have defaults, nothing is inherited.
    pub env: Vec<(String, String)>,
    /// Absolute path of the working directory; it is created if it is missing.
    pub working_dir: PathBuf,
    /// User id inside the container.
    pub uid: u32,
    /// Group id inside the container.
    pub gid: u32,
    /// Supplementary group ids inside the container.
    pub additional_gids: Vec<u32>,
    /// Preference of the kernel's out-of-memory killer, -1000 to 1000. What the server's own privileges do not allow is
    /// clamped, which shows up in the container's notes.
    pub oom_score_adj: Option<i32>,
    /// Signal that asks it to end, such as 15 (SIGTERM).
    pub stop_signal: i32,
}

/// Something mounted into a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Mount {
    /// Absolute path inside the container. Symbolic links of the image are followed inside the image only.
    pub destination: PathBuf,
    /// What appears there.
    pub source: MountSource,
    /// Whether it can be written to.
    pub access: Access,
}

/// What a [`Mount`] shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MountSource {
    /// A file or directory of the machine, with what is mounted below it.
    Bind(PathBuf),
    /// What is at `path` inside the directory `root` of the machine, which becomes a directory if nothing is there. Symbolic
    /// links lead nowhere outside `root`, whoever made them and whenever: for places that containers write to.
    Below {
        /// A directory of the machine.
        root: PathBuf,
        /// Absolute, with `root` as `/`.
        path: PathBuf,
    },
    /// Empty memory-backed storage. It counts against the container's memory limit.
    Tmpfs {
        /// Largest size in bytes; the kernel's default is half of the machine's memory.
        size: Option<u64>,
    },
}

/// How a mount may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Access {
    /// Writing fails with EROFS.
    ReadOnly,
    /// File permissions decide.
    ReadWrite,
}

/// Contents of files under `/etc` that differ per container. None leaves what the root file system has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct EtcFiles {
    /// `/etc/hosts`.
    pub hosts: Option<String>,
    /// `/etc/resolv.conf`.
    pub resolv_conf: Option<String>,
    /// `/etc/hostname`.
    pub hostname: Option<String>,
}

/// Limits of a container. None is no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Resources {
    /// Memory in bytes, page cache and tmpfs included. Exceeding it kills.
    pub memory: Option<u64>,
    /// Processor time as thousandths of one processor per second. Exceeding it slows down.
    pub cpu_millis: Option<u64>,
    /// Weight against other containers when the processors are busy, 2 to 262144; 1024 is the kernel's default.
    pub cpu_shares: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u32>,
}

/// Privileges of a container. The default masks and read-only paths of `/proc` and `/sys` always apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Security {
    /// Capabilities without `CAP_`, such as `NET_BIND_SERVICE`; see [`DEFAULT_CAPABILITIES`].
    pub capabilities: Vec<String>,
    /// Keeps set-user-id programs from gaining anything.
    pub no_new_privileges: bool,
    /// Which users of the machine the container's users are.
    pub users: Users,
}

impl Default for Security {
    fn default() -> Self {
        Self {
            capabilities: DEFAULT_CAPABILITIES.iter().map(|name| (*name).to_owned()).collect(),
            no_new_privileges: true,
            users: Users::Machine,
        }
    }
}

/// What container runtimes grant by default, without `MKNOD`: on cgroup v2 nothing would keep a container from opening a
/// device node that it made itself.
pub const DEFAULT_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// The users of a container as the machine sees them, user_namespaces(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Users {
    /// The same ids; root in the container is root of the machine, held back by capabilities and mounts only.
    Machine,
    /// A user namespace: ids 0 to 65535 of the container are `first` and following of the machine. Bind mounts are
    /// mapped back, so that files keep the owners that the container gave them.
    Shifted {
        /// The machine's id of the container's root, at least 65536.
        first: u32,
    },
}

/// Number of ids in a user namespace: all that a 16-bit file system can name, as every runtime maps them.
pub(crate) const USER_COUNT: u32 = 65_536;

impl Users {
    /// The machine's id for an id of the container.
    pub(crate) fn on_machine(self, id: u32) -> u32 {
        match self {
            Self::Machine => id,
            Self::Shifted { first } => first.saturating_add(id),
        }
    }
}

/// The log of a container, in the format of the container runtime interface (CRI): `TIME STREAM TAG LINE`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LogOptions {
    /// The file that is written to. Older parts are beside it as `<path>.1`, `<path>.2`, …; the directory must exist
    /// when the container starts.
    pub path: PathBuf,
    /// Size in bytes at which a new file is begun.
    pub max_size: u64,
    /// How many files are kept, the current one included; at least 1.
    pub max_files: u32,
}

impl ContainerSpec {
    /// Checks what can be checked without looking at the machine.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn check(&self) -> Result<(), SpecError> {
        let process = &self.process;
        if process.args.first().is_none_or(String::is_empty) {
            return Err(SpecError::NoCommand);
        }
        let words = process.args.iter().chain(process.env.iter().flat_map(|(name, value)| [name, value]));
        if let Some(word) = words.into_iter().find(|word| word.contains('\0')) {
            return Err(SpecError::NulByte { text: word.escape_default().to_string() });
        }
        if let Some((name, _)) = process.env.iter().find(|(name, _)| name.is_empty() || name.contains('=')) {
            return Err(SpecError::VariableName { name: name.clone() });
        }
        check_path("working directory", &process.working_dir)?;
        check_path("log path", &self.log.path)?;
        for mount in &self.mounts {
            check_path("mount destination", &mount.destination)?;
            match &mount.source {
                MountSource::Bind(source) => check_path("mount source", source)?,
                MountSource::Below { root, path } => {
                    check_path("mount source", root)?;
                    check_path("path below the mount source", path)?;
                }
                MountSource::Tmpfs { .. } => {}
            }
        }
        match &self.rootfs {
            Rootfs::Directory(path) => check_path("root file system", path)?,
            Rootfs::Host(host) => host.check()?,
        }
        self.check_numbers()
    }

    fn check_numbers(&self) -> Result<(), SpecError> {
        let in_range = |what: &'static str, value: i64, least: i64, most: i64| {
            if (least..=most).contains(&value) { Ok(()) } else { Err(SpecError::Range { what, value, least, most }) }
        };
        let process = &self.process;
        in_range("out-of-memory score", process.oom_score_adj.unwrap_or(0).into(), -1000, 1000)?;
        if crate::process::signal(process.stop_signal).is_none() {
            return Err(SpecError::Signal { number: process.stop_signal });
        }
        in_range("kept log files", self.log.max_files.into(), 1, 1000)?;
        let shares = self.resources.cpu_shares.unwrap_or(1024);
        in_range("cpu shares", i64::try_from(shares).unwrap_or(i64::MAX), 2, 262_144)?;
        // A quota below one millisecond per 100 ms period is refused by the kernel.
        let millis = self.resources.cpu_millis.unwrap_or(1000);
        in_range("cpu limit", i64::try_from(millis).unwrap_or(i64::MAX), 10, 1_000_000)?;
        if let Users::Shifted { first } = self.security.users {
            in_range("first user id", first.into(), USER_COUNT.into(), i64::from(u32::MAX - USER_COUNT))?;
            for id in [process.uid, process.gid].iter().chain(&process.additional_gids) {
                in_range("user or group id", (*id).into(), 0, i64::from(USER_COUNT) - 1)?;
            }
        }
        Ok(())
    }
}

/// Paths are absolute and without `..`, so that what is checked is what is used.
pub(crate) fn check_path(what: &'static str, path: &Path) -> Result<(), SpecError> {
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let text = path.as_os_str().as_encoded_bytes();
    if path.is_absolute() && plain && !text.contains(&0) {
        Ok(())
    } else {
        Err(SpecError::Path { what, path: path.to_owned() })
    }
}

#[cfg(test)]
pub(crate) mod tests;
