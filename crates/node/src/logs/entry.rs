//! One entry of a log: `2016-10-06T00:17:09.669794202Z stdout F text`.
//!
//! Pure. The format is that of the container runtime interface (CRI); `P` marks a piece of a line that goes on.

use jiff::Timestamp;

/// What a container writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// Which entries are wanted, and how.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// Entries from this moment on.
    pub since: Option<Timestamp>,
    /// None: both.
    pub stream: Option<Stream>,
    /// Whether each entry is told with its time.
    pub timestamps: bool,
    /// How many more bytes are wanted.
    pub limit: Option<u64>,
}

impl Filter {
    /// Whether nothing more is wanted.
    pub(crate) fn is_done(&self) -> bool {
        self.limit == Some(0)
    }

    /// Adds what is wanted of an entry, a line with its end, to `text`. What is no entry is left out.
    pub(crate) fn push(&mut self, line: &[u8], text: &mut Vec<u8>) {
        let Some(entry) = Entry::parse(line) else { return };
        if self.stream.is_some_and(|stream| stream != entry.stream) {
            return;
        }
        if let Some(since) = self.since {
            let time = std::str::from_utf8(entry.time).ok().and_then(|time| time.parse::<Timestamp>().ok());
            if time.is_none_or(|time| time < since) {
                return;
            }
            // Entries are in the order of their times, so that the rest need not be looked at.
            self.since = None;
        }
        let before = text.len();
        if self.timestamps {
            text.extend_from_slice(entry.time);
            text.push(b' ');
        }
        text.extend_from_slice(entry.text);
        if entry.is_full {
            text.push(b'\n');
        }
        if let Some(limit) = &mut self.limit {
            let allowed = usize::try_from(*limit).unwrap_or(usize::MAX);
            text.truncate(before.saturating_add(allowed).min(text.len()));
            *limit -= (text.len() - before) as u64;
        }
    }
}

struct Entry<'a> {
    time: &'a [u8],
    stream: Stream,
    is_full: bool,
    text: &'a [u8],
}

impl<'a> Entry<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let mut parts = line.splitn(4, |byte| *byte == b' ');
        let (time, stream, tag, text) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let stream = match stream {
            b"stdout" => Stream::Stdout,
            b"stderr" => Stream::Stderr,
            _ => return None,
        };
        // Tags may grow by `:` and more.
        Some(Self { time, stream, is_full: tag.split(|byte| *byte == b':').next() == Some(b"F"), text })
    }
}
