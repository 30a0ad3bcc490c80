//! How long a container that keeps ending waits before it is started again.
//!
//! Pure: times come in, times go out. The rule is that of Kubernetes (documentation of Pod lifecycle, "Container
//! restarts"): the first restart is immediate, the wait before each further one doubles, and a container that has run
//! well for a while starts anew.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The waits between restarts of one container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackOff {
    /// Before the second restart.
    pub first: Duration,
    /// No wait is longer.
    pub longest: Duration,
    /// A container that ends so long after its last restart has no past.
    pub forget: Duration,
}

impl Default for BackOff {
    /// 10 s, doubling up to 5 min, forgotten after 10 min.
    fn default() -> Self {
        Self { first: Duration::from_secs(10), longest: Duration::from_secs(300), forget: Duration::from_secs(600) }
    }
}

/// The wait that the next restart of a container is subject to. Kept on disk, so that a new server goes on with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Delay {
    pub milliseconds: u64,
    /// When the last restart was.
    pub since: Timestamp,
}

impl Delay {
    pub(crate) fn length(self) -> Duration {
        Duration::from_millis(self.milliseconds)
    }
}

impl BackOff {
    /// When a container that ended at `ended_at` may be started again.
    pub(crate) fn until(&self, delay: Option<Delay>, ended_at: Timestamp) -> Timestamp {
        delay.filter(|delay| self.counts(*delay, ended_at)).map_or(ended_at, |delay| after(ended_at, delay.length()))
    }

    /// The delay that holds once the container that ended at `ended_at` is started again, at `now`.
    pub(crate) fn restarted(&self, delay: Option<Delay>, ended_at: Timestamp, now: Timestamp) -> Delay {
        let length = delay
            .filter(|delay| self.counts(*delay, ended_at))
            .map_or(self.first, |delay| (delay.length() * 2).min(self.longest));
        Delay { milliseconds: u64::try_from(length.as_millis()).unwrap_or(u64::MAX), since: now }
    }

    fn counts(&self, delay: Delay, ended_at: Timestamp) -> bool {
        ended_at.duration_since(delay.since) <= SignedDuration::try_from(self.forget).unwrap_or(SignedDuration::MAX)
    }
}

/// A moment some time after another one.
pub(crate) fn after(moment: Timestamp, length: Duration) -> Timestamp {
    moment.checked_add(length).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
