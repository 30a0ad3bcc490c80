//! Limits and order of keys.

use super::{Key, KeyError, MAX_PART_BYTES};

#[test]
fn empty_and_overlong_parts_are_refused() {
    assert_eq!(Key::new("", "a"), Err(KeyError::Empty { part: "collection" }));
    assert_eq!(Key::new("a", ""), Err(KeyError::Empty { part: "name" }));
    let long = "x".repeat(MAX_PART_BYTES + 1);
    let refused = KeyError::TooLong { part: "name", bytes: MAX_PART_BYTES + 1, limit: MAX_PART_BYTES };
    assert_eq!(Key::new("a", long.as_str()), Err(refused));
    assert!(Key::new("a", &long[1..]).is_ok());
}

#[test]
fn a_key_reads_as_collection_and_name() {
    let key = Key::new("core/configmaps", "default/app").unwrap();
    assert_eq!((key.collection(), key.name()), ("core/configmaps", "default/app"));
    assert_eq!(key.to_string(), "core/configmaps/default/app");
}
