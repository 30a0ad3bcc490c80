//! Which rule wins: as a table, and against a reference that tries every rule.

use std::cmp::Reverse;
use std::net::{IpAddr, SocketAddr};

use flow::{HostPattern, PathMatch, Rule, Transport};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;

use super::{Ends, Head, Matcher, host_of};

fn rule(json: &str) -> Rule {
    json.parse().unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn ends(source: &str) -> Ends {
    let source: IpAddr = source.parse().unwrap();
    Ends::new(SocketAddr::new(source, 4711), "10.9.9.9:8080".parse().unwrap())
}

/// A request in one line: `METHOD host path?query header=value…`.
#[derive(Debug)]
struct Line {
    method: Method,
    host: String,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
}

impl Line {
    fn new(line: &str) -> Self {
        let mut words = line.split(' ');
        let (method, host, target) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let headers = words.map(|word| word.split_once('=').unwrap());
        Self {
            method: method.parse().unwrap(),
            host: host.to_owned(),
            path: path.to_owned(),
            query: query.map(str::to_owned),
            headers: headers
                .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap()))
                .collect(),
        }
    }

    fn head(&self) -> Head<'_> {
        Head {
            host: host_of(&self.host),
            method: &self.method,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
        }
    }
}

/// The rules are `match` objects, or whole rules; the wanted one is given by position.
fn check(matches: &[&str], cases: &[(&str, Option<usize>)]) {
    let whole = |text: &&str| {
        if text.contains("action") { rule(text) } else { rule(&format!(r#"{{"match": {text}, "action": "drop"}}"#)) }
    };
    let rules: Vec<Rule> = matches.iter().map(whole).collect();
    let matcher = Matcher::new(&rules.iter().collect::<Vec<_>>());
    for (line, wanted) in cases {
        let request = Line::new(line);
        assert_eq!(matcher.find(ends("192.0.2.1"), Some(&request.head())), *wanted, "{line}");
    }
}

#[test]
fn nothing_matches_without_rules() {
    check(&[], &[("GET a /", None)]);
}

#[test]
fn prefixes_end_at_segments() {
    check(
        &[r#"{"http.path-prefix": "/abc"}"#, r#"{"http.path-prefix": "/x/"}"#],
        &[
            ("GET a /abcd", None),
            ("GET a /ab", None),
            ("GET a /", None),
            ("GET a /abc", Some(0)),
            ("GET a /abc/", Some(0)),
            ("GET a /abc/def?q", Some(0)),
            ("GET a /x", Some(1)),
            ("GET a /x/y", Some(1)),
        ],
    );
}

#[test]
fn the_more_specific_path_wins_whatever_the_order() {
    check(
        &[
            r#"{"http.path-prefix": "/"}"#,
            r#"{"http.path-regex": "/v[0-9]+/.*"}"#,
            r#"{"http.path-prefix": "/v1"}"#,
            r#"{"http.path": "/v1/user"}"#,
            r#"{"http.path-prefix": "/v1/user"}"#,
        ],
        &[
            ("GET a /v1/user", Some(3)),
            ("GET a /v1/user/7", Some(1)),
            ("GET a /v1", Some(2)),
            ("GET a /other", Some(0)),
        ],
    );
}

#[test]
fn the_more_specific_host_wins_over_any_path() {
    check(
        &[
            r#"{"http.path": "/a"}"#,
            r#"{"http.host": "*.example.com"}"#,
            r#"{"http.host": "*.b.example.com"}"#,
            r#"{"http.host": "a.b.example.com"}"#,
        ],
        &[
            ("GET a.b.example.com /a", Some(3)),
            ("GET A.B.Example.com:8080 /a", Some(3)),
            ("GET x.b.example.com. /a", Some(2)),
            ("GET b.example.com /a", Some(1)),
            ("GET x.y.b.example.com /a", Some(2)),
            ("GET example.com /a", Some(0)),
            ("GET example.com /b", None),
            ("GET .example.com /b", None),
        ],
    );
}

#[test]
fn then_method_then_headers_then_query_then_the_earlier_rule() {
    check(
        &[
            r#"{"http.query.a": "1"}"#,
            r#"{"http.header.a": "1"}"#,
            r#"{"http.header.a": "1", "http.header.b": "2"}"#,
            r#"{"http.method": "POST"}"#,
            r#"{"http.header-regex.a": "[0-9]"}"#,
        ],
        &[
            ("POST x /?a=1 a=1 b=2", Some(3)),
            ("GET x /?a=1 a=1 b=2", Some(2)),
            ("GET x /?a=1 a=1", Some(1)),
            ("GET x /?a=1 a=7", Some(4)),
            ("GET x /?a=1", Some(0)),
            ("GET x /?a=2&a=1", None),
            ("GET x /?b=1 a=77", None),
        ],
    );
}

#[test]
fn any_of_several_values_of_a_header_counts() {
    check(&[r#"{"http.header.a": "2"}"#], &[("GET x / a=1 a=2", Some(0)), ("GET x / a=1,2", None)]);
}

#[test]
fn priority_wins_over_everything() {
    check(
        &[
            r#"{"match": {"http.host": "a", "http.path": "/x"}, "action": "drop", "priority": 1}"#,
            r#"{"action": "drop", "priority": 2}"#,
        ],
        &[("GET a /x", Some(1))],
    );
}

#[test]
fn connections_are_judged_by_their_ends() {
    let rules = [
        rule(
            r#"{"match": {"source.ip": "10.42.0.0/16", "destination.port": "8080"}, "action": "forward:user-service", "priority": 100}"#,
        ),
        rule(r#"{"match": {"source.ip": "0.0.0.0/0"}, "action": "drop", "priority": 1}"#),
        rule(r#"{"match": {"http.path": "/a", "source.ip": "192.0.2.7"}, "action": "drop", "priority": 50}"#),
    ];
    let matcher = Matcher::new(&rules.iter().collect::<Vec<_>>());
    assert_eq!(matcher.find(ends("10.42.7.1"), None), Some(0));
    assert_eq!(matcher.find(ends("::ffff:10.42.7.1"), None), Some(0));
    assert_eq!(matcher.find(ends("10.43.0.1"), None), Some(1));
    assert_eq!(matcher.find(ends("2001:db8::1"), None), None);
    let before_request = |source| matcher.find_before_request(ends(source), Transport::Http);
    assert_eq!(before_request("10.42.7.1"), Some(0));
    assert_eq!(before_request("10.43.0.1"), Some(1));
    assert_eq!(before_request("192.0.2.7"), None, "a rule of higher priority may still match the request");
}

#[test]
fn hosts_lose_port_and_case() {
    for (authority, host) in [
        ("a:80", "a"),
        ("A.b", "a.b"),
        ("[::1]:80", "[::1]"),
        ("[::1]", "[::1]"),
        ("[::1", "[::1"),
        ("a.", "a"),
        ("", ""),
        (":80", ""),
    ] {
        assert_eq!(host_of(authority), host, "{authority}");
    }
}

/// Every rule tried; the winner by the words of the specification.
fn reference(rules: &[Rule], ends: Ends, request: &Line) -> Option<usize> {
    let head = request.head();
    let host_fits = |pattern: &HostPattern| match pattern {
        HostPattern::Exact(name) => *name == head.host,
        HostPattern::Wildcard(suffix) => {
            head.host.strip_suffix(suffix.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        }
    };
    let path_fits = |pattern: &PathMatch| match pattern {
        PathMatch::Exact(path) => path == head.path,
        PathMatch::Prefix(prefix) => {
            head.path.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        PathMatch::Regex(pattern) => pattern.matches(head.path),
    };
    let fits = |rule: &&Rule| {
        let criteria = &rule.criteria;
        let query: Vec<_> = form_urlencoded::parse(head.query.unwrap_or_default().as_bytes()).collect();
        criteria.source_ip.is_none_or(|block| block.contains(&ends.source()))
            && criteria.host.as_ref().is_none_or(host_fits)
            && criteria.path.as_ref().is_none_or(path_fits)
            && criteria.method.as_ref().is_none_or(|method| method == head.method)
            && criteria.headers.iter().all(|header| {
                head.headers.get(&header.name).is_some_and(|value| header.value.matches(value.to_str().unwrap()))
            })
            && criteria.query.iter().all(|wanted| {
                query
                    .iter()
                    .find(|(name, _)| *name == wanted.name)
                    .is_some_and(|(_, value)| wanted.value.matches(value))
            })
    };
    let key = |(index, rule): &(usize, &Rule)| {
        let criteria = &rule.criteria;
        let host = criteria.host.as_ref().map(|host| match host {
            HostPattern::Exact(name) => (true, name.len()),
            HostPattern::Wildcard(suffix) => (false, suffix.len()),
        });
        let path = match criteria.path.as_ref() {
            Some(PathMatch::Exact(path)) => (2, path.len()),
            Some(PathMatch::Regex(pattern)) => (1, pattern.as_str().len()),
            Some(PathMatch::Prefix(path)) => (0, path.len()),
            None => (0, 0),
        };
        let rest = (
            criteria.method.is_some(),
            criteria.headers.len(),
            criteria.query.len(),
            criteria.source_ip.map(|block| block.prefix_len()),
        );
        (Reverse(rule.priority), Reverse((host, path, rest)), *index)
    };
    rules.iter().enumerate().filter(|(_, rule)| fits(rule)).min_by_key(key).map(|(index, _)| index)
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let part = |key: &'static str, values: &'static [&'static str]| {
        prop::option::weighted(0.3, prop::sample::select(values)).prop_map(move |value| value.map(|value| (key, value)))
    };
    let path = prop_oneof![
        part("http.path", &["/", "/a", "/a/b", "/a/b/"]),
        part("http.path-prefix", &["/", "/a", "/a/", "/a/b", "/b"]),
        part("http.path-regex", &["/[ab]", "/a/.*", ".*"]),
    ];
    let ends = part("source.ip", &["192.0.2.1", "192.0.2.0/24"]);
    let host = part("http.host", &["x.y.z", "*.y.z", "*.z", "y.z"]);
    let method = part("http.method", &["GET", "POST"]);
    let header = part("http.header.h", &["1", "2"]);
    let query = prop_oneof![part("http.query.q", &["1", "2"]), part("http.query-regex.q", &["[12]"])];
    (path, host, method, header, query, ends, 0..2).prop_map(|(a, b, c, d, e, f, priority)| {
        let criteria: std::collections::BTreeMap<_, _> = [a, b, c, d, e, f].into_iter().flatten().collect();
        let mut map = flow::wire::FlowRule { action: "drop".into(), priority, ..Default::default() };
        map.r#match = criteria.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Rule::try_from(map).unwrap()
    })
}

fn any_request() -> impl Strategy<Value = Line> {
    let select = prop::sample::select::<&'static str>;
    (
        select(vec!["GET", "POST"]),
        select(vec!["x.y.z", "w.y.z", "y.z", "z", "v.w.y.z", "Y.Z:80"]),
        select(vec!["/", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/ab", "/b", "//a"]),
        select(vec!["", "?q=1", "?q=2&q=1", "?p=1"]),
        select(vec!["", " h=1", " h=2"]),
    )
        .prop_map(|(method, host, path, query, header)| Line::new(&format!("{method} {host} {path}{query}{header}")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn the_matcher_agrees_with_trying_every_rule(rules in prop::collection::vec(any_rule(), 0..12), request in any_request(), source in prop::sample::select(vec!["192.0.2.1", "192.0.2.2", "198.51.100.1"])) {
        let ends = ends(source);
        let matcher = Matcher::new(&rules.iter().collect::<Vec<_>>());
        prop_assert_eq!(matcher.find(ends, Some(&request.head())), reference(&rules, ends, &request));
    }
}
