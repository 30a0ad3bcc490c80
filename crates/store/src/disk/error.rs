//! What can go wrong with the database file.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::Revision;
use crate::record::RecordError;

/// What the database said when it could not read or write. Clones share it, because one failure answers a whole group.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub struct DiskError(Arc<Cause>);

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error("the database file failed")]
    Database(#[source] redb::Error),
    #[error("cannot open the database file again")]
    Reopen(#[source] Box<OpenError>),
    #[error("the log has a record that cannot be read")]
    Record(#[source] RecordError),
    #[error("the database file is damaged: {0}")]
    Damaged(&'static str),
    #[error("the database file went back to revision {found}, {published} was acknowledged")]
    WentBack { found: Revision, published: Revision },
    #[error("the database file is not open")]
    NotOpen,
}

impl DiskError {
    pub(super) fn damaged(what: &'static str) -> Self {
        Self(Arc::new(Cause::Damaged(what)))
    }

    pub(super) fn not_open() -> Self {
        Self(Arc::new(Cause::NotOpen))
    }

    pub(crate) fn went_back(found: Revision, published: Revision) -> Self {
        Self(Arc::new(Cause::WentBack { found, published }))
    }

    /// Whether the disk, a quota or a limit of the process leaves no room.
    pub(crate) fn is_full(&self) -> bool {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match &*self.0 {
            Cause::Database(redb::Error::Io(error)) => {
                matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
            }
            Cause::Reopen(error) => match &**error {
                OpenError::Failed { source, .. } => source.is_full(),
                OpenError::File { .. } | OpenError::Locked { .. } | OpenError::NewerFormat { .. } => false,
            },
            Cause::Database(_) | Cause::Record(_) | Cause::Damaged(_) | Cause::WentBack { .. } | Cause::NotOpen => {
                false
            }
        }
    }
}

impl From<RecordError> for DiskError {
    fn from(error: RecordError) -> Self {
        Self(Arc::new(Cause::Record(error)))
    }
}

impl From<OpenError> for DiskError {
    fn from(error: OpenError) -> Self {
        Self(Arc::new(Cause::Reopen(Box::new(error))))
    }
}

macro_rules! from_redb {
    ($($error:ident),*) => {$(
        impl From<redb::$error> for DiskError {
            fn from(error: redb::$error) -> Self {
                Self(Arc::new(Cause::Database(error.into())))
            }
        }
    )*};
}

from_redb!(DatabaseError, TransactionError, TableError, StorageError, CommitError);

/// Why a store could not be opened. Retrying is useful for [`OpenError::Locked`] only.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be made or opened.
    #[error("cannot open {}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// Another process has it open.
    #[error("{} is in use by another process", path.display())]
    Locked {
        /// Which file.
        path: PathBuf,
    },
    /// A later version of the program wrote it. It was left as it is.
    #[error(
        "{} has format {found}, this program reads up to {supported}; use the version that wrote it or a later one",
        path.display()
    )]
    NewerFormat {
        /// Which file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The newest that is understood.
        supported: u64,
    },
    /// It is not a database of this program, it is damaged, or it cannot be read or repaired.
    #[error("cannot read the store in {}", path.display())]
    Failed {
        /// Which file.
        path: PathBuf,
        /// What the database said.
        #[source]
        source: DiskError,
    },
}
