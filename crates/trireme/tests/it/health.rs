//! `/health` of the whole: each component has a test that breaks it.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Response, Server, eventually, on_own_server, run};

on_own_server![a_healthy_server_is_up, a_full_disk_takes_the_store_down_until_there_is_room,];

/// The components of which this file breaks each.
const COMPONENTS: [&str; 1] = ["store"];

/// The code and body of `/health`.
fn health(server: &Server) -> (u16, Value) {
    let endpoints = server.endpoints();
    let url = format!("{}/health", endpoints["http"].as_str().expect("the http port answers"));
    let mut curl = std::process::Command::new("curl");
    curl.args(["--silent", "--show-error", "--write-out", "\n%{http_code}", &url]);
    let answer = run(&curl).ok();
    let (body, code) = answer.rsplit_once('\n').expect("the code is on a line of its own");
    (code.parse().expect("a number"), serde_json::from_str(body).expect("health is JSON"))
}

fn a_healthy_server_is_up() {
    let server = Server::start();
    let (code, body) = health(&server);
    assert_eq!((code, &body["status"]), (200, &json!("UP")));
    let components = body["components"].as_object().expect("an object");
    assert_eq!(components.keys().collect::<Vec<_>>(), COMPONENTS, "each component has a test that breaks it");
    assert!(components.values().all(|component| component["status"] == "UP"), "{body}");
    let mut curl = std::process::Command::new("curl");
    let url = format!("{}/nothing", server.endpoints()["http"].as_str().unwrap_or_default());
    curl.args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", &url]);
    assert_eq!(run(&curl).ok(), "404");
}

const DISK_BYTES: usize = 24 << 20;
const OBJECT_BYTES: usize = 256 << 10;

fn write_one(server: &Server, number: usize) -> Response {
    let body = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("large-{number}")},
        "data": {"text": "x".repeat(OBJECT_BYTES)},
    });
    server.api().post("/api/v1/namespaces/default/configmaps", &body)
}

/// Fills what is free of a small file system.
fn fill(ballast: &Path) {
    let mut file = OpenOptions::new().create(true).append(true).open(ballast).expect("an empty file needs no room");
    let block = vec![0_u8; 64 << 10];
    while file.write_all(&block).is_ok() {}
}

fn a_full_disk_takes_the_store_down_until_there_is_room() {
    let mut server = Server::start_on_small_disk(DISK_BYTES);
    let ballast = server.data().join("ballast");
    fill(&ballast);
    let mut written = 0;
    let refused = loop {
        let answer = write_one(&server, written);
        if answer.status != 201 {
            break answer;
        }
        written += 1;
        assert!(written * OBJECT_BYTES < DISK_BYTES, "the disk does not fill up");
    };
    let status = refused.refused(507, "InsufficientStorage");
    assert!(status["message"].as_str().is_some_and(|text| text.contains("disk") && text.contains("full")), "{status}");
    let (code, body) = health(&server);
    assert_eq!((code, &body["status"]), (503, &json!("DOWN")));
    assert_eq!(body["components"]["store"]["status"], "DOWN", "{body}");
    assert!(body["components"]["store"]["details"]["error"].is_string(), "{body}");
    let mut api = server.api();
    let ready = api.get("/readyz");
    assert_eq!(ready.status, 500);
    assert!(ready.text().contains("[-]store failed"), "{}", ready.text());
    let path = "/api/v1/namespaces/default/configmaps";
    let list = api.get(path).expect(200);
    assert_eq!(list["items"].as_array().map(Vec::len), Some(written), "reads go on, and show what was acknowledged");
    std::fs::remove_file(&ballast).expect("the ballast is ours");
    eventually("writes resume", || (write_one(&server, written).status == 201).then_some(()));
    let (code, body) = health(&server);
    assert_eq!((code, &body["status"]), (200, &json!("UP")), "{body}");
    assert_eq!(api.get("/readyz").status, 200);
    server.stop();
}
