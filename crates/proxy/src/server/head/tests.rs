//! What passes, what stays, what is added.

use flow::Purpose;
use http::{HeaderMap, HeaderName, HeaderValue, Request};

use super::{add_forwarded, ensure_trace, is_traceparent, remove_hop_by_hop, wanted_upgrade};
use crate::random::Random;

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let pair =
        |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap());
    lines.iter().map(pair).collect()
}

fn text(headers: &HeaderMap) -> String {
    let mut lines: Vec<_> =
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    lines.sort();
    lines.join("\n")
}

#[test]
fn what_is_for_this_connection_goes_no_further() {
    let mut all = headers(&[
        ("connection", "keep-alive, X-Mine"),
        ("connection", "close, not a name"),
        ("x-mine", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("te", "gzip"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("accept", "*/*"),
    ]);
    remove_hop_by_hop(&mut all);
    assert_eq!(text(&all), "accept: */*");
}

#[test]
fn an_upgrade_must_be_named_by_connection() {
    let wanted = |lines: &[(&str, &str)]| {
        let mut request = Request::new(());
        *request.headers_mut() = headers(lines);
        wanted_upgrade(&request)
    };
    assert_eq!(wanted(&[("upgrade", "websocket")]), None);
    assert_eq!(wanted(&[("connection", "upgrade")]), None);
    let both = wanted(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]);
    assert_eq!(both, Some(HeaderValue::from_static("websocket")));
}

#[test]
fn the_edge_believes_no_client() {
    let mut all = headers(&[("host", "shop"), ("x-forwarded-for", "6.6.6.6"), ("x-forwarded-proto", "https")]);
    add_forwarded(&mut all, Purpose::Gateway, &HeaderValue::from_static("192.0.2.1"));
    assert_eq!(text(&all), "host: shop\nx-forwarded-for: 192.0.2.1\nx-forwarded-host: shop\nx-forwarded-proto: http");
}

#[test]
fn inside_the_chain_is_continued() {
    let mut all = headers(&[
        ("host", "user-service"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "shop"),
    ]);
    add_forwarded(&mut all, Purpose::Service, &HeaderValue::from_static("10.0.0.2"));
    assert_eq!(
        text(&all),
        "host: user-service\nx-forwarded-for: 192.0.2.1, 10.0.0.1, 10.0.0.2\nx-forwarded-host: shop\nx-forwarded-proto: https"
    );
}

#[test]
fn a_valid_trace_context_is_kept() {
    let context = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut all = headers(&[("traceparent", context), ("tracestate", "a=1")]);
    ensure_trace(&mut all, &Random::new(1));
    assert_eq!(text(&all), format!("traceparent: {context}\ntracestate: a=1"));
}

#[test]
fn an_invalid_trace_context_is_replaced_with_its_state() {
    for broken in [
        "",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ] {
        let mut all = headers(&[("traceparent", broken), ("tracestate", "a=1")]);
        ensure_trace(&mut all, &Random::new(1));
        let made = all.get("traceparent").unwrap();
        assert!(is_traceparent(made.as_bytes()) && made != broken, "{broken}");
        assert!(!all.contains_key("tracestate"), "{broken}");
    }
    assert!(is_traceparent(b"01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-later"));
}

#[test]
fn one_in_a_hundred_traces_is_sampled() {
    let random = Random::new(7);
    let sampled = std::iter::repeat_with(|| {
        let mut all = HeaderMap::new();
        ensure_trace(&mut all, &random);
        all["traceparent"].as_bytes().ends_with(b"01")
    });
    let sampled = sampled.take(20_000).filter(|sampled| *sampled).count();
    assert!((140..=260).contains(&sampled), "{sampled}");
}
