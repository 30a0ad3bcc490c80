//! A process that is killed at any moment loses nothing that it has acknowledged.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{Home, key, template};
use crate::{History, Options, Revision, Store, Transaction};

const HOME: &str = "STORE_TEST_KILL_HOME";
const TEST: &str = "tests::kill::nothing_acknowledged_is_lost_and_no_revision_is_given_twice";
const WRITERS: usize = 8;

/// Each run is killed after so many acknowledged writes: during the first, in the middle of compaction, later.
const RUNS: [usize; 8] = [1, 7, 50, 3, 120, 400, 2, 60];

fn options(path: &Path) -> Options {
    Options { history: History { revisions: 20, bytes: u64::MAX }, ..Options::new(path) }
}

/// Writes until it is killed, and prints each write once it is acknowledged.
fn write_for_ever(path: &Path) -> ! {
    let store = Store::open(options(path)).unwrap();
    let writer = |n: usize| {
        let store = store.clone();
        async move {
            let name = format!("n-{n}");
            loop {
                let put = Transaction::new().put(key(&name), template(&name));
                let revision = store.commit(put).await.unwrap().revision;
                let line = format!("\nwritten {name} {revision}\n");
                std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
            }
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut writers = tokio::task::JoinSet::<()>::new();
        for n in 0..WRITERS {
            writers.spawn(writer(n));
        }
        writers.join_next().await;
    });
    panic!("a writer has ended");
}

struct Written {
    name: String,
    revision: Revision,
}

/// Starts a writer, kills it after `count` acknowledged writes, and returns all that it acknowledged.
fn run(path: &Path, count: usize) -> Vec<Written> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture"])
        .env(HOME, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let written = read_and_kill(&mut child, count);
    child.wait().unwrap();
    written
}

fn read_and_kill(child: &mut Child, count: usize) -> Vec<Written> {
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut written = Vec::new();
    // What was printed before the kill is read to its end; only a whole line counts.
    for line in output.split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8(line).unwrap();
        if let ["written", name, number] = line.split(' ').collect::<Vec<_>>()[..] {
            written.push(Written { name: name.to_owned(), revision: number.parse().unwrap() });
        }
        if written.len() == count {
            child.kill().unwrap();
        }
    }
    assert!(written.len() >= count, "the writer ended by itself after {} writes", written.len());
    written
}

#[test]
fn nothing_acknowledged_is_lost_and_no_revision_is_given_twice() {
    if let Some(path) = std::env::var_os(HOME) {
        write_for_ever(Path::new(&path));
    }
    let home = Home::new();
    let mut head = Revision::FIRST;
    for count in RUNS {
        let written = run(&home.path(), count);
        assert!(written.iter().all(|write| write.revision > head), "a revision was given twice");
        let store = Store::open(options(&home.path())).unwrap();
        let snapshot = store.snapshot();
        for write in &written {
            let entry = snapshot.get(&key(&write.name)).expect("an acknowledged key is lost");
            assert!(entry.revision >= write.revision, "{}: {} was acknowledged", write.name, write.revision);
            assert_eq!(entry.value, format!("{}@{}", write.name, entry.revision));
        }
        head = snapshot.revision();
        let newest = snapshot.scan("things", "", None).map(|entry| entry.revision).max();
        assert_eq!(newest, Some(head), "the last write is half there");
    }
}
