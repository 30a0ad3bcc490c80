//! Failures below the database, for tests: a file that is full, or that fails at a chosen moment.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redb::StorageBackend;
use redb::backends::FileBackend;

/// What is wrong with the file. Shared by all openings of it, and changed by the test while the store runs.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// No bytes can be written behind this offset; 0 for no limit.
    pub(crate) size: AtomicU64,
    /// Each sync fails, after everything was written.
    pub(crate) sync: AtomicBool,
    /// Nothing can be read, so a reopening fails.
    pub(crate) read: AtomicBool,
    /// The change (write, sync, new length) that fails, counted from 1; each change counts it down, 0 is none.
    pub(crate) fail_at: AtomicU64,
}

impl Faults {
    /// A write that fails leaves its first half, as a torn one does.
    fn count_change(&self) -> io::Result<()> {
        let counted = self.fail_at.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if counted == Ok(1) { Err(io::Error::other("injected failure")) } else { Ok(()) }
    }

    fn check_room(&self, end: u64) -> io::Result<()> {
        let size = self.size.load(Ordering::SeqCst);
        if size != 0 && end > size { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

fn check(fault: &AtomicBool) -> io::Result<()> {
    if fault.load(Ordering::SeqCst) { Err(io::Error::other("injected failure")) } else { Ok(()) }
}

#[derive(Debug)]
pub(crate) struct FaultyBackend {
    file: FileBackend,
    faults: Arc<Faults>,
}

impl FaultyBackend {
    pub(crate) fn new(file: FileBackend, faults: Arc<Faults>) -> Self {
        Self { file, faults }
    }
}

impl StorageBackend for FaultyBackend {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        check(&self.faults.read)?;
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.faults.count_change()?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        check(&self.faults.sync)?;
        self.faults.count_change()?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.faults.check_room(offset + data.len() as u64)?;
        if let Err(error) = self.faults.count_change() {
            self.file.write(offset, &data[..data.len() / 2])?;
            return Err(error);
        }
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}
