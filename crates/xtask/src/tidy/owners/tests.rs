use super::check;
use crate::tidy::repository::Repository;
use crate::tidy::repository::tests::lines;

const DEPENDENCY: &str = "[dependencies]\nredb.workspace = true\n";

#[test]
fn the_owner_may_name_its_dependency() {
    let store = format!("[package]\nname = \"store\"\n{DEPENDENCY}");
    assert_eq!(check(&Repository::of([("crates/store/Cargo.toml", &store)])), []);
}

#[test]
fn another_member_may_not() {
    let node = format!("[package]\nname = \"node\"\n{DEPENDENCY}");
    assert_eq!(
        lines(&check(&Repository::of([("crates/node/Cargo.toml", &node)]))),
        ["crates/node/Cargo.toml: names redb, which belongs to store"]
    );
}
