//! The last step inside the container: finding the command and executing it.
//!
//! libcontainer calls this as the container's first process, after everything else has been set up and privileges have
//! been dropped. What goes wrong here is told through a pipe that the kernel closes when the command runs. Start reading
//! at [`Command`].

use std::collections::HashMap;
use std::ffi::CString;
use std::fs;
use std::io::{self, PipeWriter, Write};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::Arc;

use libcontainer::oci_spec::runtime::Spec;
use libcontainer::workload::{Executor, ExecutorError, ExecutorSetEnvsError, ExecutorValidationError};
use rustix::fs::{Access, CWD, accessat};

use crate::error::StartError;

/// The command of a container.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub args: Vec<String>,
    pub environment: Vec<(String, String)>,
    /// Where a failure is told, as JSON of a [`StartError`].
    pub report: Arc<PipeWriter>,
}

impl Executor for Command {
    fn validate(&self, _spec: &Spec) -> Result<(), ExecutorValidationError> {
        match self.find() {
            Ok(_) => Ok(()),
            Err(error) => {
                self.tell(&error);
                Err(ExecutorValidationError::ArgValidationError(error.to_string()))
            }
        }
    }

    /// The environment is handed to the kernel with the command; our own is not touched.
    fn setup_envs(&self, _envs: HashMap<String, String>) -> Result<(), ExecutorSetEnvsError> {
        Ok(())
    }

    fn exec(&self, _spec: &Spec) -> Result<(), ExecutorError> {
        let error = match self.find() {
            Ok(path) => {
                let cause = self.execute(&path).to_string();
                StartError::CommandNotExecutable { path: path.display().to_string(), cause }
            }
            Err(error) => error,
        };
        self.tell(&error);
        Err(ExecutorError::Other(error.to_string()))
    }
}

impl Command {
    fn tell(&self, error: &StartError) {
        let text = serde_json::to_vec(error).unwrap_or_default();
        // If nobody listens any more, the exit of this process still says that it failed.
        if let Err(error) = (&*self.report).write_all(&text) {
            tracing::debug!(%error, "cannot report");
        }
    }

    /// The path of the command, looked up as execvp(3) does.
    fn find(&self) -> Result<PathBuf, StartError> {
        let command = self.args.first().map(String::as_str).unwrap_or_default();
        let candidates: Vec<PathBuf> = if command.contains('/') {
            vec![PathBuf::from(command)]
        } else {
            let path = self.environment.iter().find(|(name, _)| name == "PATH");
            let path = path.map(|(_, value)| value.as_str()).unwrap_or_default();
            path.split(':').map(|directory| Path::new(directory).join(command)).collect()
        };
        let mut refused = None;
        for candidate in candidates {
            match check_executable(&candidate) {
                Ok(()) => return Ok(candidate),
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                Err(error) => {
                    let path = candidate.display().to_string();
                    refused.get_or_insert(StartError::CommandNotExecutable { path, cause: error.to_string() });
                }
            }
        }
        Err(refused.unwrap_or_else(|| StartError::CommandNotFound { command: command.to_owned() }))
    }

    /// Becomes the command; returns only if that fails.
    fn execute(&self, path: &Path) -> io::Error {
        let text = |text: &str| CString::new(text);
        let prepared = (|| -> Result<_, std::ffi::NulError> {
            let path = CString::new(path.as_os_str().as_encoded_bytes())?;
            let args = self.args.iter().map(|arg| text(arg)).collect::<Result<Vec<_>, _>>()?;
            let variables = self.environment.iter().map(|(name, value)| text(&format!("{name}={value}")));
            Ok((path, args, variables.collect::<Result<Vec<_>, _>>()?))
        })();
        let (path, args, variables) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return error.into(),
        };
        let pointers = |words: &[CString]| -> Vec<*const libc::c_char> {
            words.iter().map(|word| word.as_ptr()).chain([ptr::null()]).collect()
        };
        let (args, variables) = (pointers(&args), pointers(&variables));
        // SAFETY: the Rust runtime ignores SIGPIPE, which would outlive execve; setting the default has no preconditions.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        // SAFETY: a C string and two null-terminated arrays of C strings, all alive during the call.
        unsafe { libc::execve(path.as_ptr(), args.as_ptr(), variables.as_ptr()) };
        io::Error::last_os_error()
    }
}

fn check_executable(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    Ok(accessat(CWD, path, Access::EXEC_OK, rustix::fs::AtFlags::EACCESS)?)
}
