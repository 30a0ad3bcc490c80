//! Control groups as the kernel shows them: which hierarchies there are, what is in a group, what it used.
//!
//! Version 1, version 2 and both at once (hybrid, where version 2 has no controllers) look the same from outside. Limits
//! are not set here: libcontainer does that when it creates a container. Start reading at [`Hierarchies`] and [`Group`].

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};

use crate::process::{pause, wait_readable};

/// Hierarchies in which all shims share a group, so that neither the server's limits nor a service manager that stops the
/// server's group reach them. Others (`cpuset` above all, which needs values first) do not matter for that.
const SHARED_BY_SHIMS: [&str; 2] = ["memory", "name=systemd"];
/// Hierarchies in which each shim has a group of its own, by which it is found. A group costs least here.
const OWN_OF_SHIM: [&str; 2] = ["pids", UNIFIED];
/// What a container may see of its own limits under `/sys/fs/cgroup`: what language runtimes size themselves by.
const VISIBLE_V1: [&str; 5] = ["cpu", "cpuacct", "cpuset", "memory", "pids"];
const UNIFIED: &str = "";
/// How long a group that just became empty may stay busy: version 1 frees it a little later.
const BUSY_RETRY: Duration = Duration::from_millis(5);

/// The mounted hierarchies, each with its controllers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hierarchies {
    mounted: Vec<Hierarchy>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Hierarchy {
    /// Controllers and `name=…` of version 1; [`UNIFIED`] alone for version 2.
    controllers: Vec<String>,
    mount_point: PathBuf,
}

impl Hierarchies {
    /// Reads what is mounted for this process.
    pub(crate) fn detect() -> io::Result<Self> {
        Ok(Self::parse(&fs::read_to_string("/proc/self/mountinfo")?))
    }

    /// From the text of `/proc/PID/mountinfo`, proc(5). The first mount of a hierarchy counts.
    fn parse(mountinfo: &str) -> Self {
        let mut mounted: Vec<Hierarchy> = Vec::new();
        for line in mountinfo.lines() {
            let Some((left, right)) = line.split_once(" - ") else { continue };
            let Some(mount_point) = left.split(' ').nth(4) else { continue };
            let mut right = right.split(' ');
            let controllers = match right.next() {
                Some("cgroup2") => vec![UNIFIED.to_owned()],
                Some("cgroup") => {
                    let options = right.nth(1).unwrap_or_default().split(',');
                    options.filter(|option| !matches!(*option, "rw" | "ro")).map(str::to_owned).collect()
                }
                _ => continue,
            };
            if !mounted.iter().any(|hierarchy| hierarchy.controllers == controllers) {
                mounted.push(Hierarchy { controllers, mount_point: PathBuf::from(mount_point) });
            }
        }
        Self { mounted }
    }

    /// Whether version 2 has the controllers.
    pub(crate) fn is_unified(&self) -> bool {
        self.mounted.iter().all(|hierarchy| hierarchy.controllers == [UNIFIED])
    }

    /// Whether version 1 can refuse the use of devices. Version 2 would need a BPF program, which libcontainer does not
    /// load without a C library.
    pub(crate) fn guards_devices(&self) -> bool {
        self.mount_of("devices").is_some()
    }

    fn mount_of(&self, controller: &str) -> Option<&Path> {
        let holds = |hierarchy: &&Hierarchy| hierarchy.controllers.iter().any(|name| name == controller);
        self.mounted.iter().find(holds).map(|hierarchy| hierarchy.mount_point.as_path())
    }

    /// The group of this name, whether it is there or not.
    pub(crate) fn group(&self, name: &str) -> Group<'_> {
        Group { hierarchies: self, name: name.to_owned() }
    }

    /// What a container should see under `/sys/fs/cgroup` of its group: paths on the machine and names there. For
    /// version 2 it is one directory with an empty name.
    pub(crate) fn visible(&self, name: &str) -> Vec<(PathBuf, &'static str)> {
        if self.is_unified() {
            return self.mount_of(UNIFIED).map(|mount| (mount.join(name), UNIFIED)).into_iter().collect();
        }
        let of = |controller: &'static str| Some((self.mount_of(controller)?.join(name), controller));
        VISIBLE_V1.into_iter().filter_map(of).collect()
    }
}

/// One group in all hierarchies.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    hierarchies: &'a Hierarchies,
    name: String,
}

