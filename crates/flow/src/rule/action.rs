//! What happens to traffic that matches.

use std::time::Duration;

use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, StatusCode};

use super::criteria::{Match, PathMatch};
use super::header::HeaderEdit;
use crate::invalid::Violation;
use crate::wire;

/// What happens to traffic that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It goes to one of the backends.
    Forward(Forward),
    /// The client is sent elsewhere. HTTP only.
    Redirect(Redirect),
    /// The connection is closed without an answer.
    Drop,
}

/// Where traffic goes and what is changed on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// Shares of the traffic. With none, or none of weight, requests are answered with 500 (Gateway API,
    /// HTTPRouteRule.backendRefs).
    pub backends: Vec<Backend>,
    /// Changes to host and path.
    pub rewrite: Rewrite,
    /// From the arrival of the request to the end of the response.
    pub request_timeout: Timeout,
    /// From the choice of an endpoint to the end of its response.
    pub backend_timeout: Timeout,
}

/// One share of the traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Name of a cluster of the snapshot; with `invalid`, of anything.
    pub cluster: String,
    /// Share = weight / sum of the weights.
    pub weight: u32,
    /// Why there is no such backend; its share is answered with 500.
    pub invalid: Option<String>,
    /// Made after those of the rule.
    pub request_headers: HeaderEdit,
    /// Made before those of the rule.
    pub response_headers: HeaderEdit,
}

/// A limit on the duration of something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Timeout {
    /// What the proxy does by itself.
    #[default]
    Unset,
    /// No limit (Gateway API: `0s`).
    Disabled,
    /// At most this long.
    After(Duration),
}

/// A change of the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathEdit {
    /// This instead of the path.
    Full(String),
    /// This instead of the prefix that the rule matched; without a trailing slash.
    Prefix(String),
}

/// Changes to the target of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rewrite {
    /// The host that the backend sees.
    pub host: Option<HeaderValue>,
    /// The path that the backend sees.
    pub path: Option<PathEdit>,
}

/// Where a client is sent. What is absent stays as in the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// `http` or `https`.
    pub scheme: Option<Scheme>,
    /// Without port.
    pub host: Option<String>,
    /// Absent: that of the scheme if one is given, else that of the listener.
    pub port: Option<u16>,
    /// Path; the query is kept.
    pub path: Option<PathEdit>,
    /// 301, 302, 303, 307 or 308.
    pub status: StatusCode,
}

/// The most backends of a rule; the Gateway API allows 16.
const BACKENDS_LIMIT: usize = 64;

/// The highest weight (Gateway API, BackendRef).
const WEIGHT_LIMIT: u32 = 1_000_000;

/// The longest timeout; longer ones are no limit.
const TIMEOUT_LIMIT: Duration = Duration::from_hours(24 * 365);

impl Action {
    pub(super) fn from_wire(rule: &wire::FlowRule, criteria: &Match) -> Result<Self, Violation> {
        let action = match rule.action.split_once(':') {
            Some(("forward", cluster)) => forward_to(cluster, rule)?,
            None if rule.action == "forward" => forward_split(rule)?,
            None if rule.action == "drop" => Action::Drop,
            None if rule.action == "redirect" => match &rule.redirect {
                Some(redirect) => Action::Redirect(Redirect::from_wire(redirect)?),
                None => return Err(Violation::new("redirect", "is missing, the action is 'redirect'")),
            },
            _ => {
                let reason = format!("'{}' is not one of forward:<cluster>, forward, redirect, drop", rule.action);
                return Err(Violation::new("action", reason));
            }
        };
        action.refuse_strays(rule)?;
        action.check_prefix_edit(criteria)?;
        Ok(action)
    }

    /// An extension that the action does not use would be ignored silently.
    fn refuse_strays(&self, rule: &wire::FlowRule) -> Result<(), Violation> {
        let forwards = matches!(self, Action::Forward(_));
        let redirects = matches!(self, Action::Redirect(_));
        let strays = [
            ("backends", !rule.backends.is_empty() && rule.action != "forward"),
            ("redirect", rule.redirect.is_some() && !redirects),
            ("rewrite", rule.rewrite.is_some() && !forwards),
            ("timeouts", rule.timeouts.is_some() && !forwards),
            ("requestHeaders", rule.request_headers.is_some() && !forwards),
            ("responseHeaders", rule.response_headers.is_some() && !forwards && !redirects),
        ];
        match strays.iter().find(|(_, stray)| *stray) {
            Some((field, _)) => {
                Err(Violation::new(*field, format!("has no meaning with the action '{}'", rule.action)))
            }
            None => Ok(()),
        }
    }

