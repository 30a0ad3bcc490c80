//! What pods are on the machine: processes, and what a server leaves there.

use std::fs;
use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::eventually;

/// A process of a container, as the machine sees it.
#[derive(Debug)]
pub(super) struct Process {
    pid: Pid,
    /// When it was started, in clock ticks: another process may get the same id.
    started: String,
}

impl Process {
    /// The process whose arguments contain `marker`. Of several, the first.
    #[track_caller]
    pub(super) fn find(marker: &str) -> Self {
        eventually("the process can be found", || {
            let mut ids: Vec<i32> = fs::read_dir("/proc")
                .expect("/proc is mounted")
                .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
                .collect();
            ids.sort_unstable();
            ids.into_iter().find_map(|id| {
                let arguments = fs::read(format!("/proc/{id}/cmdline")).ok()?;
                String::from_utf8_lossy(&arguments).contains(marker).then_some(())?;
                Some(Self { pid: Pid::from_raw(id)?, started: started(id)? })
            })
        })
    }

    pub(super) fn is_alive(&self) -> bool {
        started(self.pid.as_raw_nonzero().get()).as_ref() == Some(&self.started)
    }

    pub(super) fn terminate(&self) {
        kill_process(self.pid, Signal::TERM).expect("the process runs");
    }
}

/// The start time of a process that is not a zombie.
fn started(id: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name of the program, in brackets, may contain anything.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    (fields.first() != Some(&"Z")).then(|| fields.get(19).map(|field| (*field).to_owned()))?
}

/// Where one server leaves traces on the machine while it has containers.
#[derive(Debug)]
pub(super) struct Traces {
    places: Vec<PathBuf>,
}

impl Traces {
    /// The traces of the server that a process belongs to: its control groups and its run-time directory.
    #[track_caller]
    pub(super) fn of(process: &Process) -> Self {
        let id = process.pid.as_raw_nonzero();
        let groups = fs::read_to_string(format!("/proc/{id}/cgroup")).expect("the process runs");
        let name = groups.split(['/', '\n', ':']).find(|part| part.starts_with("trireme-")).expect("it is contained");
        let controllers = fs::read_dir("/sys/fs/cgroup").expect("control groups are mounted");
        let mut places: Vec<PathBuf> =
            controllers.filter_map(|entry| Some(entry.ok()?.path().join(name))).filter(|path| path.exists()).collect();
        let identity = name.trim_start_matches("trireme-");
        places.push(PathBuf::from("/run/trireme").join(identity));
        assert!(places.iter().all(|place| place.exists()), "{places:?}");
        Self { places }
    }

    /// Waits until the node has removed the namespaces of all pods. A pod that has ended leaves the API before that.
    #[track_caller]
    pub(super) fn wait_for_removal(&self) {
        let namespaces = self.places.last().expect("the run-time directory is one of them").join("ns");
        eventually("the namespaces of pods are removed", || {
            fs::read_dir(&namespaces).expect("the server runs").next().is_none().then_some(())
        });
    }

    #[track_caller]
    pub(super) fn check_gone(&self) {
        let left: Vec<_> = self.places.iter().filter(|place| place.exists()).collect();
        assert!(left.is_empty(), "left on the machine: {left:?}");
        let mounts = fs::read_to_string("/proc/mounts").expect("/proc is mounted");
        for place in &self.places {
            assert!(!mounts.contains(&*place.to_string_lossy()), "still mounted: {}", place.display());
        }
    }
}
