//! A test asserts something: a body that only runs code shows that it does not panic, and little else.
//!
//! A heuristic on text. A test passes if its body holds a word that asserts, or calls a function of the same file that
//! does, however far down. `expect("…")` does not count: it is how a test reaches what it wants to look at.

use std::collections::BTreeSet;

use crate::tidy::repository::{Finding, Repository};
use crate::tidy::rust_text::RustText;

/// What the names of asserting macros, methods and functions begin with.
const ASSERTING: [&str; 7] = ["assert", "prop_assert", "check", "expect_err", "expect_file", "unwrap_err", "panic"];

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repository.rust() {
        let code = RustText::parse(text).code;
        let functions = functions(&code);
        let asserting = asserting(&functions);
        for test in functions.iter().filter(|function| function.is_test && !asserting.contains(function.name)) {
            findings.push(Finding::at(path, test.line, format!("the test {} asserts nothing", test.name)));
        }
    }
    findings
}

struct Function<'a> {
    name: &'a str,
    line: usize,
    body: &'a str,
    is_test: bool,
}

fn functions(code: &str) -> Vec<Function<'_>> {
    let mut functions = Vec::new();
    for (position, _) in code.match_indices("fn ") {
        let before = &code[..position];
        if before.ends_with(|before: char| before.is_alphanumeric() || before == '_') {
            continue;
        }
        let signature = &code[position + "fn ".len()..];
        let name = signature.split(|end: char| !is_word(end)).next().unwrap_or_default();
        if let (false, Some(body)) = (name.is_empty(), body(signature)) {
            functions.push(Function {
                name,
                line: before.matches('\n').count() + 1,
                body,
                is_test: has_test_attribute(before),
            });
        }
    }
    functions
}

/// From the first brace to the one that closes it. A semicolon before it ends a declaration without a body.
fn body(signature: &str) -> Option<&str> {
    let open = signature.find(['{', ';']).filter(|found| signature[*found..].starts_with('{'))?;
    let mut depth = 0_usize;
    for (position, character) in signature[open..].char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(&signature[open..=open + position]);
        }
    }
    None
}

/// Whether one of the attributes right before a function is `#[test]`, `#[tokio::test(…)]` or another path to `test`.
fn has_test_attribute(before: &str) -> bool {
    let item = before.rfind([';', '{', '}']).map_or(before, |end| &before[end + 1..]);
    item.split("#[").skip(1).any(|attribute| {
        let path = attribute.split(|end: char| !is_word(end) && end != ':').next().unwrap_or_default();
        path.rsplit("::").next() == Some("test")
    })
}

/// The names of the functions that assert, by themselves or through each other.
fn asserting<'a>(functions: &[Function<'a>]) -> BTreeSet<&'a str> {
    let mut found: BTreeSet<&str> =
        functions.iter().filter(|function| asserts_itself(function.body)).map(|function| function.name).collect();
    loop {
        let known = found.len();
        let callers = functions.iter().filter(|function| words(function.body).any(|word| found.contains(word)));
        let callers: Vec<&str> = callers.map(|function| function.name).collect();
        found.extend(callers);
        if found.len() == known {
            return found;
        }
    }
}

fn asserts_itself(body: &str) -> bool {
    // The macro of expect-test; the method of the same name is no assertion.
    body.contains("expect!") || words(body).any(|word| ASSERTING.iter().any(|start| word.starts_with(start)))
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|end: char| !is_word(end)).filter(|word| !word.is_empty())
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests;
