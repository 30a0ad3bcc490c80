//! Log entries, and the files they end up in.

use std::fs;
use std::path::Path;

use jiff::Timestamp;

use super::{Batch, LogFile, MAX_PIECE, Output};
use crate::spec::LogOptions;

fn entries(chunks: &[&[u8]]) -> String {
    let mut output = Output::new("stdout");
    let mut batch = Batch::new(Timestamp::UNIX_EPOCH);
    for chunk in chunks {
        output.push(chunk, &mut batch);
    }
    output.finish(&mut batch);
    String::from_utf8(batch.text).unwrap()
}

fn batch(text: &str) -> Batch {
    Batch { now: Timestamp::UNIX_EPOCH, text: text.as_bytes().to_vec() }
}

#[test]
fn a_line_is_one_entry_however_it_arrives() {
    let expected = "1970-01-01T00:00:00.000000000Z stdout F hello\n";
    assert_eq!(entries(&[b"hello\n"]), expected);
    assert_eq!(entries(&[b"he", b"", b"llo", b"\n"]), expected);
}

#[test]
fn empty_lines_are_kept() {
    assert_eq!(entries(&[b"\n\n"]).matches(" stdout F \n").count(), 2);
}

#[test]
fn a_line_without_end_is_partial() {
    assert_eq!(entries(&[b"prompt> "]), "1970-01-01T00:00:00.000000000Z stdout P prompt> \n");
}

#[test]
fn a_long_line_is_cut_into_partial_pieces() {
    let line = [vec![b'x'; MAX_PIECE + 1], vec![b'\n']].concat();
    let text = entries(&[&line]);
    let pieces: Vec<&str> = text.lines().collect();
    assert_eq!(pieces.len(), 2);
    assert!(pieces[0].contains(" P x") && pieces[0].ends_with('x'));
    assert!(pieces[1].ends_with(" F x"));
}

fn options(directory: &Path, max_size: u64, max_files: u32) -> LogOptions {
    LogOptions { path: directory.join("0.log"), max_size, max_files }
}

#[test]
fn files_are_rotated_at_their_size_and_the_oldest_goes() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = LogFile::open(options(directory.path(), 4, 3)).unwrap();
    for entry in ["one\n", "two\n", "three\n", "four\n"] {
        log.append(&batch(entry));
    }
    let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
    assert_eq!([read("0.log"), read("0.log.1"), read("0.log.2")], ["four\n", "three\n", "two\n"]);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3);
}

#[test]
fn a_single_file_begins_anew() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = LogFile::open(options(directory.path(), 4, 1)).unwrap();
    for entry in ["one\n", "two\n"] {
        log.append(&batch(entry));
    }
    assert_eq!(fs::read_to_string(directory.path().join("0.log")).unwrap(), "two\n");
}

#[test]
fn a_cut_entry_is_ended_before_the_next() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("0.log"), "cut").unwrap();
    let mut log = LogFile::open(options(directory.path(), 100, 1)).unwrap();
    log.append(&batch("next\n"));
    assert_eq!(fs::read_to_string(directory.path().join("0.log")).unwrap(), "cut\nnext\n");
}

#[test]
fn output_that_cannot_be_written_is_counted_and_told_later() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = LogFile::open(options(directory.path(), 4, 2)).unwrap();
    log.append(&batch("one\n"));
    // A directory in the way of the older part makes rotation fail.
    let obstacle = directory.path().join("0.log.1");
    fs::create_dir_all(obstacle.join("x")).unwrap();
    log.append(&batch("lost\n"));
    fs::remove_dir_all(&obstacle).unwrap();
    log.append(&batch("two\n"));
    let text = fs::read_to_string(directory.path().join("0.log")).unwrap();
    assert_eq!(text, "1970-01-01T00:00:00.000000000Z stderr F [5 bytes of output could not be logged]\ntwo\n");
}
