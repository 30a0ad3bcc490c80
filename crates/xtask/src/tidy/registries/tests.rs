use super::{HOSTS, check};
use crate::tidy::repository::Repository;

fn host() -> String {
    let (domain, top) = HOSTS[0];
    format!("https://index.{domain}.{top}/x")
}

#[test]
fn a_registry_host_is_refused_wherever_it_stands() {
    let findings = check(&Repository::of([("README.md", &format!("from\n{}\n", host()))]));
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].line, Some(2));
}

#[test]
fn lock_files_may_record_it() {
    assert_eq!(check(&Repository::of([("Cargo.lock", &host()), ("web/package-lock.json", &host())])), []);
}

#[test]
fn a_domain_that_only_looks_like_it_is_accepted() {
    let (domain, top) = HOSTS[0];
    let text = format!("my{domain}.{top} {domain}.{top}n {domain}");
    assert_eq!(check(&Repository::of([("README.md", &text)])), []);
}
