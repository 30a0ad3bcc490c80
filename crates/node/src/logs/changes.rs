//! When there is more to read: the kernel's notices about a directory, inotify(7).
//!
//! Only that something has changed is told; whoever asks looks for himself.

use std::io;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::net::unix::pipe::Receiver;

/// Room for some notices; the rest is read next.
const BUFFER: usize = 4096;

/// Changes of the files in a directory.
#[derive(Debug)]
pub(crate) struct Changes {
    /// Not a pipe, but read like one: bytes come when there is something to tell.
    notices: Receiver,
}

impl Changes {
    /// Begins to take notice.
    pub(crate) fn of(directory: &Path) -> io::Result<Self> {
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        inotify::add_watch(&fd, directory, WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO)?;
        Ok(Self { notices: Receiver::from_owned_fd_unchecked(fd)? })
    }

    /// Resolves when something has changed since the last time. Cancel safe.
    pub(crate) async fn next(&self) -> io::Result<()> {
        let mut buffer = [0; BUFFER];
        loop {
            self.notices.readable().await?;
            match self.notices.try_read(&mut buffer) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}
