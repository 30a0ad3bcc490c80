//! `kill -9` at any moment: what was acknowledged is there afterwards, and no revision is given twice.
//!
//! Writers remember what the server acknowledged and the one write that was under way. After each kill the state must be
//! explained by that. Start at [`nothing_acknowledged_is_lost`].

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::harness::{Api, DEFINITIONS, Definition, Request, Server, eventually, on_own_server, revision};

on_own_server![
    nothing_acknowledged_is_lost,
    a_definition_is_served_after_a_kill_right_behind_it,
    the_removal_of_a_definition_goes_on_after_a_kill,
    a_killed_start_is_no_hindrance,
];

/// The server is killed after so many writes: at the first, at some, in full swing.
const ROUNDS: [usize; 7] = [1, 60, 7, 250, 23, 400, 3];
const WRITERS: usize = 6;
/// So few that most writes change or delete what is there.
const NAMES: usize = 5;

/// What is known about one object.
#[derive(Debug, Clone, Default, PartialEq)]
struct Known {
    /// Its value, and its revision if that is known; none if it is not there.
    value: Option<(String, Option<u64>)>,
}

/// One client with objects that nobody else writes.
#[derive(Debug)]
struct Writer {
    collection: String,
    template: Value,
    prefix: String,
    known: BTreeMap<String, Known>,
    /// The write whose answer did not come: the object, and its value if it was carried out.
    doubtful: Option<(String, Option<String>)>,
    revisions: Vec<u64>,
    step: usize,
}

impl Writer {
    fn new(collection: String, template: Value, prefix: String) -> Self {
        let (known, revisions) = (BTreeMap::new(), Vec::new());
        Self { collection, template, prefix, known, doubtful: None, revisions, step: 0 }
    }

    /// Writes until the server is gone; counts what was acknowledged.
    fn write(&mut self, api: &mut Api, acknowledged: &AtomicUsize) {
        while self.write_once(api).is_ok() {
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// # Errors
    /// When the server is gone.
    fn write_once(&mut self, api: &mut Api) -> io::Result<()> {
        self.step += 1;
        let name = format!("{}-{}", self.prefix, self.step % NAMES);
        let value = format!("step {}", self.step);
        let exists = self.known.get(&name).is_some_and(|known| known.value.is_some());
        let deletes = exists && self.step.is_multiple_of(4);
        self.doubtful = Some((name.clone(), (!deletes).then(|| value.clone())));
        let path = format!("{}/{name}", self.collection);
        let answer = api.attempt(&if deletes {
            Request::new("DELETE", &path)
        } else if exists {
            let patch = json!({"metadata": {"annotations": {"value": value}}}).to_string();
            Request::new("PATCH", &path).content("application/merge-patch+json", patch)
        } else {
            let mut object = self.template.clone();
            object["metadata"] = json!({"name": name, "annotations": {"value": value}});
            Request::new("POST", &self.collection).json(&object)
        })?;
        // A server that is being killed does not answer at all; any other answer is a defect.
        assert!(matches!(answer.status, 200 | 201), "{path}: {}", answer.text());
        self.doubtful = None;
        let value = (!deletes).then(|| {
            let revision = revision(&answer.json());
            self.revisions.push(revision);
            (value, Some(revision))
        });
        self.known.insert(name, Known { value });
        Ok(())
    }

    /// Compares the state with what is known, and knows more afterwards.
    fn check(&mut self, list: &Value) {
        let mut found: BTreeMap<String, (String, u64)> = BTreeMap::new();
        for item in list["items"].as_array().into_iter().flatten() {
            let name = item["metadata"]["name"].as_str().unwrap_or_default();
            if name.starts_with(&format!("{}-", self.prefix)) {
                let value = item["metadata"]["annotations"]["value"].as_str().unwrap_or_default().to_owned();
                let revision = item["metadata"]["resourceVersion"].as_str().unwrap_or_default();
                found.insert(name.to_owned(), (value, revision.parse().expect("a number")));
            }
        }
        let doubtful = self.doubtful.take();
        for index in 0..NAMES {
            let name = format!("{}-{index}", self.prefix);
            let now = found.remove(&name);
            let known = self.known.get(&name).cloned().unwrap_or_default().value;
            let as_acknowledged = match (&known, &now) {
                (None, None) => true,
                (Some((value, revision)), Some(now)) => now.0 == *value && revision.is_none_or(|known| known == now.1),
                (None, Some(_)) | (Some(_), None) => false,
            };
            let carried_out = doubtful.as_ref().is_some_and(|(written, value)| {
                *written == name && *value == now.as_ref().map(|(value, _)| value.clone())
            });
            assert!(
                as_acknowledged || carried_out,
                "{name}: {known:?} was acknowledged, {doubtful:?} under way: {now:?}"
            );
            if !as_acknowledged && let Some((_, revision)) = &now {
                self.revisions.push(*revision);
            }
            self.known.insert(name, Known { value: now.map(|(value, revision)| (value, Some(revision))) });
        }
        assert!(found.is_empty(), "{found:?} was never written");
    }
}

fn writers(definition: &Definition) -> Vec<Writer> {
    (0..WRITERS)
        .map(|index| {
            let prefix = format!("w{index}");
            if index % 2 == 0 {
                let template = json!({"apiVersion": "v1", "kind": "ConfigMap"});
                Writer::new("/api/v1/namespaces/default/configmaps".to_owned(), template, prefix)
            } else {
                Writer::new(definition.path("default"), definition.widget("", &json!({"size": 1})), prefix)
            }
        })
        .collect()
}

fn nothing_acknowledged_is_lost() {
    let mut server = Server::start();
    let definition = Definition::new("durable");
    definition.install(&server);
    let mut writers = writers(&definition);
    for writes in ROUNDS {
        let acknowledged = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for writer in &mut writers {
                let (mut api, acknowledged) = (server.api(), &acknowledged);
                scope.spawn(move || writer.write(&mut api, acknowledged));
            }
            eventually("enough is written", || (acknowledged.load(Ordering::Relaxed) >= writes).then_some(()));
            server.kill9();
        });
        server.restart();
        let mut api = server.api();
        let mut head = 0;
        for writer in &mut writers {
            let list = api.get(&writer.collection).expect(200);
            head = revision(&list).max(head);
            writer.check(&list);
        }
        let mut revisions: Vec<u64> = writers.iter().flat_map(|writer| writer.revisions.clone()).collect();
        let count = revisions.len();
        revisions.sort_unstable();
        revisions.dedup();
        assert_eq!(revisions.len(), count, "a revision was given twice");
        assert!(revisions.last().is_none_or(|last| *last <= head), "the state is older than what was acknowledged");
    }
    server.stop();
}

