//! The files, control groups and locks behind the runtime's operations.
//!
//! Everything here blocks and is called on the pool for blocking work. Start reading at [`create`] and [`remove`].

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;

use super::{KILL_TIMEOUT, Listed, sandbox};
use crate::cgroup::Hierarchies;
use crate::error::Error;
use crate::layout::{ContainerFiles, Layout, UNFINISHED};
use crate::process::{self, pause};
use crate::spec::{ContainerId, ContainerSpec};
use crate::state::{Exit, ExitStatus, Record, Status, read_json, write_json};

/// What an error about control groups as a whole is about.
const CGROUPS: &str = "/sys/fs/cgroup";

pub(super) fn file_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::File { action, path, source }
}

pub(super) fn container_error(action: &'static str, id: &ContainerId) -> impl FnOnce(io::Error) -> Error + use<> {
    let id = id.clone();
    move |source| Error::Container { id, action, source }
}

pub(super) fn hierarchies(id: &ContainerId) -> Result<Hierarchies, Error> {
    Hierarchies::detect().map_err(container_error("read the control groups of", id))
}

pub(super) fn names(directory: &Path) -> Result<Vec<String>, Error> {
    let read = || -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(directory)? {
            names.extend(entry?.file_name().into_string());
        }
        names.sort();
        Ok(names)
    };
    read().map_err(file_error("list", directory))
}

/// Makes the directories, and removes what interrupted operations have left. Returns the directory of the sockets.
pub(super) fn open(layout: &Layout) -> Result<File, Error> {
    if !layout.cgroup.split('/').all(|part| ContainerId::new(part).is_ok()) {
        return Err(Error::CgroupParent { name: layout.cgroup.clone() });
    }
    let open_to_all = [(layout.runtime.clone(), 0o711), (layout.rootfs(), 0o755)];
    // Specifications hold secrets, and whoever reaches a socket commands a container.
    let closed = [layout.containers(), layout.sandboxes(), layout.sockets(), layout.namespaces()];
    for (directory, mode) in open_to_all.into_iter().chain(closed.map(|directory| (directory, 0o700))) {
        DirBuilder::new().recursive(true).mode(mode).create(&directory).map_err(file_error("make", &directory))?;
    }
    for directory in layout.runtime.ancestors() {
        let found = fs::metadata(directory).map_err(file_error("look at", directory))?;
        if found.permissions().mode() & 0o001 == 0 {
            return Err(Error::Unreachable { path: directory.to_owned() });
        }
    }
    for directory in [layout.containers(), layout.sandboxes()] {
        for name in names(&directory)?.iter().filter(|name| name.starts_with(UNFINISHED)) {
            let path = directory.join(name);
            fs::remove_dir_all(&path).map_err(file_error("remove", &path))?;
        }
    }
    File::open(layout.sockets()).map_err(file_error("open", &layout.sockets()))
}

pub(super) fn list(layout: &Layout) -> Result<Vec<Listed>, Error> {
    let mut found = Vec::new();
    for id in container_ids(layout)? {
        let files = layout.container(&id);
        let Some(spec) = load_spec(&files)? else { continue };
        let record = load_record(&files)?;
        let (status, notes) = record.map_or((Status::Created, Vec::new()), |record| (record.status, record.notes));
        found.push(Listed { id, sandbox: spec.sandbox, status, notes });
    }
    Ok(found)
}

/// Removes the control groups and the runtime directory.
pub(super) fn clear(layout: &Layout) -> Result<(), Error> {
    let groups = Hierarchies::detect().map_err(file_error("read", Path::new(CGROUPS)))?;
    let group = groups.group(&layout.cgroup);
    let deadline = Instant::now() + KILL_TIMEOUT;
    // Without containers, a process in there can only be a shim that lost its own.
    let emptied = group.kill_all(deadline).and_then(|_| group.remove(deadline));
    emptied.map_err(file_error("remove control groups below", Path::new(CGROUPS)))?;
    match fs::remove_dir_all(&layout.runtime) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file_error("remove", &layout.runtime)(error)),
        _ => Ok(()),
    }
}

fn container_ids(layout: &Layout) -> Result<Vec<ContainerId>, Error> {
    let names = names(&layout.containers())?;
    Ok(names.into_iter().filter_map(|name| ContainerId::new(name).ok()).collect())
}

pub(super) fn load_spec(files: &ContainerFiles) -> Result<Option<ContainerSpec>, Error> {
    read_json(&files.config()).map_err(file_error("read", &files.config()))
}

fn load_record(files: &ContainerFiles) -> Result<Option<Record>, Error> {
    Record::load(&files.state()).map_err(file_error("read", &files.state()))
}

