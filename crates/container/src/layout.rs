//! Where everything of a runtime is: files that stay, files of this boot, cgroups.
//!
//! Only names; nothing is opened or made here. Start reading at [`Layout`].

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::spec::{ContainerId, SandboxId};

/// The directories and the cgroup of one runtime. Handed to each shim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Layout {
    /// Survives a restart of the machine.
    pub data: PathBuf,
    /// Belongs to this boot: sockets and namespace files.
    pub runtime: PathBuf,
    /// Below every cgroup hierarchy, without a leading slash.
    pub cgroup: String,
}

/// Begins the name of a directory that is being made or removed; what is left of one goes at the next start.
pub(crate) const UNFINISHED: &str = ".unfinished-";

/// Cgroup of the shims. Containers must not be called like it, which a leading underscore makes sure.
const SHIMS: &str = "_shims";

impl Layout {
    pub(crate) fn containers(&self) -> PathBuf {
        self.data.join("containers")
    }

    pub(crate) fn sandboxes(&self) -> PathBuf {
        self.data.join("sandboxes")
    }

    pub(crate) fn container(&self, id: &ContainerId) -> ContainerFiles {
        ContainerFiles { root: self.containers().join(id.as_str()) }
    }

    pub(crate) fn sandbox_config(&self, id: &SandboxId) -> PathBuf {
        self.sandboxes().join(id.as_str()).join("config.json")
    }

    /// Where the shims listen.
    pub(crate) fn sockets(&self) -> PathBuf {
        self.runtime.join("shim")
    }

    /// Mount point of every container's root file system, each in a mount namespace of its own. Not in the data directory,
    /// because users of a user namespace have to reach it and nobody else's data.
    pub(crate) fn rootfs(&self) -> PathBuf {
        self.runtime.join("rootfs")
    }

    /// Where the namespaces of all sandboxes are pinned.
    pub(crate) fn namespaces(&self) -> PathBuf {
        self.runtime.join("ns")
    }

    /// Where the namespaces of one sandbox are pinned.
    pub(crate) fn sandbox_namespaces(&self, id: &SandboxId) -> PathBuf {
        self.namespaces().join(id.as_str())
    }

    pub(crate) fn container_cgroup(&self, id: &ContainerId) -> String {
        format!("{}/{id}", self.cgroup)
    }

    /// Cgroup of all shims together.
    pub(crate) fn shim_cgroups(&self) -> String {
        format!("{}/{SHIMS}", self.cgroup)
    }

    /// Cgroup of the shim of a container and of what creates the container, by which leftovers of a start are found.
    pub(crate) fn shim_cgroup(&self, id: &ContainerId) -> String {
        format!("{}/{SHIMS}/{id}", self.cgroup)
    }
}

/// The files of one container.
#[derive(Debug, Clone)]
pub(crate) struct ContainerFiles {
    pub root: PathBuf,
}

impl ContainerFiles {
    /// The specification, written once.
    pub(crate) fn config(&self) -> PathBuf {
        self.root.join("config.json")
    }

    /// What has become of it: [`crate::state::Record`].
    pub(crate) fn state(&self) -> PathBuf {
        self.root.join("state.json")
    }

    /// Locked by the shim as long as it lives.
    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("shim.lock")
    }

    /// What a shim says when it panics.
    pub(crate) fn shim_log(&self) -> PathBuf {
        self.root.join("shim.log")
    }

    pub(crate) fn fifo(&self, stream: &str) -> PathBuf {
        self.root.join(stream)
    }

    /// Directories of the writable overlay.
    pub(crate) fn overlay(&self) -> PathBuf {
        self.root.join("overlay")
    }

    /// Files that are mounted to `/etc`.
    pub(crate) fn etc(&self) -> PathBuf {
        self.root.join("etc")
    }

    /// What libcontainer reads and writes while it starts the container.
    pub(crate) fn oci(&self) -> PathBuf {
        self.root.join("oci")
    }
}

/// The name of a shim's socket. Both ends reach it through a descriptor of its directory, because a socket address holds
/// 108 bytes and the directory may be anywhere.
pub(crate) fn socket_address(directory_fd: i32, id: &ContainerId) -> PathBuf {
    Path::new("/proc/self/fd").join(directory_fd.to_string()).join(id.as_str())
}
