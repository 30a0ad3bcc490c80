//! The layout, byte for byte, and what is refused.

use proptest::prelude::*;

use super::{Record, RecordError};
use crate::EventKind;
use crate::tests::revision;

const GOLDEN: &[u8] = b"\x01\x02\x03\x01\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x06\0\x01\0thingsa{}";

fn golden() -> Record<'static> {
    Record {
        kind: EventKind::Updated,
        previous: Some(revision(259)),
        created: revision(2),
        collection: "things",
        name: "a",
        value: b"{}",
    }
}

fn bytes(record: &Record<'_>) -> Vec<u8> {
    let mut bytes = vec![0; record.len()];
    record.write(&mut bytes);
    bytes
}

/// The golden record with one byte changed.
fn check_refused(offset: usize, byte: u8, expected: &RecordError) {
    let mut bytes = GOLDEN.to_vec();
    bytes[offset] = byte;
    assert_eq!(Record::parse(&bytes).as_ref(), Err(expected));
}

#[test]
fn the_layout_stays_as_documented() {
    assert_eq!(bytes(&golden()), GOLDEN);
    assert_eq!(Record::parse(GOLDEN), Ok(golden()));
}

#[test]
fn damaged_records_are_refused() {
    for length in 0..GOLDEN.len() - golden().value.len() {
        assert_eq!(Record::parse(&GOLDEN[..length]), Err(RecordError::Truncated), "{length} bytes");
    }
    check_refused(0, 2, &RecordError::Version { found: 2 });
    check_refused(1, 0, &RecordError::Kind { found: 0 });
    check_refused(10, 0, &RecordError::NoCreation);
    check_refused(19, 1, &RecordError::Truncated);
    check_refused(22, 0xff, &RecordError::Key);
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        previous in any::<u64>(), created in 1_u64.., collection in ".{0,20}", name in ".{0,20}", value: Vec<u8>,
    ) {
        for kind in [EventKind::Created, EventKind::Updated, EventKind::Deleted] {
            let previous = crate::Revision::new(previous);
            let record = Record {
                kind, previous, created: revision(created), collection: &collection, name: &name, value: &value,
            };
            let bytes = bytes(&record);
            prop_assert_eq!(Record::parse(&bytes), Ok(record));
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes: Vec<u8>) {
        let parsed = Record::parse(&bytes);
        prop_assert!(parsed.is_err() || parsed.is_ok_and(|record| record.len() == bytes.len()));
    }
}
