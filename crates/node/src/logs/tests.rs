use std::fs;

use super::entry::{Filter, Stream};
use super::{Options, last_lines};

const LOG: &str = "2026-01-01T00:00:01.000000000Z stdout F one\n\
                   2026-01-01T00:00:02.000000000Z stderr F two\n\
                   2026-01-01T00:00:03.000000000Z stdout P thr\n\
                   2026-01-01T00:00:04.000000000Z stdout F ee\n\
                   2026-01-01T00:00:05.000000000Z stdout F \n";

fn check(mut filter: Filter, expected: &str) {
    let mut text = Vec::new();
    for line in LOG.as_bytes().split_inclusive(|byte| *byte == b'\n') {
        filter.push(line, &mut text);
    }
    assert_eq!(String::from_utf8(text).unwrap(), expected);
}

#[test]
fn entries_become_what_was_written() {
    check(Filter::default(), "one\ntwo\nthree\n\n");
}

#[test]
fn a_stream_is_told_alone() {
    check(Filter { stream: Some(Stream::Stderr), ..Filter::default() }, "two\n");
    check(Filter { stream: Some(Stream::Stdout), ..Filter::default() }, "one\nthree\n\n");
}

#[test]
fn entries_before_a_moment_are_left_out() {
    let since = Some("2026-01-01T00:00:03Z".parse().unwrap());
    check(Filter { since, ..Filter::default() }, "three\n\n");
}

#[test]
fn times_are_told_before_entries() {
    let since = Some("2026-01-01T00:00:04Z".parse().unwrap());
    let expected = "2026-01-01T00:00:04.000000000Z ee\n2026-01-01T00:00:05.000000000Z \n";
    check(Filter { since, timestamps: true, ..Filter::default() }, expected);
}

#[test]
fn a_limit_cuts_in_mid_line() {
    check(Filter { limit: Some(6), ..Filter::default() }, "one\ntw");
    check(Filter { limit: Some(0), ..Filter::default() }, "");
}

#[test]
fn what_is_no_entry_is_left_out() {
    let mut text = Vec::new();
    for line in ["", "\n", "time\n", "time stdin F x\n", "time stdout F\n"] {
        Filter::default().push(line.as_bytes(), &mut text);
    }
    assert_eq!(text, b"");
}

#[test]
fn options_that_are_none_are_refused() {
    for query in ["tailLines=-1", "limitBytes=x", "sinceTime=yesterday", "stream=Both", "colour=red"] {
        assert!(Options::parse(query).is_err(), "{query}");
    }
    assert!(Options::parse("follow=true&tailLines=3&stream=All").is_ok());
}

#[test]
fn last_lines_are_few_and_short() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    assert_eq!(last_lines(&path).unwrap(), "");
    let many: String = (0..100).map(|number| format!("2026-01-01T00:00:01Z stdout F {number}\n")).collect();
    fs::write(&path, many).unwrap();
    let lines = last_lines(&path).unwrap();
    assert_eq!((lines.lines().next(), lines.lines().count()), (Some("20"), 80));
    fs::write(&path, format!("2026-01-01T00:00:01Z stdout F {}\n", "x".repeat(5000))).unwrap();
    assert_eq!(last_lines(&path).unwrap().len(), 2048);
}
