//! The way of an event to a reader: first from the log on disk, then live. Filters by collection and name only.
//!
//! A watch has a position: it has taken all events up to there. It reads the log in chunks until it is near the head,
//! subscribes to the live feed, and only then asks for the head again: the committer publishes a revision before it
//! sends the events, so whatever the feed does not have is at or before that head, and what both have is told apart by
//! its revision. A watch that the feed has overrun goes back to the log, so the history, not a buffer in memory, decides
//! how far one may fall behind.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::broadcast::{self, error::RecvError};

use crate::disk::Range;
use crate::store::Shared;
use crate::{DiskError, Event, Revision, feed};

/// A watch subscribes when it is at most this many writes behind, so that the feed cannot overrun it while it reads.
const JOIN_DISTANCE: u64 = feed::CAPACITY as u64 / 2;

/// The events of one collection after one revision, in order, without gap or repetition.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Shared>,
    collection: Arc<str>,
    name_prefix: Arc<str>,
    /// The last event that was handed out, or what is known to lie before the next one.
    seen: Revision,
    /// All events up to here were handed out, are in `pending`, or are of no interest.
    position: Revision,
    pending: VecDeque<Event>,
    /// The log is read up to here.
    until: Revision,
    /// What comes after `until`.
    live: Option<broadcast::Receiver<Event>>,
}

impl Watch {
    pub(crate) fn new(shared: Arc<Shared>, names: (&str, &str), after: Revision) -> Result<Self, WatchError> {
        let state = shared.state();
        if after < state.compacted {
            return Err(WatchError::Compacted { compacted: state.compacted });
        }
        if after > state.revision {
            return Err(WatchError::Future { current: state.revision });
        }
        let (collection, name_prefix) = (names.0.into(), names.1.into());
        let pending = VecDeque::new();
        Ok(Self { shared, collection, name_prefix, seen: after, position: after, pending, until: after, live: None })
    }

    /// The next event, or none once the store is closed.
    ///
    /// Cancellation safe: a future that is dropped has taken no event.
    ///
    /// # Errors
    /// [`Lagged`] if the next event is no longer to be had. The watch is of no more use; take a snapshot and watch from
    /// there.
    pub async fn next(&mut self) -> Result<Option<Event>, Lagged> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                self.seen = event.revision;
                return Ok(Some(event));
            }
            if self.position < self.until {
                if !self.read_log().await? {
                    return Ok(None);
                }
            } else if let Some(live) = &mut self.live {
                match live.recv().await {
                    Ok(event) => self.take_live(event),
                    Err(RecvError::Lagged(_)) => self.live = None,
                    Err(RecvError::Closed) => return Ok(None),
                }
            } else if !self.approach() {
                return Ok(None);
            }
        }
    }

    /// The latest revision that this watch has certainly seen: [`Watch::next`] has returned all of its events up to
    /// there. It rises with writes to other collections too, so it serves as the revision of a bookmark.
    pub fn seen(&self) -> Revision {
        if !self.pending.is_empty() {
            return self.seen;
        }
        // First how far events have been sent, then whether any of them waits: the other way round, one could be sent
        // in between.
        let sent = self.shared.sent();
        match &self.live {
            Some(live) if self.position >= self.until && live.is_empty() => self.position.max(sent),
            _ => self.position,
        }
    }

    /// Aims at the head: to read the log up to it, or, if it is near, to go live. False if the store is closed.
    fn approach(&mut self) -> bool {
        self.until = self.shared.state().revision;
        if self.until.since(self.position) > JOIN_DISTANCE {
            return true;
        }
        // In this order: a write that the feed had before is published by now, so it is in the log up to this head.
        self.live = self.shared.feeds.subscribe(&self.collection);
        self.until = self.shared.state().revision;
        self.live.is_some()
    }

    /// Takes the next chunk of the log. False if the store is closed.
    async fn read_log(&mut self) -> Result<bool, Lagged> {
        let range = Range {
            collection: self.collection.clone(),
            name_prefix: self.name_prefix.clone(),
            after: self.position,
            until: self.until,
        };
        let shared = self.shared.clone();
        let chunk = task::blocking(move || shared.disk.replay(&range, &shared.state())).await;
        match chunk {
            Ok(Some(chunk)) => {
                self.position = chunk.reached;
                self.pending = chunk.events.into();
                Ok(true)
            }
            Err(_) if self.shared.feeds.is_closed() => Ok(false),
            Ok(None) => Err(Lagged { after: self.position, source: None }),
            Err(source) => Err(Lagged { after: self.position, source: Some(source) }),
        }
    }

    fn take_live(&mut self, event: Event) {
        if event.revision <= self.position {
            return;
        }
        self.position = event.revision;
        if event.entry.key.name().starts_with(&*self.name_prefix) {
            self.pending.push_back(event);
        }
    }
}

/// Why a watch cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// The events after that revision are no longer kept. Take a snapshot and watch from there.
    #[error("the history before revision {compacted} was compacted")]
    Compacted {
        /// The oldest revision after which a watch can start.
        compacted: Revision,
    },
    /// No write has that revision yet.
    #[error("the revision is in the future, the current one is {current}")]
    Future {
        /// The revision of the last write.
        current: Revision,
    },
}

/// A watch fell behind so far that the history no longer reaches it, or the log could not be read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot continue the watch after revision {after}")]
pub struct Lagged {
    /// The last revision up to which all events were taken.
    pub after: Revision,
    /// What the disk said; none if the history was compacted.
    #[source]
    pub source: Option<DiskError>,
}

#[cfg(test)]
mod tests;
