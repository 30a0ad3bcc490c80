//! Reading the three ways in which a machine can have control groups.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Hierarchies, Stats};

const HYBRID: &str = "\
28 1 254:0 / / rw,relatime - ext4 /dev/vda rw
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
42 31 0:32 / /mnt/again rw,relatime - cgroup cgroup rw,memory
";
const UNIFIED: &str = "24 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";

#[test]
fn hybrid_mode_is_not_taken_for_version_2() {
    let hierarchies = Hierarchies::parse(HYBRID);
    assert!(!hierarchies.is_unified());
    assert!(!hierarchies.guards_devices());
    assert_eq!(hierarchies.mount_of("cpuacct"), Some(Path::new("/sys/fs/cgroup/cpu,cpuacct")));
    assert_eq!(hierarchies.mount_of("memory"), Some(Path::new("/sys/fs/cgroup/memory")));
    assert_eq!(hierarchies.mount_of("name=systemd"), Some(Path::new("/sys/fs/cgroup/systemd")));
}

#[test]
fn version_2_shows_a_container_its_one_directory() {
    let hierarchies = Hierarchies::parse(UNIFIED);
    assert!(hierarchies.is_unified());
    assert_eq!(hierarchies.visible("t/a"), [(PathBuf::from("/sys/fs/cgroup/t/a"), "")]);
}

#[test]
fn a_machine_without_cgroups_has_none() {
    let hierarchies = Hierarchies::parse("28 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n");
    assert_eq!(hierarchies.group("t/a").directories(), Vec::<PathBuf>::new());
    assert_eq!(hierarchies.group("t/a").stats(), Stats::default());
}

/// A group of version 2 in a plain directory.
fn unified_in(directory: &Path) -> Hierarchies {
    Hierarchies::parse(&format!("24 23 0:26 / {} rw - cgroup2 cgroup2 rw\n", directory.display()))
}

#[test]
fn usage_of_version_2_is_read_in_its_own_units() {
    let root = tempfile::tempdir().unwrap();
    let group = root.path().join("t/a");
    fs::create_dir_all(&group).unwrap();
    fs::write(group.join("memory.current"), "4096\n").unwrap();
    fs::write(group.join("memory.stat"), "anon 1\ninactive_file 1024\n").unwrap();
    fs::write(group.join("cpu.stat"), "usage_usec 1500\nuser_usec 1000\n").unwrap();
    fs::write(group.join("memory.events"), "oom 3\noom_kill 2\n").unwrap();
    let hierarchies = unified_in(root.path());
    let group = hierarchies.group("t/a");
    let expected = Stats {
        memory_bytes: Some(4096),
        reclaimable_bytes: Some(1024),
        cpu: Some(Duration::from_micros(1500)),
        processes: None,
    };
    assert_eq!(group.stats(), expected);
    assert_eq!(group.out_of_memory_kills(), Some(2));
}

#[test]
fn a_group_that_is_not_there_can_be_removed_and_has_no_processes() {
    let root = tempfile::tempdir().unwrap();
    let hierarchies = unified_in(root.path());
    let group = hierarchies.group("t/a");
    assert!(group.processes().is_empty());
    group.remove(Instant::now()).unwrap();
    assert!(group.kill_all(Instant::now()).unwrap());
}

#[test]
fn nested_groups_are_removed_from_the_inside() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("t/a/b/c")).unwrap();
    let hierarchies = unified_in(root.path());
    hierarchies.group("t/a").remove(Instant::now()).unwrap();
    assert_eq!(fs::read_dir(root.path().join("t")).unwrap().count(), 0);
}
