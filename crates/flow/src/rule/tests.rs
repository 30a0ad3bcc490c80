//! Rules as people write them: what is accepted, what is refused and how, and that nothing is lost on the way.

use proptest::prelude::*;

use super::{Action, Forward, PathMatch, Rule, TextMatch};
use crate::wire;

/// The rules of the acceptance fixture, row P2.
const FIXTURE: &str = r#"[
  {"match": {"source.ip": "10.42.0.0/16", "destination.port": "8080"}, "action": "forward:user-service", "priority": 100},
  {"match": {"source.ip": "0.0.0.0/0"}, "action": "drop", "priority": 1}
]"#;

fn refusal(json: &str) -> String {
    json.parse::<Rule>().unwrap_err().to_string()
}

fn refusal_of(key: &str, value: &str) -> String {
    refusal(&serde_json::json!({"match": {key: value}, "action": "drop"}).to_string())
}

#[test]
fn unknown_match_keys_are_refused_by_name() {
    let refusal = refusal_of("source.port", "1");
    assert!(refusal.starts_with("match[source.port]: is no known key; known are source.ip"), "{refusal}");
}

#[test]
fn values_that_cannot_be_meant_are_refused_with_their_field() {
    for (key, value, reason) in [
        ("source.ip", "10.42.0.0/33", "is no IP address"),
        ("source.ip", "localhost", "is no IP address"),
        ("destination.port", "0", "is no port"),
        ("destination.port", "65536", "is no port"),
        ("destination.port", "+80", "is no port"),
        ("protocol", "udp", "is not supported"),
        ("http.host", "shop:8080", "has no port"),
        ("http.host", "a.*.b", "is no host name"),
        ("http.host", "", "is no host name"),
        ("http.method", "GE T", "is no HTTP method"),
        ("http.path", "user", "does not begin with /"),
        ("http.path", "/user?id=1", "is no path"),
        ("http.path-regex", "/a(", "is no regular expression"),
        ("http.path-regex", "a)(b", "is no regular expression"),
        ("http.path-regex", r"(\w{1000}){1000}", "compiles to more than"),
        ("http.header.", "x", "is no header name"),
        ("http.header.host", "x", "use http.host"),
        ("http.query.", "x", "lacks the name"),
    ] {
        let refusal = refusal_of(key, value);
        assert!(
            refusal.starts_with(&format!("match[{key}]: ")) && refusal.contains(reason),
            "{key}={value}: {refusal}"
        );
    }
}

#[test]
fn two_criteria_on_one_thing_are_refused() {
    let both =
        |a: &str, b: &str| refusal(&serde_json::json!({"match": {a: "/a", b: "/b"}, "action": "drop"}).to_string());
    assert!(both("http.path", "http.path-prefix").contains("one criterion on the path"));
    assert!(both("http.header.x", "http.header-regex.X").contains("one criterion on the header x"));
    assert!(both("http.query.x", "http.query-regex.x").contains("one criterion on the parameter x"));
}

