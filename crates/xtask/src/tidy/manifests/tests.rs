use super::{Layer, Member, check};
use crate::tidy::repository::Repository;
use crate::tidy::repository::tests::lines;

#[test]
fn a_member_that_inherits_everything_is_accepted() {
    let manifest = "[package]\nname = \"a\"\n[lints]\nworkspace = true\n[dependencies]\nb.workspace = true\n\
                    [dev-dependencies]\nc = { workspace = true }\n";
    assert_eq!(check(&Repository::of([("crates/a/Cargo.toml", manifest)])), []);
}

#[test]
fn a_member_with_choices_of_its_own_is_refused() {
    let manifest = "[package]\nname = \"a\"\n[features]\nfast = []\n[dependencies]\nb = \"1\"\n\
                    [target.'cfg(unix)'.dev-dependencies]\nc = { workspace = true, features = [\"x\"] }\n";
    assert_eq!(
        lines(&check(&Repository::of([("crates/a/Cargo.toml", manifest)]))),
        [
            "crates/a/Cargo.toml: does not inherit the lints of the workspace: [lints] workspace = true",
            "crates/a/Cargo.toml: declares features: they belong into the root manifest",
            "crates/a/Cargo.toml: b is not inherited: b.workspace = true",
            "crates/a/Cargo.toml: chooses features of c: they belong into the root manifest",
        ]
    );
}

#[test]
fn only_the_layers_that_there_are_can_be_named() {
    let place = |layer: &str| {
        let text = format!("[package]\nname = \"a\"\n[package.metadata.trireme]\nlayer = {layer}\nfloor = \"any\"\n");
        Member::parse("crates/a/Cargo.toml", &text).unwrap().place.map(|place| place.layer)
    };
    assert_eq!(place("6"), Some(Layer::Product(6)));
    assert_eq!(place("\"dev\""), Some(Layer::Dev));
    assert_eq!(place("7"), None);
    assert_eq!(place("-1"), None);
    assert_eq!(place("\"base\""), None);
}
