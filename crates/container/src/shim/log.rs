//! The log of a container: output lines with time and stream, in files of limited size.
//!
//! The format is that of the Kubernetes container runtime interface: `2016-10-06T00:17:09.669794202Z stdout F line`, with
//! `P` in place of `F` for a piece of a line that goes on. Nothing here reads streams or looks at a clock. Start reading
//! at [`Output`] and [`LogFile`].

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::spec::LogOptions;

/// Longest piece of a line in bytes, as other runtimes cut: readers rely on lines that fit a buffer.
const MAX_PIECE: usize = 16 * 1024;

/// One output stream on its way into the log.
#[derive(Debug)]
pub(crate) struct Output {
    name: &'static str,
    /// Begun line, shorter than [`MAX_PIECE`].
    begun: Vec<u8>,
}

/// Complete entries that were read at one moment.
#[derive(Debug)]
pub(crate) struct Batch {
    now: Timestamp,
    text: Vec<u8>,
}

impl Batch {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { now, text: Vec::new() }
    }
}

#[derive(Debug, Clone, Copy)]
enum Tag {
    Full,
    Partial,
}

impl Output {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, begun: Vec::new() }
    }

    /// Adds to `batch` what has become complete with `chunk`.
    pub(crate) fn push(&mut self, mut chunk: &[u8], batch: &mut Batch) {
        while !chunk.is_empty() {
            let room = &chunk[..chunk.len().min(MAX_PIECE - self.begun.len())];
            if let Some(end) = room.iter().position(|byte| *byte == b'\n') {
                self.entry(&room[..end], Tag::Full, batch);
                chunk = &chunk[end + 1..];
            } else if self.begun.len() + room.len() == MAX_PIECE {
                self.entry(room, Tag::Partial, batch);
                chunk = &chunk[room.len()..];
            } else {
                self.begun.extend_from_slice(room);
                chunk = &[];
            }
        }
    }

    /// Adds what is left when the stream has ended: a line that was never finished.
    pub(crate) fn finish(&mut self, batch: &mut Batch) {
        if !self.begun.is_empty() {
            self.entry(&[], Tag::Partial, batch);
        }
    }

    fn entry(&mut self, rest: &[u8], tag: Tag, batch: &mut Batch) {
        let tag = match tag {
            Tag::Full => "F",
            Tag::Partial => "P",
        };
        batch.text.extend_from_slice(format!("{:.9} {} {tag} ", batch.now, self.name).as_bytes());
        batch.text.append(&mut self.begun);
        batch.text.extend_from_slice(rest);
        batch.text.push(b'\n');
    }
}

/// The file that is being written, with its older parts beside it.
#[derive(Debug)]
pub(crate) struct LogFile {
    options: LogOptions,
    file: File,
    size: u64,
    /// Bytes of entries that could not be written, because the disk was full for instance.
    lost: u64,
}

impl LogFile {
    /// Opens the log to append. An entry that was cut off, by the end of the machine for instance, is ended first.
    pub(crate) fn open(options: LogOptions) -> io::Result<Self> {
        let mut file = open_log(&options.path)?;
        let mut size = file.metadata()?.len();
        if size > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
                size += 1;
            }
        }
        Ok(Self { options, file, size, lost: 0 })
    }

    /// Appends complete entries. A failure does not stop the container: what cannot be written is counted, and the count
    /// is logged as soon as something can be written again.
    pub(crate) fn append(&mut self, batch: &Batch) {
        let entries = &batch.text;
        if entries.is_empty() {
            return;
        }
        let result = if self.lost == 0 {
            self.write(entries)
        } else {
            let note = format!("{:.9} stderr F [{} bytes of output could not be logged]\n", batch.now, self.lost);
            self.write(&[note.as_bytes(), entries].concat())
        };
        match result {
            Ok(()) => self.lost = 0,
            Err(_) => self.lost += entries.len() as u64,
        }
    }

    /// Writes all or nothing.
    fn write(&mut self, entries: &[u8]) -> io::Result<()> {
        if self.size >= self.options.max_size {
            self.rotate()?;
        }
        if let Err(error) = self.file.write_all(entries) {
            self.file.set_len(self.size)?;
            return Err(error);
        }
        self.size += entries.len() as u64;
        Ok(())
    }

    /// Moves each part one number up, which drops the oldest, and begins a new file.
    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.options.max_files).rev() {
            match fs::rename(self.part(number - 1), self.part(number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.file = open_log(&self.options.path)?;
        if self.options.max_files == 1 {
            // Nothing was moved; it begins anew.
            self.file.set_len(0)?;
        }
        self.size = self.file.metadata()?.len();
        Ok(())
    }

    fn part(&self, number: u32) -> PathBuf {
        let mut path = self.options.path.clone().into_os_string();
        if number > 0 {
            path.push(format!(".{number}"));
        }
        PathBuf::from(path)
    }
}

/// Readable for the owner's group only, as other runtimes keep it: output may hold secrets.
fn open_log(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).read(true).mode(0o640).open(path)
}

#[cfg(test)]
mod tests;
