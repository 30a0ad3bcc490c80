//! The handle that the API server holds, and what it shares with the committer and the watches.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};

use crate::committer::{self, Job};
use crate::disk::Disk;
use crate::feed::Feeds;
use crate::held::Held;
use crate::state::State;
use crate::{
    CommitError, Committed, DiskError, OpenError, Options, Revision, Snapshot, Transaction, Watch, WatchError,
};

/// An open store. Clones share it; it closes with [`Store::close`] or with the last clone.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    /// None after [`Store::close`].
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    committer: Option<JoinHandle<()>>,
}

impl Store {
    /// Opens the store, or makes an empty one, and loads all current values. Blocks: about 65 ms for 10,000 values of
    /// 2.4 KB, more after a crash, because then the file is checked.
    ///
    /// # Errors
    /// See [`OpenError`]. Nothing of the file was changed, except that a crash may have been repaired.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let path = options.path.clone();
        let held = Held::new(options.hold);
        let (disk, state) = Disk::open(options)?;
        let shared = Arc::new(Shared::new(disk, state, held));
        let (jobs, committer) = committer::start(shared.clone()).map_err(|source| OpenError::File { path, source })?;
        Ok(Self { inner: Arc::new(Inner { shared, jobs: Mutex::new(Some(jobs)), committer: Some(committer) }) })
    }

    /// All values as of the last write. Takes no time, and waits for nobody.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.inner.shared.state())
    }

    /// Keeps a snapshot for [`Store::held`], within [`HoldLimits`](crate::HoldLimits).
    pub fn hold(&self, snapshot: &Snapshot) {
        self.inner.shared.held.hold(snapshot);
    }

    /// The snapshot of that revision, if it was held and has not been dropped since.
    pub fn held(&self, revision: Revision) -> Option<Snapshot> {
        self.inner.shared.held.get(revision)
    }

    /// Writes all of the transaction, or nothing. When this returns `Ok`, it is durable and in every new snapshot.
    ///
    /// Not cancellation safe: once polled, a dropped future may or may not have written.
    ///
    /// # Errors
    /// See [`CommitError`], which says for each case what was written and whether to retry.
    pub async fn commit(&self, transaction: Transaction) -> Result<Committed, CommitError> {
        transaction.check()?;
        let jobs = self.inner.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let jobs = jobs.ok_or(CommitError::Closed)?;
        let (reply, answer) = oneshot::channel();
        jobs.send(Job { transaction, reply }).await.or(Err(CommitError::Closed))?;
        // The committer ends when nobody can send any more, so no sender is kept while waiting for it.
        drop(jobs);
        answer.await.unwrap_or(Err(CommitError::Closed))
    }

    /// The events after revision `after` of the keys in `collection` whose names start with `name_prefix`.
    ///
    /// # Errors
    /// See [`WatchError`].
    pub fn watch(&self, collection: &str, name_prefix: &str, after: Revision) -> Result<Watch, WatchError> {
        Watch::new(self.inner.shared.clone(), (collection, name_prefix), after)
    }

    /// Whether writes can be expected to succeed.
    ///
    /// # Errors
    /// If the last group of writes failed, until one succeeds; or if nothing will be written any more.
    pub fn health(&self) -> Result<(), HealthError> {
        match &*self.inner.shared.health.lock().unwrap_or_else(PoisonError::into_inner) {
            Health::Good => Ok(()),
            Health::Failing(source) => Err(HealthError::Failing { source: source.clone() }),
            Health::Ended => Err(HealthError::Ended),
        }
    }

    /// Refuses further writes, finishes those that wait, and closes the file. Returns when it is closed; a second call
    /// does too. Watches end; snapshots stay readable.
    pub async fn close(&self) {
        self.inner.stop();
        self.inner.shared.closed.cancelled().await;
    }
}

impl Inner {
    fn stop(&self) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Drop for Inner {
    /// Waits for what is queued, so that whoever opens the file next finds it free. On a runtime, call
    /// [`Store::close`] first: then there is nothing left to wait for.
    fn drop(&mut self) {
        self.stop();
        if let Some(Err(_panic)) = self.committer.take().map(JoinHandle::join) {
            tracing::error!("the committer of the store had panicked");
        }
    }
}

/// Why writes cannot be expected to succeed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HealthError {
    /// The last group of writes failed. The next one tries again.
    #[error("the last write to the store failed")]
    Failing {
        /// What the disk said.
        #[source]
        source: DiskError,
    },
    /// The store was closed, or its committer has ended.
    #[error("the committer of the store has ended")]
    Ended,
}

/// What the handle, the committer and the watches share.
#[derive(Debug)]
pub(crate) struct Shared {
    state: ArcSwap<State>,
    /// The events of all writes up to this revision were sent to the feeds.
    sent: AtomicU64,
    health: Mutex<Health>,
    pub(crate) disk: Disk,
    pub(crate) feeds: Feeds,
    pub(crate) held: Held,
    pub(crate) closed: task::CancellationToken,
}

#[derive(Debug)]
pub(crate) enum Health {
    Good,
    Failing(DiskError),
    Ended,
}

impl Shared {
    fn new(disk: Disk, state: State, held: Held) -> Self {
        Self {
            sent: AtomicU64::new(state.revision.get()),
            state: ArcSwap::from_pointee(state),
            health: Mutex::new(Health::Good),
            disk,
            feeds: Feeds::new(),
            held,
            closed: task::CancellationToken::new(),
        }
    }

    pub(crate) fn state(&self) -> Arc<State> {
        self.state.load_full()
    }

    pub(crate) fn publish(&self, state: State) {
        self.state.store(Arc::new(state));
    }

    pub(crate) fn sent(&self) -> Revision {
        Revision::new(self.sent.load(Ordering::Acquire)).expect("it starts as a revision and only rises")
    }

    pub(crate) fn set_sent(&self, revision: Revision) {
        self.sent.store(revision.get(), Ordering::Release);
    }

    pub(crate) fn set_health(&self, health: Health) {
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = health;
    }
}
