//! The database file: opening, checking, loading, reopening after a failure. It decides nothing about transactions.
//!
//! Three tables. `log` holds a [record](crate::record) under each revision that is current or in the history; `index`
//! leads from a key to the revision of its current value; `meta` holds the numbers listed at [`Meta`].
//! `disk/append.rs` writes a group, `disk/compact.rs` removes what is too old, `disk/replay.rs` reads the past.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use redb::backends::FileBackend;
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, TableError};

use crate::record::Record;
use crate::state::State;
use crate::{Entry, Options, Revision};

mod append;
mod compact;
mod error;
#[cfg(test)]
pub(crate) mod faults;
mod replay;

pub(crate) use append::Batch;
pub use error::{DiskError, OpenError};
pub(crate) use replay::Range;

const LOG: TableDefinition<u64, &[u8]> = TableDefinition::new("log");
const INDEX: TableDefinition<(&str, &str), u64> = TableDefinition::new("index");
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");

/// The version of the tables. A change that this program could not read raises it.
const FORMAT: u64 = 1;

/// The numbers in the table `meta`, next to `format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta {
    /// `head`: the last revision given.
    pub(crate) head: Revision,
    /// `compacted`: records superseded at or before this revision have been removed.
    pub(crate) compacted: Revision,
    /// `superseded_bytes`: length of all values in the log that are not current.
    superseded_bytes: u64,
}

impl Meta {
    const EMPTY: Meta = Meta { head: Revision::FIRST, compacted: Revision::FIRST, superseded_bytes: 0 };

    fn read(table: &impl ReadableTable<&'static str, u64>) -> Result<Self, DiskError> {
        let number = |name| Ok::<_, DiskError>(table.get(name)?.map(|number| number.value()));
        let revision = |name| Ok::<_, DiskError>(number(name)?.and_then(Revision::new));
        let (Some(head), Some(compacted), Some(superseded_bytes)) =
            (revision("head")?, revision("compacted")?, number("superseded_bytes")?)
        else {
            return Err(DiskError::damaged("the table of counters is incomplete"));
        };
        Ok(Self { head, compacted, superseded_bytes })
    }

    fn write(&self, table: &mut redb::Table<'_, &'static str, u64>) -> Result<(), DiskError> {
        table.insert("head", self.head.get())?;
        table.insert("compacted", self.compacted.get())?;
        table.insert("superseded_bytes", self.superseded_bytes)?;
        Ok(())
    }
}

/// The open database. Reads and the committer share it; only the committer closes and reopens it.
#[derive(Debug)]
pub(crate) struct Disk {
    options: Options,
    /// None while a failure waits for its repair, and after the end.
    database: RwLock<Option<Database>>,
}

impl Disk {
    /// Opens or makes the file and loads all current values.
    pub(crate) fn open(options: Options) -> Result<(Self, State), OpenError> {
        let path = &options.path;
        make_file(path).map_err(|source| OpenError::File { path: path.clone(), source })?;
        let database = open_database(&options)?;
        let failed = |source| OpenError::Failed { path: path.clone(), source };
        match format(&database).map_err(failed)? {
            Some(FORMAT) => {}
            Some(found) => return Err(OpenError::NewerFormat { path: path.clone(), found, supported: FORMAT }),
            None => initialise(&database).map_err(failed)?,
        }
        let state = load(&database).map_err(failed)?;
        Ok((Self { options, database: RwLock::new(Some(database)) }, state))
    }

    /// Closes the file, waiting for the reads that are under way.
    pub(crate) fn close(&self) {
        let database = self.database.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(error)) = database.map(Database::close) {
            tracing::warn!(%error, "cannot close the database cleanly; the next start repairs it");
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.database.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Closes the file if it is open, opens it again, which repairs it, and tells where it stands.
    pub(crate) fn reopen(&self) -> Result<Meta, DiskError> {
        let mut slot = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // Closing a database that has failed reports that failure again.
        drop(slot.take());
        let database = open_database(&self.options).map_err(DiskError::from)?;
        let meta = Meta::read(&database.begin_read()?.open_table(META)?)?;
        *slot = Some(database);
        Ok(meta)
    }

    fn begin_read(&self) -> Result<ReadTransaction, DiskError> {
        let slot = self.database.read().unwrap_or_else(PoisonError::into_inner);
        Ok(slot.as_ref().ok_or_else(DiskError::not_open)?.begin_read()?)
    }
}

/// Makes the file if there is none. Values may be secrets, so only the owner may read it; the folder is synced, so that
/// a new file is still there after a power cut.
fn make_file(path: &Path) -> std::io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => file.sync_all()?,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(error),
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn open_database(options: &Options) -> Result<Database, OpenError> {
    let path = &options.path;
    let file = OpenOptions::new().read(true).write(true).open(path);
    let file = file.map_err(|source| OpenError::File { path: path.clone(), source })?;
    let mut builder = Database::builder();
    builder.set_cache_size(options.cache_bytes);
    let opened = FileBackend::new(file).and_then(|backend| {
        #[cfg(test)]
        if let Some(faults) = &options.faults {
            return builder.create_with_backend(faults::FaultyBackend::new(backend, faults.clone()));
        }
        builder.create_with_backend(backend)
    });
    opened.map_err(|error| match error {
        redb::DatabaseError::DatabaseAlreadyOpen => OpenError::Locked { path: path.clone() },
        error => OpenError::Failed { path: path.clone(), source: error.into() },
    })
}

/// The format version, if the database has any table yet.
fn format(database: &Database) -> Result<Option<u64>, DiskError> {
    let read = database.begin_read()?;
    match read.open_table(META) {
        Ok(meta) => match meta.get("format")? {
            Some(format) => Ok(Some(format.value())),
            None => Err(DiskError::damaged("the format version is missing")),
        },
        Err(TableError::TableDoesNotExist(_)) if read.list_tables()?.next().is_none() => Ok(None),
        Err(TableError::TableDoesNotExist(_)) => Err(DiskError::damaged("the database is not one of this program")),
        Err(error) => Err(error.into()),
    }
}

fn initialise(database: &Database) -> Result<(), DiskError> {
    let write = database.begin_write()?;
    {
        let mut meta = write.open_table(META)?;
        meta.insert("format", FORMAT)?;
        Meta::EMPTY.write(&mut meta)?;
        write.open_table(LOG)?;
        write.open_table(INDEX)?;
    }
    Ok(write.commit()?)
}

fn load(database: &Database) -> Result<State, DiskError> {
    let read = database.begin_read()?;
    let meta = Meta::read(&read.open_table(META)?)?;
    let mut current = Vec::new();
    for row in read.open_table(INDEX)?.iter()? {
        current.push(row?.1.value());
    }
    // In the order of the log, so that each of its pages is read once.
    current.sort_unstable();
    let log = read.open_table(LOG)?;
    let mut state = State::new(meta.head, meta.compacted);
    for number in current {
        let record = log.get(number)?.ok_or_else(|| DiskError::damaged("a current value is missing"))?;
        let revision = Revision::new(number).ok_or_else(|| DiskError::damaged("a current value has revision 0"))?;
        let entry = Record::parse(record.value())?.entry(revision)?;
        state.load(Arc::new(Entry { key: state.intern(entry.key), ..entry }));
    }
    Ok(state)
}

#[cfg(test)]
mod tests;
