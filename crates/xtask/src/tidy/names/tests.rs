use super::check;
use crate::tidy::repository::Repository;
use crate::tidy::repository::tests::lines;

#[test]
fn names_of_things_are_accepted() {
    let repository = Repository::of([
        ("crates/api/src/lib.rs", "mod table;\n// The mod utils is only mentioned.\npub(crate) mod utility;\n"),
        ("crates/api/src/commonmark.rs", ""),
    ]);
    assert_eq!(check(&repository), []);
}

#[test]
fn names_that_say_nothing_are_refused_for_files_folders_and_modules() {
    let repository = Repository::of([
        ("crates/api/src/lib.rs", "pub(crate) mod misc {\n}\n"),
        ("crates/api/src/test_helpers.rs", ""),
        ("docs/Common/a.md", ""),
    ]);
    assert_eq!(
        lines(&check(&repository)),
        [
            "crates/api/src/test_helpers.rs: test_helpers.rs is named helpers; name what it is about",
            "docs/Common/a.md: Common is named common; name what it is about",
            "crates/api/src/lib.rs:1: the module is named misc; name what it is about",
        ]
    );
}