fn a_definition_is_served_after_a_kill_right_behind_it() {
    let mut server = Server::start();
    let definition = Definition::new("behind");
    server.api().post(DEFINITIONS, &definition.manifest).expect(201);
    server.kill9();
    server.restart();
    let mut api = server.api();
    eventually("the kind is served", || (api.get(&definition.path("default")).status == 200).then_some(()));
    api.post(&definition.path("default"), &definition.widget("w", &json!({"size": 1}))).expect(201);
    server.stop();
}

fn the_removal_of_a_definition_goes_on_after_a_kill() {
    let mut server = Server::start();
    let definition = Definition::new("removal");
    definition.install(&server);
    let mut api = server.api();
    for n in 0..100 {
        api.post(&definition.path("default"), &definition.widget(&format!("w-{n}"), &json!({"size": n}))).expect(201);
    }
    let path = format!("{DEFINITIONS}/{}", definition.name());
    api.delete(&path).expect(200);
    server.kill9();
    server.restart();
    let mut api = server.api();
    eventually("the definition is gone", || (api.get(&path).status == 404).then_some(()));
    definition.install(&server);
    let list = api.get(&definition.path("default")).expect(200);
    assert_eq!(list["items"].as_array().map(Vec::len), Some(0), "old objects must not come back");
    server.stop();
}

fn a_killed_start_is_no_hindrance() {
    let mut server = Server::start();
    server.api().get("/api/v1/namespaces").expect(200);
    for _ in 0..5 {
        server.kill9();
        // Killed again as soon as there is a process, wherever in its start it is.
        server.begin();
    }
    server.kill9();
    server.restart();
    let namespaces = server.api().get("/api/v1/namespaces").expect(200);
    assert!(namespaces["items"].as_array().is_some_and(|items| items.len() >= 4), "{namespaces}");
    server.stop();
}
