//! Everything that the data plane is to do, as one checked value.
//!
//! A snapshot is whole: it replaces the one before, and either all of it comes into force or nothing. What its parts refer
//! to is in it. The wire form is checked by [`Snapshot::try_from`].

use std::collections::HashSet;
use std::fmt::{self, Display};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::invalid::{Invalid, Violation};
use crate::rule::{Action, Rule, check_name};
use crate::wire;

/// Names the content of a snapshot. Equal versions are equal snapshots; versions have no order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version(String);

impl Version {
    /// The version as it goes over the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Version {
    type Error = Violation;

    /// # Errors
    /// When it is empty, too long, or holds control characters.
    fn try_from(text: String) -> Result<Self, Violation> {
        if text.is_empty() {
            return Err(Violation::new("version", "is missing"));
        }
        check_name("version", &text)?;
        Ok(Self(text))
    }
}

impl Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Everything that the data plane is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Names the content.
    pub version: Version,
    /// Sockets that take traffic, each id once.
    pub listeners: Vec<Listener>,
    /// In the order that decides between rules of one priority and specificity.
    pub rules: Vec<Rule>,
    /// Targets of the rules, each name once.
    pub clusters: Vec<Cluster>,
}

/// A socket on which the control plane listens and that the data plane serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Names it, across restarts of both sides.
    pub id: String,
    /// What is spoken.
    pub protocol: ListenerProtocol,
    /// Whom it serves.
    pub purpose: Purpose,
    /// For people and logs: the object that asked for it.
    pub description: String,
}

/// What is spoken on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerProtocol {
    /// HTTP/1.1, and HTTP/2 with prior knowledge.
    Http,
    /// Bytes.
    Tcp,
}

/// Whom a listener serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Clients outside; what they say about who forwarded a request is not believed.
    Gateway,
    /// Workloads inside, at a service address.
    Service,
}

/// Endpoints that are equal to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// What rules call it.
    pub name: String,
    /// How requests reach it.
    pub protocol: ClusterProtocol,
    /// Who serves it. None ready: requests are answered with 503.
    pub endpoints: Vec<Endpoint>,
    /// Limit of one connection attempt. None: the proxy's default.
    pub connect_timeout: Option<Duration>,
}

/// How requests reach the endpoints of a cluster. TCP listeners pass bytes to either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClusterProtocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 with prior knowledge.
    H2c,
}

/// One server of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
    /// Relative to the others, at least 1.
    pub weight: u32,
    /// Whether it is to get traffic.
    pub ready: bool,
}

/// The most listeners of a snapshot: each holds a file descriptor on both sides.
const LISTENERS_LIMIT: usize = 4096;
/// The most rules of a snapshot; ten times what the published gateway comparisons use.
const RULES_LIMIT: usize = 50_000;
/// The most clusters of a snapshot.
const CLUSTERS_LIMIT: usize = 50_000;
/// The most endpoints of a cluster.
const ENDPOINTS_LIMIT: usize = 10_000;
/// The highest weight of an endpoint; sums stay far below the range of `u64`.
const ENDPOINT_WEIGHT_LIMIT: u32 = 1_000_000;

impl TryFrom<wire::Snapshot> for Snapshot {
    type Error = Invalid;

    fn try_from(snapshot: wire::Snapshot) -> Result<Self, Invalid> {
        let version = Version::try_from(snapshot.version)?;
        check_len("listeners", snapshot.listeners.len(), LISTENERS_LIMIT)?;
        check_len("rules", snapshot.rules.len(), RULES_LIMIT)?;
        check_len("clusters", snapshot.clusters.len(), CLUSTERS_LIMIT)?;
        let mut violations = Vec::new();
        let listeners = parse_all("listeners", snapshot.listeners, &mut violations);
        let clusters = parse_all("clusters", snapshot.clusters, &mut violations);
        let mut rules: Vec<Rule> = parse_all("rules", snapshot.rules, &mut violations);
        for (index, rule) in rules.iter_mut().enumerate() {
            if rule.id.is_empty() {
                rule.id = format!("rule-{index}");
            }
        }
        let parsed = Self { version, listeners, rules, clusters };
        // References can be judged only when everything that they could refer to was read.
        if violations.is_empty() {
            parsed.check_references(&mut violations);
        }
        violations.truncate(Invalid::REPORTED);
        if violations.is_empty() { Ok(parsed) } else { Err(Invalid { violations }) }
    }
}

