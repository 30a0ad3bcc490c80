//! Mounts through file descriptors (fsopen, open_tree, move_mount; Linux 5.12 and later).
//!
//! A mount is made detached, gets its attributes, and is attached at a place inside a root that no symbolic link of an
//! image can lead out of. Nothing here decides what is mounted. Start reading at [`Tree`] and [`Root`].

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fchmod, mkdirat, openat, openat2, symlinkat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_string,
    fsmount, fsopen, move_mount, open_tree,
};
use rustix::thread::{CapabilitiesSecureBits, capabilities_secure_bits, set_capabilities_secure_bits};

pub(crate) const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY;
pub(crate) const NO_SUID: u64 = libc::MOUNT_ATTR_NOSUID;
pub(crate) const NO_DEVICES: u64 = libc::MOUNT_ATTR_NODEV;
pub(crate) const NO_EXEC: u64 = libc::MOUNT_ATTR_NOEXEC;

/// A mount that is attached nowhere yet. Dropping it unmounts it.
#[derive(Debug)]
pub(crate) struct Tree {
    fd: OwnedFd,
}

impl Tree {
    /// What is at `path` on the machine, with everything mounted below it.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
        Ok(Self { fd: open_tree(CWD, path, flags)? })
    }

    /// What `place` refers to, with everything mounted below it.
    fn at(place: impl AsFd) -> io::Result<Self> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_RECURSIVE
            | OpenTreeFlags::AT_EMPTY_PATH;
        Ok(Self { fd: open_tree(place.as_fd(), "", flags)? })
    }

    /// A new file system of a type, with options as mount(8) names them.
    pub(crate) fn filesystem(kind: &str, options: &[(&str, &str)]) -> io::Result<Self> {
        let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
        for (key, value) in options {
            fsconfig_set_string(context.as_fd(), *key, *value)?;
        }
        fsconfig_create(context.as_fd())?;
        let fd = fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
        Ok(Self { fd })
    }

    /// Sets attributes on it and on everything below it.
    pub(crate) fn set(&self, attributes: u64) -> io::Result<()> {
        self.set_attributes(&MountAttributes { set: attributes, ..MountAttributes::default() }, libc::AT_RECURSIVE)
    }

    /// Makes files appear with the owners that a user namespace translates theirs to. Fails with EINVAL for a file
    /// system that cannot. What is mounted below keeps its owners.
    pub(crate) fn map_owners(&self, user_namespace: BorrowedFd<'_>) -> io::Result<()> {
        let descriptor = u64::from(user_namespace.as_raw_fd().cast_unsigned());
        let attributes =
            MountAttributes { set: libc::MOUNT_ATTR_IDMAP, user_namespace: descriptor, ..MountAttributes::default() };
        self.set_attributes(&attributes, 0)
    }

    fn set_attributes(&self, attributes: &MountAttributes, flags: i32) -> io::Result<()> {
        // SAFETY: the path is an empty C string, and the size belongs to the structure, which outlives the call.
        let result = unsafe {
            libc::syscall(
                libc::SYS_mount_setattr,
                self.fd.as_raw_fd(),
                c"".as_ptr(),
                libc::AT_EMPTY_PATH | flags,
                std::ptr::from_ref(attributes),
                size_of::<MountAttributes>(),
            )
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Attaches it to what `place` refers to.
    pub(crate) fn attach(&self, place: impl AsFd) -> io::Result<()> {
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        Ok(move_mount(self.fd.as_fd(), "", place.as_fd(), "", flags)?)
    }
}

/// The kernel's `struct mount_attr` (`linux/mount.h`).
#[repr(C)]
#[derive(Default)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// A directory as the root of a file system: paths inside are resolved as if it were `/`.
#[derive(Debug)]
pub(crate) struct Root {
    fd: OwnedFd,
    owner: Owner,
}

/// Who owns what has to be created.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner {
    pub uid: u32,
    pub gid: u32,
}

