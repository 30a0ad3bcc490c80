//! What a request asks for: its path, query and headers as types.
//!
//! Nothing here looks at state; whether a group, resource or object exists is for `resource` to find out.

use http::Method;
use http::request::Parts;

use crate::status::Failure;

/// A path of the API, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// `/livez`, `/readyz`, `/healthz` and one check below them.
    Health {
        endpoint: String,
        check: Option<String>,
    },
    Version,
    Metrics,
    /// `/`: the list of paths.
    Root,
    /// `/api`
    CoreVersions,
    /// `/apis`
    Groups,
    /// `/apis/GROUP`
    Group(String),
    /// `/api/v1`, `/apis/GROUP/VERSION`
    GroupVersion {
        group: String,
        version: String,
    },
    /// `/openapi/v3`
    OpenApiIndex,
    /// `/openapi/v3/api/v1`, `/openapi/v3/apis/GROUP/VERSION`
    OpenApiDocument {
        group: String,
        version: String,
    },
    Resource(ResourcePath),
    Unknown,
}

/// The path of a resource, one object of it, or something below that object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResourcePath {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) namespace: Option<String>,
    pub(crate) plural: String,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
}

/// Sub-resources of a namespace that are not resources inside it.
const NAMESPACE_SUBRESOURCES: [&str; 2] = ["status", "finalize"];

impl Target {
    /// Takes a request path apart.
    ///
    /// # Errors
    /// When a segment is not valid percent-encoded UTF-8.
    pub(crate) fn parse(path: &str) -> Result<Self, Failure> {
        let segments = path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| percent_encoding::percent_decode_str(segment).decode_utf8().map(String::from))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Failure::bad_request(format!("the path is not valid UTF-8: {error}")))?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        Ok(match segments.as_slice() {
            [] => Target::Root,
            ["version"] => Target::Version,
            ["metrics"] => Target::Metrics,
            [endpoint @ ("livez" | "readyz" | "healthz")] => {
                Target::Health { endpoint: (*endpoint).to_owned(), check: None }
            }
            [endpoint @ ("livez" | "readyz" | "healthz"), check] => {
                Target::Health { endpoint: (*endpoint).to_owned(), check: Some((*check).to_owned()) }
            }
            ["openapi", "v3"] => Target::OpenApiIndex,
            ["openapi", "v3", "api", version] => {
                Target::OpenApiDocument { group: String::new(), version: (*version).to_owned() }
            }
            ["openapi", "v3", "apis", group, version] => {
                Target::OpenApiDocument { group: (*group).to_owned(), version: (*version).to_owned() }
            }
            ["api"] => Target::CoreVersions,
            ["api", version] => Target::GroupVersion { group: String::new(), version: (*version).to_owned() },
            ["api", version, rest @ ..] => ResourcePath::parse("", version, rest),
            ["apis"] => Target::Groups,
            ["apis", group] => Target::Group((*group).to_owned()),
            ["apis", group, version] => {
                Target::GroupVersion { group: (*group).to_owned(), version: (*version).to_owned() }
            }
            ["apis", group, version, rest @ ..] => ResourcePath::parse(group, version, rest),
            _ => Target::Unknown,
        })
    }
}

impl ResourcePath {
    fn parse(group: &str, version: &str, rest: &[&str]) -> Target {
        let path = |namespace: Option<&str>, plural: &str, name: Option<&str>, subresource: Option<&str>| {
            Target::Resource(ResourcePath {
                group: group.to_owned(),
                version: version.to_owned(),
                namespace: namespace.map(str::to_owned),
                plural: plural.to_owned(),
                name: name.map(str::to_owned),
                subresource: subresource.map(str::to_owned),
            })
        };
        match rest {
            ["namespaces", name, subresource] if NAMESPACE_SUBRESOURCES.contains(subresource) => {
                path(None, "namespaces", Some(name), Some(subresource))
            }
            ["namespaces", namespace, plural] => path(Some(namespace), plural, None, None),
            ["namespaces", namespace, plural, name] => path(Some(namespace), plural, Some(name), None),
            ["namespaces", namespace, plural, name, subresource] => {
                path(Some(namespace), plural, Some(name), Some(subresource))
            }
            [plural] => path(None, plural, None, None),
            [plural, name] => path(None, plural, Some(name), None),
            [plural, name, subresource] => path(None, plural, Some(name), Some(subresource)),
            _ => Target::Unknown,
        }
    }
}

/// The query of a request, in order, decoded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(query: Option<&str>) -> Self {
        Self(form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect())
    }

    /// The first value of a parameter; an empty value counts as absent, as upstream has it.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// Every value of a repeatable parameter.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A boolean parameter: Go's spellings, absent is false.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Failure> {
        match self.get(name) {
            None | Some("false" | "0" | "f" | "F" | "False" | "FALSE") => Ok(false),
            Some("true" | "1" | "t" | "T" | "True" | "TRUE") => Ok(true),
            Some(other) => Err(Failure::bad_request(format!("query parameter {name}: invalid boolean \"{other}\""))),
        }
    }

    /// A whole number that is not negative.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        self.get(name)
            .map(|text| {
                text.parse().map_err(|_invalid| {
                    Failure::bad_request(format!("query parameter {name}: \"{text}\" is no non-negative integer"))
                })
            })
            .transpose()
    }
}

/// What is to be done with a resource, in the words of RBAC and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
}

impl Verb {
    /// The verb of a method on a path; `watch` is the query parameter.
    ///
    /// # Errors
    /// When the method has no meaning there.
    pub(crate) fn of(parts: &Parts, path: &ResourcePath, query: &Query) -> Result<Self, Failure> {
        let watch = query.flag("watch")?;
        match (&parts.method, path.name.is_some()) {
            (&Method::GET, true) if watch && path.subresource.is_none() => Ok(Verb::Watch),
            (&Method::GET, true) => Ok(Verb::Get),
            (&Method::GET, false) if watch => Ok(Verb::Watch),
            (&Method::GET, false) => Ok(Verb::List),
            (&Method::POST, _) => Ok(Verb::Create),
            (&Method::PUT, true) => Ok(Verb::Update),
            (&Method::PATCH, true) => Ok(Verb::Patch),
            (&Method::DELETE, true) => Ok(Verb::Delete),
            (&Method::DELETE, false) => Ok(Verb::DeleteCollection),
            _ => Err(Failure::method_not_allowed()),
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Verb::Get => "get",
            Verb::List => "list",
            Verb::Watch => "watch",
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Patch => "patch",
            Verb::Delete => "delete",
            Verb::DeleteCollection => "deletecollection",
        }
    }

    /// The verb as metrics spell it upstream, which is what dashboards select by: methods in upper case, except where a
    /// method has several meanings.
    pub(crate) fn metric(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::List => "LIST",
            Verb::Watch => "WATCH",
            Verb::Create => "POST",
            Verb::Update => "PUT",
            Verb::Patch => "PATCH",
            Verb::Delete => "DELETE",
            Verb::DeleteCollection => "DELETECOLLECTION",
        }
    }
}

#[cfg(test)]
mod tests;
