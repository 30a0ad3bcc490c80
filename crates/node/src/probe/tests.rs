use std::time::Duration;

use client::kinds::core::v1::Container;
use serde_json::{Value, from_value, json};

use super::{Action, Outcome, Probes, Tally};

fn probes(container: Value) -> Probes {
    let mut whole = json!({"name": "c", "ports": [{"name": "web", "containerPort": 8080}]});
    whole.as_object_mut().unwrap().extend(container.as_object().unwrap().clone());
    Probes::of(&from_value::<Container>(whole).unwrap())
}

fn action(probe: Value) -> Action {
    probes(json!({"livenessProbe": probe})).liveness.unwrap().action
}

#[test]
fn numbers_that_are_not_given_are_those_of_kubernetes() {
    let check = probes(json!({"livenessProbe": {"tcpSocket": {"port": 1}}})).liveness.unwrap();
    assert_eq!(
        (check.initial_delay, check.period, check.timeout),
        (Duration::ZERO, Duration::from_secs(10), Duration::from_secs(1))
    );
    assert_eq!((check.successes, check.failures, check.grace), (1, 3, None));
    let given = json!({"tcpSocket": {"port": 1}, "initialDelaySeconds": 2, "periodSeconds": 3, "timeoutSeconds": 4,
                       "successThreshold": 5, "failureThreshold": 6, "terminationGracePeriodSeconds": 7});
    let check = probes(json!({"readinessProbe": given})).readiness.unwrap();
    let seconds = Duration::from_secs;
    assert_eq!((check.initial_delay, check.period, check.timeout), (seconds(2), seconds(3), seconds(4)));
    assert_eq!((check.successes, check.failures, check.grace), (5, 6, Some(seconds(7))));
}

#[test]
fn ports_are_numbers_or_names() {
    assert_eq!(action(json!({"tcpSocket": {"port": 80}})), Action::Tcp { port: 80 });
    assert_eq!(action(json!({"tcpSocket": {"port": "81"}})), Action::Tcp { port: 81 });
    assert_eq!(action(json!({"tcpSocket": {"port": "web"}})), Action::Tcp { port: 8080 });
    for port in [json!("absent"), json!(70_000), json!(-1)] {
        assert!(matches!(action(json!({"tcpSocket": {"port": port}})), Action::Impossible(_)), "{port}");
    }
}

#[test]
fn a_path_begins_at_the_root() {
    let path = |path: Value| match action(json!({"httpGet": {"port": 1, "path": path}})) {
        Action::Http { path, .. } => path,
        other => panic!("{other:?}"),
    };
    assert_eq!(path(json!(null)), "/");
    assert_eq!(path(json!("health?deep=1")), "/health?deep=1");
    assert_eq!(path(json!("/x")), "/x");
}

#[test]
fn a_header_that_is_none_makes_the_probe_impossible() {
    let bad = json!({"httpGet": {"port": 1, "httpHeaders": [{"name": "a b", "value": "c"}]}});
    assert!(matches!(action(bad), Action::Impossible(_)));
}

#[test]
fn outcomes_settle_only_in_a_row() {
    use Outcome::{Failure, Success};
    let check =
        probes(json!({"livenessProbe": {"tcpSocket": {"port": 1}, "successThreshold": 2, "failureThreshold": 3}}));
    let mut tally = Tally::new(&check.liveness.unwrap());
    let outcomes = [Failure, Failure, Success, Failure, Failure, Failure, Failure, Success, Success, Success];
    let settled: Vec<Option<Outcome>> = outcomes.into_iter().map(|outcome| tally.add(outcome)).collect();
    let (no, bad, good) = (None, Some(Failure), Some(Success));
    assert_eq!(settled, [no, no, no, no, no, bad, bad, no, good, good]);
}

#[test]
fn nothing_is_ready_that_is_asked_and_has_not_answered() {
    let probe = json!({"tcpSocket": {"port": 1}});
    for (container, started, ready) in [
        (json!({}), true, true),
        (json!({"livenessProbe": probe}), true, true),
        (json!({"readinessProbe": probe}), true, false),
        (json!({"startupProbe": probe}), false, false),
    ] {
        let health = probes(container.clone()).initial();
        assert_eq!((health.started, health.ready), (started, ready), "{container}");
    }
}
