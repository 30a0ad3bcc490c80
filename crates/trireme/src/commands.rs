//! What a person can ask of the binary, one file a verb.

pub(crate) mod server;

/// A command that did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The whole story: what failed, where, what to do.
    pub(crate) error: anyhow::Error,
    /// The exit code.
    pub(crate) code: u8,
}

impl Failure {
    /// The command line or the machine is not fit for the command: nothing was begun.
    pub(crate) fn usage(error: anyhow::Error) -> Self {
        Self { error, code: 2 }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { error, code: 1 }
    }
}