/// Writes the files of a container beside the others, then gives them their name: they are there in full or not at all.
pub(super) fn create(layout: &Layout, spec: &ContainerSpec) -> Result<(), Error> {
    let id = &spec.id;
    let files = layout.container(id);
    match load_spec(&files)? {
        Some(found) if found == *spec => return Ok(()),
        Some(_) => return Err(Error::ContainerDiffers { id: id.clone() }),
        None => {}
    }
    if !layout.sandbox_config(&spec.sandbox).exists() {
        return Err(Error::NoSandbox { id: spec.sandbox.clone() });
    }
    let unfinished = ContainerFiles { root: layout.containers().join(format!("{UNFINISHED}{id}")) };
    let write = || {
        fs::create_dir_all(&unfinished.root)?;
        write_json(&unfinished.config(), spec)?;
        fs::rename(&unfinished.root, &files.root)
    };
    write().map_err(container_error("write down", id))
}

/// The status in the files of a container without a shim. One that is recorded as running and is not gets its end
/// recorded, which nobody saw.
pub(super) fn recorded(layout: &Layout, id: &ContainerId) -> Result<Status, Error> {
    let files = layout.container(id);
    if load_spec(&files)?.is_none() {
        return Err(Error::NoContainer { id: id.clone() });
    }
    let Some(mut record) = load_record(&files)? else { return Ok(Status::Created) };
    let Status::Running { init, started_at } = record.status else { return Ok(record.status) };
    let boot_id = process::boot_id().map_err(container_error("read the boot id for", id))?;
    let reason = if record.boot_id != boot_id {
        "the machine was restarted"
    } else if init.open().map_err(container_error("look for", id))?.is_none() {
        "its shim was gone, and nobody saw the end of the process"
    } else {
        return Ok(record.status);
    };
    let exit =
        Exit { status: ExitStatus::Unknown { reason: reason.to_owned() }, at: Timestamp::now(), oom_killed: false };
    record.status = Status::Exited { init, started_at, exit };
    record.save(&files.state()).map_err(file_error("write", &files.state()))?;
    Ok(record.status)
}

/// Removes processes, control groups and files of a container whose shim has been told to end.
pub(super) fn remove(layout: &Layout, id: &ContainerId) -> Result<(), Error> {
    let files = layout.container(id);
    let deadline = Instant::now() + KILL_TIMEOUT;
    wait_for_shim(&files, deadline).map_err(container_error("wait for the shim of", id))?;
    remove_group(layout, id, deadline)?;
    let unfinished = layout.containers().join(format!("{UNFINISHED}{id}"));
    let remove = || {
        // A shim that was killed leaves it.
        remove_file(&layout.sockets().join(id.as_str()))?;
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        fs::rename(&files.root, &unfinished)?;
        fs::remove_dir_all(&unfinished)
    };
    remove().map_err(container_error("remove the files of", id))
}

/// Ends the processes of a container, those that create it first, so that nothing is added behind our back.
fn remove_group(layout: &Layout, id: &ContainerId, deadline: Instant) -> Result<(), Error> {
    let hierarchies = hierarchies(id)?;
    for name in [layout.shim_cgroup(id), layout.container_cgroup(id)] {
        let group = hierarchies.group(&name);
        if !group.kill_all(deadline).map_err(container_error("kill the processes of", id))? {
            return Err(Error::Unkillable { id: id.clone(), seconds: KILL_TIMEOUT.as_secs() });
        }
        group.remove(deadline).map_err(container_error("remove the control group of", id))?;
    }
    Ok(())
}

/// Removes a file; fine if there is none.
fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Waits until no shim holds the lock. Locks cannot be waited for with a deadline.
fn wait_for_shim(files: &ContainerFiles, deadline: Instant) -> io::Result<()> {
    let lock = match File::open(files.lock()) {
        Ok(lock) => lock,
        // It never had one.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    loop {
        match fcntl_lock(&lock, FlockOperation::NonBlockingLockShared) {
            Ok(()) => return Ok(()),
            Err(Errno::AGAIN | Errno::ACCESS) if Instant::now() < deadline => pause(Duration::from_millis(1)),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Kills what runs in a control group of ours without a container that it belongs to, and lets go of namespaces without a
/// sandbox.
pub(super) fn remove_strays(layout: &Layout) -> Result<(), Error> {
    let known = container_ids(layout)?;
    let groups = Hierarchies::detect().map_err(file_error("read", Path::new(CGROUPS)))?;
    let deadline = Instant::now() + KILL_TIMEOUT;
    for parent in [layout.shim_cgroups(), layout.cgroup.clone()] {
        for name in groups.group(&parent).children() {
            // The group of the shims has a name that no container can have.
            if let Ok(id) = ContainerId::new(name)
                && !known.contains(&id)
            {
                remove_group(layout, &id, deadline)?;
            }
        }
    }
    for name in names(&layout.sockets())? {
        if !known.iter().any(|id| id.as_str() == name) {
            let path = layout.sockets().join(name);
            remove_file(&path).map_err(file_error("remove", &path))?;
        }
    }
    sandbox::remove_strays(layout)
}
