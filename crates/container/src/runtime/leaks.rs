//! What a runtime has on the machine at the moment: for tests, and for whoever wants to know what is left.
//!
//! Start reading at [`leaks`].

use std::fs;
use std::io;
use std::path::Path;

use super::Options;
use crate::cgroup::Hierarchies;

/// Processes, control groups, mounts, sockets and namespaces that belong to a runtime, one sentence each. Empty after
/// [`super::Runtime::clear`].
///
/// # Errors
/// If the machine's own tables cannot be read.
pub fn leaks(options: &Options) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    let hierarchies = Hierarchies::detect()?;
    let group = hierarchies.group(&options.cgroup_parent);
    for pid in group.processes() {
        let pid = pid.as_raw_nonzero();
        let command = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        found.push(format!("process {pid} {}", command.trim()));
    }
    found.extend(group.directories().iter().map(|directory| format!("control group {}", directory.display())));
    for line in fs::read_to_string("/proc/self/mountinfo")?.lines() {
        let place = Path::new(line.split(' ').nth(4).unwrap_or_default());
        if place.starts_with(&options.data_dir) || place.starts_with(&options.runtime_dir) {
            found.push(format!("mount {}", place.display()));
        }
    }
    for directory in ["shim", "ns"] {
        let entries = fs::read_dir(options.runtime_dir.join(directory)).into_iter().flatten().flatten();
        found.extend(entries.map(|entry| format!("file {}", entry.path().display())));
    }
    Ok(found)
}
