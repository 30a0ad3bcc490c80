//! Counts are neither lost nor doubled, whatever happens between the counting and the acknowledgement.

use std::sync::Arc;
use std::time::Duration;

use flow::event::{Counts, ErrorKind, Key};
use http::StatusCode;
use proptest::prelude::*;

use super::Reporter;
use crate::stats::{Outcome, Stats};

fn key(rule: &str) -> Key {
    Key { listener: "gw".into(), rule: rule.into(), cluster: "a".into() }
}

fn ok() -> Outcome {
    Outcome { status: Some(StatusCode::OK), error: None, latency: Duration::from_millis(1) }
}

#[test]
fn nothing_is_sent_when_nothing_happened() {
    let stats = Arc::new(Stats::default());
    let _series = stats.series(key("r"));
    assert!(Reporter::new(stats).seal().is_none());
}

#[test]
fn a_batch_stays_the_same_until_its_own_number_is_acknowledged() {
    let stats = Arc::new(Stats::default());
    let series = stats.series(key("r"));
    let mut reporter = Reporter::new(stats);
    series.record(ok());
    let first = reporter.seal().unwrap().clone();
    series.record(Outcome { status: None, error: Some(ErrorKind::Reset), ..ok() });
    assert!(reporter.seal().is_none(), "one batch at a time");
    reporter.acknowledged(7);
    assert_eq!(reporter.outstanding(), Some(&first));
    reporter.acknowledged(first.sequence);
    assert_eq!(reporter.outstanding(), None);
    let second = reporter.seal().unwrap();
    assert_eq!((first.sequence, second.sequence), (1, 2));
    let counts = Counts::try_from(&second.series[0]).unwrap();
    assert_eq!((counts.statuses[0], counts.errors_of(ErrorKind::Reset), counts.total()), (1, 1, 1));
}

#[test]
fn counts_of_a_rule_that_is_gone_are_delivered_and_then_forgotten() {
    let stats = Arc::new(Stats::default());
    stats.series(key("gone")).record(ok());
    let collected = stats.collect(10);
    assert_eq!(collected.series[0].0.rule, "gone");
    let again = stats.series(key("gone"));
    assert_eq!(Arc::strong_count(&again), 2, "the old series was dropped and a fresh one made");
    assert!(stats.collect(10).series.is_empty());
}

#[test]
fn failed_endpoints_are_reported_with_their_number_of_failures() {
    let stats = Arc::new(Stats::default());
    let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    stats.endpoint_failed("a", "127.0.0.1:81".parse().unwrap(), &refused);
    stats.endpoint_failed("a", "127.0.0.1:81".parse().unwrap(), &refused);
    let mut reporter = Reporter::new(stats);
    let failure = reporter.seal().unwrap().endpoint_failures[0].clone();
    assert_eq!((failure.address.as_str(), failure.port, failure.count), ("127.0.0.1", 81, 2));
    assert!(failure.reason.contains("refused"));
}

proptest! {
    #[test]
    fn every_request_is_delivered_once(steps in prop::collection::vec(0_u8..4, 0..200)) {
        let stats = Arc::new(Stats::default());
        let rules = ["a", "b", "c"].map(|rule| stats.series(key(rule)));
        let mut reporter = Reporter::new(stats);
        let (mut recorded, mut delivered, mut last) = (0_u64, 0_u64, 0_u64);
        let mut receive = |batch: &flow::wire::EventBatch| {
            // As the control plane does: what it knows, it drops.
            if batch.sequence > last {
                assert_eq!(batch.sequence, last + 1);
                last = batch.sequence;
                delivered += batch.series.iter().map(|series| Counts::try_from(series).unwrap().total()).sum::<u64>();
            }
            batch.sequence
        };
        for (index, step) in steps.into_iter().enumerate() {
            match step {
                0 => { rules[index % 3].record(ok()); recorded += 1; }
                1 => { reporter.seal(); }
                // The batch arrives, the acknowledgement does not.
                2 => { reporter.outstanding().map(&mut receive); }
                _ => {
                    if let Some(sequence) = reporter.outstanding().map(&mut receive) {
                        reporter.acknowledged(sequence);
                    }
                }
            }
        }
        while reporter.seal().is_some() || reporter.outstanding().is_some() {
            let sequence = reporter.outstanding().map(&mut receive).unwrap();
            reporter.acknowledged(sequence);
        }
        prop_assert_eq!(delivered, recorded);
    }
}
