//! A program that goes on printing, read line by line with a deadline.
//!
//! Its output is one end of a socket pair and not a pipe, because a socket has a read timeout.

use std::io::{BufRead, BufReader, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use super::PATIENCE;

/// A running program. It ends with this value, and with the test process if that is killed.
#[derive(Debug)]
pub(crate) struct Stream {
    child: Child,
    lines: BufReader<UnixStream>,
}

impl Stream {
    pub(crate) fn start(command: &Command) -> Self {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair needs nothing");
        ours.set_read_timeout(Some(PATIENCE)).expect("the timeout is not zero");
        let mut bound = Command::new("setpriv");
        bound.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                bound.env(name, value);
            }
        }
        bound.stdin(Stdio::null()).stdout(OwnedFd::from(theirs)).stderr(Stdio::null());
        let child = bound.spawn().expect("setpriv is part of util-linux");
        Self { child, lines: BufReader::new(ours) }
    }

    /// The next line, without its end.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(0) => panic!("the program ended"),
            Ok(_) => line.trim_end().to_owned(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("nothing came within {PATIENCE:?}"),
            Err(error) => panic!("cannot read: {error}"),
        }
    }

    /// Waits for the program to end by itself, and returns its exit code.
    #[track_caller]
    pub(crate) fn exit_code(mut self) -> Option<i32> {
        super::eventually("the program ends", || self.child.try_wait().expect("a child can be asked")).code()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
