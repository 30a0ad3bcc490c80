//! A state file is whole or not used.

use flow::{Snapshot, wire};

use super::{LoadError, load, save};

fn snapshot(version: &str) -> Snapshot {
    Snapshot::try_from(wire::Snapshot { version: version.into(), ..wire::Snapshot::default() }).unwrap()
}

#[test]
fn no_file_is_no_snapshot() {
    let directory = tempfile::tempdir().unwrap();
    assert!(load(&directory.path().join("none")).unwrap().is_none());
}

#[test]
fn damage_anywhere_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state");
    save(&path, &snapshot("version-1")).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for index in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[index] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        assert!(matches!(load(&path), Err(LoadError::Damaged)), "byte {index}");
        std::fs::write(&path, &whole[..index]).unwrap();
        assert!(matches!(load(&path), Err(LoadError::Damaged)), "cut at {index}");
    }
}

#[test]
fn the_last_saved_is_loaded() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state");
    for version in ["1", "2"] {
        save(&path, &snapshot(version)).unwrap();
        assert_eq!(load(&path).unwrap(), Some(snapshot(version)));
    }
    assert!(save(&directory.path().join("none/state"), &snapshot("3")).is_err());
}
