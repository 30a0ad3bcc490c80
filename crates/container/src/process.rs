//! Processes: forking, who a process is beyond its number, and how it ended.
//!
//! Forking is only sound in a process with one thread: the zygote, a shim, or a child of one. Nothing here starts a
//! process on behalf of the server itself. Start reading at [`fork`] and [`Identity`].

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use serde::{Deserialize, Serialize};

/// Exit code of a child that panicked, as the Rust runtime itself uses it.
const PANICKED: u8 = 101;

/// Runs `child` in a forked process that ends with the code it returns. Returns the child's pid in the parent.
///
/// Must be called from a process with one thread: in the child, locks that other threads held would stay locked.
pub(crate) fn fork(child: impl FnOnce() -> u8) -> io::Result<Pid> {
    // SAFETY: the calling process has one thread (see above), so the child may use the heap and every lock.
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        // A panic must not unwind into the parent's frames, which the child has copies of.
        0 => exit_now(catch_unwind(AssertUnwindSafe(child)).unwrap_or(PANICKED)),
        pid => Ok(Pid::from_raw(pid).expect("fork returns a positive pid in the parent")),
    }
}

/// As [`fork`], for a child that must not keep what is the parent's alone: its end of a channel above all, which would
/// otherwise never seem closed. The child drops its copy of `kept` first; the parent gets it back.
pub(crate) fn fork_without<T>(kept: T, child: impl FnOnce() -> u8) -> io::Result<(Pid, T)> {
    let mut kept = Some(kept);
    let pid = fork(|| {
        drop(kept.take());
        child()
    })?;
    Ok((pid, kept.expect("only the child has taken its copy")))
}

/// Ends the process without running exit handlers: those belong to the process that was forked from.
pub(crate) fn exit_now(code: u8) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(code.into()) }
}

/// Closes every descriptor but the standard streams and `kept`. For a process that has just been forked and uses none of
/// the others, though values that own them may still exist.
pub(crate) fn close_all_but(kept: RawFd) -> io::Result<()> {
    let kept = u32::try_from(kept).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    for (first, last) in [(3, kept.saturating_sub(1)), (kept.max(2) + 1, u32::MAX)] {
        if first > last {
            continue;
        }
        // SAFETY: the caller uses none of these descriptors any more.
        let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0_u32) };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Connects the standard streams with `/dev/null`.
pub(crate) fn silence_standard_streams() -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    for stream in 0..3 {
        // SAFETY: replacing a standard stream invalidates no descriptor that a value owns.
        if unsafe { libc::dup2(null.as_raw_fd(), stream) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// The id that the kernel gave this boot of the machine.
pub(crate) fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// A process, told apart from a later one with the same pid by when it started.
///
/// The pair is unique within one boot of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Identity {
    /// The pid in the machine's own pid namespace.
    pub pid: i32,
    /// Clock ticks from boot to the start of the process: field 22 of `/proc/PID/stat`, proc(5).
    pub start_time: u64,
}

impl Identity {
    /// Reads the identity of the process that has this pid at the moment.
    pub(crate) fn of(pid: Pid) -> io::Result<Self> {
        let pid = pid.as_raw_nonzero().get();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let start_time = parse_start_time(&stat).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok(Self { pid, start_time })
    }

    /// A pidfd of exactly this process, or none if it is gone. A zombie still counts as there.
    pub(crate) fn open(self) -> io::Result<Option<OwnedFd>> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(None) };
        let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(rustix::io::Errno::SRCH) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        // The descriptor is open, so the pid cannot be reused from here on: if the start time matches, it is ours.
        match Self::of(pid) {
            Ok(found) => Ok((found == self).then_some(pidfd)),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether reading a file of `/proc/PID` failed because the process is gone.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

/// Field 22 of a `/proc/PID/stat` line. The second field, the command in parentheses, may itself hold blanks and
/// parentheses, so counting starts behind the last one.
fn parse_start_time(stat: &str) -> Option<u64> {
    const FIELDS_FROM_STATE: usize = 22 - 3;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(FIELDS_FROM_STATE)?.parse().ok()
}

/// Waits until `fd` is readable or has hung up (a pidfd: until the process has ended). False if `deadline` came first.
pub(crate) fn wait_readable(fd: impl AsFd, deadline: Instant) -> io::Result<bool> {
    wait_any([fd.as_fd()], deadline)
}

/// As [`wait_readable`], for the first of several.
pub(crate) fn wait_any<const N: usize>(fds: [BorrowedFd<'_>; N], deadline: Instant) -> io::Result<bool> {
    let mut fds = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
    loop {
        let left = timespec(deadline.saturating_duration_since(Instant::now()));
        match poll(&mut fds, Some(&left)) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Blocks the calling thread for a moment. For retries of kernel operations that offer nothing to wait on.
pub(crate) fn pause(duration: Duration) {
    // A signal may end it early; every caller is in a loop with a deadline of its own.
    if let Err(errno) = poll(&mut [], Some(&timespec(duration))) {
        tracing::debug!(%errno, "pause was interrupted");
    }
}

pub(crate) fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

/// The signal of a number; none if there is no such signal to send. The C library keeps 32 and 33 for itself.
pub(crate) fn signal(number: i32) -> Option<Signal> {
    let realtime = || {
        // SAFETY: the kernel knows all numbers up to 64, and those that the C library uses are left out.
        (34..=64).contains(&number).then(|| unsafe { Signal::from_raw_unchecked(number) })
    };
    Signal::from_named_raw(number).or_else(realtime)
}

/// How a process ended, as wait(2) reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Code(u8),
    Signal(u8),
}

impl Ending {
    /// From the raw status word of wait(2).
    pub(crate) fn from_wait_status(status: i32) -> Option<Self> {
        // wait(2): low seven bits are the signal, zero for a normal exit; the next byte is the code.
        let [low, high, ..] = status.to_le_bytes();
        match low & 0x7f {
            0 => Some(Self::Code(high)),
            0x7f => None,
            signal => Some(Self::Signal(signal)),
        }
    }

    /// Asks the kernel how the process behind `pidfd` ended, which works without being its parent.
    ///
    /// Linux keeps this for as long as a pidfd is open, from 6.15 on (`PIDFD_GET_INFO` with `PIDFD_INFO_EXIT`). None on
    /// an older kernel, or when the process has not been reaped.
    pub(crate) fn from_pidfd(pidfd: impl AsFd) -> Option<Self> {
        const INFO_EXIT: u64 = 1 << 3;
        let mut info = PidfdInfo { mask: INFO_EXIT, ..PidfdInfo::default() };
        // SAFETY: the request number carries the size of `PidfdInfo`, and the kernel writes no more than that.
        let result = unsafe { libc::ioctl(pidfd.as_fd().as_raw_fd(), PIDFD_GET_INFO, &raw mut info) };
        (result == 0 && info.mask & INFO_EXIT != 0).then(|| Self::from_wait_status(info.exit_code)).flatten()
    }
}

/// The kernel's `struct pidfd_info` in its first published size of 64 bytes (`linux/pidfd.h`).
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup_id: u64,
    pid: u32,
    thread_group: u32,
    parent: u32,
    ids: [u32; 8],
    exit_code: i32,
}

/// `_IOWR(0xff, 11, struct pidfd_info)`.
const PIDFD_GET_INFO: libc::c_ulong = (3 << 30) | ((size_of::<PidfdInfo>() as libc::c_ulong) << 16) | (0xff << 8) | 11;

#[cfg(test)]
mod tests;
