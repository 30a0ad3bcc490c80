//! Reads a log from some point to its end, through its older parts, and on if it is followed.
//!
//! The shim moves `N.log` to `N.log.1` and so on when it grows too long. A reader keeps the file open that it reads, so that a
//! file which is moved away is read to its end, and finds the next one by the place of its own among the parts. Start
//! reading at [`Reader::next`].

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use container::ContainerId;

use super::changes::Changes;
use super::entry::Filter;
use crate::agent::Inner;

/// Bytes read at a time.
const CHUNK: usize = 64 * 1024;
/// Parts that are looked for; there are far fewer.
const MAX_PARTS: u32 = 32;

/// The names of a log and its older parts, newest first.
pub(crate) fn parts(path: &Path) -> impl Iterator<Item = PathBuf> {
    let older = (1..MAX_PARTS).map(|number| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    });
    std::iter::once(path.to_owned()).chain(older)
}

/// A place in a log.
#[derive(Debug)]
pub(crate) struct Reader {
    path: PathBuf,
    filter: Filter,
    file: File,
    /// What has been read of an entry that is not complete.
    begun: Vec<u8>,
    changes: Option<Changes>,
    has_ended: bool,
}

/// The container whose end is the end of the log; none if the log is not followed.
pub(crate) type Follows = Option<(Arc<Inner>, ContainerId)>;

impl Reader {
    /// Opens a log at its oldest entry, or so many entries before its end.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn open(path: PathBuf, filter: Filter, tail: Option<u64>) -> io::Result<Self> {
        let mut files = Vec::new();
        for part in parts(&path) {
            match File::open(part) {
                Ok(file) => files.push(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(error),
            }
        }
        let file = match tail {
            Some(lines) => at_tail(files, lines)?,
            None => files.pop(),
        };
        let file = file.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(Self { path, filter, file, begun: Vec::new(), changes: None, has_ended: false })
    }

    /// The next piece of text; none at the end. May wait for long if the log is followed.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) async fn next(mut self, follows: &mut Follows) -> io::Result<(Option<Bytes>, Self)> {
        loop {
            if self.filter.is_done() {
                return Ok((None, self));
            }
            if follows.is_some() && self.changes.is_none() {
                // Before the first look, so that nothing falls between.
                self.changes = Some(Changes::of(self.path.parent().unwrap_or(Path::new("/")))?);
            }
            let (text, read, reader) = task::blocking(move || self.read()).await?;
            self = reader;
            if !text.is_empty() {
                return Ok((Some(Bytes::from(text)), self));
            }
            if read > 0 {
                continue;
            }
            let (Some((agent, id)), Some(changes)) = (&*follows, &self.changes) else { return Ok((None, self)) };
            if self.has_ended {
                return Ok((None, self));
            }
            tokio::select! {
                changed = changes.next() => changed?,
                // Whatever it says: the container does not write any more. One more look finds its last entries.
                _ = agent.runtime.wait(id) => self.has_ended = true,
            }
        }
    }

    /// Reads on. Returns the text that is wanted, and how many bytes were read: none at the end.
    fn read(mut self) -> io::Result<(Vec<u8>, usize, Self)> {
        let mut chunk = vec![0; CHUNK];
        let mut read = self.file.read(&mut chunk)?;
        if read == 0
            && let Some(next) = self.newer()?
        {
            // The shim may have written between the look and the move.
            read = self.file.read(&mut chunk)?;
            if read == 0 {
                self.file = next;
                read = self.file.read(&mut chunk)?;
            }
        }
        self.begun.extend_from_slice(&chunk[..read]);
        let end = self.begun.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let mut text = Vec::with_capacity(end);
        for line in self.begun[..end].split_inclusive(|byte| *byte == b'\n') {
            if self.filter.is_done() {
                break;
            }
            self.filter.push(line, &mut text);
        }
        self.begun.drain(..end);
        Ok((text, read, self))
    }

    /// The part that follows the one that is open; none if that is the newest.
    fn newer(&self) -> io::Result<Option<File>> {
        let own = self.file.metadata()?.ino();
        let mut newer = None;
        for part in parts(&self.path) {
            match fs::metadata(&part) {
                Ok(found) if found.ino() == own => break,
                Ok(_) => newer = Some(part),
                // If the open part has been removed, the oldest one follows it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(error),
            }
        }
        match newer.map(File::open) {
            None => Ok(None),
            Some(Ok(file)) => Ok(Some(file)),
            // It has been moved meanwhile; the next look finds it.
            Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Some(Err(error)) => Err(error),
        }
    }
}

/// The file, newest first among `files`, in which the last `lines` entries begin, at that place.
fn at_tail(files: Vec<File>, lines: u64) -> io::Result<Option<File>> {
    let mut left = lines;
    let mut last = None;
    for mut file in files {
        let (found, start) = tail_of(&file, left)?;
        file.seek(SeekFrom::Start(start))?;
        last = Some(file);
        left -= found;
        if left == 0 {
            break;
        }
    }
    Ok(last)
}

/// How many of `wanted` last entries are in a file, and where the first of them begins.
fn tail_of(file: &File, wanted: u64) -> io::Result<(u64, u64)> {
    let mut position = file.metadata()?.len();
    if wanted == 0 {
        return Ok((0, position));
    }
    // The end of the last entry begins no further one.
    let (mut ends, mut chunk) = (0, vec![0; CHUNK]);
    while position > 0 {
        let size = usize::try_from(position).unwrap_or(CHUNK).min(CHUNK);
        position -= size as u64;
        file.read_exact_at(&mut chunk[..size], position)?;
        for (index, _) in chunk[..size].iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            if ends == wanted {
                return Ok((wanted, position + index as u64 + 1));
            }
            ends += 1;
        }
    }
    Ok((ends, 0))
}
