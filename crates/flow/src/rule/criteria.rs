//! Which traffic a rule is about, and how that is written.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::str::FromStr;

use http::{HeaderName, Method};
use ipnet::IpNet;

use crate::invalid::Violation;

/// The longest value of one key, in bytes. Longer paths and headers are refused by most servers.
const VALUE_LIMIT: usize = 4096;

/// The most keys in one match; the Gateway API allows 16 headers and 16 query parameters.
const KEYS_LIMIT: usize = 64;

/// The memory that one compiled expression may take, in bytes. Enough for a path of `\w+` segments; not for counted
/// repetitions of thousands.
const PATTERN_SIZE_LIMIT: usize = 512 * 1024;

/// Which traffic. All criteria must hold; none given: all traffic.
///
/// | key | value |
/// |---|---|
/// | `source.ip`, `destination.ip` | address or CIDR block of the connection |
/// | `destination.port` | 1 to 65535 |
/// | `protocol` | `tcp` (any connection) or `http` |
/// | `http.host` | name without port, or `*.` and the rest for one or more labels before it |
/// | `http.method` | such as `GET` |
/// | `http.path`, `http.path-prefix`, `http.path-regex` | whole path; whole leading segments; whole path. One of them |
/// | `http.header.NAME`, `http.header-regex.NAME` | whole value of a header; one of them for a NAME |
/// | `http.query.NAME`, `http.query-regex.NAME` | whole value of the first parameter NAME; one of them for a NAME |
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Match {
    /// Address of the client, as the connection shows it.
    pub source_ip: Option<IpNet>,
    /// Address that the client connected to.
    pub destination_ip: Option<IpNet>,
    /// Port that the client connected to.
    pub destination_port: Option<u16>,
    /// What is spoken.
    pub transport: Option<Transport>,
    /// Host that the request names.
    pub host: Option<HostPattern>,
    /// Method of the request.
    pub method: Option<Method>,
    /// Path of the request, without query.
    pub path: Option<PathMatch>,
    /// Headers of the request, sorted by name.
    pub headers: Vec<NamedMatch<HeaderName>>,
    /// Query parameters of the request, sorted by name.
    pub query: Vec<NamedMatch<String>>,
}

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Any TCP connection, HTTP included.
    Tcp,
    /// Connections of HTTP listeners.
    Http,
}

/// A host name or a family of them, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// This name.
    Exact(String),
    /// One or more labels before this suffix, which has no leading dot (Gateway API, Hostname).
    Wildcard(String),
}

/// A criterion on a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathMatch {
    /// The whole path.
    Exact(String),
    /// These leading segments; kept without a trailing slash, so `/` is empty (Gateway API, PathMatchPathPrefix).
    Prefix(String),
    /// The whole path matches.
    Regex(Pattern),
}

/// A criterion on a value that has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedMatch<N> {
    /// The header or parameter.
    pub name: N,
    /// What its value must be.
    pub value: TextMatch,
}

/// A criterion on a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextMatch {
    /// The whole value.
    Exact(String),
    /// The whole value matches.
    Regex(Pattern),
}

impl TextMatch {
    /// Whether `text` satisfies the criterion.
    pub fn matches(&self, text: &str) -> bool {
        match self {
            TextMatch::Exact(value) => value == text,
            TextMatch::Regex(pattern) => pattern.matches(text),
        }
    }
}

/// A regular expression of bounded size that is matched in linear time and must match the whole text.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    whole: regex::Regex,
}

impl Pattern {
    /// Whether the whole of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        self.whole.is_match(text)
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl FromStr for Pattern {
    type Err = regex::Error;

    fn from_str(text: &str) -> Result<Self, regex::Error> {
        let build = |text: &str| regex::RegexBuilder::new(text).size_limit(PATTERN_SIZE_LIMIT).build();
        // Alone first: `a)(b` is balanced only between our own parentheses.
        build(text)?;
        Ok(Self { whole: build(&format!("^(?:{text})$"))?, text: text.to_owned() })
    }
}

impl TryFrom<&BTreeMap<String, String>> for Match {
    type Error = Violation;

