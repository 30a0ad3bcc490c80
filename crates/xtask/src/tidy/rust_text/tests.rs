use super::{RustText, check_module_docs};
use crate::tidy::repository::Repository;
use crate::tidy::repository::tests::lines;

/// The code with each run of blanks shortened to one.
fn code(text: &str) -> String {
    let code = RustText::parse(text).code;
    assert_eq!(code.lines().count(), text.lines().count(), "each line stays where it was");
    code.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn comments_and_literals_are_blanked() {
    assert_eq!(code("a // b\nc"), "a c");
    assert_eq!(code("a /* b /* c */ d */ e"), "a e");
    assert_eq!(code(r#"f("x \" // y", z)"#), "f( , z)");
    assert_eq!(code("f(r##\"x\"# // y\"##, br\"z\\\", w)"), "f( , , w)");
    assert_eq!(code("f('\"', '\\'', b'{', x)"), "f( , , b , x)");
}

#[test]
fn lifetimes_and_words_that_end_in_r_are_code() {
    assert_eq!(code("fn f<'a>(x: &'a str, var: r#type)"), "fn f<'a>(x: &'a str, var: r#type)");
}

#[test]
fn what_never_ends_is_blanked_to_the_end() {
    assert_eq!(code("a \"b\nc"), "a");
    assert_eq!(code("a /* b\nc"), "a");
    assert_eq!(code("a r#\"b\nc"), "a");
}

#[test]
fn only_plain_comments_on_their_own_line_count() {
    let text = "//! module\n/// item\n// plain\nlet x = 1; // trailing\nlet y = \"\n// string\";\n";
    assert_eq!(RustText::parse(text).comments, [(3, " plain".to_owned())]);
}

#[test]
fn a_file_opens_with_what_it_is() {
    let repository = Repository::of([
        ("crates/a/src/lib.rs", "//! A thing.\n"),
        ("crates/a/src/b/tests.rs", "use super::b;\n"),
        ("crates/a/src/c.rs", "// A thing.\n"),
    ]);
    assert_eq!(
        lines(&check_module_docs(&repository)),
        ["crates/a/src/c.rs:1: does not open with //!: what it is, what it does not do, where to start"]
    );
}
