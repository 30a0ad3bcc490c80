//! Snapshots kept for the later pages of lists. Bounded in number and age; hands none out that was not held before.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{HoldLimits, Revision, Snapshot};

#[derive(Debug)]
pub(crate) struct Held {
    limits: HoldLimits,
    /// The one that was used last is at the back.
    snapshots: Mutex<VecDeque<Snapshot>>,
}

impl Held {
    pub(crate) fn new(limits: HoldLimits) -> Self {
        Self { limits, snapshots: Mutex::default() }
    }

    pub(crate) fn hold(&self, snapshot: &Snapshot) {
        let mut snapshots = self.lock();
        take(&mut snapshots, snapshot.revision());
        snapshots.push_back(snapshot.clone());
        while snapshots.len() > self.limits.snapshots {
            snapshots.pop_front();
        }
    }

    pub(crate) fn get(&self, revision: Revision) -> Option<Snapshot> {
        let mut snapshots = self.lock();
        let snapshot = take(&mut snapshots, revision)?;
        snapshots.push_back(snapshot.clone());
        Some(snapshot)
    }

    /// Drops what has become too old at `head`.
    pub(crate) fn trim(&self, head: Revision) {
        self.lock().retain(|snapshot| head.since(snapshot.revision()) <= self.limits.revisions);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Snapshot>> {
        self.snapshots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take(snapshots: &mut VecDeque<Snapshot>, revision: Revision) -> Option<Snapshot> {
    let at = snapshots.iter().position(|snapshot| snapshot.revision() == revision)?;
    snapshots.remove(at)
}
