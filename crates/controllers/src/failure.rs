//! Failed requests, as the workload controllers judge and tell them.
//!
//! Pure. Start reading at [`is_refusal`].

use client::Error;

/// Whether the server says that it did not do what it was asked for, as opposed to not saying whether it did.
pub(crate) fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::Refused { code, .. } if *code < 500)
}

/// Whether nothing can be created because the namespace is being deleted. Then nothing needs to be.
pub(crate) fn is_namespace_going(error: &Error) -> bool {
    matches!(error, Error::Refused { message, .. } if message.contains("because it is being terminated"))
}

/// The failure in words for users: the server's own, where it has said any.
pub(crate) fn message(error: &Error) -> String {
    match error {
        Error::Refused { message, .. } => message.clone(),
        Error::Transport(_) => stdx::error_chain(error).to_string(),
    }
}
