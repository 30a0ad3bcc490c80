use super::check;
use crate::tidy::repository::Repository;
use crate::tidy::repository::tests::lines;

#[test]
fn tests_that_assert_are_accepted() {
    let source = "//! x\n#[test]\nfn a() { assert_eq!(1, 1); }\n\
                  #[tokio::test(flavor = \"current_thread\")]\nasync fn b() { f().unwrap_err(); }\n\
                  #[test]\nfn c() { expect![[\"x\"]].assert_eq(y); }\n\
                  #[test]\nfn d() { twice(); }\nfn twice() { once(); once() }\nfn once() { assert!(true) }\n";
    assert_eq!(check(&Repository::of([("crates/a/src/tests.rs", source)])), []);
}

#[test]
fn a_test_without_an_assertion_is_refused() {
    let source = "#[test]\nfn opens() {\n    // assert!(false)\n    let text = \"assert\";\n    open(text).unwrap();\n}\n\
                  #[tokio::test]\nasync fn closes() { close().expect(\"x\"); }\nfn open(_: &str) {}\n";
    assert_eq!(
        lines(&check(&Repository::of([("crates/a/src/tests.rs", source)]))),
        [
            "crates/a/src/tests.rs:2: the test opens asserts nothing",
            "crates/a/src/tests.rs:8: the test closes asserts nothing",
        ]
    );
}

#[test]
fn functions_that_are_no_tests_may_assert_nothing() {
    let source = "#[cfg(test)]\nfn a() {}\n#[expect(dead_code)]\nfn b() {}\ntrait C { fn d(); }\n";
    assert_eq!(check(&Repository::of([("crates/a/src/lib.rs", source)])), []);
}
