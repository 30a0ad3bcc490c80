//! Log set-up, and the names that log fields share across crates.
//!
//! Logs go to standard error: structured JSON, one object a line, when it is no terminal; human text when it is.

use std::fmt::{self, Display};
use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// The environment variable that sets the level: `error`, `warn`, `info`, `debug`, `trace`, or filter directives such as
/// `info,apiserver=debug`.
pub const LEVEL_VARIABLE: &str = "LOG_LEVEL";

/// Why logging could not be set up.
#[derive(Debug)]
pub struct Error {
    message: String,
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// Sets up the process-wide log, once, at the level of [`LEVEL_VARIABLE`] or else `default_level`.
///
/// # Errors
/// When the variable holds no valid filter, or a log is set up already.
pub fn init(default_level: &str) -> Result<(), Error> {
    let directives = std::env::var(LEVEL_VARIABLE).unwrap_or_else(|_| default_level.to_owned());
    let filter = EnvFilter::try_new(&directives).map_err(|error| Error {
        message: format!("{LEVEL_VARIABLE}={directives}: {error}; use error, warn, info, debug or trace"),
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let result = if std::io::stderr().is_terminal() {
        builder.with_target(false).try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
    };
    result.map_err(|error| Error { message: error.to_string() })
}
