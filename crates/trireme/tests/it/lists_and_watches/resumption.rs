//! Going on where one was: over restarts, and when the past is gone.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{
    Api, Request, Server, Watch, config_map, config_maps, escape, eventually, names, on_own_server, revision,
};

use super::filled;

on_own_server![
    a_watch_goes_on_over_a_restart,
    a_page_of_before_a_restart_is_expired_and_can_be_gone_on_from,
    who_comes_too_late_is_told_to_list_again,
];

/// What a client does that keeps a copy: watches from where it was, over and over.
fn follow(server: &Server, path: &str, seen: &mut BTreeMap<u64, String>, until: u64) {
    let mut at = seen.keys().next_back().copied().expect("the copy began somewhere");
    let mut watch = server.watch(&format!("{path}?resourceVersion={at}"));
    while at < until {
        let event = watch.event();
        at = event.revision();
        assert_eq!(seen.insert(at, event.shown()), None, "revision {at} came twice");
    }
}

fn a_watch_goes_on_over_a_restart() {
    let mut server = Server::start();
    let path = config_maps("default");
    let mut written: BTreeMap<u64, String> = BTreeMap::new();
    let mut seen: BTreeMap<u64, String> = BTreeMap::new();
    let mut api = server.api();
    let begin: u64 = revision(&api.get(&path).expect(200));
    seen.insert(begin, String::new());
    written.insert(begin, String::new());
    for round in 0..6 {
        let mut api = server.api();
        for step in 0..10 {
            let name = format!("r{round}-{step}");
            let created = api.post(&path, &config_map(&name, &json!({}))).expect(201);
            written.insert(revision(&created), format!("ADDED {name}"));
            let patched = api.patch(&format!("{path}/{name}"), "merge", &json!({"data": {"a": "b"}})).expect(200);
            written.insert(revision(&patched), format!("MODIFIED {name}"));
        }
        // Some of what this round wrote is read before the restart, the rest after it, from the history.
        let newest = written.keys().next_back().copied().expect("something was written");
        follow(&server, &path, &mut seen, newest - 9);
        if round % 2 == 0 {
            server.kill9();
        } else {
            server.stop();
        }
        server.restart();
    }
    let newest = written.keys().next_back().copied().expect("something was written");
    follow(&server, &path, &mut seen, newest);
    assert_eq!(seen, written);
    server.stop();
}

fn a_page_of_before_a_restart_is_expired_and_can_be_gone_on_from() {
    let mut server = Server::start();
    let mut api = server.api();
    let path = filled(&server, &mut api, &["a", "b", "c"]);
    let first = api.get(&format!("{path}?limit=1")).expect(200);
    let token = escape(first["metadata"]["continue"].as_str().expect("there is more"));
    server.stop();
    server.restart();
    let mut api = server.api();
    let status = api.get(&format!("{path}?limit=1&continue={token}")).refused(410, "Expired");
    let token = escape(status["metadata"]["continue"].as_str().expect("a token to go on with"));
    let rest = api.get(&format!("{path}?continue={token}")).expect(200);
    assert_eq!(names(&rest), ["b", "c"]);
    server.stop();
}

/// So many bytes of superseded objects are kept for watches that begin in the past.
const HISTORY_BYTES: usize = 64 << 20;
/// Just under what a ConfigMap may hold.
const LARGE_BYTES: usize = 1_000_000;

/// A large object of which enough versions are written that the first ones are forgotten. Returns their revisions; the
/// server's own writes lie between them.
fn outgrow_the_history(api: &mut Api, path: &str) -> Vec<u64> {
    let first = revision(&api.post(path, &config_map("large", &json!({"text": "x".repeat(LARGE_BYTES)}))).expect(201));
    let object = format!("{path}/large");
    let mut written = vec![first];
    for version in 0..HISTORY_BYTES / LARGE_BYTES + 16 {
        let patch = json!({"metadata": {"annotations": {"version": version.to_string()}}}).to_string();
        let request = Request::new("PATCH", &object).content("application/merge-patch+json", patch);
        written.push(revision(&api.send(&request.header("Accept", METADATA)).expect(200)));
    }
    written
}

/// Metadata is answered faster than a large object.
const METADATA: &str = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";

/// What a watch from `first` is told, once that is forgotten.
fn expired(api: &mut Api, path: &str, first: u64) -> Value {
    let path = format!("{path}?watch=true&timeoutSeconds=1&resourceVersion={first}");
    eventually("the first revisions are forgotten", || {
        let answer = api.get_as(&path, METADATA);
        // An answer of 410 instead of an event would make clients on kube-rs ask for the same revision for ever.
        assert_eq!(answer.status, 200, "{}", answer.text());
        let line: Value = serde_json::from_slice(answer.body.split(|byte| *byte == b'\n').next()?).ok()?;
        (line["type"] == "ERROR").then(|| line["object"].clone())
    })
}

/// Reads only after all was written: every event in turn, up to the last or to an error that says that there are more.
fn check_nothing_is_missed_unknowingly(watch: &mut Watch, written: &[u64]) {
    for expected in written {
        match watch.next().expect("the watch goes on, or ends as it should") {
            Some(event) if event.kind == "ERROR" => {
                assert_eq!(event.object["code"], 410, "{}", event.object);
                return;
            }
            Some(event) => {
                assert_eq!(event.revision(), *expected, "an event is missing");
            }
            None => panic!("the watch ended without a word"),
        }
    }
}

fn who_comes_too_late_is_told_to_list_again() {
    let mut server = Server::start();
    let mut api = server.api();
    let path = config_maps("default");
    let mut unread = server.watch(&path);
    let written = outgrow_the_history(&mut api, &path);
    let status = expired(&mut api, &path, written[0]);
    assert_eq!((&status["kind"], &status["code"]), (&json!("Status"), &json!(410)), "{status}");
    assert!(matches!(status["reason"].as_str(), Some("Expired" | "Gone")), "{status}");
    check_nothing_is_missed_unknowingly(&mut unread, &written);
    // What a client then does: list again, and watch from there.
    let at = revision(&api.get(&format!("{path}?limit=1")).expect(200));
    let mut watch = server.watch(&format!("{path}?resourceVersion={at}"));
    api.delete(&format!("{path}/large")).expect(200);
    assert_eq!(watch.event().shown(), "DELETED large");
    server.stop();
}
