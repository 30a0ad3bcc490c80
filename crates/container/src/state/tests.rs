//! The state file.

use std::fs;

use jiff::Timestamp;

use super::{Exit, ExitStatus, Record, Status};
use crate::process::Identity;

fn record() -> Record {
    Record {
        boot_id: "b".to_owned(),
        status: Status::Exited {
            init: Identity { pid: 7, start_time: 8 },
            started_at: Timestamp::UNIX_EPOCH,
            exit: Exit { status: ExitStatus::Signal(9), at: Timestamp::UNIX_EPOCH, oom_killed: true },
        },
        notes: vec![],
    }
}

#[test]
fn a_record_is_read_as_it_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    assert_eq!(Record::load(&path).unwrap(), None);
    record().save(&path).unwrap();
    assert_eq!(Record::load(&path).unwrap(), Some(record()));
}

#[test]
fn an_unfinished_write_leaves_the_old_record() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    record().save(&path).unwrap();
    fs::write(path.with_extension("tmp"), "{\"boot").unwrap();
    assert_eq!(Record::load(&path).unwrap(), Some(record()));
}

#[test]
fn a_field_that_is_not_known_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    fs::write(&path, r#"{"bootId":"b","status":{"phase":"created"},"notes":[],"later":1}"#).unwrap();
    assert_eq!(Record::load(&path).unwrap_err().kind(), std::io::ErrorKind::InvalidData);
}

#[test]
fn exit_codes_are_those_that_kubernetes_shows() {
    assert_eq!(ExitStatus::Code(3).code(), 3);
    assert_eq!(ExitStatus::Signal(15).code(), 143);
    assert_eq!(ExitStatus::Unknown { reason: String::new() }.code(), 255);
}
