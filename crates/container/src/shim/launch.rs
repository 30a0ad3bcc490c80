//! The process that creates a container: a child of the shim that enters the sandbox, mounts the root file system and
//! lets libcontainer do the rest.
//!
//! It is a process of its own for three reasons. libcontainer has hung before, and a child can be killed at a deadline.
//! What it allocates is gone when the child is, so the shim stays small. And namespaces that the child has entered are
//! inherited by the container, also where libcontainer could not enter them from inside a user namespace. The
//! container's first process becomes a child of the shim (`CLONE_PARENT`). Start reading at [`create`].

use std::fs;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use libcontainer::container::builder::ContainerBuilder;
use libcontainer::notify_socket::NotifySocket;
use libcontainer::syscall::syscall::SyscallType;
use rustix::fs::{CWD, Gid, Mode, OFlags, Uid, fchown, openat};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::pipe::fcntl_setpipe_size;
use rustix::process::{Signal, WaitOptions, waitpid};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, set_name, unshare_unsafe};
use serde::{Deserialize, Serialize};

use crate::cgroup::Hierarchies;
use crate::error::{StartError, Step};
use crate::layout::{ContainerFiles, Layout};
use crate::process;
use crate::shim::executor::Command;
use crate::shim::oci::{self, Machine};
use crate::shim::rootfs::{Stage, stage};
use crate::spec::{ContainerSpec, USER_COUNT, Users};
use crate::wire::{Lines, send};

/// How much output waits when nobody reads it, before the container blocks: the most that the kernel gives without
/// asking. It takes memory only when it is filled.
const FIFO_BYTES: usize = 1 << 20;
/// The name libcontainer knows the container by, in a directory that is the container's own.
const OCI_ID: &str = "container";

/// What to create.
pub(crate) struct Launch<'a> {
    pub layout: &'a Layout,
    pub files: &'a ContainerFiles,
    pub spec: &'a ContainerSpec,
}

/// What the creating process tells the shim.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Progress {
    /// Everything is ready; the first process waits for [`Go`].
    Prepared { pid: i32, notes: Vec<String> },
    /// The command has been executed.
    Executed,
    /// Nothing came of it.
    Failed(StartError),
}

/// What the shim answers to [`Progress::Prepared`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Go;

/// Creates and starts the container, talking to the shim through `channel`. Returns the exit code of the process.
pub(crate) fn create(launch: &Launch<'_>, mut channel: UnixStream) -> u8 {
    let progress = match launch.run(&mut channel) {
        Ok(()) => Progress::Executed,
        Err(error) => Progress::Failed(error),
    };
    // If the shim is gone there is nobody to tell.
    u8::from(send(&mut channel, &progress).is_err())
}

