//! What goes wrong around the proxy does not go wrong in it.

use std::collections::HashMap;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Instant;

use flow::event::Counts;
use http::{Response, StatusCode};
use http_body_util::Full;

use super::harness::{Backend, Client, ControlPlane, Mesh, ProxyProcess, add, eventually, get, snapshot, unserved};

#[tokio::test]
async fn a_bad_snapshot_is_refused_with_the_field_and_the_old_one_stays() {
    let (mesh, backend) = (Mesh::start(), Backend::echo("a"));
    mesh.put_in_force("1", &[r#"{"action": "forward:a"}"#], &[("a", &[backend.address])]).await;
    mesh.control.handle.publish_message(snapshot("2", &[r#"{"action": "forward:missing"}"#], &[]));
    let proxy = mesh.control.proxy("a refusal", |proxy| proxy.refusal.is_some()).await;
    let refusal = proxy.refusal.unwrap();
    assert_eq!((refusal.version.as_str(), refusal.version_in_force.as_str()), ("2", "1"));
    assert_eq!(refusal.reason, "rules[0].action: there is no cluster 'missing'");
    assert_eq!(proxy.version.unwrap().as_str(), "1");
    assert_eq!(get(mesh.gateway, "shop", "/").await.status, StatusCode::OK);
    mesh.put_in_force("3", &[], &[]).await;
    assert_eq!(get(mesh.gateway, "shop", "/").await.status, StatusCode::NOT_FOUND);
    mesh.control.proxy("no refusal any more", |proxy| proxy.refusal.is_none()).await;
}

#[tokio::test]
async fn a_listener_without_its_socket_is_reported_and_served_when_it_comes() {
    let mesh = Mesh::start();
    let mut snapshot = snapshot("1", &[], &[]);
    snapshot.listeners[0].id = "late".into();
    mesh.control.handle.publish_message(snapshot);
    let waiting = |proxy: &crate::control::Proxy| {
        proxy
            .listeners
            .iter()
            .any(|state| state.id == "late" && state.condition() == flow::wire::ListenerCondition::Waiting)
    };
    mesh.control.proxy("a waiting listener", waiting).await;
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    mesh.control.handle.offer("late", socket);
    mesh.control.in_force("1").await;
    assert_eq!(get(address, "shop", "/").await.status, StatusCode::NOT_FOUND);
    mesh.control.handle.withdraw("late");
    eventually("refused connections", async || Client::connect(address).await.err()).await;
}

#[tokio::test]
async fn a_killed_backend_is_out_of_rotation_without_a_failed_request() {
    let (mut mesh, a, b) = (Mesh::start(), Backend::echo("a"), Backend::echo("b"));
    let killed = b.address;
    mesh.put_in_force("1", &[r#"{"id": "r", "action": "forward:x"}"#], &[("x", &[a.address, b.address])]).await;
    let mut client = Client::connect(mesh.gateway).await.unwrap();
    for _ in 0..50 {
        assert_eq!(client.get("shop", "/").await.unwrap().status, StatusCode::OK);
    }
    drop(b);
    eventually("the end of the backend", async || std::net::TcpStream::connect(killed).err()).await;
    for _ in 0..200 {
        assert_eq!(client.get("shop", "/").await.unwrap().headers["x-backend"], "a");
    }
    let mut failures = Vec::new();
    while failures.is_empty() {
        failures = mesh.control.next_events().await.batch.endpoint_failures;
    }
    assert_eq!((failures[0].cluster.as_str(), failures[0].port), ("x", u32::from(killed.port())));
}

#[tokio::test]
async fn requests_go_on_while_the_control_plane_is_gone_and_are_counted_exactly_once() {
    let (mesh, backend) = (Mesh::start(), Backend::echo("a"));
    let Mesh { mut control, proxy: _proxy, gateway, directory, .. } = mesh;
    let rules = [r#"{"id": "r", "action": "forward:a"}"#];
    let clusters: [(&str, &[_]); 1] = [("a", &[backend.address])];
    control.put_in_force(snapshot("1", &rules, &clusters)).await;
    let mut client = Client::connect(gateway).await.unwrap();
    let (mut sent, mut sum, mut received) = (0, Counts::default(), HashMap::new());
    for _ in 0..3 {
        for _ in 0..100 {
            assert_eq!(client.get("shop", "/").await.unwrap().status, StatusCode::OK);
            sent += 1;
        }
        let mut taken = control.stop().await;
        while let Some(delivery) = taken.next().await {
            add(&mut sum, &delivery, "r");
            received.insert(delivery.instance, delivery.batch.sequence);
        }
        for _ in 0..100 {
            assert_eq!(client.get("shop", "/").await.unwrap().status, StatusCode::OK);
            sent += 1;
        }
        control = ControlPlane::start_after(directory.path(), received.clone());
        control.handle.publish_message(snapshot("1", &rules, &clusters));
        control.in_force("1").await;
    }
    while sum.total() < sent {
        add(&mut sum, &control.next_events().await, "r");
    }
    assert_eq!((sum.total(), sum.statuses[2]), (sent, sent));
    client.get("shop", "/").await.unwrap();
    let one_more = control.counts("r", |counts| counts.total() >= 1).await;
    assert_eq!(one_more.total(), 1, "nothing was left over");
}

#[tokio::test]
async fn a_restarted_control_plane_gets_the_listening_sockets_back() {
    let Mesh { control, proxy: _proxy, gateway, directory, .. } = Mesh::start();
    control.put_in_force(snapshot("1", &[], &[])).await;
    control.stop().await;
    let control = ControlPlane::start(directory.path());
    tokio::time::timeout(super::harness::PATIENCE, control.handle.settled()).await.unwrap();
    let sockets = control.handle.sockets();
    assert_eq!(sockets.keys().collect::<Vec<_>>(), ["gw", "raw"]);
    assert_eq!(sockets["gw"].local_addr().unwrap(), gateway);
    assert_eq!(get(gateway, "shop", "/").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_killed_and_restarted_proxy_refuses_no_connection() {
    let (mesh, backend) = (Mesh::start(), Backend::echo("a"));
    let Mesh { control, mut proxy, gateway, directory, .. } = mesh;
    control.put_in_force(snapshot("1", &[r#"{"action": "forward:a"}"#], &[("a", &[backend.address])])).await;
    eventually("the state file", async || directory.path().join("proxy.state").exists().then_some(())).await;
    // From here on no snapshot comes from the control plane: what is served is the proxy's own.
    for _ in 0..3 {
        proxy.kill();
        let waiting = (0..20).map(|_| get(gateway, "shop", "/"));
        let waiting = futures_util::future::join_all(waiting);
        proxy = ProxyProcess::start(directory.path());
        for answer in waiting.await {
            assert_eq!(answer.status, StatusCode::OK);
        }
    }
    proxy.kill();
}

#[tokio::test]
async fn a_restarted_proxy_serves_before_the_control_plane_has_a_snapshot() {
    let (mesh, backend) = (Mesh::start(), Backend::echo("a"));
    let Mesh { control, proxy, gateway, directory, .. } = mesh;
    control.put_in_force(snapshot("1", &[r#"{"action": "forward:a"}"#], &[("a", &[backend.address])])).await;
    eventually("the state file", async || directory.path().join("proxy.state").exists().then_some(())).await;
    let socket = control.handle.sockets()["gw"].try_clone().unwrap();
    control.stop().await;
    proxy.kill();
    let control = ControlPlane::start(directory.path());
    control.handle.offer("gw", socket);
    let _proxy = ProxyProcess::start(directory.path());
    assert_eq!(get(gateway, "shop", "/").await.status, StatusCode::OK);
    control.proxy("the version of the state file", |proxy| proxy.version.is_some()).await;
}

#[tokio::test]
async fn sigterm_lets_requests_in_flight_finish_and_delivers_the_last_counts() {
    let (began, mut in_flight) = tokio::sync::mpsc::channel(1);
    let finish = task::CancellationToken::new();
    let finished = finish.clone();
    let backend = Backend::http(move |_| {
        let (began, finished) = (began.clone(), finished.clone());
        async move {
            began.send(()).await.unwrap();
            finished.cancelled().await;
            Response::new(Full::from("late"))
        }
    });
    let mut mesh = Mesh::start();
    mesh.put_in_force("1", &[r#"{"id": "r", "action": "forward:a"}"#], &[("a", &[backend.address])]).await;
    let mut client = Client::connect(mesh.gateway).await.unwrap();
    let idle = Client::connect(mesh.gateway).await.unwrap();
    let request = client.get("shop", "/");
    let drain = async {
        in_flight.recv().await.unwrap();
        mesh.proxy.terminate();
        // Nothing is accepted any more: a connection waits in the queue that the control plane also holds.
        let socket = mesh.control.handle.sockets()["gw"].clone();
        eventually("a connection that nobody accepts", async || unserved(&socket).then_some(())).await;
        finish.cancel();
    };
    let (answer, ()) = tokio::join!(request, drain);
    assert_eq!(answer.unwrap().body, "late");
    let began = Instant::now();
    assert!(mesh.proxy.ended().await.success());
    assert!(began.elapsed() < std::time::Duration::from_secs(8), "it ends with the last request");
    drop(idle);
    assert_eq!(mesh.control.counts("r", |counts| counts.total() >= 1).await.statuses[2], 1);
}
