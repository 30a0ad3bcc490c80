//! Other programs: run to their end, within a time limit.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Output, Stdio};

/// No client needs longer for one call; the limit ends a test that would hang.
const LIMIT_SECONDS: &str = "30";

/// What a program that has ended left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    fn of(output: &Output) -> Self {
        Self {
            // A program that a signal ended has no code; no program returns this one.
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// What it printed, provided that it succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "failed unexpectedly\nstdout: {}\nstderr: {}", self.stdout, self.stderr);
        self.stdout
    }

    /// What it complained about, provided that it failed.
    #[track_caller]
    pub(crate) fn fails(self) -> String {
        assert_ne!(self.code, 0, "succeeded unexpectedly\nstdout: {}\nstderr: {}", self.stdout, self.stderr);
        self.stderr
    }
}

/// Runs `command` with nothing to read.
#[track_caller]
pub(crate) fn run(command: &Command) -> Ran {
    run_with_input(command, "")
}

/// Runs `command` with `input` to read.
#[track_caller]
pub(crate) fn run_with_input(command: &Command, input: &str) -> Ran {
    let mut limited = limited(command);
    limited.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = limited.spawn().expect("timeout is part of coreutils");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    // A program that does not read all of its input has its reasons, and says them.
    stdin.write_all(input.as_bytes()).ok();
    drop(stdin);
    Ran::of(&child.wait_with_output().expect("a child can be waited for"))
}

/// The same command under a time limit.
fn limited(command: &Command) -> Command {
    let mut limited = Command::new("timeout");
    limited.args(["--kill-after=1", LIMIT_SECONDS]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        limited.env(name, value.unwrap_or(OsStr::new("")));
    }
    if let Some(directory) = command.get_current_dir() {
        limited.current_dir(directory);
    }
    limited
}
