//! What the server, the zygote and the shims say to one another, and how it travels: one JSON value a line.
//!
//! The blocking half of the transport is here; the server's asynchronous half is in `runtime::connection`. Start reading
//! at [`Order`], [`Request`] and [`Event`].

use std::io::{self, Read, Write};
use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::StartError;
use crate::layout::Layout;
use crate::spec::ContainerId;
use crate::state::Status;

/// Longest message in bytes. The largest one is a failure with a path of up to 4096 bytes, escaped.
pub(crate) const MAX_MESSAGE: usize = 64 * 1024;

/// What the server asks the zygote for: a shim. A connection to the server travels with it as a descriptor.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Order {
    pub layout: Layout,
    pub id: ContainerId,
    pub task: Task,
}

/// What a shim begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Task {
    /// Start the container.
    Launch,
    /// Take over a running container whose shim is gone.
    Attach,
}

/// What the server asks a shim for. Each request is answered by one [`Event::Done`] or [`Event::Refused`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) enum Request {
    /// Send a signal.
    Signal { number: i32, target: Target },
    /// The exit is known to whom it concerns: end. Refused while the container runs.
    Release,
}

/// Which processes of a container get a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// The first process. The kernel drops signals that it neither handles nor cannot refuse: pid_namespaces(7).
    Init,
    /// Every process.
    All,
}

/// What a shim tells the server. The status comes first on every connection, and again whenever it changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) enum Event {
    Status(Status),
    /// The container did not start, and this shim ends.
    StartFailed(StartError),
    Done,
    Refused {
        errno: i32,
    },
}

pub(crate) fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

/// Writes one message.
pub(crate) fn send(stream: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    stream.write_all(&encode(message)?)
}

/// The messages of a stream that arrives in pieces.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    buffer: Vec<u8>,
}

impl Lines {
    /// Reads until a message is complete; none if the stream ended instead. On a stream that does not block, the error is
    /// `WouldBlock`, and what has arrived is kept.
    pub(crate) fn receive<T: DeserializeOwned>(&mut self, stream: &mut impl Read) -> io::Result<Option<T>> {
        loop {
            if let Some(message) = self.take(PhantomData)? {
                return Ok(Some(message));
            }
            let mut piece = [0; 4096];
            match stream.read(&mut piece) {
                Ok(0) => return Ok(None),
                Ok(count) => self.push(&piece[..count])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) fn push(&mut self, piece: &[u8]) -> io::Result<()> {
        if self.buffer.len() + piece.len() > MAX_MESSAGE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "message is too long"));
        }
        self.buffer.extend_from_slice(piece);
        Ok(())
    }

    /// The next complete message, if there is one.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, _kind: PhantomData<T>) -> io::Result<Option<T>> {
        let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
        let message = serde_json::from_slice(&self.buffer[..end]);
        self.buffer.drain(..=end);
        Ok(Some(message?))
    }
}

#[cfg(test)]
mod tests;
