//! Weights hold, load is spread, failed endpoints are left alone.

use std::sync::Arc;

use flow::ClusterProtocol;
use proptest::prelude::*;

use super::{Cluster, InFlight, Registry, Split};
use crate::random::Random;

fn cluster(registry: &Registry, weights: &[u32]) -> Cluster {
    let endpoint = |(index, weight): (usize, &u32)| flow::Endpoint {
        address: format!("127.0.0.1:{}", 1000 + index).parse().unwrap(),
        weight: *weight,
        ready: true,
    };
    registry.cluster(&flow::Cluster {
        name: "a".into(),
        protocol: ClusterProtocol::Http1,
        endpoints: weights.iter().enumerate().map(endpoint).collect(),
        connect_timeout: None,
    })
}

#[test]
fn no_weight_means_no_choice() {
    let random = Random::new(1);
    assert_eq!(Split::new([].into_iter()).choose(&random), None);
    assert_eq!(Split::new([0, 0].into_iter()).choose(&random), None);
    assert_eq!(Split::new([0, 5, 0].into_iter()).choose(&random), Some(1));
}

#[test]
fn an_empty_cluster_has_no_endpoint() {
    let registry = Registry::new(1);
    assert!(cluster(&registry, &[]).choose(&Random::new(1), &[]).is_none());
}

#[test]
fn a_failed_endpoint_is_left_alone_and_tried_again_only_for_want_of_others() {
    let (registry, random) = (Registry::new(1), Random::new(1));
    let cluster = cluster(&registry, &[1, 1, 1]);
    let failed = cluster.choose(&random, &[]).unwrap();
    failed.failed();
    let mut others = Vec::new();
    for _ in 0..200 {
        let chosen = cluster.choose(&random, &[]).unwrap();
        assert!(!Arc::ptr_eq(&chosen, &failed));
        if !others.iter().any(|other| Arc::ptr_eq(other, &chosen)) {
            others.push(chosen);
        }
    }
    assert_eq!(others.len(), 2);
    assert!(Arc::ptr_eq(&cluster.choose(&random, &others).unwrap(), &failed), "better than no answer");
    others.push(failed.clone());
    assert!(cluster.choose(&random, &others).is_none(), "each endpoint once");
    failed.connected();
    assert!(std::iter::from_fn(|| cluster.choose(&random, &[])).take(200).any(|chosen| Arc::ptr_eq(&chosen, &failed)));
}

#[test]
fn the_less_loaded_of_two_is_chosen() {
    let (registry, random) = (Registry::new(1), Random::new(1));
    let cluster = cluster(&registry, &[1, 1]);
    let mut load: Vec<InFlight> = Vec::new();
    for _ in 0..1000 {
        load.push(InFlight::new(cluster.choose(&random, &[]).unwrap()));
    }
    let first = load.iter().filter(|one| one.endpoint().address.port() == 1000).count();
    assert!((450..=550).contains(&first), "{first}");
}

#[test]
fn an_endpoint_keeps_its_state_over_snapshots() {
    let registry = Registry::new(1);
    let before = cluster(&registry, &[1]).choose(&Random::new(1), &[]).unwrap();
    assert!(Arc::ptr_eq(&before, &cluster(&registry, &[7, 1]).members[0].endpoint));
    drop(before);
    registry.prune();
    assert!(registry.endpoints().is_empty());
}

proptest! {
    #[test]
    fn shares_stay_within_five_deviations(weights in prop::collection::vec(0_u32..100, 1..6), seed: u64) {
        const DRAWS: u32 = 20_000;
        let total: u32 = weights.iter().sum();
        prop_assume!(total > 0);
        let (split, random) = (Split::new(weights.iter().copied()), Random::new(seed));
        let mut counts = vec![0_u32; weights.len()];
        for _ in 0..DRAWS {
            counts[split.choose(&random).unwrap()] += 1;
        }
        for (count, weight) in counts.iter().zip(&weights) {
            let share = f64::from(*weight) / f64::from(total);
            let deviation = (f64::from(DRAWS) * share * (1.0 - share)).sqrt();
            let off = (f64::from(*count) - f64::from(DRAWS) * share).abs();
            prop_assert!(off <= 5.0 * deviation, "{counts:?} of {weights:?}");
        }
    }
}
