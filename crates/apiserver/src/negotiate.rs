//! Content negotiation: which representation a client accepts, and which it sent.

use http::HeaderMap;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE};

use crate::status::{Failure, Reason};

/// How an answer shows objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// The objects themselves.
    Object,
    /// `meta.k8s.io/v1` Table: rows of cells for people.
    Table,
    /// `meta.k8s.io/v1` PartialObjectMetadata: metadata only.
    Partial,
}

impl View {
    /// The first acceptable representation in the client's order.
    ///
    /// # Errors
    /// 406 when the client accepts nothing that is served.
    pub(crate) fn negotiate(headers: &HeaderMap) -> Result<Self, Failure> {
        let Some(accept) = headers.get(ACCEPT) else { return Ok(View::Object) };
        let accept = accept.to_str().map_err(|_not_text| not_acceptable())?;
        accept.split(',').find_map(|range| Self::of(&MediaRange::parse(range)?)).ok_or_else(not_acceptable)
    }

    fn of(range: &MediaRange<'_>) -> Option<Self> {
        if !matches!(range.kind.as_str(), "application/json" | "application/*" | "*/*") {
            return None;
        }
        let version_served = matches!(range.parameter("v"), None | Some("v1" | "v1beta1"));
        let group_served = matches!(range.parameter("g"), None | Some("meta.k8s.io"));
        match range.parameter("as") {
            None => Some(View::Object),
            Some("Table") if version_served && group_served => Some(View::Table),
            Some("PartialObjectMetadata" | "PartialObjectMetadataList") if version_served && group_served => {
                Some(View::Partial)
            }
            Some(_) => None,
        }
    }
}

fn not_acceptable() -> Failure {
    Failure::new(
        Reason::NotAcceptable,
        "only the following media types are accepted: application/json, \
         application/json;as=Table;g=meta.k8s.io;v=v1, application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
    )
}

/// One entry of an Accept header, or a Content-Type.
struct MediaRange<'a> {
    kind: String,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> MediaRange<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let kind = parts.next().filter(|kind| !kind.is_empty())?.to_ascii_lowercase();
        let parameters = parts.filter_map(|part| part.split_once('=')).map(|(k, v)| (k.trim(), v.trim())).collect();
        Some(Self { kind, parameters })
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }
}

/// The format of a request body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyFormat {
    Json,
    Yaml,
}

impl BodyFormat {
    /// The format that the request declares; none declared is JSON, as upstream has it.
    ///
    /// # Errors
    /// 415 with the reason for anything else, protobuf among it.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Failure> {
        match content_type(headers)?.as_deref() {
            None | Some("application/json") => Ok(BodyFormat::Json),
            Some("application/yaml" | "application/x-yaml" | "text/yaml") => Ok(BodyFormat::Yaml),
            Some(other @ ("application/vnd.kubernetes.protobuf" | "application/cbor")) => Err(Failure::new(
                Reason::UnsupportedMediaType,
                format!(
                    "request bodies of type {other} are not served; set the client's content type to application/json"
                ),
            )),
            Some(other) => Err(Failure::new(
                Reason::UnsupportedMediaType,
                format!(
                    "the body of the request was in an unknown format ({other}) - accepted media types include: \
                     application/json, application/yaml"
                ),
            )),
        }
    }
}

/// How a PATCH body is to be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PatchFormat {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Kubernetes' strategic merge patch.
    Strategic,
}

impl PatchFormat {
    /// The format that the request declares.
    ///
    /// # Errors
    /// 415 with what is accepted.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Failure> {
        match content_type(headers)?.as_deref() {
            Some("application/json-patch+json") => Ok(PatchFormat::Json),
            Some("application/merge-patch+json") => Ok(PatchFormat::Merge),
            Some("application/strategic-merge-patch+json") => Ok(PatchFormat::Strategic),
            other => Err(Failure::new(
                Reason::UnsupportedMediaType,
                format!(
                    "the body of the request was in an unknown format ({}) - accepted media types include: \
                     application/json-patch+json, application/merge-patch+json, \
                     application/strategic-merge-patch+json",
                    other.unwrap_or("none")
                ),
            )),
        }
    }
}

fn content_type(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(None) };
    let text = value
        .to_str()
        .map_err(|_not_text| Failure::new(Reason::UnsupportedMediaType, "the content type is not readable text"))?;
    Ok(MediaRange::parse(text).map(|range| range.kind))
}

/// Whether the client takes gzip.
pub(crate) fn accepts_gzip(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).is_some_and(|text| {
        text.split(',').filter_map(MediaRange::parse).any(|range| {
            matches!(range.kind.as_str(), "gzip" | "*")
                && !matches!(range.parameter("q"), Some("0" | "0.0" | "0.00" | "0.000"))
        })
    })
}

#[cfg(test)]
mod tests;
