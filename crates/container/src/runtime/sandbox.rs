//! Sandboxes: namespaces that belong to no process.
//!
//! Each namespace is kept alive by a mount of its file in the runtime directory, as `ip netns` does. That outlives the
//! server, needs no process that could be killed, and is found and removed by its path. Start reading at [`create`].

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::mount::{UnmountFlags, mount_bind, unmount};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};
use tokio::net::TcpSocket;
use tokio::sync::oneshot;

use super::files::{file_error, names};
use crate::error::Error;
use crate::layout::{Layout, UNFINISHED};
use crate::spec::{Network, SandboxId, SandboxSpec};
use crate::state::{read_json, write_json};

/// File system type of namespace files (`NSFS_MAGIC` in `linux/magic.h`).
const NAMESPACE_FILE_SYSTEM: u32 = 0x6e73_6673;
/// The namespaces of a sandbox, as `/proc/PID/ns` names them.
const NAMESPACES: [&str; 3] = ["net", "uts", "ipc"];

pub(super) async fn create(layout: Layout, spec: SandboxSpec) -> Result<(), Error> {
    let id = spec.id.clone();
    let failed = |source| Error::Sandbox { id: id.clone(), action: "make", source };
    let (sender, receiver) = oneshot::channel();
    // A thread of its own, because it ends up in namespaces that no other work must run in.
    let thread = task::thread("sandbox", move || {
        // The receiver is gone if the caller gave up; the next attempt finds what was made.
        drop(sender.send(create_blocking(&layout, &spec)));
    });
    thread.map_err(failed)?;
    let result = receiver.await;
    result.unwrap_or_else(|_gone| Err(failed(io::Error::other("the thread that makes it panicked"))))
}

fn create_blocking(layout: &Layout, spec: &SandboxSpec) -> Result<(), Error> {
    let config = layout.sandbox_config(&spec.id);
    let found: Option<SandboxSpec> = read_json(&config).map_err(file_error("read", &config))?;
    if found.as_ref().is_some_and(|found| found != spec) {
        return Err(Error::SandboxDiffers { id: spec.id.clone() });
    }
    let directory = layout.sandbox_namespaces(&spec.id);
    let failed = |action| move |source| Error::Sandbox { id: spec.id.clone(), action, source };
    if !NAMESPACES.iter().all(|name| is_namespace(&directory.join(name))) {
        unpin(&directory).map_err(failed("remove an unfinished"))?;
        enter(spec).map_err(failed("make the namespaces of"))?;
        pin(&directory).map_err(failed("pin the namespaces of"))?;
    }
    if found.is_none() {
        let write = || {
            let unfinished = layout.sandboxes().join(format!("{UNFINISHED}{}", spec.id));
            fs::create_dir_all(&unfinished)?;
            write_json(&unfinished.join("config.json"), spec)?;
            fs::rename(unfinished, layout.sandboxes().join(spec.id.as_str()))
        };
        write().map_err(failed("write down"))?;
    }
    Ok(())
}

/// Puts the calling thread into the namespaces of a new sandbox.
fn enter(spec: &SandboxSpec) -> io::Result<()> {
    let fresh = UnshareFlags::NEWUTS | UnshareFlags::NEWIPC;
    match &spec.network {
        Network::NewNamespace => {
            // SAFETY: neither flag concerns memory or descriptors, and this thread does nothing else.
            unsafe { unshare_unsafe(fresh | UnshareFlags::NEWNET) }?;
        }
        Network::Path(path) => {
            // SAFETY: as above.
            unsafe { unshare_unsafe(fresh) }?;
            move_into_link_name_space(File::open(path)?.as_fd(), Some(LinkNameSpaceType::Network))?;
        }
    }
    rustix::system::sethostname(spec.hostname.as_bytes())?;
    raise_loopback()?;
    // Users of a container in a user namespace have no capability in this network; ports below 1024 are for them, too.
    fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0")
}

/// Mounts the namespaces of the calling thread to files that keep them.
fn pin(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for name in NAMESPACES {
        let place = directory.join(name);
        File::create(&place)?;
        mount_bind(Path::new("/proc/thread-self/ns").join(name), &place)?;
    }
    Ok(())
}

/// Lets go of namespaces; fine if there are none.
fn unpin(directory: &Path) -> io::Result<()> {
    for name in NAMESPACES {
        let place = directory.join(name);
        while is_namespace(&place) {
            unmount(&place, UnmountFlags::DETACH)?;
        }
    }
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn is_namespace(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|found| found.f_type == i64::from(NAMESPACE_FILE_SYSTEM))
}

/// Brings the loopback interface of the calling thread's network up, netdevice(7).
fn raise_loopback() -> io::Result<()> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: `ifreq` is plain data for which all zeros are valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (place, letter) in request.ifr_name.iter_mut().zip(b"lo") {
        *place = (*letter).cast_signed();
    }
    request.ifr_ifru.ifru_flags = i16::try_from(libc::IFF_UP | libc::IFF_RUNNING).map_err(io::Error::other)?;
    // SAFETY: the request is a complete `ifreq` that outlives the call.
    let result =
        unsafe { libc::ioctl(std::os::fd::AsRawFd::as_raw_fd(&socket), libc::SIOCSIFFLAGS, &raw const request) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A TCP socket in the network of a sandbox. A socket stays in the network in which it was made, wherever it is used.
pub(super) async fn socket(layout: &Layout, id: &SandboxId, family: AddressFamily) -> io::Result<TcpSocket> {
    let namespace = layout.sandbox_namespaces(id).join(NAMESPACES[0]);
    let (sender, receiver) = oneshot::channel();
    // A thread of its own, as above; it ends at once.
    task::thread("sandbox socket", move || {
        let open = || -> io::Result<OwnedFd> {
            move_into_link_name_space(File::open(namespace)?.as_fd(), Some(LinkNameSpaceType::Network))?;
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            Ok(socket_with(family, SocketType::STREAM, flags, None)?)
        };
        // The receiver is gone if the caller gave up.
        drop(sender.send(open()));
    })?;
    let socket = receiver.await.map_err(io::Error::other)??;
    Ok(TcpSocket::from_std_stream(socket.into()))
}

pub(super) async fn remove(layout: Layout, id: SandboxId) -> Result<(), Error> {
    task::blocking(move || {
        let failed = |source| Error::Sandbox { id: id.clone(), action: "remove", source };
        unpin(&layout.sandbox_namespaces(&id)).map_err(failed)?;
        match fs::remove_dir_all(layout.sandboxes().join(id.as_str())) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(()),
        }
    })
    .await
}

/// Removes namespaces whose sandbox was never written down.
pub(super) fn remove_strays(layout: &Layout) -> Result<(), Error> {
    for name in names(&layout.namespaces())? {
        let directory = layout.namespaces().join(&name);
        let is_known = SandboxId::new(name).is_ok_and(|id| layout.sandbox_config(&id).exists());
        if !is_known {
            unpin(&directory).map_err(file_error("remove", &directory))?;
        }
    }
    Ok(())
}

pub(super) fn list(layout: &Layout) -> Result<Vec<SandboxSpec>, Error> {
    let mut found = Vec::new();
    for name in names(&layout.sandboxes())? {
        let Ok(id) = SandboxId::new(name) else { continue };
        let config = layout.sandbox_config(&id);
        found.extend(read_json(&config).map_err(file_error("read", &config))?);
    }
    Ok(found)
}
