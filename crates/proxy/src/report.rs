//! Batches of events that arrive exactly once.
//!
//! One batch is on its way at a time. It is kept, unchanged and with its number, until the control plane acknowledges that
//! number; after a reconnect it is sent again and the receiver, who remembers the last number, drops what it has already. What
//! happens meanwhile stays in the counters, which are bounded however long the control plane is gone. Counts are lost only
//! with the process itself.

use std::sync::Arc;
use std::time::Instant;

use flow::wire::{EndpointFailure, EventBatch};

use crate::stats::Stats;

/// The most series in one batch, at some 200 bytes each: a message of one megabyte.
const SERIES_PER_BATCH: usize = 5000;

/// Turns counts into numbered batches.
#[derive(Debug)]
pub(crate) struct Reporter {
    stats: Arc<Stats>,
    last_sequence: u64,
    outstanding: Option<EventBatch>,
    window_began: Instant,
}

impl Reporter {
    pub(crate) fn new(stats: Arc<Stats>) -> Self {
        Self { stats, last_sequence: 0, outstanding: None, window_began: Instant::now() }
    }

    /// The batch that was sent and not acknowledged.
    pub(crate) fn outstanding(&self) -> Option<&EventBatch> {
        self.outstanding.as_ref()
    }

    /// Closes the window and makes its counts the outstanding batch. None if there is one already, or nothing to report.
    pub(crate) fn seal(&mut self) -> Option<&EventBatch> {
        if self.outstanding.is_some() {
            return None;
        }
        let collected = self.stats.collect(SERIES_PER_BATCH);
        if collected.series.is_empty() && collected.failures.is_empty() {
            return None;
        }
        let window = std::mem::replace(&mut self.window_began, Instant::now()).elapsed();
        self.last_sequence += 1;
        let failures = collected.failures.into_iter().map(|((cluster, address), failure)| EndpointFailure {
            cluster,
            address: address.ip().to_string(),
            port: address.port().into(),
            count: failure.count,
            reason: failure.reason,
        });
        self.outstanding = Some(EventBatch {
            sequence: self.last_sequence,
            window_ms: u64::try_from(window.as_millis()).unwrap_or(u64::MAX),
            series: collected.series.iter().map(|(key, counts)| counts.to_wire(key)).collect(),
            endpoint_failures: failures.collect(),
        });
        self.outstanding.as_ref()
    }

    /// The receiver has the batch of this number.
    pub(crate) fn acknowledged(&mut self, sequence: u64) {
        self.outstanding.take_if(|batch| batch.sequence == sequence);
    }
}

#[cfg(test)]
mod tests;