#[test]
fn unknown_fields_and_actions_are_refused() {
    assert!(refusal(r#"{"action": "drop", "prio": 1}"#).contains("unknown field `prio`"));
    assert!(refusal(r#"{"action": "rdp"}"#).contains("action: 'rdp' is not one of forward:<cluster>"));
    assert!(refusal(r#"{"match": {}}"#).contains("action: '' is not one of"));
    assert!(refusal(r#"{"action": "forward:"}"#).contains("lacks the cluster"));
    assert!(refusal(r#"{"action": "redirect"}"#).contains("redirect: is missing"));
    assert!(refusal("nonsense").contains("rule: expected"));
}

#[test]
fn extensions_without_a_meaning_are_refused() {
    for (json, field) in [
        (r#"{"action": "drop", "timeouts": {"requestMs": 1}}"#, "timeouts"),
        (r#"{"action": "forward:a", "backends": [{"cluster": "b", "weight": 1}]}"#, "backends"),
        (r#"{"action": "forward:a", "redirect": {"host": "b"}}"#, "redirect"),
        (r#"{"action": "redirect", "redirect": {}, "rewrite": {"host": "b"}}"#, "rewrite"),
        (r#"{"action": "drop", "requestHeaders": {"remove": ["a"]}}"#, "requestHeaders"),
    ] {
        assert!(refusal(json).starts_with(&format!("{field}: has no meaning")), "{}", refusal(json));
    }
}

#[test]
fn extensions_are_checked_to_the_last_field() {
    for (json, reason) in [
        (r#"{"action": "redirect", "redirect": {"scheme": "ftp"}}"#, "redirect.scheme: 'ftp'"),
        (r#"{"action": "redirect", "redirect": {"status": 200}}"#, "redirect.status: 200"),
        (r#"{"action": "redirect", "redirect": {"port": 70000}}"#, "redirect.port: 70000"),
        (r#"{"action": "redirect", "redirect": {"path": {}}}"#, "redirect.path: needs either full or prefix"),
        (
            r#"{"action": "forward:a", "rewrite": {"path": {"full": "/a?b"}}}"#,
            "rewrite.path: '/a?b' is no absolute path",
        ),
        (
            r#"{"match": {"http.path": "/a"}, "action": "forward:a", "rewrite": {"path": {"prefix": "/b"}}}"#,
            "rewrite.path.prefix: needs http.path-prefix",
        ),
        (
            r#"{"action": "forward:a", "requestHeaders": {"set": [{"name": "content-length", "value": "1"}]}}"#,
            "requestHeaders.set[0]: content-length belongs to the framing",
        ),
        (
            r#"{"action": "forward", "backends": [{"cluster": "a", "responseHeaders": {"add": [{"name": "", "value": ""}]}}]}"#,
            "backends[0].responseHeaders.add[0]: '' is no header name",
        ),
        (r#"{"action": "forward", "backends": [{"weight": 1}]}"#, "backends[0].cluster: is missing"),
    ] {
        assert!(refusal(json).starts_with(reason), "{}", refusal(json));
    }
}

#[test]
fn the_fixture_is_accepted_as_it_is_written() {
    let messages: Vec<wire::FlowRule> = serde_json::from_str(FIXTURE).unwrap();
    let rules: Vec<Rule> = messages.into_iter().map(|message| Rule::try_from(message).unwrap()).collect();
    assert_eq!(rules[0].action, Action::Forward(Forward::to("user-service")));
    assert_eq!(rules[0].criteria.source_ip, Some("10.42.0.0/16".parse().unwrap()));
    assert_eq!(rules[0].criteria.destination_port, Some(8080));
    assert_eq!((rules[0].priority, rules[1].priority), (100, 1));
    assert_eq!(rules[1].action, Action::Drop);
    assert!(!rules[1].needs_http());
}

#[test]
fn rules_are_written_as_people_write_them() {
    let rule: Rule = r#"{"match": {"source.ip": "10.42.0.1"}, "action": "forward:a", "priority": 7}"#.parse().unwrap();
    assert_eq!(rule.to_string(), r#"{"action":"forward:a","match":{"source.ip":"10.42.0.1/32"},"priority":7}"#);
}

#[test]
fn expressions_match_the_whole_text() {
    let rule: Rule = r#"{"match": {"http.path-regex": "/a|/b"}, "action": "drop"}"#.parse().unwrap();
    let Some(PathMatch::Regex(pattern)) = &rule.criteria.path else { panic!("no regex: {rule}") };
    assert!(pattern.matches("/a") && pattern.matches("/b"));
    assert!(!pattern.matches("/ab") && !pattern.matches("x/b"));
    assert!(TextMatch::Exact("a".into()).matches("a") && !TextMatch::Exact("a".into()).matches("A"));
}

#[test]
fn a_full_rule_survives_the_wire() {
    let rule: Rule = r#"{
        "id": "shop/web/0", "listeners": ["gw"], "priority": -3,
        "match": {"protocol": "http", "http.host": "*.Shop.example", "http.method": "PATCH", "http.path-prefix": "/a/",
                  "http.header.X-User": "me", "http.query-regex.v": "[12]", "destination.ip": "10.0.0.0/8"},
        "action": "forward",
        "backends": [{"cluster": "a", "weight": 9, "requestHeaders": {"set": [{"name": "x-a", "value": "1"}]}},
                     {"cluster": "b", "weight": 1, "invalid": "no such Service"}],
        "rewrite": {"host": "inner", "path": {"prefix": "/"}},
        "responseHeaders": {"add": [{"name": "x-b", "value": "2"}], "remove": ["server"]},
        "timeouts": {"requestMs": 5000, "backendRequestMs": 0}}"#
        .parse()
        .unwrap();
    assert_eq!(rule.criteria.host.as_ref().unwrap().to_string(), "*.shop.example");
    assert_eq!(rule.criteria.path, Some(PathMatch::Prefix("/a".into())));
    assert_eq!(Rule::try_from(wire::FlowRule::from(&rule)).unwrap(), rule);
    assert_eq!(rule.to_string().parse::<Rule>().unwrap(), rule);
}

/// Keys and values near the valid ones: a fuzzer of random text would never get past the first check.
fn likely_match() -> impl Strategy<Value = std::collections::BTreeMap<String, String>> {
    let key = prop_oneof![
        prop::sample::select(vec![
            "source.ip",
            "destination.ip",
            "destination.port",
            "protocol",
            "http.host",
            "http.method",
            "http.path",
            "http.path-prefix",
            "http.path-regex",
            "http.header.x",
            "http.header-regex.x",
            "http.query.q",
            "http.query-regex.q",
        ])
        .prop_map(str::to_owned),
        "http\\.(header|query)(-regex)?\\.[a-zA-Z-]{0,5}",
        "\\PC{0,8}",
    ];
    let value = prop_oneof![
        "[0-9]{1,6}",
        "[0-9]{1,3}(\\.[0-9]{1,3}){3}(/[0-9]{1,2})?",
        "(\\*\\.)?[a-zA-Z.-]{0,12}",
        "(/[a-z]{0,3}){0,4}",
        "[a-z()\\[\\]|*+?.]{0,8}",
        "\\PC{0,8}",
    ];
    prop::collection::btree_map(key, value, 0..4)
}

fn likely_rule() -> impl Strategy<Value = wire::FlowRule> {
    let action = prop_oneof!["(forward:[a-z]{0,3}|forward|drop|redirect)", "\\PC{0,8}"];
    let path = prop::option::of((prop::option::of("/?[a-z?]{0,3}/?"), prop::option::of("/[a-z]{0,3}/?")));
    let path = path.prop_map(|path| path.map(|(full, prefix)| wire::PathChange { full, prefix }));
    (likely_match(), action, any::<i32>(), path, prop::option::of(any::<Option<u64>>()), "\\PC{0,4}").prop_map(
        |(r#match, action, priority, path, timeout, id)| wire::FlowRule {
            id,
            r#match,
            priority,
            rewrite: path
                .clone()
                .filter(|_| action.starts_with('f'))
                .map(|path| wire::Rewrite { host: None, path: Some(path) }),
            redirect: (action == "redirect").then(|| wire::Redirect { path, ..wire::Redirect::default() }),
            timeouts: timeout.map(|request_ms| wire::Timeouts { request_ms, backend_request_ms: None }),
            action,
            ..wire::FlowRule::default()
        },
    )
}

proptest! {
    #[test]
    fn any_rule_is_accepted_or_refused_and_accepted_ones_are_kept_whole(message in likely_rule()) {
        if let Ok(rule) = Rule::try_from(message) {
            prop_assert_eq!(&rule.to_string().parse::<Rule>().unwrap(), &rule);
            prop_assert_eq!(&Rule::try_from(wire::FlowRule::from(&rule)).unwrap(), &rule);
        }
    }

    #[test]
    fn any_text_is_accepted_or_refused(text in "\\PC{0,64}") {
        if let Ok(rule) = text.parse::<Rule>() {
            prop_assert_eq!(&rule.to_string().parse::<Rule>().unwrap(), &rule);
        }
    }
}
