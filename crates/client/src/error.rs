//! Why a request to the API failed.

use kube::Error as KubeError;
use thiserror::Error;

/// The result of a request.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request failed. Retry: yes for [`Error::Transport`] and for refusals that [`Error::is_conflict`] names after a
/// fresh read; other refusals stay until someone changes something.
#[derive(Debug, Error)]
pub enum Error {
    /// The server answered with a failure.
    #[error("the API refused the request ({code} {reason}): {message}")]
    Refused {
        /// The HTTP status code.
        code: u16,
        /// The machine-readable reason, as Kubernetes names them (`NotFound`, `Conflict`, …).
        reason: String,
        /// The server's own words.
        message: String,
        /// The object that the refusal is about; empty when it is about none, such as an unknown resource.
        name: String,
    },
    /// There is no answer, or one that cannot be read.
    #[error("the API gave no usable answer")]
    Transport(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// The object, or the whole resource, is not there.
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }

    /// The object is not there, while its resource is served. Only this says that an object does not exist.
    pub fn is_object_not_found(&self) -> bool {
        matches!(self, Self::Refused { code: 404, name, .. } if !name.is_empty())
    }

    /// A precondition did not hold or another writer came first.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { code: 409, reason, .. } if reason != "AlreadyExists")
    }

    /// An object of the name exists.
    pub fn is_already_exists(&self) -> bool {
        matches!(self, Self::Refused { code: 409, reason, .. } if reason == "AlreadyExists")
    }

    /// The request is understood and not allowed.
    pub fn is_forbidden(&self) -> bool {
        self.code() == Some(403)
    }

    /// The resource does not know the verb.
    pub fn is_method_not_allowed(&self) -> bool {
        self.code() == Some(405)
    }

    /// The asked-for revision is no longer kept.
    pub fn is_expired(&self) -> bool {
        self.code() == Some(410)
    }

    fn code(&self) -> Option<u16> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            Self::Transport(_) => None,
        }
    }
}

impl From<KubeError> for Error {
    fn from(error: KubeError) -> Self {
        match error {
            KubeError::Api(status) => (*status).into(),
            other => Self::Transport(Box::new(other)),
        }
    }
}

impl From<kube::core::Status> for Error {
    fn from(status: kube::core::Status) -> Self {
        let name = status.details.map(|details| details.name).unwrap_or_default();
        Self::Refused { code: status.code, reason: status.reason, message: status.message, name }
    }
}
