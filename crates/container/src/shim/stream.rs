//! The standard streams of a container, as the shim reads them.
//!
//! A stream is a FIFO in the container's directory, so that another shim can go on reading where this one was killed.
//! Start reading at [`Stream`].

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::io::Errno;

use crate::layout::ContainerFiles;
use crate::shim::log::{Batch, Output};

/// Bytes of output read at a time.
const READ_SIZE: usize = 32 * 1024;

pub(super) struct Stream {
    pub fifo: File,
    pub output: Output,
}

impl Stream {
    /// Makes the FIFO if it is missing, and opens its reading end, which waits for nobody.
    pub(super) fn open(files: &ContainerFiles, name: &'static str) -> io::Result<Self> {
        let path = files.fifo(name);
        match mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        let fifo = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        Ok(Self { fifo, output: Output::new(name) })
    }

    /// Adds what has arrived to `batch`, in at most `reads` pieces.
    pub(super) fn copy(&mut self, reads: usize, batch: &mut Batch) -> Flow {
        let mut buffer = [0; READ_SIZE];
        for _ in 0..reads {
            match self.fifo.read(&mut buffer) {
                Ok(0) => {
                    self.output.finish(batch);
                    return Flow::Ended;
                }
                Ok(count) => self.output.push(&buffer[..count], batch),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Flow::Open,
            }
        }
        Flow::Open
    }
}

/// Whether more output can come.
pub(super) enum Flow {
    Open,
    Ended,
}

impl Flow {
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }
}