impl Launch<'_> {
    fn run(&self, channel: &mut UnixStream) -> Result<(), StartError> {
        let mut notes = Vec::new();
        set_name(c"trireme-create").step("name the creating process")?;
        self.check_device_nodes()?;
        adjust_oom_score(self.spec.process.oom_score_adj, &mut notes)?;
        self.enter_sandbox()?;
        let user_namespace = match self.spec.security.users {
            Users::Machine => None,
            Users::Shifted { first } => Some(make_user_namespace(first).step("make a user namespace")?),
        };
        let user_namespace = user_namespace.as_ref();
        stage(Stage {
            spec: self.spec,
            files: self.files,
            place: &self.layout.rootfs(),
            user_namespace: user_namespace.map(OwnedFd::as_fd),
            notes: &mut notes,
        })?;
        let (mut failures, report) = io::pipe().step("make a pipe")?;
        let command = Command {
            args: self.spec.process.args.clone(),
            environment: oci::environment(self.spec),
            report: Arc::new(report),
        };
        self.write_config(user_namespace)?;
        let pid = self.build(command).map_err(|error| first_failure(&mut failures).unwrap_or(error))?;
        let started = self.start(channel, &Progress::Prepared { pid, notes });
        if let Err(error) = started {
            // The shim may be gone, and then nobody else would end the process that waits.
            let hierarchies = Hierarchies::detect().step("read the control groups")?;
            let group = hierarchies.group(&self.layout.container_cgroup(&self.spec.id));
            group.signal_all(Signal::KILL).step("kill the first process")?;
            return Err(error);
        }
        // The pipe closes when the command is executed, or when the process ends, which its exit status tells.
        first_failure(&mut failures).map_or(Ok(()), Err)
    }

    /// Lets the first process execute the command as soon as the shim has written down that it exists.
    fn start(&self, channel: &mut UnixStream, prepared: &Progress) -> Result<(), StartError> {
        let mut answers = Lines::default();
        let going = send(channel, prepared)
            .and_then(|()| answers.receive::<Go>(channel))
            .and_then(|go| go.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof)));
        going.step("wait for the shim")?;
        let socket = self.files.oci().join(OCI_ID).join("notify.sock");
        NotifySocket::new(socket).notify_container_start().step("start the command")
    }

    /// Whoever may make device nodes owns the machine's disks, unless control groups guard them or the nodes are worth
    /// nothing because of a user namespace.
    fn check_device_nodes(&self) -> Result<(), StartError> {
        let security = &self.spec.security;
        if security.users != Users::Machine || !security.capabilities.iter().any(|name| name == "MKNOD") {
            return Ok(());
        }
        if Hierarchies::detect().step("read the control groups")?.guards_devices() {
            return Ok(());
        }
        Err(StartError::setup("grant MKNOD", "nothing on this machine keeps a container from opening any device"))
    }

    /// A mount namespace of its own, and the namespaces of the sandbox.
    fn enter_sandbox(&self) -> Result<(), StartError> {
        let shared = self.layout.sandbox_namespaces(&self.spec.sandbox);
        for (name, kind) in [
            ("net", LinkNameSpaceType::Network),
            ("uts", LinkNameSpaceType::HostNameAndNISDomainName),
            ("ipc", LinkNameSpaceType::InterProcessCommunication),
        ] {
            let step = || format!("enter the {name} namespace of sandbox {}", self.spec.sandbox);
            let file = openat(CWD, shared.join(name), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
            let file = file.step(step())?;
            move_into_link_name_space(file.as_fd(), Some(kind)).step(step())?;
        }
        // SAFETY: this process has one thread, so no other one loses its view of the file system.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.step("make a mount namespace")?;
        let receive_only = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
        mount_change("/", receive_only).step("keep mounts from spreading to the machine")
    }

    fn write_config(&self, user_namespace: Option<&OwnedFd>) -> Result<(), StartError> {
        let hierarchies = Hierarchies::detect().step("read the control groups")?;
        let cgroup = self.layout.container_cgroup(&self.spec.id);
        let machine = Machine {
            rootfs: &self.layout.rootfs(),
            cgroup: &cgroup,
            visible_cgroups: hierarchies.visible(&cgroup),
            // The processes that libcontainer makes inherit the descriptor.
            user_namespace: user_namespace.map(|fd| format!("/proc/self/fd/{}", fd.as_raw_fd())),
        };
        let oci = self.files.oci();
        let config = oci::config(self.spec, &machine).to_string();
        fs::write(oci.join("config.json"), config).step("write the configuration")
    }

    /// Has libcontainer create the first process, which then waits. Returns its pid.
    fn build(&self, command: Command) -> Result<i32, StartError> {
        let oci = self.files.oci();
        let null = openat(CWD, "/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        let container = ContainerBuilder::new(OCI_ID.to_owned(), SyscallType::default())
            .with_executor(command)
            .with_stdin(null.step("open /dev/null")?)
            .with_stdout(self.open_output("stdout")?)
            .with_stderr(self.open_output("stderr")?)
            .with_root_path(&oci)
            .map_err(|error| StartError::setup("prepare the container", stdx::error_chain(&error)))?
            .as_init(&oci)
            .with_systemd(false)
            .as_sibling(true)
            .build();
        let container =
            container.map_err(|error| StartError::setup("create the container", stdx::error_chain(&error)))?;
        let pid = container.pid().ok_or_else(|| StartError::setup("create the container", "it has no process"))?;
        Ok(pid.as_raw())
    }

    /// The writing end of a standard stream. Opened for reading as well, so that the container itself keeps it open: its
    /// writes neither fail nor, until the buffer is full, block when the shim is gone.
    fn open_output(&self, stream: &str) -> Result<OwnedFd, StartError> {
        let step = || format!("open {stream}");
        let fifo = openat(CWD, self.files.fifo(stream), OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).step(step())?;
        // Programs open /dev/stdout by name, which needs the permission of the file.
        let process = &self.spec.process;
        let users = self.spec.security.users;
        let (uid, gid) = (users.on_machine(process.uid), users.on_machine(process.gid));
        fchown(&fifo, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).step(step())?;
        if let Err(errno) = fcntl_setpipe_size(&fifo, FIFO_BYTES) {
            tracing::debug!(%errno, "output buffer keeps its default size");
        }
        Ok(fifo)
    }
}

/// The failure that the container's first process reported, once it has executed its command or ended.
fn first_failure(failures: &mut PipeReader) -> Option<StartError> {
    let mut text = Vec::new();
    match failures.read_to_end(&mut text) {
        Ok(0) => None,
        Ok(_) => Some(serde_json::from_slice(&text).unwrap_or_else(|error| StartError::setup("read a report", error))),
        Err(error) => Some(StartError::setup("read a report", error)),
    }
}

/// Sets the preference of the out-of-memory killer for this process and what it starts. Lowering it needs
/// `CAP_SYS_RESOURCE`, which root does not have everywhere.
fn adjust_oom_score(wanted: Option<i32>, notes: &mut Vec<String>) -> Result<(), StartError> {
    const FILE: &str = "/proc/self/oom_score_adj";
    let Some(wanted) = wanted else { return Ok(()) };
    match fs::write(FILE, wanted.to_string()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let present = fs::read_to_string(FILE).step("read the out-of-memory score")?;
            let present = present.trim();
            notes.push(format!("out-of-memory score {wanted} needs CAP_SYS_RESOURCE; it stays {present}"));
            Ok(())
        }
        Err(error) => Err(StartError::setup("set the out-of-memory score", error)),
    }
}

/// A user namespace in which ids from 0 are those of the machine from `first`. It lives as long as the descriptor.
fn make_user_namespace(first: u32) -> io::Result<OwnedFd> {
    let (ours, mut theirs) = UnixStream::pair()?;
    // The child owns `theirs` and the parent `ours`, so that each sees the end of the other.
    let (child, mut ours) = process::fork_without(ours, move || {
        // SAFETY: a forked child has one thread.
        let made = unsafe { unshare_unsafe(UnshareFlags::NEWUSER) };
        if made.is_err() || theirs.write_all(b"1").is_err() {
            return 1;
        }
        u8::from(theirs.read(&mut [0]).is_err())
    })?;
    let made = ours.read_exact(&mut [0]).and_then(|()| {
        let directory = Path::new("/proc").join(child.as_raw_nonzero().to_string());
        let map = format!("0 {first} {USER_COUNT}");
        fs::write(directory.join("uid_map"), &map)?;
        fs::write(directory.join("gid_map"), &map)?;
        Ok(openat(CWD, directory.join("ns/user"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
    });
    drop(ours);
    waitpid(Some(child), WaitOptions::empty())?;
    made
}
