//! What comes back from the data plane: counts in short windows.
//!
//! A [`Counts`] is the outcome of the traffic of one [`Key`] in one window, or, merged, in many. Only sums travel, so that
//! windows and proxies can be added up in any order. Who keeps them, and for how long, is not decided here.

use std::time::Duration;

use crate::invalid::Violation;
use crate::wire;

/// Whose traffic was counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Id of the listener.
    pub listener: String,
    /// Id of the rule; empty: no rule matched.
    pub rule: String,
    /// Name of the backend's cluster; empty: answered without a backend.
    pub cluster: String,
}

/// Why a request or connection did not go well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// No connection to any endpoint; answered with 503.
    Connect,
    /// No endpoint is ready; answered with 503.
    Unavailable,
    /// Took longer than allowed; answered with 504 if nothing had been answered.
    Timeout,
    /// The backend broke off; answered with 502 if nothing had been answered.
    Reset,
    /// The client went away.
    Cancelled,
    /// The chosen backend is no valid reference; answered with 500.
    InvalidBackend,
    /// No rule matched; answered with 404.
    NoRule,
    /// A rule says drop.
    Dropped,
    /// Cannot be forwarded at all, such as CONNECT; answered with 4xx.
    BadRequest,
}

impl ErrorKind {
    /// All kinds, in the order of [`ErrorKind::index`].
    pub const ALL: [ErrorKind; 9] = [
        ErrorKind::Connect,
        ErrorKind::Unavailable,
        ErrorKind::Timeout,
        ErrorKind::Reset,
        ErrorKind::Cancelled,
        ErrorKind::InvalidBackend,
        ErrorKind::NoRule,
        ErrorKind::Dropped,
        ErrorKind::BadRequest,
    ];

    /// Position in [`ErrorKind::ALL`] and [`Counts::errors`].
    pub fn index(self) -> usize {
        match self {
            ErrorKind::Connect => 0,
            ErrorKind::Unavailable => 1,
            ErrorKind::Timeout => 2,
            ErrorKind::Reset => 3,
            ErrorKind::Cancelled => 4,
            ErrorKind::InvalidBackend => 5,
            ErrorKind::NoRule => 6,
            ErrorKind::Dropped => 7,
            ErrorKind::BadRequest => 8,
        }
    }

    fn to_wire(self) -> wire::ErrorKind {
        match self {
            ErrorKind::Connect => wire::ErrorKind::Connect,
            ErrorKind::Unavailable => wire::ErrorKind::Unavailable,
            ErrorKind::Timeout => wire::ErrorKind::Timeout,
            ErrorKind::Reset => wire::ErrorKind::Reset,
            ErrorKind::Cancelled => wire::ErrorKind::Cancelled,
            ErrorKind::InvalidBackend => wire::ErrorKind::InvalidBackend,
            ErrorKind::NoRule => wire::ErrorKind::NoRule,
            ErrorKind::Dropped => wire::ErrorKind::Dropped,
            ErrorKind::BadRequest => wire::ErrorKind::BadRequest,
        }
    }
}

/// Number of status classes: none, then 1xx to 5xx.
pub const STATUS_CLASSES: usize = 6;

/// What happened to the traffic of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// By status class as the client saw it; index 0: without a status (TCP, dropped, client gone before the answer).
    /// The sum is the number of requests, for TCP listeners of connections.
    pub statuses: [u64; STATUS_CLASSES],
    /// By [`ErrorKind::index`]. An erroneous request counts here and in `statuses`.
    pub errors: [u64; ErrorKind::ALL.len()],
    /// By [`latency_bucket`]: from arrival to the end of the response.
    pub latencies: [u64; LATENCY_BUCKETS],
    /// Sum of all latencies, in microseconds.
    pub latency_sum_us: u64,
}

/// The exponent of the first bound, 2⁷ µs = 128 µs: what a proxied request takes at the least.
const FIRST_OCTAVE: u32 = 7;
/// Octaves between the first bound and the last, 2²⁶ µs = 67 s: longer than any request that someone waits for.
const OCTAVES: u32 = 19;

/// Number of latency buckets: two an octave, one before and one behind. A quantile is at most a third too high.
pub const LATENCY_BUCKETS: usize = 2 * OCTAVES as usize + 2;

/// The bucket of a latency; below [`LATENCY_BUCKETS`].
pub fn latency_bucket(latency: Duration) -> usize {
    let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    if micros < 1 << FIRST_OCTAVE {
        return 0;
    }
    let octave = micros.ilog2();
    let upper_half = (micros >> (octave - 1)) & 1;
    let index = 1 + 2 * (octave - FIRST_OCTAVE) as usize + usize::from(upper_half == 1);
    index.min(LATENCY_BUCKETS - 1)
}

