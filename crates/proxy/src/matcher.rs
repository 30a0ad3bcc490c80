//! Finds the rule for a connection or request among many, without trying them one after the other.
//!
//! Rules are ordered once, when a snapshot arrives: by priority, then by how specific they are (Gateway API, HTTPRouteRule:
//! host, path, method, number of headers, number of query parameters), then as the snapshot lists them. A rule's place in
//! this order is its rank. A request looks up its host, the suffixes of its host, its path and the prefixes of its path in
//! maps; each gives a few ranks in ascending order, and the lowest whose other criteria hold wins. What a rule does is not
//! known here. Start at [`Matcher::find`].

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use flow::{HostPattern, Match, PathMatch, Rule, Transport};
use http::{HeaderMap, Method};

/// The two ends of a connection from a client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends {
    source: IpAddr,
    destination: IpAddr,
    destination_port: u16,
}

impl Ends {
    /// IPv4 addresses that a dual-stack socket shows as IPv6 are IPv4 addresses to rules.
    pub(crate) fn new(peer: SocketAddr, local: SocketAddr) -> Self {
        Self {
            source: peer.ip().to_canonical(),
            destination: local.ip().to_canonical(),
            destination_port: local.port(),
        }
    }

    pub(crate) fn source(&self) -> IpAddr {
        self.source
    }

    pub(crate) fn destination_port(&self) -> u16 {
        self.destination_port
    }
}

/// What rules see of a request.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    /// In lower case, without port.
    pub(crate) host: Cow<'a, str>,
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
}

/// The host of an authority as rules see it: without port, in lower case, without the dot of a fully qualified name.
pub(crate) fn host_of(authority: &str) -> Cow<'_, str> {
    let end = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']').map_or(authority.len(), |end| end + 2),
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let host = authority[..end].trim_end_matches('.');
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

/// Rules in the form that makes finding one quick.
#[derive(Debug)]
pub(crate) struct Matcher {
    /// By rank.
    criteria: Box<[Match]>,
    /// By rank: where the rule was in the snapshot's order.
    origin: Box<[usize]>,
    exact_hosts: HashMap<String, Paths>,
    /// By suffix, without the leading `*.`.
    wildcard_hosts: HashMap<String, Paths>,
    any_host: Paths,
}

/// The ranks of the rules of one host pattern, each list ascending.
#[derive(Debug, Default)]
struct Paths {
    exact: HashMap<String, Vec<usize>>,
    prefix: HashMap<String, Vec<usize>>,
    /// Expressions, and rules without a criterion on the path.
    other: Vec<usize>,
}

impl Matcher {
    /// A matcher over `rules`, whose positions are what [`Matcher::find`] returns.
    pub(crate) fn new(rules: &[&Rule]) -> Self {
        let mut origin: Vec<usize> = (0..rules.len()).collect();
        origin.sort_by_cached_key(|index| precedence(rules[*index]));
        let criteria: Box<[Match]> = origin.iter().map(|index| rules[*index].criteria.clone()).collect();
        let mut matcher = Self {
            origin: origin.into(),
            exact_hosts: HashMap::new(),
            wildcard_hosts: HashMap::new(),
            any_host: Paths::default(),
            criteria: Box::default(),
        };
        for (rank, criteria) in criteria.iter().enumerate() {
            let paths = match &criteria.host {
                Some(HostPattern::Exact(name)) => matcher.exact_hosts.entry(name.clone()).or_default(),
                Some(HostPattern::Wildcard(suffix)) => matcher.wildcard_hosts.entry(suffix.clone()).or_default(),
                None => &mut matcher.any_host,
            };
            paths.insert(rank, criteria.path.as_ref());
        }
        Self { criteria, ..matcher }
    }

    /// The position of the rule that decides, if any matches. Without `head`, rules that look at requests do not match.
    pub(crate) fn find(&self, ends: Ends, head: Option<&Head<'_>>) -> Option<usize> {
        let mut search = Search { matcher: self, ends, head, best: usize::MAX };
        if let Some(head) = head {
            let host = head.host.as_ref();
            if !self.exact_hosts.is_empty() {
                self.exact_hosts.get(host).into_iter().for_each(|paths| search.look_into(paths));
            }
            if !self.wildcard_hosts.is_empty() {
                for (dot, _) in host.match_indices('.').filter(|(dot, _)| *dot > 0) {
                    self.wildcard_hosts.get(&host[dot + 1..]).into_iter().for_each(|paths| search.look_into(paths));
                }
            }
        }
        search.look_into(&self.any_host);
        self.origin.get(search.best).copied()
    }

