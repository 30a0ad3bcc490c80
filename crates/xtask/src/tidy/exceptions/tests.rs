use super::{Exceptions, Finding, PATH, read};
use crate::tidy::repository::Repository;

fn list(reason: &str) -> Exceptions {
    let text = format!(
        "[[exception]]\nrule = \"assertions\"\npath = \"a/tests.rs\"\nabout = \"opens\"\nreason = \"{reason}\"\n"
    );
    read(&Repository::of([(PATH, &text)])).unwrap()
}

fn finding() -> (&'static str, Finding) {
    ("assertions", Finding::at("a/tests.rs", 3, "the test opens asserts nothing"))
}

#[test]
fn an_excused_finding_is_not_reported() {
    let none: [&str; 0] = [];
    assert_eq!(list("it opens a window").judge_at_length(vec![finding()], 1), none);
}

#[test]
fn an_exception_is_for_its_own_rule_only() {
    let (_, finding) = finding();
    let lines = list("it opens a window").judge_at_length(vec![("sizes", finding)], 1);
    assert_eq!(
        lines,
        [
            "sizes: a/tests.rs:3: the test opens asserts nothing".to_owned(),
            format!("{PATH}: excuses nothing in a/tests.rs (opens); remove it"),
        ]
    );
}

#[test]
fn an_exception_needs_a_reason() {
    assert_eq!(
        list(" ").judge_at_length(vec![finding()], 1),
        [format!("{PATH}: gives no reason for a/tests.rs (opens)")]
    );
}

#[test]
fn the_list_cannot_grow_unseen() {
    assert_eq!(
        list("it opens a window").judge_at_length(vec![finding()], 0),
        [format!("{PATH}: has 1 exceptions, and LENGTH in exceptions.rs is 0")]
    );
}

#[test]
fn a_list_with_unknown_fields_is_refused() {
    let error = read(&Repository::of([(PATH, "[[exceptions]]\n")])).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot read {PATH}"));
}
