//! A watch: events as they come, each within a deadline.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use serde_json::Value;

use super::wire::Connection;
use super::{Credentials, Request, revision};

/// One line of a watch.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) kind: String,
    pub(crate) object: Value,
}

impl Event {
    pub(crate) fn name(&self) -> &str {
        self.object["metadata"]["name"].as_str().unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn revision(&self) -> u64 {
        revision(&self.object)
    }

    /// What most tests compare: `ADDED alpha`.
    pub(crate) fn shown(&self) -> String {
        format!("{} {}", self.kind, self.name())
    }
}

/// An open watch.
#[derive(Debug)]
pub(crate) struct Watch {
    lines: BufReader<Chunks>,
}

/// A body in chunks as one stream of bytes.
#[derive(Debug)]
struct Chunks {
    connection: Connection,
    piece: Cursor<Vec<u8>>,
    over: bool,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.piece.read(buffer)?;
            if count > 0 || self.over {
                return Ok(count);
            }
            match self.connection.chunk()? {
                Some(piece) => self.piece = Cursor::new(piece),
                None => self.over = true,
            }
        }
    }
}

impl Watch {
    /// Opens a watch; `path` carries all parameters but `watch`.
    #[track_caller]
    pub(super) fn open(credentials: &Credentials, path: &str, accept: &str) -> Self {
        let mut connection = Connection::open(credentials);
        let separator = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{separator}watch=true");
        connection
            .send(&Request::new("GET", &path).header("Accept", accept))
            .expect("a new connection takes a request");
        let head = connection.head().expect("a watch is answered at once");
        assert_eq!(head.status, 200, "{path} is refused");
        Self { lines: BufReader::new(Chunks { connection, piece: Cursor::default(), over: false }) }
    }

    /// The next event.
    #[track_caller]
    pub(crate) fn event(&mut self) -> Event {
        match self.next() {
            Ok(Some(event)) => event,
            Ok(None) => panic!("the watch ended"),
            Err(error) => panic!("no event came: {error}"),
        }
    }

    /// The next event; none when the watch has ended as it should.
    ///
    /// # Errors
    /// When the connection broke, or nothing came in time.
    pub(crate) fn next(&mut self) -> io::Result<Option<Event>> {
        let mut line = Vec::new();
        if self.lines.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let mut event: Value = serde_json::from_slice(&line)?;
        let kind = event["type"].as_str().unwrap_or_default().to_owned();
        Ok(Some(Event { kind, object: event["object"].take() }))
    }

    /// All that is left of a watch that ends by itself.
    #[track_caller]
    pub(crate) fn rest(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().expect("the watch ends as it should") {
            events.push(event);
        }
        events
    }
}
