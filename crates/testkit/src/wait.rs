//! Waiting for a condition, with a deadline.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Far above what anything takes on a busy machine; a test that gets here has failed.
const DEADLINE: Duration = Duration::from_secs(30);
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// Returns once `condition` gives a value, which it returns.
///
/// # Panics
/// When that does not happen within 30 seconds; `what` says what was waited for.
pub async fn eventually<T, Fut>(what: &str, mut condition: impl FnMut() -> Fut) -> T
where
    Fut: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        sleep(BETWEEN_LOOKS).await;
    }
}
