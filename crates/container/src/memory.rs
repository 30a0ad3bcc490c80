//! Directories in memory: for files that must not reach a disk, and for storage with a limit.
//!
//! They belong to whoever makes them; a runtime neither lists nor removes them. Start reading at [`mount`].

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
use rustix::io::Errno;
use rustix::mount::UnmountFlags;

use crate::mount::{NO_DEVICES, NO_SUID, Owner, Root, Tree};

/// What a directory in memory is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Largest size in bytes; half of the machine's memory if absent.
    pub size: Option<u64>,
    /// Permissions of the directory itself, such as `0o755`.
    pub mode: u32,
    /// Group of the directory itself.
    pub group: u32,
}

/// Mounts empty storage in memory at `path`, a directory, which it makes if it is missing; fine if something is mounted
/// there. Blocks for less than a millisecond.
///
/// # Errors
/// As mount(2).
pub fn mount(path: &Path, memory: &Memory) -> io::Result<()> {
    fs::create_dir_all(path)?;
    if is_mount_point(path)? {
        return Ok(());
    }
    let (size, mode) = (memory.size.map(|bytes| bytes.to_string()), format!("{:o}", memory.mode));
    let group = memory.group.to_string();
    let mut options = vec![("mode", mode.as_str()), ("gid", group.as_str())];
    options.extend(size.as_deref().map(|size| ("size", size)));
    let tree = Tree::filesystem("tmpfs", &options)?;
    tree.set(NO_SUID | NO_DEVICES)?;
    Root::open(path, Owner { uid: 0, gid: 0 })?.mount(Path::new("/"), &tree)
}

/// Lets go of what is mounted at `path`; fine if there is nothing.
///
/// # Errors
/// As umount(2).
pub fn unmount(path: &Path) -> io::Result<()> {
    match rustix::mount::unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        // No mount point, or no such directory.
        Ok(()) | Err(Errno::INVAL | Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn is_mount_point(path: &Path) -> io::Result<bool> {
    let found = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT, StatxFlags::empty())?;
    Ok(found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}
