//! The root file system of a container, put together in the mount namespace of the process that creates it.
//!
//! Everything but `/proc`, `/dev/pts` and the view of the control groups is mounted here, as the machine's root and before
//! the user namespace is entered, because from inside of it neither a toolchain below `/root` nor a `sysfs` of the
//! sandbox's network could be reached. The mounts end with the container. Start reading at [`stage`].

use std::fs;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::error::{StartError, Step};
use crate::host::{self, Entry, HostRootfs};
use crate::layout::ContainerFiles;
use crate::mount::{NO_DEVICES, NO_EXEC, NO_SUID, Owner, READ_ONLY, Root, Tree, as_owner};
use crate::spec::{Access, ContainerSpec, MountSource, Rootfs};

/// `/dev/shm` as container runtimes size it.
const SHARED_MEMORY_BYTES: &str = "67108864";
/// Device nodes and links need next to nothing.
const DEVICES_BYTES: &str = "65536";

/// What a root file system is made from.
pub(crate) struct Stage<'a> {
    pub spec: &'a ContainerSpec,
    pub files: &'a ContainerFiles,
    /// Where it is mounted.
    pub place: &'a Path,
    /// Present if the container's users are shifted.
    pub user_namespace: Option<BorrowedFd<'a>>,
    /// Gets a sentence for what could not be had in full.
    pub notes: &'a mut Vec<String>,
}

/// Mounts the container's root file system at its place.
pub(crate) fn stage(mut stage: Stage<'_>) -> Result<(), StartError> {
    let tree = match &stage.spec.rootfs {
        Rootfs::Host(host) => stage.scratch(host).step("mount the scratch storage")?,
        Rootfs::Directory(base) => stage.overlay(base)?,
    };
    tree.set(NO_DEVICES).step("set the attributes of the root file system")?;
    Root::open(stage.place, stage.owner())
        .and_then(|bare| bare.mount(Path::new("/"), &tree))
        .step("attach the root file system")?;
    let root = Root::open(stage.place, stage.owner()).step("open the root file system")?;
    if let Rootfs::Host(host) = &stage.spec.rootfs {
        show_machine(host, &root)?;
    }
    stage.system(&root)?;
    stage.etc(&root)?;
    stage.mounts(&root)?;
    let directory = &stage.spec.process.working_dir;
    root.directory(directory).step(format!("make the working directory {}", directory.display()))?;
    Ok(())
}

