//! Requests go where the rules say.

use std::collections::BTreeMap;

use flow::event::ErrorKind;
use http::{Request, StatusCode};
use http_body_util::Full;

use super::harness::{Backend, Client, Mesh, get, request, snapshot};

#[tokio::test]
async fn without_a_matching_rule_the_answer_is_404_and_counted() {
    let mut mesh = Mesh::start();
    mesh.put_in_force("1", &[], &[]).await;
    let answer = get(mesh.gateway, "shop", "/").await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::NOT_FOUND, "no route matches the request\n"));
    let counts = mesh.control.counts("", |counts| counts.total() >= 1).await;
    assert_eq!((counts.statuses[4], counts.errors_of(ErrorKind::NoRule)), (1, 1));
}

#[tokio::test]
async fn a_cluster_without_ready_endpoints_is_503_with_the_reason() {
    let mesh = Mesh::start();
    mesh.put_in_force("1", &[r#"{"action": "forward:a"}"#], &[("a", &[])]).await;
    let answer = get(mesh.gateway, "shop", "/").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.body, "no endpoint of a is ready\n");
}

#[tokio::test]
async fn an_invalid_backend_answers_its_share_with_500() {
    let mesh = Mesh::start();
    let rules = [
        r#"{"action": "forward", "backends": [{"cluster": "gone", "weight": 1, "invalid": "no such Service"}]}"#,
        r#"{"match": {"http.path": "/none"}, "action": "forward"}"#,
    ];
    mesh.put_in_force("1", &rules, &[]).await;
    for path in ["/", "/none"] {
        assert_eq!(get(mesh.gateway, "shop", path).await.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
    }
}

#[tokio::test]
async fn a_drop_closes_the_connection_without_an_answer() {
    let mut mesh = Mesh::start();
    let rules = [r#"{"id": "deny", "match": {"source.ip": "127.0.0.0/8", "http.path": "/x"}, "action": "drop"}"#];
    mesh.put_in_force("1", &rules, &[]).await;
    assert!(Client::connect(mesh.gateway).await.unwrap().get("shop", "/x").await.is_err());
    assert_eq!(get(mesh.gateway, "shop", "/y").await.status, StatusCode::NOT_FOUND);
    let counts = mesh.control.counts("deny", |counts| counts.total() >= 1).await;
    assert_eq!((counts.statuses[0], counts.errors_of(ErrorKind::Dropped)), (1, 1));
    mesh.put_in_force("2", &[r#"{"id": "deny", "match": {"source.ip": "0.0.0.0/0"}, "action": "drop"}"#], &[]).await;
    assert!(Client::connect(mesh.gateway).await.unwrap().get("shop", "/y").await.is_err());
}

#[tokio::test]
async fn malformed_requests_reach_no_backend() {
    let (mesh, backend) = (Mesh::start(), Backend::echo("a"));
    mesh.put_in_force("1", &[r#"{"action": "forward:a"}"#], &[("a", &[backend.address])]).await;
    let mut client = Client::connect(mesh.gateway).await.unwrap();
    let no_host = Request::builder().uri("/").body(Full::default()).unwrap();
    assert_eq!(client.send(no_host).await.unwrap().status, StatusCode::BAD_REQUEST);
    let mut large = request("shop", "/");
    large.headers_mut().insert("x-large", "x".repeat(70_000).parse().unwrap());
    let answer = Client::connect(mesh.gateway).await.unwrap().send(large).await;
    assert_eq!(answer.unwrap().status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}

#[tokio::test]
async fn requests_go_by_host_path_and_header() {
    let (mesh, a, b) = (Mesh::start(), Backend::echo("a"), Backend::echo("b"));
    let rules = [
        r#"{"match": {"http.host": "shop.example"}, "action": "forward:a"}"#,
        r#"{"match": {"http.host": "shop.example", "http.header.x-canary": "yes"}, "action": "forward:b"}"#,
        r#"{"match": {"http.path-prefix": "/b"}, "action": "forward:b", "rewrite": {"path": {"prefix": "/"}}}"#,
        r#"{"match": {"http.path": "/old"}, "action": "redirect", "redirect": {"path": {"full": "/new"}, "status": 301}}"#,
    ];
    mesh.put_in_force("1", &rules, &[("a", &[a.address]), ("b", &[b.address])]).await;
    assert!(get(mesh.gateway, "shop.example", "/x").await.body.starts_with("a GET /x HTTP/1.1\n"));
    let mut canary = request("shop.example", "/x");
    canary.headers_mut().insert("x-canary", "yes".parse().unwrap());
    let mut client = Client::connect(mesh.gateway).await.unwrap();
    assert!(client.send(canary).await.unwrap().body.starts_with("b GET /x"));
    assert!(client.get("other", "/b/deep?q=1").await.unwrap().body.starts_with("b GET /deep?q=1"));
    let redirect = client.get("other", "/old").await.unwrap();
    assert_eq!(redirect.status, StatusCode::MOVED_PERMANENTLY);
    assert_eq!(redirect.headers["location"], format!("http://other:{}/new", mesh.gateway.port()));
}

#[tokio::test]
async fn weights_hold_over_many_requests_and_change_at_once() {
    let (mesh, stable, canary) = (Mesh::start(), Backend::echo("stable"), Backend::echo("canary"));
    let split = |stable: u32, canary: u32| {
        format!(
            r#"{{"action": "forward", "backends": [{{"cluster": "stable", "weight": {stable}}},
                {{"cluster": "canary", "weight": {canary}, "responseHeaders": {{"set": [{{"name": "x-canary", "value": "1"}}]}}}}]}}"#
        )
    };
    let clusters: [(&str, &[_]); 2] = [("stable", &[stable.address]), ("canary", &[canary.address])];
    let mut client = Client::connect(mesh.gateway).await.unwrap();
    for (version, weights, range) in [("1", (9, 1), 60..=140), ("2", (0, 1), 1000..=1000), ("3", (1, 0), 0..=0)] {
        mesh.control.put_in_force(snapshot(version, &[&split(weights.0, weights.1)], &clusters)).await;
        let mut seen = BTreeMap::<String, u32>::new();
        for _ in 0..1000 {
            let answer = client.get("shop", "/").await.unwrap();
            let backend = answer.headers["x-backend"].to_str().unwrap().to_owned();
            assert_eq!(answer.headers.contains_key("x-canary"), backend == "canary");
            *seen.entry(backend).or_default() += 1;
        }
        assert!(range.contains(seen.get("canary").unwrap_or(&0)), "{version}: {seen:?}");
    }
}
