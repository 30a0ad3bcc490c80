use super::check;
use crate::tidy::repository::Repository;
use crate::tidy::repository::tests::lines;

fn member(name: &str, place: &str, dependencies: &str) -> (String, String) {
    let text = format!("[package]\nname = \"{name}\"\n[package.metadata.trireme]\n{place}\n{dependencies}\n");
    (format!("crates/{name}/Cargo.toml"), text)
}

/// A crate `used` at one place and a crate `user` at another that depends on it: what is found.
fn edge(user: (&str, &str), used: (&str, &str), table: &str) -> Vec<String> {
    let (user_path, user_text) = member(user.0, user.1, &format!("[{table}]\n{}.workspace = true", used.0));
    let (used_path, used_text) = member(used.0, used.1, "");
    lines(&check(&Repository::of([(&user_path, &user_text), (&used_path, &used_text)])))
}

const BASE: &str = "layer = 0\nfloor = \"any\"";
const VOCABULARY: &str = "layer = 1\nfloor = \"any\"";
const CLUSTER_MECHANISM: &str = "layer = 2\nfloor = \"cluster\"";
const CLIENT: &str = "layer = 3\nfloor = \"any\"";
const CLUSTER: &str = "layer = 4\nfloor = \"cluster\"";
const PLATFORM: &str = "layer = 4\nfloor = \"platform\"";
const SURFACE: &str = "layer = 5\nfloor = \"any\"";
const PRODUCT: &str = "layer = 6\nfloor = \"any\"";
const DEV: &str = "layer = \"dev\"\nfloor = \"any\"";

#[test]
fn edges_that_go_down_are_accepted() {
    let none: [&str; 0] = [];
    assert_eq!(edge(("task", BASE), ("stdx", BASE), "dependencies"), none);
    assert_eq!(edge(("store", CLUSTER_MECHANISM), ("pki", VOCABULARY), "dependencies"), none);
    assert_eq!(edge(("apiserver", CLUSTER), ("store", CLUSTER_MECHANISM), "dependencies"), none);
    assert_eq!(edge(("trireme", PRODUCT), ("apiserver", CLUSTER), "dependencies"), none);
    assert_eq!(edge(("rollout", PLATFORM), ("client", CLIENT), "dependencies"), none);
    assert_eq!(edge(("client", CLIENT), ("testkit", DEV), "dev-dependencies"), none);
    assert_eq!(edge(("testkit", DEV), ("apiserver", CLUSTER), "dependencies"), none);
}

#[test]
fn edges_that_go_up_or_sideways_are_refused() {
    let refused = |user, used| edge(user, used, "dependencies").len();
    assert_eq!(refused(("stdx", BASE), ("task", BASE)), 1);
    assert_eq!(refused(("api", VOCABULARY), ("machinery", VOCABULARY)), 1);
    assert_eq!(refused(("task", BASE), ("api", VOCABULARY)), 1);
    assert_eq!(refused(("controllers", CLUSTER), ("apiserver", CLUSTER)), 1);
    assert_eq!(refused(("cli", SURFACE), ("controllers", CLUSTER)), 1);
}

#[test]
fn mechanism_may_not_know_kinds() {
    assert_eq!(
        edge(("store", CLUSTER_MECHANISM), ("api", VOCABULARY), "dependencies"),
        ["crates/store/Cargo.toml: may not use api: layer 2 may not use it in layer 1"]
    );
}

#[test]
fn the_platform_floor_may_not_reach_into_the_cluster_floor() {
    assert_eq!(
        edge(("rollout", PLATFORM), ("store", CLUSTER_MECHANISM), "dependencies"),
        [
            "crates/rollout/Cargo.toml: may not use store: it stands on the other floor, and the seam between them is the \
          Kubernetes API"
        ]
    );
}

#[test]
fn fixtures_are_for_tests_of_crates_that_they_are_not_made_of() {
    assert_eq!(edge(("client", CLIENT), ("testkit", DEV), "dependencies").len(), 1);
    let (testkit, text) = member("testkit", DEV, "[dependencies]\napiserver.workspace = true");
    let (server, server_text) = member("apiserver", CLUSTER, "[dev-dependencies]\ntestkit.workspace = true");
    assert_eq!(
        lines(&check(&Repository::of([(&testkit, &text), (&server, &server_text)]))),
        [
            "crates/apiserver/Cargo.toml: may not use testkit: it is built from this crate, so the tests would see two of them"
        ]
    );
}

#[test]
fn automation_uses_nothing_of_the_product() {
    assert_eq!(edge(("xtask", DEV), ("stdx", BASE), "dependencies").len(), 1);
}

#[test]
fn a_crate_without_a_place_is_refused() {
    let repository = Repository::of([("crates/a/Cargo.toml", "[package]\nname = \"a\"\n")]);
    assert_eq!(check(&repository).len(), 1);
}
