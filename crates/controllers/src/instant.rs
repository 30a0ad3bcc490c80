//! The time as objects carry it.

use jiff::Timestamp;
use stdx::Clock;

/// The time of day in whole seconds, as times in the Kubernetes API are.
pub(crate) fn now(clock: &Clock) -> Timestamp {
    let now = Timestamp::try_from(clock.now()).unwrap_or(Timestamp::MAX);
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}
