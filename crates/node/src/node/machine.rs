//! What the kernel says about this machine.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;

use crate::fields::Allocatable;

const KIBIBYTE: u64 = 1024;

/// What does not change while the machine runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Machine {
    pub processors: u64,
    pub memory_bytes: u64,
    pub machine_id: String,
    pub system_uuid: String,
    pub boot_id: String,
    pub kernel: String,
    pub os_image: String,
    /// As Go calls it: `amd64`, `arm64`.
    pub architecture: &'static str,
}

/// What changes all the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Load {
    pub memory_available_bytes: u64,
    pub disk_bytes: u64,
    pub disk_available_bytes: u64,
    pub processes: u64,
    pub most_processes: u64,
}

impl Machine {
    /// Reads it.
    ///
    /// # Errors
    /// If `/proc` cannot be read.
    pub(crate) fn look() -> io::Result<Self> {
        let name = rustix::system::uname();
        let text = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
        let release = text("/etc/os-release");
        let pretty = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
        Ok(Self {
            processors: std::thread::available_parallelism()?.get() as u64,
            memory_bytes: memory("MemTotal:")?,
            machine_id: text("/etc/machine-id"),
            system_uuid: text("/sys/class/dmi/id/product_uuid"),
            boot_id: text("/proc/sys/kernel/random/boot_id"),
            kernel: name.release().to_string_lossy().into_owned(),
            os_image: pretty.unwrap_or("Linux").trim_matches('"').to_owned(),
            architecture: match std::env::consts::ARCH {
                "x86_64" => "amd64",
                "aarch64" => "arm64",
                other => other,
            },
        })
    }

    pub(crate) fn allocatable(&self) -> Allocatable {
        Allocatable { cpu_millis: self.processors * 1000, memory_bytes: self.memory_bytes }
    }
}

impl Load {
    /// Reads it. `directory` is on the disk that pods use.
    ///
    /// # Errors
    /// If `/proc` or the disk cannot be read.
    pub(crate) fn look(directory: PathBuf) -> io::Result<Self> {
        let disk = statvfs(existing(&directory))?;
        let number = |path: &str| fs::read_to_string(path).map(|text| text.trim().parse().unwrap_or(u64::MAX));
        let load = fs::read_to_string("/proc/loadavg")?;
        let processes = load.split([' ', '/']).nth(4).and_then(|count| count.parse().ok()).unwrap_or(0);
        Ok(Self {
            memory_available_bytes: memory("MemAvailable:")?,
            disk_bytes: disk.f_blocks.saturating_mul(disk.f_frsize),
            disk_available_bytes: disk.f_bavail.saturating_mul(disk.f_frsize),
            processes,
            most_processes: number("/proc/sys/kernel/pid_max")?.min(number("/proc/sys/kernel/threads-max")?),
        })
    }
}

/// The nearest directory that is there.
fn existing(directory: &Path) -> &Path {
    directory.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"))
}

/// A line of `/proc/meminfo` in bytes.
fn memory(name: &str) -> io::Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes = value.and_then(|value| value.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.map(|value| value * KIBIBYTE).ok_or_else(|| io::ErrorKind::InvalidData.into())
}
