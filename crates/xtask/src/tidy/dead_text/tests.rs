use super::{MARKERS, check};
use crate::tidy::repository::Repository;
use crate::tidy::repository::tests::lines;

#[test]
fn prose_is_accepted() {
    let source =
        "//! x\n// If the store is gone, the caller waits;\n// it does not retry (see above).\n// Then it stops.\n";
    assert_eq!(check(&Repository::of([("a.rs", source), ("b.md", "MAXXX and prefixme")])), []);
}

#[test]
fn two_lines_of_code_are_an_example() {
    let source = "// let a = b();\n// a.c();\nlet x = 1;\n// d();\n";
    assert_eq!(check(&Repository::of([("a.rs", source)])), []);
}

#[test]
fn code_in_a_comment_is_refused_once_where_it_begins() {
    let source = "fn f() {\n    // let a = b();\n    // if a {\n    //     c();\n    // }\n}\n";
    assert_eq!(
        lines(&check(&Repository::of([("a.rs", source)]))),
        ["a.rs:2: code in a comment: remove it, git remembers"]
    );
}

#[test]
fn markers_of_unfinished_work_are_refused_in_any_file() {
    for marker in MARKERS {
        let text = format!("a\n# {marker}(me): later\n");
        assert_eq!(
            lines(&check(&Repository::of([("deny.toml", &text)]))),
            [format!("deny.toml:2: {marker}: do it, or open an issue")]
        );
    }
}
