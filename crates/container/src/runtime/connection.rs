//! The server's end of a connection to a shim.
//!
//! Knows messages, not what they mean. Start reading at [`Connection`].

use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::layout::socket_address;
use crate::spec::ContainerId;
use crate::wire::{Event, Lines, Request, encode};

/// How long a shim may take to answer a request. It does nothing that takes long, but the disk it writes to may.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to a shim.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: UnixStream,
    lines: Lines,
}

impl Connection {
    /// Connects to the shim of a container through the directory of the sockets; none if nobody listens there.
    pub(crate) async fn open(sockets: &File, id: &ContainerId) -> io::Result<Option<Self>> {
        match UnixStream::connect(socket_address(sockets.as_raw_fd(), id)).await {
            Ok(stream) => Ok(Some(Self::new(stream))),
            // A shim that was killed leaves its socket, and resets who was about to be accepted.
            Err(error) if error.kind() == io::ErrorKind::NotFound || is_cut(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A connection and its other end, for a shim that is about to be forked.
    pub(crate) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        Ok((Self::new(UnixStream::from_std(ours)?), theirs.into()))
    }

    fn new(stream: UnixStream) -> Self {
        Self { stream, lines: Lines::default() }
    }

    /// The next event; none when the shim has closed the connection. May be cancelled and called again.
    pub(crate) async fn event(&mut self) -> io::Result<Option<Event>> {
        loop {
            if let Some(event) = self.lines.take(PhantomData)? {
                return Ok(Some(event));
            }
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece).await {
                Ok(0) => return Ok(None),
                Ok(count) => self.lines.push(&piece[..count])?,
                // A shim that was killed before it read everything resets the connection.
                Err(error) if is_cut(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks the shim for something and waits until it is done. The error is `UnexpectedEof` if the shim is gone.
    pub(crate) async fn request(&mut self, request: &Request) -> io::Result<()> {
        let exchange = async {
            self.stream.write_all(&encode(request)?).await?;
            loop {
                match self.event().await? {
                    Some(Event::Done) => return Ok(()),
                    Some(Event::Refused { errno }) => return Err(io::Error::from_raw_os_error(errno)),
                    // The status may change at any time.
                    Some(Event::Status(_) | Event::StartFailed(_)) => {}
                    None => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                }
            }
        };
        match tokio::time::timeout(ANSWER_TIMEOUT, exchange).await {
            Ok(Err(error)) if is_cut(&error) => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            Ok(result) => result,
            Err(_elapsed) => Err(io::Error::from(io::ErrorKind::TimedOut)),
        }
    }
}

/// Whether an error means that nobody is at the other end (any more).
fn is_cut(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), BrokenPipe | ConnectionRefused | ConnectionReset)
}