impl Stage<'_> {
    fn owner(&self) -> Owner {
        let root = self.spec.security.users.on_machine(0);
        Owner { uid: root, gid: root }
    }

    /// A tmpfs that belongs to the container's root.
    fn tmpfs(&self, mode: &str, size: Option<&str>) -> io::Result<Tree> {
        let (uid, gid) = (self.owner().uid.to_string(), self.owner().gid.to_string());
        let mut options = vec![("mode", mode), ("uid", uid.as_str()), ("gid", gid.as_str())];
        options.extend(size.map(|size| ("size", size)));
        Tree::filesystem("tmpfs", &options)
    }

    fn scratch(&self, host: &HostRootfs) -> io::Result<Tree> {
        let tree = self.tmpfs("0755", Some(&host.scratch_bytes.to_string()))?;
        tree.set(NO_SUID)?;
        Ok(tree)
    }

    /// A writable layer of the container's own over an unpacked image. With shifted users both layers are seen through
    /// mounts that shift the owners, so that image and layer keep the plain ids on disk.
    fn overlay(&self, base: &Path) -> Result<Tree, StartError> {
        let directory = self.files.overlay();
        let store = directory.join("store");
        for name in ["upper", "work"] {
            fs::create_dir_all(store.join(name)).step("make the writable layer")?;
        }
        let (lower, upper) = match self.user_namespace {
            None => (base.to_owned(), store),
            Some(namespace) => {
                let attach = |source: &Path, name: &str| mapped(source, &directory.join(name), namespace);
                (
                    attach(base, "lower").step(format!("shift the owners of {}", base.display()))?,
                    attach(&store, "mapped").step("shift the owners of the writable layer")?,
                )
            }
        };
        let layers = [
            ("lowerdir", escape_layer(&lower)?),
            ("upperdir", path_text(&upper.join("upper"))?.to_owned()),
            ("workdir", path_text(&upper.join("work"))?.to_owned()),
        ];
        let options: Vec<(&str, &str)> = layers.iter().map(|(key, value)| (*key, value.as_str())).collect();
        // An overlay works with the ids of whoever mounts it, and shifted layers know no others.
        as_owner(self.owner(), || Tree::filesystem("overlay", &options))
            .step(format!("mount an overlay over {}", base.display()))
    }

    /// `/dev`, `/sys` and mount points for what libcontainer mounts.
    fn system(&self, root: &Root) -> Result<(), StartError> {
        let mount = |path: &str, tree: io::Result<Tree>, attributes: u64| {
            let mounted = tree.and_then(|tree| {
                tree.set(attributes)?;
                root.mount(Path::new(path), &tree)
            });
            mounted.step(format!("mount {path}"))
        };
        mount("/dev", self.tmpfs("0755", Some(DEVICES_BYTES)), NO_SUID | NO_EXEC)?;
        mount("/dev/shm", self.tmpfs("1777", Some(SHARED_MEMORY_BYTES)), NO_SUID | NO_DEVICES | NO_EXEC)?;
        mount("/dev/mqueue", Tree::filesystem("mqueue", &[]), NO_SUID | NO_DEVICES | NO_EXEC)?;
        mount("/sys", Tree::filesystem("sysfs", &[]), READ_ONLY | NO_SUID | NO_DEVICES | NO_EXEC)?;
        for directory in ["/proc", "/dev/pts"] {
            root.directory(Path::new(directory)).step(format!("make {directory}"))?;
        }
        Ok(())
    }

    /// Files of `/etc` that were written for this container.
    fn etc(&self, root: &Root) -> Result<(), StartError> {
        let etc = &self.spec.etc;
        for (name, content) in [("hosts", &etc.hosts), ("resolv.conf", &etc.resolv_conf), ("hostname", &etc.hostname)] {
            let Some(content) = content else { continue };
            let path = Path::new("/etc").join(name);
            let source = self.files.etc().join(name);
            let Owner { uid, gid } = self.owner();
            let attributes = if self.spec.read_only_root { READ_ONLY } else { 0 };
            fs::create_dir_all(self.files.etc())
                .and_then(|()| fs::write(&source, content))
                .and_then(|()| chown(&source, Some(uid), Some(gid)))
                .and_then(|()| Tree::bind(&source))
                .and_then(|tree| tree.set(attributes | NO_SUID | NO_DEVICES | NO_EXEC).map(|()| tree))
                .and_then(|tree| root.mount(&path, &tree))
                .step(format!("provide {}", path.display()))?;
        }
        Ok(())
    }

    fn mounts(&mut self, root: &Root) -> Result<(), StartError> {
        for mount in &self.spec.mounts {
            let destination = mount.destination.display();
            let tree = match &mount.source {
                MountSource::Tmpfs { size } => {
                    let size = size.map(|bytes| bytes.to_string());
                    self.tmpfs("1777", size.as_deref()).step(format!("make a tmpfs for {destination}"))?
                }
                MountSource::Bind(source) => {
                    let tree = Tree::bind(source).step(format!("open mount source {}", source.display()))?;
                    self.show(tree, source)?
                }
                MountSource::Below { root, path } => {
                    let machine = Owner { uid: 0, gid: 0 };
                    let tree = Root::open(root, machine).and_then(|root| root.subtree(path)).step(format!(
                        "open {} below mount source {}",
                        path.display(),
                        root.display()
                    ))?;
                    self.show(tree, root)?
                }
            };
            let attributes = match mount.access {
                Access::ReadOnly => READ_ONLY | NO_DEVICES,
                Access::ReadWrite => NO_DEVICES,
            };
            tree.set(attributes).step(format!("set the attributes of {destination}"))?;
            root.mount(&mount.destination, &tree).step(format!("mount {destination}"))?;
        }
        Ok(())
    }

    /// A tree of the machine as the container may see it.
    fn show(&mut self, tree: Tree, source: &Path) -> Result<Tree, StartError> {
        if let Some(note) = self.shift_owners(&tree, source)? {
            self.notes.push(note);
        }
        Ok(tree)
    }

    /// Keeps the owners of a bind mount as the container sees them. Where the file system cannot do that the mount is made
    /// nevertheless: reading mostly works, and the note says why writing may not.
    fn shift_owners(&self, tree: &Tree, source: &Path) -> Result<Option<String>, StartError> {
        let Some(namespace) = self.user_namespace else { return Ok(None) };
        match tree.map_owners(namespace) {
            Ok(()) => Ok(None),
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
                let source = source.display();
                Ok(Some(format!("the file system of {source} cannot shift owners, so its files belong to nobody")))
            }
            Err(error) => Err(StartError::setup(format!("shift the owners of {}", source.display()), error)),
        }
    }
}

/// Attaches what is at `source` to the directory `place` with its owners shifted; returns the place.
fn mapped(source: &Path, place: &Path, namespace: BorrowedFd<'_>) -> io::Result<PathBuf> {
    fs::create_dir_all(place)?;
    let tree = Tree::bind(source)?;
    tree.map_owners(namespace)?;
    Root::open(place, Owner { uid: 0, gid: 0 })?.mount(Path::new("/"), &tree)?;
    Ok(place.to_owned())
}

fn show_machine(host: &HostRootfs, root: &Root) -> Result<(), StartError> {
    for entry in host::plan(host, Path::new("/")).step("list what the machine shows")? {
        match entry {
            Entry::Link { path, target } => root.link(&path, &target).step(format!("link {}", path.display()))?,
            Entry::Bind(path) => Tree::bind(&path)
                .and_then(|tree| tree.set(READ_ONLY | NO_SUID | NO_DEVICES).map(|()| tree))
                .and_then(|tree| root.mount(&path, &tree))
                .step(format!("show {}", path.display()))?,
        }
    }
    for path in host::PRIVATE_DIRECTORIES {
        root.directory(Path::new(path)).step(format!("make {path}"))?;
    }
    for path in host::SHARED_DIRECTORIES {
        root.share(Path::new(path)).step(format!("make {path}"))?;
    }
    Ok(())
}

fn path_text(path: &Path) -> Result<&str, StartError> {
    path.to_str().ok_or_else(|| StartError::setup("name a layer", "the path is not UTF-8"))
}

/// A lower layer's path, with the colons that separate layers escaped.
fn escape_layer(path: &Path) -> Result<String, StartError> {
    Ok(path_text(path)?.replace('\\', "\\\\").replace(':', "\\:"))
}
