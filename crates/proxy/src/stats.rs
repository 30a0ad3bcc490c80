//! Counts what happens to traffic, in bounded space, without a lock on the way of a request.
//!
//! Each (listener, rule, cluster) has a [`Series`] of atomic counters that lives as long as a route or a request holds it
//! or it has counts that nobody collected. Sending them is `report`'s work.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flow::event::{Counts, ErrorKind, Key, LATENCY_BUCKETS, STATUS_CLASSES, latency_bucket};
use tokio::sync::Notify;

/// The most series at one time; at 450 bytes each some 45 MB, far beyond any one machine's routes.
const SERIES_LIMIT: usize = 100_000;
/// The most endpoints with uncollected failures; further ones are ejected all the same, but not named.
const FAILURES_LIMIT: usize = 10_000;
/// The rule under which traffic is counted for which there is no room.
const OVERFLOW_RULE: &str = "(too many series)";

/// The counters of one key.
#[derive(Debug)]
pub(crate) struct Series {
    statuses: [AtomicU64; STATUS_CLASSES],
    errors: [AtomicU64; ErrorKind::ALL.len()],
    latencies: [AtomicU64; LATENCY_BUCKETS],
    latency_sum_us: AtomicU64,
    /// Whether anything was recorded since the last taking: most series of a large installation are silent.
    touched: AtomicBool,
}

/// How a request or connection ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    /// What the client was answered, if anything.
    pub(crate) status: Option<http::StatusCode>,
    pub(crate) error: Option<ErrorKind>,
    pub(crate) latency: Duration,
}

impl Series {
    fn new() -> Self {
        Self {
            statuses: std::array::from_fn(|_| AtomicU64::new(0)),
            errors: std::array::from_fn(|_| AtomicU64::new(0)),
            latencies: std::array::from_fn(|_| AtomicU64::new(0)),
            latency_sum_us: AtomicU64::new(0),
            touched: AtomicBool::new(false),
        }
    }

    pub(crate) fn record(&self, outcome: Outcome) {
        let class = outcome.status.map_or(0, |status| usize::from(status.as_u16() / 100));
        self.statuses[class.min(STATUS_CLASSES - 1)].fetch_add(1, Ordering::Relaxed);
        if let Some(error) = outcome.error {
            self.errors[error.index()].fetch_add(1, Ordering::Relaxed);
        }
        self.latencies[latency_bucket(outcome.latency)].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(outcome.latency.as_micros()).unwrap_or(u64::MAX);
        self.latency_sum_us.fetch_add(micros, Ordering::Relaxed);
        // After the counters: whoever takes them and misses some finds the mark again.
        self.touched.store(true, Ordering::Release);
    }

    /// Takes every counter once, if anything was recorded. A request that is recorded meanwhile is split between this and
    /// the next taking.
    fn take(&self) -> Counts {
        if !self.touched.swap(false, Ordering::Acquire) {
            return Counts::default();
        }
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        Counts {
            statuses: std::array::from_fn(|index| take(&self.statuses[index])),
            errors: std::array::from_fn(|index| take(&self.errors[index])),
            latencies: std::array::from_fn(|index| take(&self.latencies[index])),
            latency_sum_us: take(&self.latency_sum_us),
        }
    }
}

/// All counts of the process that were not yet collected.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    series: Mutex<HashMap<Key, Arc<Series>>>,
    failures: Mutex<BTreeMap<(String, SocketAddr), Failure>>,
    urgent: Notify,
}

/// Failed connections to one endpoint.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) count: u64,
    pub(crate) reason: String,
}

/// What [`Stats::collect`] took.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    pub(crate) series: Vec<(Key, Counts)>,
    pub(crate) failures: BTreeMap<(String, SocketAddr), Failure>,
}

impl Stats {
    /// The series of `key`, made if there is none.
    pub(crate) fn series(&self, key: Key) -> Arc<Series> {
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let full = series.len() >= SERIES_LIMIT && !series.contains_key(&key);
        let key = if full {
            Key { listener: String::new(), rule: OVERFLOW_RULE.to_owned(), cluster: String::new() }
        } else {
            key
        };
        series.entry(key).or_insert_with(|| Arc::new(Series::new())).clone()
    }

    /// Notes a failed connection; it is reported without waiting for the window to end.
    pub(crate) fn endpoint_failed(&self, cluster: &str, address: SocketAddr, reason: &std::io::Error) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let len = failures.len();
        match failures.entry((cluster.to_owned(), address)) {
            std::collections::btree_map::Entry::Occupied(mut known) => known.get_mut().count += 1,
            std::collections::btree_map::Entry::Vacant(vacant) if len < FAILURES_LIMIT => {
                vacant.insert(Failure { count: 1, reason: reason.to_string() });
            }
            std::collections::btree_map::Entry::Vacant(_) => {}
        }
        drop(failures);
        self.urgent.notify_one();
    }

    /// Resolves when something was noted that should not wait. One call at a time.
    pub(crate) async fn urgent(&self) {
        self.urgent.notified().await;
    }

    /// Whether failures wait to be collected.
    pub(crate) fn has_failures(&self) -> bool {
        !self.failures.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Takes the counts of up to `limit` series, and all failures.
    pub(crate) fn collect(&self, limit: usize) -> Collected {
        let mut collected = Collected {
            failures: std::mem::take(&mut self.failures.lock().unwrap_or_else(PoisonError::into_inner)),
            series: Vec::new(),
        };
        let mut all = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|key, series| {
            if collected.series.len() >= limit {
                return true;
            }
            // Without another owner nothing can be added after it was taken.
            let last = Arc::get_mut(series).is_some();
            let counts = series.take();
            if !counts.is_empty() {
                collected.series.push((key.clone(), counts));
            }
            !last
        });
        collected
    }
}