fn check_len(field: &str, len: usize, limit: usize) -> Result<(), Violation> {
    if len > limit { Err(Violation::new(field, format!("has {len} entries, the limit is {limit}"))) } else { Ok(()) }
}

fn parse_all<W, T>(field: &str, items: Vec<W>, violations: &mut Vec<Violation>) -> Vec<T>
where
    T: TryFrom<W, Error = Violation>,
{
    let mut parsed = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        match T::try_from(item) {
            Ok(item) => parsed.push(item),
            Err(violation) => violations.push(violation.inside(&format!("{field}[{index}]"))),
        }
    }
    parsed
}

impl Snapshot {
    fn check_references(&self, violations: &mut Vec<Violation>) {
        let mut listeners = HashSet::new();
        for (index, listener) in self.listeners.iter().enumerate() {
            if !listeners.insert(listener.id.as_str()) {
                violations
                    .push(Violation::new(format!("listeners[{index}].id"), format!("'{}' is taken", listener.id)));
            }
        }
        let mut clusters = HashSet::new();
        for (index, cluster) in self.clusters.iter().enumerate() {
            if !clusters.insert(cluster.name.as_str()) {
                violations
                    .push(Violation::new(format!("clusters[{index}].name"), format!("'{}' is taken", cluster.name)));
            }
        }
        for (index, rule) in self.rules.iter().enumerate() {
            let found = self.check_rule(rule, &clusters);
            violations.extend(found.err().map(|violation| violation.inside(&format!("rules[{index}]"))));
        }
    }

    fn check_rule(&self, rule: &Rule, clusters: &HashSet<&str>) -> Result<(), Violation> {
        for (index, id) in rule.listeners.iter().enumerate() {
            let Some(listener) = self.listeners.iter().find(|listener| listener.id == *id) else {
                return Err(Violation::new(format!("listeners[{index}]"), format!("there is no listener '{id}'")));
            };
            if listener.protocol == ListenerProtocol::Tcp && rule.needs_http() {
                let reason = format!("'{id}' passes bytes; the rule needs HTTP");
                return Err(Violation::new(format!("listeners[{index}]"), reason));
            }
        }
        let Action::Forward(forward) = &rule.action else { return Ok(()) };
        let missing =
            |backend: &&crate::Backend| backend.invalid.is_none() && !clusters.contains(backend.cluster.as_str());
        match forward.backends.iter().find(missing) {
            Some(backend) => Err(Violation::new("action", format!("there is no cluster '{}'", backend.cluster))),
            None => Ok(()),
        }
    }
}

impl Rule {
    /// Whether the rule means nothing on a listener that passes bytes.
    pub fn needs_http(&self) -> bool {
        self.criteria.needs_request()
            || self.criteria.transport == Some(crate::Transport::Http)
            || matches!(self.action, Action::Redirect(_))
    }
}

impl TryFrom<wire::Listener> for Listener {
    type Error = Violation;

    fn try_from(listener: wire::Listener) -> Result<Self, Violation> {
        if listener.id.is_empty() {
            return Err(Violation::new("id", "is missing"));
        }
        check_name("id", &listener.id)?;
        check_name("description", &listener.description)?;
        let protocol = match listener.protocol() {
            wire::ListenerProtocol::Http => ListenerProtocol::Http,
            wire::ListenerProtocol::Tcp => ListenerProtocol::Tcp,
            wire::ListenerProtocol::Unspecified => return Err(Violation::new("protocol", "is missing or unknown")),
        };
        let purpose = match listener.purpose() {
            wire::ListenerPurpose::Gateway => Purpose::Gateway,
            wire::ListenerPurpose::Service => Purpose::Service,
            wire::ListenerPurpose::Unspecified => return Err(Violation::new("purpose", "is missing or unknown")),
        };
        Ok(Self { id: listener.id, protocol, purpose, description: listener.description })
    }
}

impl TryFrom<wire::Cluster> for Cluster {
    type Error = Violation;

