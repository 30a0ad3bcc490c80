//! Requests, responses, upgrades and bytes pass as they should.

use bytes::Bytes;
use flow::wire;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::harness::{Backend, Client, Mesh, PATIENCE, cluster, get, request, snapshot};
use crate::worker::Executor;

#[tokio::test]
async fn a_backend_that_is_too_slow_is_504() {
    let slow = Backend::http(|_| std::future::pending());
    let mesh = Mesh::start();
    let rules = [
        r#"{"match": {"http.path": "/r"}, "action": "forward:a", "timeouts": {"requestMs": 50}}"#,
        r#"{"match": {"http.path": "/b"}, "action": "forward:a", "timeouts": {"backendRequestMs": 50}}"#,
    ];
    mesh.put_in_force("1", &rules, &[("a", &[slow.address])]).await;
    for path in ["/r", "/b"] {
        let answer = get(mesh.gateway, "shop", path).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::GATEWAY_TIMEOUT, "a did not answer in time\n"));
    }
}

#[tokio::test]
async fn a_backend_that_breaks_off_is_502_and_not_asked_twice() {
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let count = asked.clone();
    let broken = Backend::tcp(move |mut stream| {
        let count = count.clone();
        async move {
            if stream.read(&mut [0; 1024]).await.is_ok_and(|bytes| bytes > 0) {
                count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        }
    });
    let mesh = Mesh::start();
    mesh.put_in_force("1", &[r#"{"action": "forward:a"}"#], &[("a", &[broken.address])]).await;
    assert_eq!(get(mesh.gateway, "shop", "/").await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[tokio::test]
async fn heads_are_made_the_proxys_own() {
    let (mesh, backend) = (Mesh::start(), Backend::echo("a"));
    let rule = r#"{"action": "forward:a", "requestHeaders": {"set": [{"name": "x-set", "value": "1"}], "remove": ["x-gone"]},
        "responseHeaders": {"add": [{"name": "x-added", "value": "2"}]}}"#;
    mesh.put_in_force("1", &[rule], &[("a", &[backend.address])]).await;
    let mut request = request("shop:80", "/p?q");
    for (name, value) in [("connection", "x-hop"), ("x-hop", "1"), ("x-gone", "1"), ("x-forwarded-for", "6.6.6.6")] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let answer = Client::connect(mesh.gateway).await.unwrap().send(request).await.unwrap();
    let mut lines: Vec<&str> = answer.body.lines().filter(|line| !line.starts_with("traceparent: 00-")).collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "a GET /p?q HTTP/1.1",
            "host: shop:80",
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-host: shop:80",
            "x-forwarded-proto: http",
            "x-set: 1",
        ]
    );
    assert!(answer.body.contains("traceparent: 00-"));
    assert_eq!(answer.headers["x-added"], "2");
}

#[tokio::test]
async fn bodies_of_any_size_pass_and_connections_are_used_again() {
    let (mesh, backend) = (Mesh::start(), Backend::echo("a"));
    mesh.put_in_force("1", &[r#"{"action": "forward:a"}"#], &[("a", &[backend.address])]).await;
    let mut client = Client::connect(mesh.gateway).await.unwrap();
    for size in [0, 1, 100_000, 3_000_000] {
        let body = "x".repeat(size);
        let request = http::Request::post("/").header("host", "shop").body(Full::from(body.clone())).unwrap();
        assert!(client.send(request).await.unwrap().body.ends_with(&format!("\n{body}")), "{size}");
    }
    let head = http::Request::head("/").header("host", "shop").body(Full::default()).unwrap();
    assert_eq!(client.send(head).await.unwrap().body, "");
    assert_eq!(client.get("shop", "/").await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn http2_passes_on_both_sides() {
    let (mesh, backend) = (Mesh::start(), Backend::echo("a"));
    let mut snapshot = snapshot("1", &[r#"{"action": "forward:a"}"#], &[]);
    let h2c = wire::Cluster { protocol: wire::ClusterProtocol::H2c.into(), ..cluster("a", &[backend.address]) };
    snapshot.clusters = vec![h2c];
    mesh.control.put_in_force(snapshot).await;
    let group = task::Group::new();
    let stream = TokioIo::new(TcpStream::connect(mesh.gateway).await.unwrap());
    let executor = Executor::downstream(group.clone());
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, stream).await.unwrap();
    group.spawn(task::Class::Core, "client", |stop| async move {
        tokio::select! { result = connection => result.unwrap(), () = stop.cancelled() => {} }
    });
    let request =
        http::Request::post("http://shop/p").header("te", "trailers").body(Full::<Bytes>::from("body")).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body = String::from_utf8_lossy(&body);
    assert!(body.starts_with("a POST http://shop/p HTTP/2.0\n") && body.ends_with("\nbody"), "{body}");
    assert!(body.contains("\nte: trailers\n"), "{body}");
    assert!(get(mesh.gateway, "shop", "/q").await.body.starts_with("a GET http://shop/q HTTP/2.0\n"));
}

#[tokio::test]
async fn an_upgraded_connection_passes_bytes() {
    let backend = Backend::http(|mut request| async move {
        assert_eq!(request.headers()["upgrade"], "echo");
        let upgraded = hyper::upgrade::on(&mut request);
        task::Group::new().spawn(task::Class::Core, "echo", |_| async move {
            let mut stream = TokioIo::new(upgraded.await.unwrap());
            let mut bytes = [0; 4];
            while stream.read_exact(&mut bytes).await.is_ok() {
                stream.write_all(&bytes).await.unwrap();
            }
        });
        let response = Response::builder().status(101).header("connection", "upgrade").header("upgrade", "echo");
        response.body(Full::<Bytes>::default()).unwrap()
    });
    let mut mesh = Mesh::start();
    mesh.put_in_force("1", &[r#"{"id": "r", "action": "forward:a"}"#], &[("a", &[backend.address])]).await;
    let mut stream = TcpStream::connect(mesh.gateway).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n").await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("upgrade: echo"), "{head}");
    for _ in 0..3 {
        stream.write_all(b"ping").await.unwrap();
        let mut bytes = [0; 4];
        stream.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"ping");
    }
    drop(stream);
    assert_eq!(mesh.control.counts("r", |counts| counts.total() >= 1).await.statuses[1], 1);
}

#[tokio::test]
async fn tcp_passes_both_ways_with_half_close() {
    let backend = Backend::tcp(|mut stream| async move {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        all.reverse();
        stream.write_all(&all).await.unwrap();
    });
    let mut mesh = Mesh::start();
    mesh.put_in_force(
        "1",
        &[r#"{"id": "r", "listeners": ["raw"], "action": "forward:a"}"#],
        &[("a", &[backend.address])],
    )
    .await;
    let mut stream = TcpStream::connect(mesh.raw).await.unwrap();
    stream.write_all(b"abc").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, "cba");
    let counts = mesh.control.counts("r", |counts| counts.total() >= 1).await;
    assert_eq!((counts.statuses[0], counts.errors), (1, [0; 9]));
}
