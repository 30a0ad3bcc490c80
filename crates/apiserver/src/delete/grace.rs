//! The time that an object is given to go by itself: when it begins, and how a later request shortens it.
//!
//! Whether a kind grants time at all is for its rules to say. The rules here are those of `BeforeDelete` in Kubernetes'
//! generic registry.

use jiff::{SignedDuration, Timestamp};

use crate::object::Object;

/// What a deletion says about time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) now: Timestamp,
    /// How long the client grants; None leaves it to the object.
    pub(super) seconds: Option<i64>,
}

/// How long an object has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Period {
    pub(super) seconds: i64,
    pub(super) until: Timestamp,
}

impl Period {
    /// No time at all.
    pub(super) fn none(now: Timestamp) -> Self {
        Self { seconds: 0, until: now }
    }
}

/// What becomes of the time that an object is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grace {
    /// It has none, or has used it up.
    Over,
    /// From here on it is this.
    Runs(Period),
    /// It is running already, and this request does not shorten it.
    Unchanged,
}

/// The first deletion of an object that gets `seconds` to go.
pub(super) fn begin(asked: Asked, seconds: i64) -> Grace {
    Grace::Runs(Period { seconds, until: later(asked.now, seconds) })
}

/// Another deletion of an object that is terminating. Its time can only become shorter.
pub(super) fn go_on(asked: Asked, object: &Object) -> Grace {
    let running = object.deletion_grace_seconds();
    if running == 0 {
        return Grace::Over;
    }
    let Some(seconds) = asked.seconds.filter(|seconds| *seconds < running) else { return Grace::Unchanged };
    // The time counts from the first deletion, not from this one.
    let began = object.deletion_timestamp().map_or(asked.now, |until| later(until, running.saturating_neg()));
    let until = later(began, seconds);
    if until >= asked.now {
        return Grace::Runs(Period { seconds, until });
    }
    // The shorter time is over already; only a request for none may do without the confirmation.
    Grace::Runs(Period { seconds: seconds.min(1), until: asked.now })
}

fn later(at: Timestamp, seconds: i64) -> Timestamp {
    let limit = if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    at.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(limit)
}

#[cfg(test)]
mod tests {
    use super::{Asked, Grace, Period, begin, go_on};
    use crate::object::Object;
    use jiff::Timestamp;
    use serde_json::json;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    /// A deletion with 30 seconds began at second 0; another one comes at second `now`.
    fn again(now: i64, seconds: Option<i64>) -> Grace {
        let metadata = json!({"deletionTimestamp": at(30).to_string(), "deletionGracePeriodSeconds": 30});
        go_on(Asked { now: at(now), seconds }, &Object::from_value(json!({"metadata": metadata})).unwrap())
    }

    fn runs(seconds: i64, until: i64) -> Grace {
        Grace::Runs(Period { seconds, until: at(until) })
    }

    #[test]
    fn time_is_never_prolonged() {
        for seconds in [None, Some(30), Some(31), Some(i64::MAX)] {
            assert_eq!(again(5, seconds), Grace::Unchanged, "{seconds:?}");
        }
    }

    #[test]
    fn shorter_time_counts_from_the_first_deletion() {
        assert_eq!(again(5, Some(10)), runs(10, 10));
    }

    #[test]
    fn shorter_time_that_is_over_still_waits_for_the_confirmation() {
        assert_eq!(again(15, Some(10)), runs(1, 15));
    }

    #[test]
    fn no_time_is_at_once() {
        assert_eq!(again(15, Some(0)), runs(0, 15));
        let over = Object::from_value(json!({"metadata": {"deletionTimestamp": at(0).to_string()}})).unwrap();
        assert_eq!(go_on(Asked { now: at(1), seconds: Some(10) }, &over), Grace::Over);
    }

    #[test]
    fn endless_time_ends_with_the_calendar() {
        let asked = Asked { now: at(0), seconds: None };
        assert_eq!(begin(asked, i64::MAX), Grace::Runs(Period { seconds: i64::MAX, until: Timestamp::MAX }));
    }
}
