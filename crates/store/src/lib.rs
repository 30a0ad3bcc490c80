//! The versioned, durable key-value store below the API server.
//!
//! One counter numbers every write. Current values are held in memory as finished bytes and are read from snapshots
//! that never wait for a writer; one committer thread makes writes durable in groups; a log on disk, bounded by
//! compaction, feeds watches that start in the past. The store knows no Kubernetes kinds, keeps no event history in
//! memory, and does no authorization, quota or audit.
//!
//! Start reading at [`Store`], then `committer.rs` (the way of a write) and `watch.rs` (the way of an event).

mod committer;
mod disk;
mod entry;
mod feed;
mod held;
mod key;
mod options;
mod plan;
mod record;
mod revision;
mod snapshot;
mod state;
mod store;
mod template;
mod transaction;
mod watch;

#[cfg(test)]
mod tests;

pub use disk::{DiskError, OpenError};
pub use entry::{Entry, Event, EventKind};
pub use key::{Key, KeyError};
pub use options::{History, HoldLimits, Options};
pub use revision::{ParseRevisionError, Revision};
pub use snapshot::Snapshot;
pub use store::{HealthError, Store};
pub use template::{Template, TemplateError};
pub use transaction::{CommitError, Committed, Expect, Transaction, Write};
pub use watch::{Lagged, Watch, WatchError};