impl Root {
    /// Opens a directory, which must not be replaced by a mount afterwards.
    pub(crate) fn open(path: &Path, owner: Owner) -> io::Result<Self> {
        let fd = openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { fd, owner })
    }

    fn resolve(&self, path: &Path) -> rustix::io::Result<OwnedFd> {
        let path = if path == Path::new("/") { Path::new(".") } else { path };
        let scope = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        openat2(&self.fd, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), scope)
    }

    /// The directory at `path`, created with its parents where it is missing.
    pub(crate) fn directory(&self, path: &Path) -> io::Result<OwnedFd> {
        match self.resolve(path) {
            Ok(found) => return Ok(found),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
        let (parent, name) = self.place(path)?;
        as_owner(self.owner, || mkdirat(&parent, name, Mode::from_raw_mode(0o755)))?;
        Ok(self.resolve(path)?)
    }

    /// What is at `path`, created as an empty file where it is missing.
    pub(crate) fn file(&self, path: &Path) -> io::Result<OwnedFd> {
        match self.resolve(path) {
            Ok(found) => return Ok(found),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
        let (parent, name) = self.place(path)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::WRONLY | OFlags::CLOEXEC;
        drop(as_owner(self.owner, || openat(&parent, name, flags, Mode::from_raw_mode(0o644)))?);
        Ok(self.resolve(path)?)
    }

    /// Creates a symbolic link; fine if something is there already.
    pub(crate) fn link(&self, path: &Path, target: &Path) -> io::Result<()> {
        let (parent, name) = self.place(path)?;
        match as_owner(self.owner, || symlinkat(target, &parent, name)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes a directory writable for everyone, with the sticky bit, as `/tmp` is.
    pub(crate) fn share(&self, path: &Path) -> io::Result<()> {
        let parent = self.directory(path)?;
        let directory = openat(&parent, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        as_owner(self.owner, || fchmod(&directory, Mode::from_raw_mode(0o1777)))
    }

    /// What is at `path`, a new directory if nothing is.
    pub(crate) fn subtree(&self, path: &Path) -> io::Result<Tree> {
        Tree::at(self.directory(path)?)
    }

    fn place<'a>(&self, path: &'a Path) -> io::Result<(OwnedFd, &'a OsStr)> {
        let parent = self.directory(path.parent().ok_or(Errno::INVAL)?)?;
        match path.components().next_back() {
            Some(Component::Normal(name)) => Ok((parent, name)),
            _ => Err(Errno::INVAL.into()),
        }
    }

    /// Attaches a tree at `path`; the place is created as what the tree is.
    pub(crate) fn mount(&self, path: &Path, tree: &Tree) -> io::Result<()> {
        let kind = rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&tree.fd)?.st_mode);
        let place = if kind.is_dir() { self.directory(path)? } else { self.file(path)? };
        tree.attach(place)
    }
}

/// Runs an operation with the owner's file system ids but all of our capabilities. With our own ids nothing could be
/// created below a mount whose owners are mapped: they have no counterpart there (EOVERFLOW).
pub(crate) fn as_owner<T, E>(owner: Owner, operation: impl FnOnce() -> Result<T, E>) -> io::Result<T>
where
    io::Error: From<E>,
{
    let Owner { uid, gid } = owner;
    if (uid, gid) == (0, 0) {
        return Ok(operation()?);
    }
    let bits = capabilities_secure_bits()?;
    set_capabilities_secure_bits(bits | CapabilitiesSecureBits::NO_SETUID_FIXUP)?;
    set_file_system_ids(uid, gid);
    let result = operation();
    set_file_system_ids(0, 0);
    set_capabilities_secure_bits(bits)?;
    Ok(result?)
}

/// Sets the ids with which the calling thread appears to file systems, setfsuid(2).
fn set_file_system_ids(uid: u32, gid: u32) {
    // SAFETY: the call changes only the credentials of this thread and takes any number.
    unsafe { libc::setfsgid(gid) };
    // SAFETY: as above.
    unsafe { libc::setfsuid(uid) };
}
