use super::{GENERATED, check, longest};
use crate::tidy::repository::Repository;
use crate::tidy::repository::tests::lines;

#[test]
fn files_at_the_limits_are_accepted() {
    let source = "\n".repeat(800);
    let data = "x".repeat(256 * 1024);
    assert_eq!(check(&Repository::of([("a.rs", &source), ("a.bin", &data)])), []);
}

#[test]
fn files_beyond_the_limits_are_refused() {
    let source = "\n".repeat(801);
    let data = "x".repeat(256 * 1024 + 1);
    assert_eq!(
        lines(&check(&Repository::of([("a.rs", &source), ("a.bin", &data)]))),
        ["a.rs: 801 lines, more than 800; split it by subject", "a.bin: 262145 bytes, more than 262144"]
    );
}

#[test]
fn generated_tables_and_lock_files_have_the_size_that_they_have() {
    let data = "x".repeat(256 * 1024 + 1);
    assert_eq!(check(&Repository::of([(&format!("{GENERATED}a.json"), &data), ("Cargo.lock", &data)])), []);
}

#[test]
fn the_report_names_the_longest_first() {
    let (shorter, longer) = ("\n".repeat(501), "\n".repeat(502));
    let repository = Repository::of([("a.rs", &shorter), ("b.rs", &longer), ("c.rs", "\n")]);
    assert_eq!(longest(&repository), [(502, "b.rs"), (501, "a.rs")]);
}
