//! Nothing lasts, grows or waits without a limit.

use std::time::Duration;

use flow::event::ErrorKind;
use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::harness::{Backend, Client, Local, PATIENCE, eventually, unserved};

/// Short enough for a test, long enough for a busy machine to do what does not exceed it.
const SHORT: Duration = Duration::from_millis(300);

/// Everything until the other side closes.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    match tokio::time::timeout(PATIENCE, stream.read_to_end(&mut text)).await.expect("an end in time") {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn clients_that_dawdle_are_cut_off_before_and_within_a_head() {
    let Local { mesh } = Local::start(|options| options.head_timeout = SHORT);
    mesh.put_in_force("1", &[], &[]).await;
    for beginning in ["", "P", "GET / HTTP/1.1\r\nhost: a\r\n"] {
        let mut stream = TcpStream::connect(mesh.gateway).await.unwrap();
        stream.write_all(beginning.as_bytes()).await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(!answer.contains("200"), "{beginning}: {answer}");
    }
}

#[tokio::test]
async fn further_connections_wait_until_one_ends() {
    let Local { mesh } = Local::start(|options| options.connections_limit = 1);
    mesh.put_in_force("1", &[], &[]).await;
    let mut first = Client::connect(mesh.gateway).await.unwrap();
    assert_eq!(first.get("shop", "/").await.unwrap().status, StatusCode::NOT_FOUND);
    let mut second = Client::connect(mesh.gateway).await.unwrap();
    assert!(tokio::time::timeout(SHORT, second.get("shop", "/")).await.is_err(), "it is in the queue");
    drop(first);
    assert!(tokio::time::timeout(PATIENCE, second.get("shop", "/")).await.is_ok());
}

#[tokio::test]
async fn silent_tcp_connections_end() {
    let backend = Backend::tcp(|mut stream| async move {
        assert_eq!(stream.read_u8().await.unwrap(), b'x');
        std::future::pending().await
    });
    let Local { mut mesh } = Local::start(|options| options.tcp_idle = SHORT);
    mesh.put_in_force("1", &[r#"{"id": "r", "action": "forward:a"}"#], &[("a", &[backend.address])]).await;
    let mut stream = TcpStream::connect(mesh.raw).await.unwrap();
    stream.write_all(b"x").await.unwrap();
    assert_eq!(read_to_end(&mut stream).await, "");
    let counts = mesh.control.counts("r", |counts| counts.total() >= 1).await;
    assert_eq!(counts.errors_of(ErrorKind::Timeout), 1);
}

#[tokio::test]
async fn responses_that_never_begin_are_504_without_a_rule_saying_so() {
    let backend = Backend::http(|_| std::future::pending());
    let Local { mesh } = Local::start(|options| options.response_timeout = SHORT);
    let rules = [
        r#"{"action": "forward:a"}"#,
        r#"{"match": {"http.path": "/long"}, "action": "forward:a", "timeouts": {"requestMs": 0}}"#,
    ];
    mesh.put_in_force("1", &rules, &[("a", &[backend.address])]).await;
    let mut client = Client::connect(mesh.gateway).await.unwrap();
    assert_eq!(client.get("shop", "/").await.unwrap().status, StatusCode::GATEWAY_TIMEOUT);
    assert!(tokio::time::timeout(2 * SHORT, client.get("shop", "/long")).await.is_err(), "0 means no limit");
}

#[tokio::test]
async fn connections_of_a_withdrawn_listener_are_drained_and_cut() {
    let (reached, mut arrivals) = tokio::sync::mpsc::channel(2);
    let backend = Backend::tcp(move |stream| {
        let reached = reached.clone();
        async move {
            let _held = stream;
            reached.send(()).await.unwrap();
            std::future::pending().await
        }
    });
    let Local { mesh } = Local::start(|options| options.drain = SHORT);
    mesh.put_in_force("1", &[r#"{"action": "forward:a"}"#], &[("a", &[backend.address])]).await;
    let mut raw = TcpStream::connect(mesh.raw).await.unwrap();
    let mut waiting = TcpStream::connect(mesh.gateway).await.unwrap();
    waiting.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    // Before a connection is accepted it belongs to nobody, and a listener that is withdrawn leaves it in the queue.
    for _ in 0..2 {
        arrivals.recv().await.unwrap();
    }
    mesh.control.handle.publish_message(flow::wire::Snapshot { version: "2".into(), ..Default::default() });
    mesh.control.in_force("2").await;
    assert_eq!(read_to_end(&mut raw).await, "");
    assert_eq!(read_to_end(&mut waiting).await, "");
    let socket = mesh.control.handle.sockets()["raw"].clone();
    eventually("a connection that nobody accepts", async || unserved(&socket).then_some(())).await;
}