    /// The position of the rule that decides about the connection whatever it will carry.
    pub(crate) fn find_before_request(&self, ends: Ends, transport: Transport) -> Option<usize> {
        let first = self.criteria.iter().position(|criteria| connection_matches(criteria, ends, transport))?;
        (!self.criteria[first].needs_request()).then(|| self.origin[first])
    }
}

/// Sorts first what wins.
fn precedence(rule: &Rule) -> impl Ord + use<> {
    let criteria = &rule.criteria;
    let host = match &criteria.host {
        Some(HostPattern::Exact(name)) => (2, name.len()),
        Some(HostPattern::Wildcard(suffix)) => (1, suffix.len()),
        None => (0, 0),
    };
    // The Gateway API leaves the place of expressions open. Before prefixes, because a catch-all `/` would hide them.
    let path = match &criteria.path {
        Some(PathMatch::Exact(path)) => (2, path.len()),
        Some(PathMatch::Regex(pattern)) => (1, pattern.as_str().len()),
        Some(PathMatch::Prefix(prefix)) => (0, prefix.len()),
        None => (0, 0),
    };
    let ends = (
        criteria.destination_port.is_some(),
        criteria.destination_ip.map(|block| block.prefix_len()),
        criteria.source_ip.map(|block| block.prefix_len()),
    );
    let method = criteria.method.is_some();
    (Reverse(rule.priority), Reverse((host, path, method, criteria.headers.len(), criteria.query.len(), ends)))
}

impl Paths {
    fn insert(&mut self, rank: usize, path: Option<&PathMatch>) {
        let ranks = match path {
            Some(PathMatch::Exact(path)) => self.exact.entry(path.clone()).or_default(),
            Some(PathMatch::Prefix(prefix)) => self.prefix.entry(prefix.clone()).or_default(),
            Some(PathMatch::Regex(_)) | None => &mut self.other,
        };
        ranks.push(rank);
    }
}

struct Search<'a> {
    matcher: &'a Matcher,
    ends: Ends,
    head: Option<&'a Head<'a>>,
    /// The lowest rank that matches so far.
    best: usize,
}

impl Search<'_> {
    fn look_into(&mut self, paths: &Paths) {
        if let Some(head) = self.head {
            if let Some(ranks) = paths.exact.get(head.path) {
                self.try_ranks(ranks);
            }
            if !paths.prefix.is_empty() {
                let slashes = head.path.match_indices('/').map(|(slash, _)| slash);
                for end in slashes.chain([head.path.len()]) {
                    if let Some(ranks) = paths.prefix.get(&head.path[..end]) {
                        self.try_ranks(ranks);
                    }
                }
            }
        }
        self.try_ranks(&paths.other);
    }

    fn try_ranks(&mut self, ranks: &[usize]) {
        let better = ranks.iter().take_while(|rank| **rank < self.best);
        for rank in better {
            if rest_matches(&self.matcher.criteria[*rank], self.ends, self.head) {
                self.best = *rank;
                return;
            }
        }
    }
}

/// Whether the criteria hold that the maps have not answered.
fn rest_matches(criteria: &Match, ends: Ends, head: Option<&Head<'_>>) -> bool {
    let transport = if head.is_some() { Transport::Http } else { Transport::Tcp };
    if !connection_matches(criteria, ends, transport) {
        return false;
    }
    let Some(head) = head else { return !criteria.needs_request() };
    criteria.method.as_ref().is_none_or(|method| method == head.method)
        && match &criteria.path {
            Some(PathMatch::Regex(pattern)) => pattern.matches(head.path),
            Some(PathMatch::Exact(_) | PathMatch::Prefix(_)) | None => true,
        }
        && criteria.headers.iter().all(|header| {
            let values = head.headers.get_all(&header.name);
            values.iter().any(|value| value.to_str().is_ok_and(|value| header.value.matches(value)))
        })
        && criteria.query.iter().all(|parameter| {
            let mut pairs = form_urlencoded::parse(head.query.unwrap_or_default().as_bytes());
            pairs.find(|(name, _)| *name == parameter.name).is_some_and(|(_, value)| parameter.value.matches(&value))
        })
}

fn connection_matches(criteria: &Match, ends: Ends, transport: Transport) -> bool {
    criteria.source_ip.is_none_or(|block| block.contains(&ends.source))
        && criteria.destination_ip.is_none_or(|block| block.contains(&ends.destination))
        && criteria.destination_port.is_none_or(|port| port == ends.destination_port)
        && criteria.transport.is_none_or(|wanted| wanted == Transport::Tcp || wanted == transport)
}

#[cfg(test)]
mod tests;
