//! Counts add up, and quantiles lie where the bounds say.

use std::time::Duration;

use proptest::prelude::*;

use super::{Counts, ErrorKind, Key, LATENCY_BUCKETS, latency_bound, latency_bucket};

#[test]
fn counts_of_an_unknown_kind_are_refused() {
    let key = Key { listener: "gw".into(), rule: "r".into(), cluster: "a".into() };
    let mut series = Counts::default().to_wire(&key);
    series.errors.push(crate::wire::ErrorCount { kind: 99, count: 1 });
    assert!(Counts::try_from(&series).unwrap_err().to_string().contains("errors[0].kind: is unknown"));
    series.errors.clear();
    series.latencies.push(crate::wire::LatencyCount { bucket: 1000, count: 1 });
    assert!(Counts::try_from(&series).unwrap_err().to_string().contains("latencies[0].bucket: is unknown"));
}

#[test]
fn quantiles_without_requests_do_not_exist() {
    assert_eq!(Counts::default().latency_quantile(0.99), None);
}

#[test]
fn buckets_begin_where_the_one_before_ends() {
    assert_eq!(latency_bucket(Duration::ZERO), 0);
    assert_eq!(latency_bucket(Duration::MAX), LATENCY_BUCKETS - 1);
    for bucket in 0..LATENCY_BUCKETS - 1 {
        let bound = latency_bound(bucket).unwrap();
        assert_eq!(latency_bucket(bound), bucket + 1, "{bound:?}");
        assert_eq!(latency_bucket(bound - Duration::from_micros(1)), bucket, "{bound:?}");
    }
    assert_eq!(latency_bound(LATENCY_BUCKETS - 1), None);
}

fn counts() -> impl Strategy<Value = Counts> {
    let small = 0_u64..1000;
    (
        prop::array::uniform6(small.clone()),
        prop::array::uniform9(small.clone()),
        prop::collection::vec(small, LATENCY_BUCKETS),
    )
        .prop_map(|(statuses, errors, latencies)| Counts {
            statuses,
            errors,
            latencies: latencies.try_into().unwrap(),
            latency_sum_us: 7,
        })
}

proptest! {
    #[test]
    fn counts_survive_the_wire_and_add_up(a in counts(), b in counts()) {
        let key = Key { listener: "gw".into(), rule: String::new(), cluster: "a".into() };
        let message = a.to_wire(&key);
        prop_assert_eq!(Key::from(&message), key);
        let mut sum = Counts::try_from(&message).unwrap();
        prop_assert_eq!(&sum, &a);
        sum.merge(&b);
        prop_assert_eq!(sum.total(), a.total() + b.total());
        prop_assert_eq!(sum.errors_of(ErrorKind::Reset), a.errors_of(ErrorKind::Reset) + b.errors_of(ErrorKind::Reset));
    }

    #[test]
    fn a_quantile_is_no_lower_than_the_truth_and_at_most_half_higher(micros in prop::collection::vec(128_u64..10_000_000, 1..50)) {
        let mut counts = Counts::default();
        for micros in &micros {
            counts.latencies[latency_bucket(Duration::from_micros(*micros))] += 1;
        }
        let mut sorted = micros;
        sorted.sort_unstable();
        let truth = sorted[(sorted.len() - 1) / 2];
        let found = u64::try_from(counts.latency_quantile(0.5).unwrap().as_micros()).unwrap();
        prop_assert!(truth < found && found <= truth + truth / 2, "{truth} {found}");
    }
}
