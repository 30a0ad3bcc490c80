use super::check;
use crate::tidy::repository::Repository;
use crate::tidy::repository::tests::lines;
use crate::tidy::surface::tests::example;

/// What is found in a document of the folder `docs`, beside a repository with a few files.
fn found(text: &str) -> Vec<String> {
    let repository = Repository::of([
        ("docs/guide/start.md", text),
        ("docs/reference.md", ""),
        ("crates/api/src/lib.rs", ""),
        (".ci/run", ""),
        ("deny.toml", ""),
    ]);
    lines(&check(&repository.with_surface(example())))
}

#[test]
fn what_is_there_may_be_named() {
    let text = "See `crates/api`, `./.ci/run`, `deny.toml`, `trireme.yaml`, `crates/<name>/src`, `apps/v1`.\n\
                [a](../reference.md#x) [b](/crates/api/) [c](https://example.org/missing.md) [d](#here)\n\
                ```sh\n$ sudo target/debug/trireme server --data-dir /tmp/x | head --lines 3\ntrireme --config x # --no\n```\n";
    assert_eq!(found(text), Vec::<String>::new());
}

#[test]
fn files_that_are_not_there_are_refused() {
    assert_eq!(
        found("`crates/gone/src`\n\n[a](./reference.md) and `gone.toml`\n```\ncat docs/gone.md\n```\n"),
        [
            "docs/guide/start.md:1: names crates/gone/src, which is not there",
            "docs/guide/start.md:3: names gone.toml, which is not there",
            "docs/guide/start.md:3: links to ./reference.md, which is not there",
            "docs/guide/start.md:5: names docs/gone.md, which is not there",
        ]
    );
}

#[test]
fn commands_and_flags_that_are_not_there_are_refused() {
    assert_eq!(
        found("Run `trireme serve`.\n```\ntrireme server --data\n```\n"),
        [
            "docs/guide/start.md:1: names `trireme serve`, which the program does not have",
            "docs/guide/start.md:3: names `trireme --data`, which the program does not have",
        ]
    );
}

#[test]
fn the_changelog_may_tell_of_what_is_gone() {
    let repository = Repository::of([("CHANGELOG.md", "`crates/gone`"), ("crates/api/README.md", "`crates/gone`")]);
    assert_eq!(check(&repository), []);
}
