use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::{Controller, Next, Reconcile};
use crate::{Leadership, Queue};

#[derive(Debug, Error)]
#[error("refused on purpose")]
struct Refused;

/// Counts turns; each waits for a permit, and the first `refusals` of a key fail.
struct Counting {
    permits: Semaphore,
    refusals: usize,
    turns: Mutex<HashMap<String, usize>>,
    running: AtomicUsize,
    most: AtomicUsize,
}

impl Counting {
    fn new(permits: usize, refusals: usize) -> Self {
        Self {
            permits: Semaphore::new(permits),
            refusals,
            turns: Mutex::default(),
            running: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        }
    }

    fn turns(&self, key: &str) -> usize {
        self.turns.lock().unwrap().get(key).copied().unwrap_or_default()
    }
}

impl Reconcile<String> for Counting {
    type Error = Refused;

    async fn reconcile(&self, key: &String) -> Result<Next, Refused> {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        let turn = {
            let mut turns = self.turns.lock().unwrap();
            let turn = turns.entry(key.clone()).or_default();
            *turn += 1;
            *turn
        };
        self.permits.acquire().await.unwrap().forget();
        self.running.fetch_sub(1, Ordering::SeqCst);
        if turn <= self.refusals { Err(Refused) } else { Ok(Next::OnChange) }
    }
}

fn controller(concurrency: usize, leadership: Leadership) -> (Controller<String>, Queue<String>) {
    let queue = Queue::new();
    (Controller { name: "test", concurrency, queue: queue.clone(), leadership }, queue)
}

/// Runs the controller until `condition` holds, at most five seconds of test time.
async fn run_until(controller: Controller<String>, reconciler: &Counting, condition: impl Fn() -> bool) {
    let reached = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        () = controller.run(reconciler, CancellationToken::new()) => {}
        reached = tokio::time::timeout(Duration::from_secs(5), reached) => reached.expect("the condition is reached"),
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_turns_than_allowed_run_at_the_same_time() {
    let (controller, queue) = controller(3, Leadership::always());
    let reconciler = Counting::new(0, 0);
    (0..20).for_each(|number| queue.add(number.to_string()));
    let let_one_go = || {
        reconciler.permits.add_permits(1);
        queue.is_empty()
    };
    run_until(controller, &reconciler, let_one_go).await;
    assert_eq!(reconciler.most.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_failed_key_is_tried_again() {
    let (controller, queue) = controller(1, Leadership::always());
    let reconciler = Counting::new(100, 2);
    queue.add("a".to_owned());
    run_until(controller, &reconciler, || queue.is_empty()).await;
    assert_eq!(reconciler.turns("a"), 3);
}

#[tokio::test(start_paused = true)]
async fn without_leadership_nothing_is_reconciled() {
    let (lead, leads) = watch::channel(false);
    let (controller, queue) = controller(1, Leadership::following(leads));
    let reconciler = Counting::new(100, 0);
    queue.add("a".to_owned());
    let waited = tokio::time::Instant::now();
    run_until(controller, &reconciler, || waited.elapsed() > Duration::from_secs(1)).await;
    assert_eq!(reconciler.turns("a"), 0);
    drop(lead);
}

#[tokio::test(start_paused = true)]
async fn a_turn_cut_short_by_the_loss_of_leadership_is_repeated() {
    let (lead, leads) = watch::channel(true);
    let (controller, queue) = controller(1, Leadership::following(leads));
    let reconciler = Counting::new(0, 0);
    queue.add("a".to_owned());
    let lose_and_regain = || match reconciler.turns("a") {
        0 => false,
        1 => {
            // Lost, and back at the next look.
            lead.send_modify(|leads| *leads = !*leads);
            false
        }
        _ => true,
    };
    run_until(controller, &reconciler, lose_and_regain).await;
    assert_eq!(reconciler.turns("a"), 2);
}