    fn try_from(cluster: wire::Cluster) -> Result<Self, Violation> {
        if cluster.name.is_empty() {
            return Err(Violation::new("name", "is missing"));
        }
        check_name("name", &cluster.name)?;
        check_len("endpoints", cluster.endpoints.len(), ENDPOINTS_LIMIT)?;
        let protocol = match cluster.protocol() {
            wire::ClusterProtocol::Plain => ClusterProtocol::Http1,
            wire::ClusterProtocol::H2c => ClusterProtocol::H2c,
            wire::ClusterProtocol::Unspecified => return Err(Violation::new("protocol", "is missing or unknown")),
        };
        let timeout = Duration::from_millis(cluster.connect_timeout_ms);
        let endpoint = |(index, endpoint)| {
            Endpoint::try_from(endpoint).map_err(|found: Violation| found.inside(&format!("endpoints[{index}]")))
        };
        Ok(Self {
            name: cluster.name,
            protocol,
            endpoints: cluster.endpoints.into_iter().enumerate().map(endpoint).collect::<Result<_, _>>()?,
            connect_timeout: (!timeout.is_zero()).then_some(timeout),
        })
    }
}

impl TryFrom<wire::Endpoint> for Endpoint {
    type Error = Violation;

    fn try_from(endpoint: wire::Endpoint) -> Result<Self, Violation> {
        let address: IpAddr = endpoint
            .address
            .parse()
            .map_err(|_error| Violation::new("address", format!("'{}' is no IP address", endpoint.address)))?;
        let port = match u16::try_from(endpoint.port) {
            Ok(port) if port > 0 => port,
            _ => return Err(Violation::new("port", format!("{} is no port from 1 to 65535", endpoint.port))),
        };
        if endpoint.weight > ENDPOINT_WEIGHT_LIMIT {
            return Err(Violation::new("weight", format!("is more than {ENDPOINT_WEIGHT_LIMIT}")));
        }
        Ok(Self { address: SocketAddr::new(address, port), weight: endpoint.weight.max(1), ready: endpoint.ready })
    }
}

impl From<&Snapshot> for wire::Snapshot {
    fn from(snapshot: &Snapshot) -> Self {
        Self {
            version: snapshot.version.0.clone(),
            listeners: snapshot.listeners.iter().map(wire::Listener::from).collect(),
            rules: snapshot.rules.iter().map(wire::FlowRule::from).collect(),
            clusters: snapshot.clusters.iter().map(wire::Cluster::from).collect(),
        }
    }
}

impl From<&Listener> for wire::Listener {
    fn from(listener: &Listener) -> Self {
        let protocol = match listener.protocol {
            ListenerProtocol::Http => wire::ListenerProtocol::Http,
            ListenerProtocol::Tcp => wire::ListenerProtocol::Tcp,
        };
        let purpose = match listener.purpose {
            Purpose::Gateway => wire::ListenerPurpose::Gateway,
            Purpose::Service => wire::ListenerPurpose::Service,
        };
        Self {
            id: listener.id.clone(),
            protocol: protocol.into(),
            purpose: purpose.into(),
            description: listener.description.clone(),
        }
    }
}

impl From<&Cluster> for wire::Cluster {
    fn from(cluster: &Cluster) -> Self {
        let protocol = match cluster.protocol {
            ClusterProtocol::Http1 => wire::ClusterProtocol::Plain,
            ClusterProtocol::H2c => wire::ClusterProtocol::H2c,
        };
        let timeout = cluster.connect_timeout.unwrap_or_default().as_millis();
        Self {
            name: cluster.name.clone(),
            protocol: protocol.into(),
            endpoints: cluster.endpoints.iter().map(wire::Endpoint::from).collect(),
            connect_timeout_ms: u64::try_from(timeout).unwrap_or(u64::MAX),
        }
    }
}

impl From<&Endpoint> for wire::Endpoint {
    fn from(endpoint: &Endpoint) -> Self {
        Self {
            address: endpoint.address.ip().to_string(),
            port: endpoint.address.port().into(),
            weight: endpoint.weight,
            ready: endpoint.ready,
        }
    }
}

#[cfg(test)]
mod tests;