/// The latencies of a bucket are below this; `None` for the last.
pub fn latency_bound(bucket: usize) -> Option<Duration> {
    if bucket + 1 >= LATENCY_BUCKETS {
        return None;
    }
    let octave = FIRST_OCTAVE + u32::try_from(bucket / 2).unwrap_or(OCTAVES);
    let base = 1_u64 << octave;
    Some(Duration::from_micros(if bucket.is_multiple_of(2) { base } else { base + base / 2 }))
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            statuses: [0; STATUS_CLASSES],
            errors: [0; ErrorKind::ALL.len()],
            latencies: [0; LATENCY_BUCKETS],
            latency_sum_us: 0,
        }
    }
}

impl Counts {
    /// Number of requests, for TCP listeners of connections.
    pub fn total(&self) -> u64 {
        self.statuses.iter().sum()
    }

    /// How often this error happened.
    pub fn errors_of(&self, kind: ErrorKind) -> u64 {
        self.errors[kind.index()]
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what another window or proxy counted.
    pub fn merge(&mut self, other: &Counts) {
        let pairs = (self.statuses.iter_mut().zip(&other.statuses))
            .chain(self.errors.iter_mut().zip(&other.errors))
            .chain(self.latencies.iter_mut().zip(&other.latencies));
        for (mine, others) in pairs {
            *mine = mine.saturating_add(*others);
        }
        self.latency_sum_us = self.latency_sum_us.saturating_add(other.latency_sum_us);
    }

    /// An upper bound of the latency that the share `quantile` (0 to 1) of the requests stayed below. `None` without
    /// requests; the last bound if it lies beyond.
    pub fn latency_quantile(&self, quantile: f64) -> Option<Duration> {
        let total: u64 = self.latencies.iter().sum();
        if total == 0 {
            return None;
        }
        let mut seen = 0;
        for (bucket, count) in self.latencies.iter().enumerate() {
            seen += count;
            #[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
            if *count > 0 && seen as f64 >= quantile * total as f64 {
                return latency_bound(bucket).or_else(|| latency_bound(LATENCY_BUCKETS - 2));
            }
        }
        latency_bound(LATENCY_BUCKETS - 2)
    }

    /// The message for these counts; zeros do not travel.
    pub fn to_wire(&self, key: &Key) -> wire::Series {
        let errors =
            ErrorKind::ALL.into_iter().map(|kind| (kind, self.errors_of(kind))).filter(|(_, count)| *count > 0);
        let latencies = (0_u32..).zip(self.latencies).filter(|(_, count)| *count > 0);
        wire::Series {
            listener: key.listener.clone(),
            rule: key.rule.clone(),
            cluster: key.cluster.clone(),
            statuses: self.statuses.to_vec(),
            errors: errors.map(|(kind, count)| wire::ErrorCount { kind: kind.to_wire().into(), count }).collect(),
            latencies: latencies.map(|(bucket, count)| wire::LatencyCount { bucket, count }).collect(),
            latency_sum_us: self.latency_sum_us,
        }
    }
}

impl TryFrom<&wire::Series> for Counts {
    type Error = Violation;

    /// # Errors
    /// When it counts what this version of the contract does not know; a silently smaller sum would mislead a verdict.
    fn try_from(series: &wire::Series) -> Result<Self, Violation> {
        let mut counts = Self { latency_sum_us: series.latency_sum_us, ..Self::default() };
        if series.statuses.len() > STATUS_CLASSES {
            return Err(Violation::new("statuses", format!("has more than {STATUS_CLASSES} entries")));
        }
        counts.statuses[..series.statuses.len()].copy_from_slice(&series.statuses);
        for (index, error) in series.errors.iter().enumerate() {
            let kind = ErrorKind::ALL.into_iter().find(|kind| kind.to_wire() == error.kind());
            let kind = kind.ok_or_else(|| Violation::new(format!("errors[{index}].kind"), "is unknown"))?;
            counts.errors[kind.index()] = error.count;
        }
        for (index, latency) in series.latencies.iter().enumerate() {
            let bucket = usize::try_from(latency.bucket).ok().and_then(|bucket| counts.latencies.get_mut(bucket));
            let unknown = || Violation::new(format!("latencies[{index}].bucket"), "is unknown");
            *bucket.ok_or_else(unknown)? = latency.count;
        }
        Ok(counts)
    }
}

impl From<&wire::Series> for Key {
    fn from(series: &wire::Series) -> Self {
        Self { listener: series.listener.clone(), rule: series.rule.clone(), cluster: series.cluster.clone() }
    }
}

#[cfg(test)]
mod tests;
