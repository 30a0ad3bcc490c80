//! Targets before and after (Gateway API: HTTPPathModifier, HTTPRequestRedirectFilter).

use flow::{Action, ClusterProtocol, Rule};
use http::{Request, Version};

use super::{fit, location, normalize, rewrite};

fn request(uri: &str, hosts: &[&str]) -> Request<()> {
    let request = hosts.iter().fold(Request::builder().uri(uri), |request, host| request.header("host", *host));
    request.body(()).unwrap()
}

fn rewritten(json: &str, uri: &str, matched: usize) -> String {
    let rule: Rule = format!(r#"{{"action": "forward:a", "rewrite": {json}}}"#).parse().unwrap();
    let Action::Forward(forward) = rule.action else { panic!("no forward") };
    let mut request = request(uri, &["shop"]);
    rewrite(&mut request, &forward.rewrite, matched);
    format!("{}{}", request.headers()["host"].to_str().unwrap(), request.uri())
}

#[test]
fn paths_and_hosts_are_rewritten() {
    assert_eq!(rewritten(r#"{"path": {"full": "/x"}}"#, "/a/b?q=1", 2), "shop/x?q=1");
    assert_eq!(rewritten(r#"{"path": {"prefix": "/x"}}"#, "/a/b?q=1", 2), "shop/x/b?q=1");
    assert_eq!(rewritten(r#"{"path": {"prefix": "/x/"}}"#, "/a", 2), "shop/x");
    assert_eq!(rewritten(r#"{"path": {"prefix": "/"}}"#, "/a", 2), "shop/");
    assert_eq!(rewritten(r#"{"path": {"prefix": "/"}}"#, "/a/b", 2), "shop/b");
    assert_eq!(rewritten(r#"{"path": {"prefix": "/x"}}"#, "/b", 0), "shop/x/b");
    assert_eq!(rewritten(r#"{"host": "inner:81"}"#, "/a", 0), "inner:81/a");
}

fn redirected(json: &str, uri: &str, host: &str) -> String {
    let rule: Rule = format!(r#"{{"action": "redirect", "redirect": {json}}}"#).parse().unwrap();
    let Action::Redirect(redirect) = rule.action else { panic!("no redirect") };
    location(&request(uri, &[host]), &redirect, 2, 8080)
}

#[test]
fn redirects_change_what_they_name_and_keep_the_rest() {
    assert_eq!(redirected("{}", "/a?q=1", "shop:9"), "http://shop:8080/a?q=1");
    assert_eq!(redirected(r#"{"scheme": "https"}"#, "/a", "shop"), "https://shop/a");
    assert_eq!(redirected(r#"{"scheme": "https", "port": 8443}"#, "/a", "shop"), "https://shop:8443/a");
    assert_eq!(redirected(r#"{"scheme": "http", "port": 80}"#, "/a", "shop"), "http://shop/a");
    assert_eq!(redirected(r#"{"host": "new.example", "port": 80}"#, "/a", "shop"), "http://new.example/a");
    assert_eq!(redirected(r#"{"scheme": "http", "path": {"prefix": "/x"}}"#, "/a/b?q", "s"), "http://s/x/b?q");
    assert_eq!(redirected(r#"{"scheme": "http", "path": {"full": "/x"}}"#, "/a/b?q", "s"), "http://s/x?q");
}

#[test]
fn a_request_names_one_host() {
    assert_eq!(normalize(&mut request("/", &[])), Err("the request names no host"));
    assert_eq!(normalize(&mut request("/", &["a", "b"])), Err("the request names more than one host"));
    let mut old = request("/", &[]);
    *old.version_mut() = Version::HTTP_10;
    assert_eq!(normalize(&mut old), Ok(()));
}

#[test]
fn the_target_wins_over_the_header() {
    let mut absolute = request("http://real:81/p?q", &["claimed"]);
    assert_eq!(normalize(&mut absolute), Ok(()));
    assert_eq!(
        (absolute.uri().to_string().as_str(), &absolute.headers()["host"]),
        ("/p?q", &"real:81".parse().unwrap())
    );
}

#[test]
fn the_authority_moves_where_the_protocol_wants_it() {
    let mut request = request("/p?q", &["shop:81"]);
    assert_eq!(fit(&mut request, ClusterProtocol::H2c), Ok(()));
    assert_eq!((request.uri().to_string().as_str(), request.version()), ("http://shop:81/p?q", Version::HTTP_2));
    assert!(request.headers().is_empty());
    assert_eq!(normalize(&mut request), Ok(()));
    assert_eq!(fit(&mut request, ClusterProtocol::Http1), Ok(()));
    assert_eq!((request.uri().to_string().as_str(), request.version()), ("/p?q", Version::HTTP_11));
    assert_eq!(request.headers()["host"], "shop:81");
}
