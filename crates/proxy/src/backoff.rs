//! Pauses between attempts to reach the control plane.

use std::time::Duration;

use crate::random::Random;

/// The first pause: a control plane that restarts is back within a second.
const FIRST: Duration = Duration::from_millis(20);
/// The longest pause. On one machine an attempt costs nothing, and rules must not be late.
const LONGEST: Duration = Duration::from_secs(1);

/// Grows from attempt to attempt.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// Waits a random time up to the pause that is due ("full jitter"), at least a quarter of it.
    pub(crate) async fn wait(&mut self, random: &Random) {
        let pause = (FIRST * (1 << self.attempts.min(10))).min(LONGEST);
        self.attempts += 1;
        let micros = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX);
        tokio::time::sleep(Duration::from_micros(micros / 4 + random.below(micros * 3 / 4))).await;
    }

    /// The peer was reached.
    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }
}
