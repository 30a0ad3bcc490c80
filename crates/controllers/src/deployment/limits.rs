//! `maxSurge` and `maxUnavailable` as numbers of pods.
//!
//! Pure. Both are counts or percentages of the replicas; the rounding is that of `spec.strategy.rollingUpdate` in the
//! Kubernetes API reference. Start reading at [`Limits::resolve`].

use serde_json::Value;

/// How far a rolling update may go beyond the replicas and below them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// So many pods more than the replicas may exist.
    pub(crate) surge: i32,
    /// So many pods fewer than the replicas may be available.
    pub(crate) unavailable: i32,
}

/// A number of pods, as users write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Portion {
    /// So many.
    Count(i32),
    /// So many of a hundred.
    Percent(i32),
}

impl Portion {
    /// Reads `3` or `"25%"`. None for anything else, which validation keeps out.
    pub(crate) fn parse(value: &Value) -> Option<Self> {
        match value {
            Value::Number(count) => Some(Self::Count(i32::try_from(count.as_i64()?).ok()?)),
            Value::String(text) => Some(Self::Percent(text.strip_suffix('%')?.parse().ok()?)),
            _ => None,
        }
    }

    /// In hundredths of a pod.
    fn hundredths(self, replicas: i32) -> i64 {
        match self {
            Self::Count(count) => i64::from(count) * 100,
            Self::Percent(percent) => i64::from(percent) * i64::from(replicas),
        }
    }
}

impl Limits {
    /// Surge is rounded up, unavailability down. If nothing is left of either, one pod may be unavailable, or the update
    /// could never begin. No more pods can be unavailable than there are.
    pub(crate) fn resolve(surge: Portion, unavailable: Portion, replicas: i32) -> Self {
        let pods = |hundredths: i64| i32::try_from(hundredths / 100).unwrap_or(i32::MAX);
        let surge = pods(surge.hundredths(replicas) + 99);
        let unavailable = pods(unavailable.hundredths(replicas));
        let unavailable = if surge == 0 && unavailable == 0 { 1 } else { unavailable };
        Self { surge, unavailable: unavailable.min(replicas) }
    }
}

#[cfg(test)]
mod tests;
