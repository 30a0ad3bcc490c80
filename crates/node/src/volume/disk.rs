//! The directories that volumes are, made and removed.
//!
//! Blocking; callers run this off the asynchronous runtime. Whatever is made here is found again by its path. Start
//! reading at [`make_empty`].

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use client::kinds::core::v1::EmptyDirVolumeSource;
use container::memory::{self, Memory};

use crate::pod::identity::Directory;
use crate::pod::resources;

/// The unit of a file's size on disk, stat(2).
const BLOCK: u64 = 512;
/// Everyone in the pod may write.
const SHARED_MODE: u32 = 0o777;
/// The agent alone writes.
const FILLED_MODE: u32 = 0o755;
/// New files get the directory's group.
const GROUP_IS_INHERITED: u32 = 0o2000;

/// Makes an empty directory for the pod; one that is there is left as it is.
///
/// # Errors
/// The operating system's.
pub(crate) fn make_empty(path: &Path, source: &EmptyDirVolumeSource, group: Option<u32>) -> io::Result<()> {
    let mode = if group.is_some() { SHARED_MODE | GROUP_IS_INHERITED } else { SHARED_MODE };
    if source.medium.as_deref() == Some("Memory") {
        let size = source.size_limit.as_ref().and_then(|limit| resources::bytes(&limit.0));
        return memory::mount(path, &Memory { size, mode, group: group.unwrap_or(0) });
    }
    if path.exists() {
        return Ok(());
    }
    // Under another name until it is complete. Names of volumes have no dots.
    let unfinished = path.with_extension("unfinished");
    fs::create_dir_all(&unfinished)?;
    if group.is_some() {
        chown(&unfinished, None, group)?;
    }
    fs::set_permissions(&unfinished, fs::Permissions::from_mode(mode))?;
    fs::rename(unfinished, path)
}

/// Makes the directory of a volume with files, in memory if they are secret.
///
/// # Errors
/// The operating system's.
pub(crate) fn make_filled(path: &Path, medium: Medium) -> io::Result<()> {
    match medium {
        Medium::Disk => fs::create_dir_all(path),
        Medium::Memory => memory::mount(path, &Memory { size: None, mode: FILLED_MODE, group: 0 }),
    }
}

/// Where files are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Medium {
    Disk,
    Memory,
}

/// The bytes that a directory takes on its disk, with everything in it. What goes away meanwhile is not counted.
///
/// # Errors
/// The operating system's.
pub(crate) fn usage(directory: &Path) -> io::Result<u64> {
    let (mut bytes, mut linked, mut open) = (0, HashSet::new(), vec![directory.to_owned()]);
    while let Some(directory) = open.pop() {
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            let found = match fs::symlink_metadata(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                found => found?,
            };
            if found.is_dir() {
                open.push(path);
            } else if found.nlink() > 1 && !linked.insert((found.dev(), found.ino())) {
                continue;
            }
            bytes += found.blocks() * BLOCK;
        }
    }
    Ok(bytes)
}

/// Removes the volumes of a pod: first what is mounted, then the directories. Fine if there are none.
///
/// # Errors
/// The operating system's.
pub(crate) fn remove_volumes(directory: &Directory) -> io::Result<()> {
    match fs::read_dir(directory.volumes()) {
        Ok(entries) => {
            for entry in entries {
                memory::unmount(&entry?.path())?;
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    remove_directory(&directory.volumes())
}

/// Removes everything of a pod. Fine if there is nothing.
///
/// # Errors
/// The operating system's.
pub(crate) fn remove(directory: &Directory) -> io::Result<()> {
    remove_volumes(directory)?;
    remove_directory(directory.root())
}

fn remove_directory(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
