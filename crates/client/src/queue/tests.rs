use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{FIRST_RETRY, Failed, LAST_RETRY, Outcome, Queue, retry_after};

/// The keys that have their turn without waiting.
async fn ready(queue: &Queue<&'static str>) -> Vec<&'static str> {
    let mut keys = Vec::new();
    while let Ok(key) = timeout(Duration::ZERO, queue.next()).await {
        keys.push(key);
    }
    keys
}

#[tokio::test(start_paused = true)]
async fn a_key_added_many_times_has_one_turn() {
    let queue = Queue::new();
    for key in ["a", "b", "a", "a"] {
        queue.add(key);
    }
    assert_eq!(ready(&queue).await, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_key_added_during_its_turn_has_another_one_after_it() {
    let queue = Queue::new();
    queue.add("a");
    assert_eq!(queue.next().await, "a");
    queue.add("a");
    assert_eq!(ready(&queue).await, [""; 0], "not two turns at the same time");
    queue.finish(&"a", Outcome::Done);
    assert_eq!(ready(&queue).await, ["a"]);
    queue.finish(&"a", Outcome::Done);
    assert!(queue.is_empty());
}

#[tokio::test(start_paused = true)]
async fn failures_pause_longer_and_longer_and_success_forgets_them() {
    let queue = Queue::new();
    queue.add("a");
    for doubling in 0..3 {
        let before = Instant::now();
        queue.next().await;
        let expected = if doubling == 0 { Duration::ZERO } else { FIRST_RETRY * (1 << (doubling - 1)) };
        assert!(before.elapsed() >= expected && before.elapsed() <= expected + Duration::from_millis(2));
        assert_eq!(queue.fail(&"a").failures, doubling + 1);
    }
    queue.next().await;
    queue.finish(&"a", Outcome::Done);
    queue.add("a");
    queue.next().await;
    assert_eq!(queue.fail(&"a"), Failed { failures: 1, retry_in: FIRST_RETRY });
}

#[test]
fn pauses_have_an_upper_limit() {
    assert_eq!(retry_after(1), FIRST_RETRY);
    assert_eq!(retry_after(30), LAST_RETRY);
    assert_eq!(retry_after(u32::MAX), LAST_RETRY);
}

#[tokio::test(start_paused = true)]
async fn a_change_ends_the_pause() {
    let queue = Queue::new();
    queue.add("a");
    queue.next().await;
    queue.finish(&"a", Outcome::After(Duration::from_secs(3600)));
    assert_eq!(ready(&queue).await, [""; 0]);
    queue.add("a");
    assert_eq!(ready(&queue).await, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_later_turn_comes_by_itself() {
    let queue = Queue::new();
    queue.add("a");
    queue.next().await;
    queue.finish(&"a", Outcome::After(Duration::from_secs(5)));
    let before = Instant::now();
    assert_eq!(queue.next().await, "a");
    assert!(before.elapsed() >= Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_taken_out_has_no_turn_and_leaves_nothing_behind() {
    let queue = Queue::new();
    for key in ["ready", "later", "running"] {
        queue.add(key);
    }
    queue.remove(&"ready");
    assert_eq!(queue.next().await, "later");
    queue.finish(&"later", Outcome::After(Duration::from_secs(5)));
    queue.remove(&"later");
    assert_eq!(queue.next().await, "running");
    queue.add("running");
    queue.remove(&"running");
    queue.finish(&"running", Outcome::Done);
    assert_eq!(ready(&queue).await, ["running"], "what has its turn is not taken out");
    queue.finish(&"running", Outcome::Done);
    assert!(queue.is_empty());
}
