//! Failures as clients see them: the `Status` object of the Kubernetes API.
//!
//! This is the one place where errors of the API become HTTP answers. Reasons and codes are those that clients switch on
//! (Kubernetes API conventions, "Response Status Kind"); messages follow upstream's wording where scripts match on it.

use std::fmt::{self, Display};

use http::StatusCode;
use machinery::field::FieldError;
use serde_json::{Value, json};

/// Why a request failed, machine-readable (`reason` of a Status).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    BadRequest,
    Unauthorized,
    NotFound,
    AlreadyExists,
    Conflict,
    Expired,
    Invalid,
    MethodNotAllowed,
    NotAcceptable,
    RequestEntityTooLarge,
    UnsupportedMediaType,
    Forbidden,
    InternalError,
    Timeout,
    ServiceUnavailable,
    InsufficientStorage,
}

impl Reason {
    fn code(self) -> StatusCode {
        match self {
            Reason::BadRequest => StatusCode::BAD_REQUEST,
            Reason::Unauthorized => StatusCode::UNAUTHORIZED,
            Reason::Forbidden => StatusCode::FORBIDDEN,
            Reason::NotFound => StatusCode::NOT_FOUND,
            Reason::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Reason::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Reason::AlreadyExists | Reason::Conflict => StatusCode::CONFLICT,
            Reason::Expired => StatusCode::GONE,
            Reason::RequestEntityTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Reason::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Reason::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Reason::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
            Reason::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Reason::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Reason::InsufficientStorage => StatusCode::INSUFFICIENT_STORAGE,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Reason::BadRequest => "BadRequest",
            Reason::Unauthorized => "Unauthorized",
            Reason::Forbidden => "Forbidden",
            Reason::NotFound => "NotFound",
            Reason::MethodNotAllowed => "MethodNotAllowed",
            Reason::NotAcceptable => "NotAcceptable",
            Reason::AlreadyExists => "AlreadyExists",
            Reason::Conflict => "Conflict",
            Reason::Expired => "Expired",
            Reason::RequestEntityTooLarge => "RequestEntityTooLarge",
            Reason::UnsupportedMediaType => "UnsupportedMediaType",
            Reason::Invalid => "Invalid",
            Reason::InternalError => "InternalError",
            Reason::Timeout => "Timeout",
            Reason::ServiceUnavailable => "ServiceUnavailable",
            Reason::InsufficientStorage => "InsufficientStorage",
        }
    }
}

/// Which object a failure is about (`details` of a Status).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) group: String,
    /// The plural resource name, or the kind for validation failures, as upstream has it.
    pub(crate) kind: String,
    pub(crate) name: String,
}

impl Subject {
    /// `configmaps` or `deployments.apps`, as messages name a resource.
    fn qualified(&self) -> String {
        if self.group.is_empty() { self.kind.clone() } else { format!("{}.{}", self.kind, self.group) }
    }
}

/// A failed request. Boxed, because every handler returns one and hardly any does.
#[derive(Debug, Clone)]
pub(crate) struct Failure(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    reason: Reason,
    message: String,
    subject: Option<Subject>,
    causes: Vec<Value>,
    retry_after_seconds: Option<u32>,
    /// `metadata.continue` of an expired list: where the client may go on, inconsistently.
    continue_token: Option<String>,
}

impl Failure {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            reason,
            message: message.into(),
            subject: None,
            causes: Vec::new(),
            retry_after_seconds: None,
            continue_token: None,
        }))
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(Reason::BadRequest, message)
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(Reason::Unauthorized, "Unauthorized")
    }

    pub(crate) fn not_found(subject: Subject) -> Self {
        let message = format!("{} \"{}\" not found", subject.qualified(), subject.name);
        Self::new(Reason::NotFound, message).about(subject)
    }

    pub(crate) fn no_such_resource() -> Self {
        Self::new(Reason::NotFound, "the server could not find the requested resource")
    }

    pub(crate) fn already_exists(subject: Subject) -> Self {
        let message = format!("{} \"{}\" already exists", subject.qualified(), subject.name);
        Self::new(Reason::AlreadyExists, message).about(subject)
    }

    pub(crate) fn conflict(subject: Subject, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{}\": {why}", subject.qualified(), subject.name);
        Self::new(Reason::Conflict, message).about(subject)
    }

    /// The object changed since the client read it.
    pub(crate) fn modified(subject: Subject) -> Self {
        Self::conflict(
            subject,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// The object breaks rules of its kind. `subject.kind` is the kind here.
    pub(crate) fn invalid(subject: Subject, errors: &[FieldError]) -> Self {
        let list = match errors {
            [only] => only.to_string(),
            many => format!("[{}]", many.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        };
        let message = format!("{} \"{}\" is invalid: {list}", subject.qualified(), subject.name);
        let mut failure = Self::new(Reason::Invalid, message).about(subject);
        failure.0.causes = errors
            .iter()
            .map(|error| json!({"reason": error.kind.reason(), "message": error.body(), "field": error.path}))
            .collect();
        failure
    }

    pub(crate) fn forbidden(subject: Subject, why: &str) -> Self {
        let message = format!("{} \"{}\" is forbidden: {why}", subject.qualified(), subject.name);
        Self::new(Reason::Forbidden, message).about(subject)
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(Reason::MethodNotAllowed, "the server does not allow this method on the requested resource")
    }

    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(Reason::Expired, message)
    }

    /// Something of ours broke; the log has the details, the client gets `message`.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(Reason::InternalError, message)
    }

    pub(crate) fn about(mut self, subject: Subject) -> Self {
        self.0.subject = Some(subject);
        self
    }

    /// Adds a StatusCause, which some clients look for by its reason.
    pub(crate) fn caused_by(mut self, cause: Value) -> Self {
        self.0.causes.push(cause);
        self
    }

    pub(crate) fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after_seconds = Some(seconds);
        self
    }

    pub(crate) fn with_continue(mut self, token: String) -> Self {
        self.0.continue_token = Some(token);
        self
    }

    pub(crate) fn code(&self) -> StatusCode {
        self.0.reason.code()
    }

    #[cfg(test)]
    pub(crate) fn reason(&self) -> Reason {
        self.0.reason
    }

    pub(crate) fn retry_after_seconds(&self) -> Option<u32> {
        self.0.retry_after_seconds
    }

    /// The Status object.
    pub(crate) fn to_status(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.0.message,
            "reason": self.0.reason.as_str(),
            "code": self.code().as_u16(),
        });
        if let Some(token) = &self.0.continue_token {
            status["metadata"]["continue"] = token.as_str().into();
        }
        let mut details = serde_json::Map::new();
        if let Some(subject) = &self.0.subject {
            for (field, text) in [("name", &subject.name), ("group", &subject.group), ("kind", &subject.kind)] {
                if !text.is_empty() {
                    details.insert(field.to_owned(), text.as_str().into());
                }
            }
        }
        if !self.0.causes.is_empty() {
            details.insert("causes".to_owned(), self.0.causes.clone().into());
        }
        if let Some(seconds) = self.0.retry_after_seconds {
            details.insert("retryAfterSeconds".to_owned(), seconds.into());
        }
        if !details.is_empty() {
            status["details"] = details.into();
        }
        status
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

/// What a deletion without an object in the answer says.
pub(crate) fn success(subject: &Subject, uid: &str) -> Value {
    let mut details = json!({"name": subject.name, "kind": subject.kind, "uid": uid});
    if !subject.group.is_empty() {
        details["group"] = subject.group.as_str().into();
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}