    fn try_from(map: &BTreeMap<String, String>) -> Result<Self, Violation> {
        if map.len() > KEYS_LIMIT {
            return Err(Violation::new("match", format!("has more than {KEYS_LIMIT} keys")));
        }
        let mut criteria = Self::default();
        for (key, value) in map {
            if value.len() > VALUE_LIMIT {
                return Err(Violation::new(field(key), format!("is longer than {VALUE_LIMIT} bytes")));
            }
            criteria.read(key, value).map_err(|reason| Violation::new(field(key), reason))?;
        }
        criteria.headers.sort_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
        criteria.query.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(criteria)
    }
}

fn field(key: &str) -> String {
    format!("match[{key}]")
}

impl Match {
    /// Whether a criterion looks at a request, so that the rule cannot decide on a connection alone.
    pub fn needs_request(&self) -> bool {
        self.host.is_some()
            || self.method.is_some()
            || self.path.is_some()
            || !self.headers.is_empty()
            || !self.query.is_empty()
    }

    fn read(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "source.ip" => self.source_ip = Some(block(value)?),
            "destination.ip" => self.destination_ip = Some(block(value)?),
            "destination.port" => self.destination_port = Some(port(value)?),
            "protocol" => self.transport = Some(transport(value)?),
            "http.host" => self.host = Some(value.parse()?),
            "http.method" => {
                let method = Method::from_bytes(value.as_bytes());
                self.method = Some(method.map_err(|_error| format!("'{value}' is no HTTP method"))?);
            }
            "http.path" => self.set_path(PathMatch::Exact(path(value)?.to_owned()))?,
            "http.path-prefix" => self.set_path(PathMatch::Prefix(path(value)?.trim_end_matches('/').to_owned()))?,
            "http.path-regex" => self.set_path(PathMatch::Regex(pattern(value)?))?,
            _ => return self.read_named(key, value),
        }
        Ok(())
    }

    fn set_path(&mut self, path: PathMatch) -> Result<(), String> {
        match self.path.replace(path) {
            None => Ok(()),
            Some(_) => Err("a rule has one criterion on the path; use two rules".to_owned()),
        }
    }

    fn read_named(&mut self, key: &str, value: &str) -> Result<(), String> {
        let exact = || TextMatch::Exact(value.to_owned());
        if let Some(name) = key.strip_prefix("http.header.") {
            self.add_header(name, exact())
        } else if let Some(name) = key.strip_prefix("http.header-regex.") {
            self.add_header(name, TextMatch::Regex(pattern(value)?))
        } else if let Some(name) = key.strip_prefix("http.query.") {
            self.add_query(name, exact())
        } else if let Some(name) = key.strip_prefix("http.query-regex.") {
            self.add_query(name, TextMatch::Regex(pattern(value)?))
        } else {
            Err("is no known key; known are source.ip, destination.ip, destination.port, protocol, http.host, \
                 http.method, http.path, http.path-prefix, http.path-regex, http.header.NAME, http.header-regex.NAME, \
                 http.query.NAME and http.query-regex.NAME"
                .to_owned())
        }
    }

    fn add_header(&mut self, name: &str, value: TextMatch) -> Result<(), String> {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_error| format!("'{name}' is no header name"))?;
        // Host is matched by http.host: in HTTP/2 it is no header.
        if name == http::header::HOST {
            return Err("use http.host".to_owned());
        }
        if self.headers.iter().any(|header| header.name == name) {
            return Err(format!("a rule has one criterion on the header {name}"));
        }
        self.headers.push(NamedMatch { name, value });
        Ok(())
    }

    fn add_query(&mut self, name: &str, value: TextMatch) -> Result<(), String> {
        if name.is_empty() {
            return Err("lacks the name of the parameter".to_owned());
        }
        if self.query.iter().any(|parameter| parameter.name == name) {
            return Err(format!("a rule has one criterion on the parameter {name}"));
        }
        self.query.push(NamedMatch { name: name.to_owned(), value });
        Ok(())
    }
}

fn block(value: &str) -> Result<IpNet, String> {
    let block = value.parse::<IpNet>().or_else(|_| value.parse().map(|address: std::net::IpAddr| IpNet::from(address)));
    block
        .map(|block| block.trunc())
        .map_err(|_error| format!("'{value}' is no IP address and no CIDR block such as 10.42.0.0/16"))
}

