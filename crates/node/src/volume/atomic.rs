//! Files that change all at once: a container sees the old set or the new one, never a mixture.
//!
//! The files are in a directory of their own; `..data` is a link to it, and the names in the volume are links through
//! `..data`. A change is one rename of that link. This is the layout that Kubernetes documents for ConfigMap volumes, and
//! programs that watch their configuration rely on it. Start reading at [`write`].

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown, symlink};
use std::path::Path;

use jiff::Timestamp;

use super::Files;

const DATA: &str = "..data";
const NEXT: &str = "..data_tmp";
const DIRECTORY_MODE: u32 = 0o755;
const GROUP_READS: u32 = 0o040;

/// Makes the files of a volume these, and no others. Writes nothing if they are. `group` owns the files and may read them
/// whatever their mode says (`fsGroup`). `now` names the new set.
///
/// # Errors
/// The operating system's. The volume has the old files or the new ones, and another try completes it.
pub(crate) fn write(volume: &Path, files: &Files, group: Option<u32>, now: Timestamp) -> io::Result<()> {
    let current = fs::read_link(volume.join(DATA)).ok();
    if let Some(current) = &current
        && is_same(&volume.join(current), files, group)
    {
        return Ok(());
    }
    let name = format!("..{}", now.strftime("%Y_%m_%d_%H_%M_%S.%N"));
    let directory = volume.join(&name);
    write_all(&directory, files, group)?;
    let next = volume.join(NEXT);
    remove(&next)?;
    symlink(&name, &next)?;
    fs::rename(&next, volume.join(DATA))?;
    link_names(volume, files)?;
    remove_others(volume, &name)
}

/// Whether a set on disk is what is wanted.
fn is_same(directory: &Path, files: &Files, group: Option<u32>) -> bool {
    let same = |(path, file): (&std::path::PathBuf, &super::File)| {
        let path = directory.join(path);
        let mode = fs::metadata(&path).map(|found| found.permissions().mode() & 0o777);
        mode.is_ok_and(|mode| mode == mode_of(file, group)) && fs::read(&path).is_ok_and(|bytes| bytes == file.bytes)
    };
    files.iter().all(same) && count(directory).is_ok_and(|count| count == files.len())
}

fn count(directory: &Path) -> io::Result<usize> {
    let mut found = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        found += if entry.file_type()?.is_dir() { count(&entry.path())? } else { 1 };
    }
    Ok(found)
}

fn mode_of(file: &super::File, group: Option<u32>) -> u32 {
    if group.is_some() { file.mode | GROUP_READS } else { file.mode }
}

fn write_all(directory: &Path, files: &Files, group: Option<u32>) -> io::Result<()> {
    remove(directory)?;
    make_directory(directory)?;
    for (path, file) in files {
        let place = directory.join(path);
        let mut parent = directory.to_owned();
        for part in path.parent().into_iter().flat_map(Path::components) {
            parent.push(part);
            make_directory(&parent)?;
        }
        let mut open = OpenOptions::new();
        let mut target = open.write(true).create_new(true).mode(0o600).open(&place)?;
        target.write_all(&file.bytes)?;
        if group.is_some() {
            chown(&place, None, group)?;
        }
        // Set apart from opening, where the process's mask would apply.
        target.set_permissions(fs::Permissions::from_mode(mode_of(file, group)))?;
    }
    Ok(())
}

fn make_directory(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    fs::set_permissions(path, fs::Permissions::from_mode(DIRECTORY_MODE))
}

/// Links the first part of each path through `..data`, and removes links that lead nowhere any more.
fn link_names(volume: &Path, files: &Files) -> io::Result<()> {
    let wanted: BTreeSet<OsString> =
        files.keys().filter_map(|path| Some(path.components().next()?.as_os_str().to_owned())).collect();
    for name in &wanted {
        let target = Path::new(DATA).join(name);
        match symlink(target, volume.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    for entry in fs::read_dir(volume)? {
        let name = entry?.file_name();
        if !name.as_encoded_bytes().starts_with(b"..") && !wanted.contains(&name) {
            remove(&volume.join(&name))?;
        }
    }
    Ok(())
}

/// Removes the sets before this one.
fn remove_others(volume: &Path, kept: &str) -> io::Result<()> {
    for entry in fs::read_dir(volume)? {
        let name = entry?.file_name();
        if name.as_encoded_bytes().starts_with(b"..") && name != kept && name != DATA {
            remove(&volume.join(&name))?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
