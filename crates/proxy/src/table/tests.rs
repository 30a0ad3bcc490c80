//! Whatever a snapshot says, it comes into force or is refused; nothing panics.

use std::sync::Arc;

use flow::{Snapshot, wire};
use http::{HeaderMap, Method};
use proptest::prelude::*;
use task::CancellationToken;

use super::{Table, Target};
use crate::matcher::{Ends, Head, host_of};
use crate::random::Random;
use crate::stats::Stats;

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", ""]).prop_map(str::to_owned)
}

fn any_rule() -> impl Strategy<Value = wire::FlowRule> {
    let key = prop::sample::select(vec![
        "http.path",
        "http.path-prefix",
        "http.host",
        "source.ip",
        "protocol",
        "http.header.a",
    ]);
    let value = prop::sample::select(vec!["/", "/a/b", "*.a", "a", "127.0.0.1", "tcp", "http"]);
    let backend = (name(), 0_u32..3, any::<bool>()).prop_map(|(cluster, weight, invalid)| wire::Backend {
        cluster,
        weight,
        invalid: if invalid { "gone".into() } else { String::new() },
        ..wire::Backend::default()
    });
    let action = prop::sample::select(vec!["forward:a", "forward:b", "forward", "forward", "drop", "redirect"]);
    (
        prop::collection::btree_map(key.prop_map(str::to_owned), value.prop_map(str::to_owned), 0..2),
        action,
        prop::collection::vec(name(), 0..2),
        prop::collection::vec(backend, 0..3),
    )
        .prop_map(|(r#match, action, listeners, backends)| wire::FlowRule {
            r#match,
            listeners,
            backends: if action == "forward" { backends } else { Vec::new() },
            redirect: (action == "redirect").then(wire::Redirect::default),
            action: action.into(),
            ..wire::FlowRule::default()
        })
}

fn any_snapshot() -> impl Strategy<Value = wire::Snapshot> {
    let listener = (name(), 0..4, 0..4).prop_map(|(id, protocol, purpose)| wire::Listener {
        id,
        protocol,
        purpose,
        description: String::new(),
    });
    let endpoint = (prop::sample::select(vec!["127.0.0.1", "::1", "x"]), 0_u32..3, 0_u32..3, any::<bool>());
    let endpoint = endpoint.prop_map(|(address, port, weight, ready)| wire::Endpoint {
        address: address.into(),
        port,
        weight,
        ready,
    });
    let cluster = (name(), 0..4, prop::collection::vec(endpoint, 0..3))
        .prop_map(|(name, protocol, endpoints)| wire::Cluster { name, protocol, endpoints, connect_timeout_ms: 0 });
    let lists = (
        prop::collection::vec(listener, 0..3),
        prop::collection::vec(any_rule(), 0..4),
        prop::collection::vec(cluster, 0..3),
    );
    lists.prop_map(|(listeners, rules, clusters)| wire::Snapshot { version: "v".into(), listeners, rules, clusters })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn any_snapshots_in_a_row_leave_a_table_that_answers(snapshots in prop::collection::vec(any_snapshot(), 1..4)) {
        let stats = Arc::new(Stats::default());
        let table = Table::new(stats.clone(), &crate::Options::in_directory("/nowhere"), CancellationToken::new());
        let random = Random::new(1);
        let ends = Ends::new("127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap());
        for snapshot in snapshots.into_iter().filter_map(|message| Snapshot::try_from(message).ok()) {
            table.apply(&snapshot);
            prop_assert_eq!(table.version().unwrap(), snapshot.version);
            prop_assert_eq!(table.listener_states().len(), snapshot.listeners.len());
            for listener in table.current.lock().unwrap().listeners.values() {
                let routes = listener.routes.load();
                let head = Head {
                    host: host_of("x.a"),
                    method: &Method::GET,
                    path: "/a/b",
                    query: None,
                    headers: &HeaderMap::new(),
                };
                for route in [routes.find(ends, Some(&head)), routes.find(ends, None)].into_iter().flatten() {
                    if let Target::Forward(forwarding) = &route.target
                        && let Some(cluster) = forwarding.choose(&random).and_then(|backend| backend.cluster.as_ref())
                    {
                        prop_assert!(cluster.choose(&random, &[]).is_none_or(|endpoint| endpoint.cluster == cluster.name));
                    }
                }
            }
        }
        stats.collect(usize::MAX);
    }
}