impl Group<'_> {
    /// Its directories that exist.
    pub(crate) fn directories(&self) -> Vec<PathBuf> {
        let all = self.hierarchies.mounted.iter().map(|hierarchy| hierarchy.mount_point.join(&self.name));
        all.filter(|directory| directory.is_dir()).collect()
    }

    /// Names of the groups directly below it.
    pub(crate) fn children(&self) -> Vec<String> {
        let all = self.directories();
        let paths = all.iter().flat_map(|directory| subgroups(directory));
        let mut names: Vec<String> = paths.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Moves the calling process into it, or in some hierarchies into the one above it, as befits a shim.
    pub(crate) fn join_as_shim(&self) -> io::Result<()> {
        let parent = Path::new(&self.name).parent().unwrap_or(Path::new(""));
        let shared = SHARED_BY_SHIMS.map(|controller| (controller, parent));
        let own = OWN_OF_SHIM.map(|controller| (controller, Path::new(&self.name)));
        for (controller, name) in shared.into_iter().chain(own) {
            let Some(mount) = self.hierarchies.mount_of(controller) else { continue };
            let directory = mount.join(name);
            fs::create_dir_all(&directory)?;
            fs::write(directory.join("cgroup.procs"), "0")?;
        }
        Ok(())
    }

    /// Its processes, those of groups below it included, without the calling one.
    pub(crate) fn processes(&self) -> Vec<Pid> {
        let mut found = Vec::new();
        for directory in self.directories() {
            collect_processes(&directory, &mut found);
        }
        found.sort_unstable_by_key(|pid| pid.as_raw_nonzero());
        found.dedup();
        found.retain(|pid| *pid != getpid());
        found
    }

    /// Sends a signal to every process that is in it at this moment.
    pub(crate) fn signal_all(&self, signal: Signal) -> io::Result<()> {
        let open = |pid: Pid| Some((pid, pidfd_open(pid, PidfdFlags::empty()).ok()?));
        let opened: Vec<(Pid, OwnedFd)> = self.processes().into_iter().filter_map(open).collect();
        // Between listing and opening, a pid may have been reused by a stranger: only who is still listed is meant.
        let present = self.processes();
        for (_, pidfd) in opened.iter().filter(|(pid, _)| present.contains(pid)) {
            match pidfd_send_signal(pidfd, signal) {
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// Kills every process and waits for the end of all. False if some were still there at the deadline.
    pub(crate) fn kill_all(&self, deadline: Instant) -> io::Result<bool> {
        loop {
            self.signal_all(Signal::KILL)?;
            let Some(pid) = self.processes().first().copied() else { return Ok(true) };
            if let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty())
                && !wait_readable(&pidfd, deadline)?
            {
                return Ok(false);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
        }
    }

    /// Removes it and what is below it; fine if it is not there.
    pub(crate) fn remove(&self, deadline: Instant) -> io::Result<()> {
        for directory in self.directories() {
            while let Err(error) = remove_tree(&directory) {
                if error.kind() != io::ErrorKind::ResourceBusy || Instant::now() >= deadline {
                    return Err(error);
                }
                // The kernel has no event for this.
                pause(BUSY_RETRY);
            }
        }
        Ok(())
    }

    /// How often the out-of-memory killer has struck in it; none where the kernel does not count.
    pub(crate) fn out_of_memory_kills(&self) -> Option<u64> {
        self.keyed("memory", "memory.oom_control", "oom_kill").or_else(|| {
            let unified = self.hierarchies.mount_of(UNIFIED)?;
            read_key(&unified.join(&self.name).join("memory.events"), "oom_kill")
        })
    }

    /// What it has used; fields are none where the controller is missing.
    pub(crate) fn stats(&self) -> Stats {
        if self.hierarchies.is_unified() { self.stats_v2() } else { self.stats_v1() }
    }

    fn stats_v1(&self) -> Stats {
        let number = |controller: &str, file: &str| {
            read_number(&self.hierarchies.mount_of(controller)?.join(&self.name).join(file))
        };
        Stats {
            memory_bytes: number("memory", "memory.usage_in_bytes"),
            reclaimable_bytes: self.keyed("memory", "memory.stat", "total_inactive_file"),
            cpu: number("cpuacct", "cpuacct.usage").map(Duration::from_nanos),
            processes: number("pids", "pids.current"),
        }
    }

    fn stats_v2(&self) -> Stats {
        let Some(mount) = self.hierarchies.mount_of(UNIFIED) else { return Stats::default() };
        let directory = mount.join(&self.name);
        Stats {
            memory_bytes: read_number(&directory.join("memory.current")),
            reclaimable_bytes: read_key(&directory.join("memory.stat"), "inactive_file"),
            cpu: read_key(&directory.join("cpu.stat"), "usage_usec").map(Duration::from_micros),
            processes: read_number(&directory.join("pids.current")),
        }
    }

    fn keyed(&self, controller: &str, file: &str, key: &str) -> Option<u64> {
        read_key(&self.hierarchies.mount_of(controller)?.join(&self.name).join(file), key)
    }
}

/// What a container uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Memory charged to it in bytes, page cache included.
    pub memory_bytes: Option<u64>,
    /// The part of it that the kernel can take back at once; Kubernetes' working set is the difference.
    pub reclaimable_bytes: Option<u64>,
    /// Processor time used since it was created.
    pub cpu: Option<Duration>,
    /// Processes and threads.
    pub processes: Option<u64>,
}

fn read_number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The value behind a key in a file of `key value` lines.
fn read_key(path: &Path, key: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let value = |line: &str| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok();
    text.lines().find_map(value)
}

fn subgroups(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path())
}

fn collect_processes(directory: &Path, found: &mut Vec<Pid>) {
    let text = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    found.extend(text.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)));
    for subgroup in subgroups(directory) {
        collect_processes(&subgroup, found);
    }
}

fn remove_tree(directory: &Path) -> io::Result<()> {
    for subgroup in subgroups(directory) {
        remove_tree(&subgroup)?;
    }
    match fs::remove_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