fn port(value: &str) -> Result<u16, String> {
    match value.parse() {
        Ok(port) if port > 0 && !value.starts_with(['+', '0']) => Ok(port),
        _ => Err(format!("'{value}' is no port from 1 to 65535")),
    }
}

fn transport(value: &str) -> Result<Transport, String> {
    match value {
        "tcp" => Ok(Transport::Tcp),
        "http" => Ok(Transport::Http),
        _ => Err(format!("'{value}' is not supported; tcp and http are")),
    }
}

fn path(value: &str) -> Result<&str, String> {
    if !value.starts_with('/') {
        return Err(format!("'{value}' does not begin with /"));
    }
    if value.contains(['?', '#']) || value.chars().any(|c| c.is_control() || c == ' ') {
        return Err(format!("'{value}' is no path: it holds a query, a fragment, a space or a control character"));
    }
    Ok(value)
}

fn pattern(value: &str) -> Result<Pattern, String> {
    value.parse().map_err(|error: regex::Error| match error {
        regex::Error::CompiledTooBig(_) => format!("compiles to more than {PATTERN_SIZE_LIMIT} bytes"),
        other => format!("is no regular expression: {}", last_line(&other.to_string())),
    })
}

/// The reason; the lines before it draw the expression with a marker.
fn last_line(text: &str) -> &str {
    text.lines().next_back().unwrap_or(text).trim_start_matches("error: ")
}

impl FromStr for HostPattern {
    type Err = String;

    fn from_str(value: &str) -> Result<Self, String> {
        let (name, wildcard) = match value.strip_prefix("*.") {
            Some(suffix) => (suffix, true),
            None => (value, false),
        };
        if !is_host_name(name) {
            return Err(format!("'{value}' is no host name; it may begin with '*.' and has no port"));
        }
        let name = name.to_ascii_lowercase();
        Ok(if wildcard { HostPattern::Wildcard(name) } else { HostPattern::Exact(name) })
    }
}

/// A DNS name or an IP address. Underscores occur in names of headless services.
fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => name.len() <= 253 && name.split('.').all(label),
    }
}

impl Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostPattern::Exact(name) => f.write_str(name),
            HostPattern::Wildcard(suffix) => write!(f, "*.{suffix}"),
        }
    }
}

impl From<&Match> for BTreeMap<String, String> {
    fn from(criteria: &Match) -> Self {
        let mut map = Self::new();
        let mut put = |key: &str, value: Option<String>| value.map(|value| map.insert(key.to_owned(), value));
        put("source.ip", criteria.source_ip.map(|block| block.to_string()));
        put("destination.ip", criteria.destination_ip.map(|block| block.to_string()));
        put("destination.port", criteria.destination_port.map(|port| port.to_string()));
        let transport = criteria.transport.map(|transport| match transport {
            Transport::Tcp => "tcp",
            Transport::Http => "http",
        });
        put("protocol", transport.map(str::to_owned));
        put("http.host", criteria.host.as_ref().map(HostPattern::to_string));
        put("http.method", criteria.method.as_ref().map(Method::to_string));
        match &criteria.path {
            Some(PathMatch::Exact(path)) => put("http.path", Some(path.clone())),
            Some(PathMatch::Prefix(path)) => {
                put("http.path-prefix", Some(if path.is_empty() { "/" } else { path }.to_owned()))
            }
            Some(PathMatch::Regex(pattern)) => put("http.path-regex", Some(pattern.text.clone())),
            None => None,
        };
        let headers = criteria.headers.iter().map(|header| ("header", header.name.as_str(), &header.value));
        let query = criteria.query.iter().map(|parameter| ("query", parameter.name.as_str(), &parameter.value));
        for (kind, name, value) in headers.chain(query) {
            match value {
                TextMatch::Exact(value) => put(&format!("http.{kind}.{name}"), Some(value.clone())),
                TextMatch::Regex(pattern) => put(&format!("http.{kind}-regex.{name}"), Some(pattern.text.clone())),
            };
        }
        map
    }
}
