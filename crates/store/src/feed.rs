//! Live events on their way to watches: one bounded channel for each collection that is watched. Keeps no history;
//! who falls behind reads the log.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

use crate::Event;

/// Events that a watch may be behind before it must go back to the log. The slots are allocated up front, about 16 KiB
/// for each watched collection; more would only save disk reads to watches that are slow anyway.
pub(crate) const CAPACITY: usize = 256;

#[derive(Debug)]
pub(crate) struct Feeds {
    /// None after the end.
    senders: Mutex<Option<HashMap<Arc<str>, broadcast::Sender<Event>>>>,
}

impl Feeds {
    pub(crate) fn new() -> Self {
        Self { senders: Mutex::new(Some(HashMap::new())) }
    }

    /// All events of the collection that are sent from here on; none if the store is closed.
    pub(crate) fn subscribe(&self, collection: &Arc<str>) -> Option<broadcast::Receiver<Event>> {
        let mut senders = self.lock();
        let sender = senders.as_mut()?.entry(collection.clone()).or_insert_with(|| broadcast::Sender::new(CAPACITY));
        Some(sender.subscribe())
    }

    /// Never waits for a receiver.
    pub(crate) fn send(&self, events: Vec<Event>) {
        let mut senders = self.lock();
        let Some(senders) = senders.as_mut() else { return };
        for event in events {
            let collection = event.entry.key.shared_collection().clone();
            // Sending fails when the last watch is gone; the channel's slots go with it.
            if let Some(sender) = senders.get(&collection)
                && sender.send(event).is_err()
            {
                senders.remove(&collection);
            }
        }
    }

    /// Ends all watches once they have taken what was sent.
    pub(crate) fn close(&self) {
        self.lock().take();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_none()
    }

    fn lock(&self) -> MutexGuard<'_, Option<HashMap<Arc<str>, broadcast::Sender<Event>>>> {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
