use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use jiff::Timestamp;

use super::{Files, write};
use crate::volume::File;

fn files(entries: &[(&str, &str)]) -> Files {
    let file = |text: &str| File { bytes: text.as_bytes().to_vec(), mode: 0o640 };
    entries.iter().map(|(path, text)| ((*path).into(), file(text))).collect()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn files_are_seen_through_one_link() {
    let volume = tempfile::tempdir().unwrap();
    write(volume.path(), &files(&[("a", "1"), ("deep/b", "2")]), None, at(1)).unwrap();
    assert_eq!(text(&volume.path().join("a")), "1");
    assert_eq!(text(&volume.path().join("deep/b")), "2");
    assert_eq!(fs::read_link(volume.path().join("a")).unwrap(), Path::new("..data/a"));
    assert_eq!(fs::read_link(volume.path().join("deep")).unwrap(), Path::new("..data/deep"));
    assert_eq!(fs::metadata(volume.path().join("a")).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn a_change_takes_the_place_of_everything() {
    let volume = tempfile::tempdir().unwrap();
    write(volume.path(), &files(&[("a", "1"), ("old", "x")]), None, at(1)).unwrap();
    write(volume.path(), &files(&[("a", "2"), ("new", "y")]), None, at(2)).unwrap();
    let set = fs::read_link(volume.path().join("..data")).unwrap().to_str().unwrap().to_owned();
    assert_eq!(names(volume.path()), [set.as_str(), "..data", "a", "new"]);
    assert_eq!(text(&volume.path().join("a")), "2");
}

#[test]
fn a_reader_of_the_old_files_keeps_them_until_it_looks_again() {
    let volume = tempfile::tempdir().unwrap();
    write(volume.path(), &files(&[("a", "1")]), None, at(1)).unwrap();
    let open = fs::File::open(volume.path().join("a")).unwrap();
    write(volume.path(), &files(&[("a", "2")]), None, at(2)).unwrap();
    assert_eq!(std::io::read_to_string(open).unwrap(), "1");
}

#[test]
fn the_same_files_are_not_written_again() {
    let volume = tempfile::tempdir().unwrap();
    let same = files(&[("a", "1")]);
    write(volume.path(), &same, None, at(1)).unwrap();
    let before = fs::read_link(volume.path().join("..data")).unwrap();
    write(volume.path(), &same, None, at(2)).unwrap();
    assert_eq!(fs::read_link(volume.path().join("..data")).unwrap(), before);
    // One file less is a change, although the others are the same.
    write(volume.path(), &files(&[]), None, at(3)).unwrap();
    assert_ne!(fs::read_link(volume.path().join("..data")).unwrap(), before);
}

#[test]
fn what_an_interrupted_change_left_is_in_nobodys_way() {
    let volume = tempfile::tempdir().unwrap();
    write(volume.path(), &files(&[("a", "1")]), None, at(1)).unwrap();
    // Between the making of the next link and its renaming.
    let next = format!("..{}", at(2).strftime("%Y_%m_%d_%H_%M_%S.%N"));
    fs::create_dir(volume.path().join(&next)).unwrap();
    fs::write(volume.path().join(&next).join("half"), "").unwrap();
    std::os::unix::fs::symlink(&next, volume.path().join("..data_tmp")).unwrap();
    assert_eq!(text(&volume.path().join("a")), "1");
    write(volume.path(), &files(&[("a", "2")]), None, at(2)).unwrap();
    assert_eq!(names(volume.path()), [next.as_str(), "..data", "a"]);
    assert_eq!(names(&volume.path().join(&next)), ["a"]);
}

#[test]
fn the_group_of_the_pod_may_read() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root may give files away");
        return;
    }
    let volume = tempfile::tempdir().unwrap();
    let private = Files::from([("a".into(), File { bytes: vec![], mode: 0o400 })]);
    write(volume.path(), &private, Some(4000), at(1)).unwrap();
    let found = fs::metadata(volume.path().join("a")).unwrap();
    assert_eq!((found.permissions().mode() & 0o777, found.gid()), (0o440, 4000));
}