    /// A prefix can be replaced only if the rule matched one (Gateway API, HTTPPathModifier).
    fn check_prefix_edit(&self, criteria: &Match) -> Result<(), Violation> {
        let (field, path) = match self {
            Action::Forward(forward) => ("rewrite.path.prefix", &forward.rewrite.path),
            Action::Redirect(redirect) => ("redirect.path.prefix", &redirect.path),
            Action::Drop => return Ok(()),
        };
        let matched = matches!(criteria.path, Some(PathMatch::Prefix(_)) | None);
        if matches!(path, Some(PathEdit::Prefix(_))) && !matched {
            return Err(Violation::new(field, "needs http.path-prefix in match"));
        }
        Ok(())
    }

    pub(super) fn write(&self, rule: &mut wire::FlowRule) {
        match self {
            Action::Drop => rule.action = "drop".to_owned(),
            Action::Redirect(redirect) => {
                rule.action = "redirect".to_owned();
                rule.redirect = Some(redirect.to_wire());
            }
            Action::Forward(forward) => forward.write(rule),
        }
    }
}

fn forward_to(cluster: &str, rule: &wire::FlowRule) -> Result<Action, Violation> {
    if cluster.is_empty() {
        return Err(Violation::new("action", "lacks the cluster after 'forward:'"));
    }
    super::check_name("action", cluster)?;
    Ok(Action::Forward(Forward::from_wire(rule, vec![Backend::whole(cluster)])?))
}

fn forward_split(rule: &wire::FlowRule) -> Result<Action, Violation> {
    if rule.backends.len() > BACKENDS_LIMIT {
        return Err(Violation::new("backends", format!("has more than {BACKENDS_LIMIT} entries")));
    }
    let backend = |(index, backend)| Backend::from_wire(&format!("backends[{index}]"), backend);
    let backends = rule.backends.iter().cloned().enumerate().map(backend).collect::<Result<_, _>>()?;
    Ok(Action::Forward(Forward::from_wire(rule, backends)?))
}

impl Forward {
    /// All traffic to one cluster, nothing changed.
    pub fn to(cluster: &str) -> Self {
        Self {
            backends: vec![Backend::whole(cluster)],
            rewrite: Rewrite::default(),
            request_timeout: Timeout::Unset,
            backend_timeout: Timeout::Unset,
        }
    }

    fn from_wire(rule: &wire::FlowRule, backends: Vec<Backend>) -> Result<Self, Violation> {
        let timeouts = rule.timeouts.unwrap_or_default();
        Ok(Self {
            backends,
            rewrite: Rewrite::from_wire(rule.rewrite.as_ref())?,
            request_timeout: Timeout::from_wire("timeouts.requestMs", timeouts.request_ms)?,
            backend_timeout: Timeout::from_wire("timeouts.backendRequestMs", timeouts.backend_request_ms)?,
        })
    }

    fn write(&self, rule: &mut wire::FlowRule) {
        match self.backends.as_slice() {
            [only] if *only == Backend::whole(&only.cluster) => rule.action = format!("forward:{}", only.cluster),
            backends => {
                rule.action = "forward".to_owned();
                rule.backends = backends.iter().map(Backend::to_wire).collect();
            }
        }
        rule.rewrite = self.rewrite.to_wire();
        let timeouts = wire::Timeouts {
            request_ms: self.request_timeout.to_wire(),
            backend_request_ms: self.backend_timeout.to_wire(),
        };
        rule.timeouts = (timeouts != wire::Timeouts::default()).then_some(timeouts);
    }
}

impl Backend {
    /// A backend that is the only one.
    pub fn whole(cluster: &str) -> Self {
        Self {
            cluster: cluster.to_owned(),
            weight: 1,
            invalid: None,
            request_headers: HeaderEdit::default(),
            response_headers: HeaderEdit::default(),
        }
    }

    fn from_wire(field: &str, backend: wire::Backend) -> Result<Self, Violation> {
        super::check_name(&format!("{field}.cluster"), &backend.cluster)?;
        if backend.cluster.is_empty() {
            return Err(Violation::new(format!("{field}.cluster"), "is missing"));
        }
        if backend.weight > WEIGHT_LIMIT {
            return Err(Violation::new(format!("{field}.weight"), format!("is more than {WEIGHT_LIMIT}")));
        }
        Ok(Self {
            weight: backend.weight,
            invalid: (!backend.invalid.is_empty()).then_some(backend.invalid),
            request_headers: HeaderEdit::from_wire("requestHeaders", backend.request_headers)
                .map_err(|violation| violation.inside(field))?,
            response_headers: HeaderEdit::from_wire("responseHeaders", backend.response_headers)
                .map_err(|violation| violation.inside(field))?,
            cluster: backend.cluster,
        })
    }

    fn to_wire(&self) -> wire::Backend {
        wire::Backend {
            cluster: self.cluster.clone(),
            weight: self.weight,
            invalid: self.invalid.clone().unwrap_or_default(),
            request_headers: self.request_headers.to_wire(),
            response_headers: self.response_headers.to_wire(),
        }
    }
}

