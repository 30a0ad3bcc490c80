//! What every handler of a resource request has at hand, and what it answers with.

use std::sync::Arc;

use http::{HeaderMap, Response, StatusCode};
use jiff::Timestamp;
use store::Entry;

use crate::body::{self, ResponseBody};
use crate::negotiate::View;
use crate::object::Object;
use crate::request::{Query, ResourcePath};
use crate::resource::Resource;
use crate::server::Inner;
use crate::status::Failure;
use crate::view;

/// One request to one resource.
pub(crate) struct Context {
    pub(crate) server: Arc<Inner>,
    pub(crate) resource: Arc<Resource>,
    pub(crate) path: ResourcePath,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) view: View,
}

impl Context {
    /// The namespace of the path, for namespaced resources.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.path.namespace.as_deref()
    }

    /// The name of the path; handlers of single objects have one.
    pub(crate) fn name(&self) -> &str {
        self.path.name.as_deref().unwrap_or_default()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.server.now()
    }

    /// Whether the request only rehearses: `dryRun=All`.
    ///
    /// # Errors
    /// 400 for any other value.
    pub(crate) fn dry_run(&self) -> Result<bool, Failure> {
        let mut any = false;
        for value in self.query.all("dryRun").filter(|value| !value.is_empty()) {
            if value != "All" {
                return Err(Failure::bad_request(format!(
                    "dryRun: Unsupported value: \"{value}\": supported values: \"All\""
                )));
            }
            any = true;
        }
        Ok(any)
    }

    /// The stored object at the path.
    ///
    /// # Errors
    /// 404 when there is none.
    pub(crate) fn entry(&self) -> Result<Arc<Entry>, Failure> {
        let key = self.resource.key(self.namespace(), self.name())?;
        let snapshot = self.server.store.snapshot();
        snapshot.get(&key).cloned().ok_or_else(|| Failure::not_found(self.resource.subject(self.name())))
    }
}

/// How far a write got.
pub(crate) enum Written {
    /// It is durable.
    Stored(Arc<Entry>),
    /// Nothing was to change; this is what is there.
    Unchanged(Arc<Entry>),
    /// A rehearsal: what would have been written.
    Rehearsed(Object),
}

/// A successful answer with one object.
pub(crate) struct Answer {
    pub(crate) code: StatusCode,
    pub(crate) written: Written,
    pub(crate) warnings: Vec<String>,
}

impl Answer {
    /// The object in the representation that the client asked for.
    ///
    /// # Errors
    /// When the stored object cannot be represented.
    pub(crate) fn into_response(self, ctx: &Context) -> Result<Response<ResponseBody>, Failure> {
        let bytes = match &self.written {
            Written::Stored(entry) | Written::Unchanged(entry) => view::one(ctx, &entry.value)?,
            Written::Rehearsed(object) => view::one(ctx, &object.as_value().to_string().into())?,
        };
        Ok(with_warnings(body::json(self.code, bytes), &self.warnings))
    }
}

/// Adds `Warning: 299` headers (RFC 7234, section 5.5), as clients print them.
pub(crate) fn with_warnings(mut response: Response<ResponseBody>, warnings: &[String]) -> Response<ResponseBody> {
    for warning in warnings {
        let escaped = warning.replace('\\', "\\\\").replace('"', "\\\"");
        // A header cannot hold control characters; such a warning is not worth failing the request.
        if let Ok(value) = format!("299 - \"{escaped}\"").parse() {
            response.headers_mut().append(http::header::WARNING, value);
        }
    }
    response
}
