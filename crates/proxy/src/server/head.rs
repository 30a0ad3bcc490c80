//! Heads of messages on their way through: what stays on this connection, what is added, trace context.

use flow::{HeaderEdit, Purpose};
use http::header::{CONNECTION, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Version};

use crate::random::Random;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// One request in this many, if nobody decided before, is marked for its trace to be kept.
const SAMPLED_ONE_IN: u64 = 100;

/// Removes what is meant for this connection only (RFC 9110, 7.6.1).
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let listed: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| HeaderName::try_from(name.trim()).ok())
            .collect();
        for name in listed {
            headers.remove(name);
        }
        headers.remove(CONNECTION);
    }
    for name in [KEEP_ALIVE, PROXY_CONNECTION, TE, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
}

/// The protocol that a request wants to change to, if it does (RFC 9110, 7.8). HTTP/2 has no such thing.
pub(super) fn wanted_upgrade<B>(request: &Request<B>) -> Option<HeaderValue> {
    if request.version() != Version::HTTP_11 {
        return None;
    }
    let wanted = request.headers().get(UPGRADE)?;
    let listed = request.headers().get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named = listed.flat_map(|value| value.split(',')).any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
    named.then(|| wanted.clone())
}

/// Whether the client takes trailers, which gRPC servers insist on knowing.
pub(super) fn takes_trailers(headers: &HeaderMap) -> bool {
    headers.get(TE).is_some_and(|value| value == "trailers")
}

/// Asks for, or confirms, the change to another protocol on this connection.
pub(super) fn set_upgrade(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocol);
}

/// Says who asked, for what host and how. At the edge this replaces what the client claims about it.
pub(super) fn add_forwarded(headers: &mut HeaderMap, purpose: Purpose, client: &HeaderValue) {
    let host = headers.get(HOST).cloned();
    match purpose {
        Purpose::Gateway => {
            headers.insert(X_FORWARDED_FOR, client.clone());
            headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
            if let Some(host) = host {
                headers.insert(X_FORWARDED_HOST, host);
            }
        }
        Purpose::Service => {
            let chain = appended(headers, client);
            headers.insert(X_FORWARDED_FOR, chain);
            headers.entry(X_FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
            if let Some(host) = host {
                headers.entry(X_FORWARDED_HOST).or_insert(host);
            }
        }
    }
}

/// The addresses so far, and the client's.
fn appended(headers: &HeaderMap, client: &HeaderValue) -> HeaderValue {
    if !headers.contains_key(X_FORWARDED_FOR) {
        return client.clone();
    }
    let mut chain = Vec::new();
    for value in headers.get_all(X_FORWARDED_FOR).iter().chain([client]) {
        if !chain.is_empty() {
            chain.extend_from_slice(b", ");
        }
        chain.extend_from_slice(value.as_bytes());
    }
    HeaderValue::from_bytes(&chain).unwrap_or_else(|_invalid| client.clone())
}

/// Keeps the trace context of the request or begins one (W3C Trace Context, 4.3). We record no span of our own, so the
/// parent stays the caller.
pub(super) fn ensure_trace(headers: &mut HeaderMap, random: &Random) {
    let valid = headers.get(TRACEPARENT).is_some_and(|value| is_traceparent(value.as_bytes()));
    if valid && headers.get_all(TRACEPARENT).iter().nth(1).is_none() {
        return;
    }
    headers.remove(TRACESTATE);
    headers.insert(TRACEPARENT, new_traceparent(random));
}

/// Whether this is a trace context of version 00, or of a later one with more behind it (W3C Trace Context, 3.2).
fn is_traceparent(value: &[u8]) -> bool {
    let Some((first, rest)) = value.split_at_checked(55) else { return false };
    let version_fits = match &first[..2] {
        b"ff" => false,
        b"00" => rest.is_empty(),
        _ => rest.is_empty() || rest[0] == b'-',
    };
    let hex = |part: &[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let not_zero = |part: &[u8]| part.iter().any(|byte| *byte != b'0');
    let (trace, parent) = (&first[3..35], &first[36..52]);
    version_fits
        && (first[2], first[35], first[52]) == (b'-', b'-', b'-')
        && [&first[..2], trace, parent, &first[53..]].into_iter().all(hex)
        && not_zero(trace)
        && not_zero(parent)
}

fn new_traceparent(random: &Random) -> HeaderValue {
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
    // All zero is not allowed, hence the lowest bit.
    let (high, low, parent) = (random.next(), random.next() | 1, random.next() | 1);
    write_hex(&mut text[3..19], high);
    write_hex(&mut text[19..35], low);
    write_hex(&mut text[36..52], parent);
    if random.below(SAMPLED_ONE_IN) == 0 {
        text[54] = b'1';
    }
    HeaderValue::from_bytes(&text).expect("hexadecimal digits and dashes are visible characters")
}

fn write_hex(text: &mut [u8], mut number: u64) {
    for digit in text.iter_mut().rev() {
        *digit = b"0123456789abcdef"[usize::from((number & 0xf) as u8)];
        number >>= 4;
    }
}

/// Makes the changes of a rule or backend.
pub(super) fn edit(headers: &mut HeaderMap, edit: &HeaderEdit) {
    for (name, value) in &edit.set {
        headers.insert(name, value.clone());
    }
    for (name, value) in &edit.add {
        headers.append(name, value.clone());
    }
    for name in &edit.remove {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests;