impl Timeout {
    fn from_wire(field: &str, milliseconds: Option<u64>) -> Result<Self, Violation> {
        match milliseconds.map(Duration::from_millis) {
            None => Ok(Timeout::Unset),
            Some(Duration::ZERO) => Ok(Timeout::Disabled),
            Some(limit) if limit > TIMEOUT_LIMIT => Err(Violation::new(field, "is more than a year; 0 means no limit")),
            Some(limit) => Ok(Timeout::After(limit)),
        }
    }

    fn to_wire(self) -> Option<u64> {
        match self {
            Timeout::Unset => None,
            Timeout::Disabled => Some(0),
            // At least 1: less than a millisecond must not become "no limit".
            Timeout::After(limit) => Some(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX).max(1)),
        }
    }
}

impl PathEdit {
    fn from_wire(field: &str, change: Option<&wire::PathChange>) -> Result<Option<Self>, Violation> {
        let Some(change) = change else { return Ok(None) };
        let edit = match (&change.full, &change.prefix) {
            (Some(path), None) => PathEdit::Full(path.clone()),
            (None, Some(path)) => PathEdit::Prefix(path.trim_end_matches('/').to_owned()),
            _ => return Err(Violation::new(field, "needs either full or prefix")),
        };
        let (PathEdit::Full(path) | PathEdit::Prefix(path)) = &edit;
        let valid = path.is_empty() || (path.starts_with('/') && path.parse::<PathAndQuery>().is_ok());
        if !valid || path.contains(['?', '#']) {
            return Err(Violation::new(field, format!("'{path}' is no absolute path")));
        }
        Ok(Some(edit))
    }

    fn to_wire(&self) -> wire::PathChange {
        match self {
            PathEdit::Full(path) => wire::PathChange { full: Some(path.clone()), prefix: None },
            PathEdit::Prefix(path) => wire::PathChange { full: None, prefix: Some(path.clone()) },
        }
    }
}

impl Rewrite {
    fn from_wire(rewrite: Option<&wire::Rewrite>) -> Result<Self, Violation> {
        let Some(rewrite) = rewrite else { return Ok(Self::default()) };
        Ok(Self {
            host: rewrite.host.as_deref().map(host_header).transpose()?,
            path: PathEdit::from_wire("rewrite.path", rewrite.path.as_ref())?,
        })
    }

    fn to_wire(&self) -> Option<wire::Rewrite> {
        let host = |host: &HeaderValue| String::from_utf8_lossy(host.as_bytes()).into_owned();
        (*self != Self::default()).then(|| wire::Rewrite {
            host: self.host.as_ref().map(host),
            path: self.path.as_ref().map(PathEdit::to_wire),
        })
    }
}

fn host_header(host: &str) -> Result<HeaderValue, Violation> {
    let invalid = || Violation::new("rewrite.host", format!("'{host}' is no host name"));
    host.parse::<http::uri::Authority>().map_err(|_error| invalid())?;
    HeaderValue::from_str(host).map_err(|_error| invalid())
}

impl Redirect {
    fn from_wire(redirect: &wire::Redirect) -> Result<Self, Violation> {
        let scheme = match redirect.scheme.as_deref() {
            None => None,
            Some("http") => Some(Scheme::HTTP),
            Some("https") => Some(Scheme::HTTPS),
            Some(other) => {
                return Err(Violation::new("redirect.scheme", format!("'{other}' is neither http nor https")));
            }
        };
        let host = redirect.host.as_deref().map(|host| match host.parse() {
            Ok(super::HostPattern::Exact(name)) => Ok(name),
            _ => Err(Violation::new("redirect.host", format!("'{host}' is no host name"))),
        });
        let port = redirect.port.map(|port| match u16::try_from(port) {
            Ok(port) if port > 0 => Ok(port),
            _ => Err(Violation::new("redirect.port", format!("{port} is no port from 1 to 65535"))),
        });
        let status = match redirect.status {
            0 | 302 => StatusCode::FOUND,
            301 => StatusCode::MOVED_PERMANENTLY,
            303 => StatusCode::SEE_OTHER,
            307 => StatusCode::TEMPORARY_REDIRECT,
            308 => StatusCode::PERMANENT_REDIRECT,
            other => {
                return Err(Violation::new("redirect.status", format!("{other} is not 301, 302, 303, 307 or 308")));
            }
        };
        let path = PathEdit::from_wire("redirect.path", redirect.path.as_ref())?;
        Ok(Self { scheme, host: host.transpose()?, port: port.transpose()?, path, status })
    }

    fn to_wire(&self) -> wire::Redirect {
        wire::Redirect {
            scheme: self.scheme.as_ref().map(Scheme::to_string),
            host: self.host.clone(),
            port: self.port.map(u32::from),
            path: self.path.as_ref().map(PathEdit::to_wire),
            status: u32::from(self.status.as_u16()),
        }
    }
}
