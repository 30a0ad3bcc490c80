//! The target of a request: read, rewritten for the endpoint, or turned into a redirect's location.

use flow::{ClusterProtocol, PathEdit, Redirect, Rewrite};
use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Request, Uri, Version};

/// Moves the authority to where the endpoint expects it: `Host` for HTTP/1.1 (RFC 9112, 3.2), the target for HTTP/2.
///
/// # Errors
/// What is wrong with the request, if it names no host or more than one.
pub(super) fn normalize<B>(request: &mut Request<B>) -> Result<(), &'static str> {
    if request.headers().get_all(HOST).iter().nth(1).is_some() {
        return Err("the request names more than one host");
    }
    if let Some(authority) = request.uri().authority() {
        // RFC 9112, 3.2.2: the target in absolute form wins over Host.
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_error| "the request names no valid host")?;
        let path = request.uri().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        request.headers_mut().insert(HOST, host);
        *request.uri_mut() = Uri::from(path);
    }
    if request.version() != Version::HTTP_10 && !request.headers().contains_key(HOST) {
        return Err("the request names no host");
    }
    Ok(())
}

/// The authority that the request names; empty if it names none.
pub(super) fn authority(headers: &HeaderMap) -> &str {
    headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()
}

/// Changes host and path as the rule says. `matched` is the length of the prefix that the rule matched.
pub(super) fn rewrite<B>(request: &mut Request<B>, rewrite: &Rewrite, matched: usize) {
    if let Some(path) = &rewrite.path
        && let Ok(target) = edited_path(request.uri(), path, matched).parse::<PathAndQuery>()
    {
        *request.uri_mut() = Uri::from(target);
    }
    if let Some(host) = &rewrite.host {
        request.headers_mut().insert(HOST, host.clone());
    }
}

/// Path and query after the change (Gateway API, HTTPPathModifier).
fn edited_path(uri: &Uri, edit: &PathEdit, matched: usize) -> String {
    let path = match edit {
        PathEdit::Full(path) => path.clone(),
        PathEdit::Prefix(prefix) => format!("{prefix}{}", uri.path().get(matched..).unwrap_or_default()),
    };
    let path = if path.starts_with('/') { path } else { format!("/{path}") };
    match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    }
}

/// Puts the request into the form of the endpoint's protocol.
///
/// # Errors
/// When HTTP/2 cannot carry the host that the request names.
pub(super) fn fit<B>(request: &mut Request<B>, protocol: ClusterProtocol) -> Result<(), &'static str> {
    match protocol {
        ClusterProtocol::Http1 => *request.version_mut() = Version::HTTP_11,
        ClusterProtocol::H2c => {
            let host = request.headers_mut().remove(HOST);
            let host = host.ok_or("the request names no host")?;
            let authority = Authority::try_from(host.as_bytes()).map_err(|_error| "the request names no valid host")?;
            let mut parts = std::mem::take(request.uri_mut()).into_parts();
            parts.scheme = Some(Scheme::HTTP);
            parts.authority = Some(authority);
            *request.uri_mut() = Uri::from_parts(parts).map_err(|_error| "the request has no valid target")?;
            *request.version_mut() = Version::HTTP_2;
        }
    }
    Ok(())
}

/// Where a redirect leads (Gateway API, HTTPRequestRedirectFilter). `listener_port` is where the request came in.
pub(super) fn location<B>(request: &Request<B>, redirect: &Redirect, matched: usize, listener_port: u16) -> String {
    let scheme = redirect.scheme.as_ref().unwrap_or(&Scheme::HTTP);
    let named = crate::matcher::host_of(authority(request.headers()));
    let host = redirect.host.as_deref().unwrap_or(&named);
    let well_known = if *scheme == Scheme::HTTPS { 443 } else { 80 };
    // With a scheme and no port, the port is the scheme's.
    let port = redirect.port.unwrap_or(if redirect.scheme.is_some() { well_known } else { listener_port });
    let path = match &redirect.path {
        Some(edit) => edited_path(request.uri(), edit, matched),
        None => request.uri().path_and_query().map_or("/", PathAndQuery::as_str).to_owned(),
    };
    if port == well_known { format!("{scheme}://{host}{path}") } else { format!("{scheme}://{host}:{port}{path}") }
}

#[cfg(test)]
mod tests;
