//! Random transactions, restarts, compactions, snapshots and watches, compared with a plain map and a plain list.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::{Home, next, template};
use crate::{
    CommitError, Event, EventKind, Expect, History, Key, Options, Revision, Snapshot, Store, Transaction, WatchError,
};

const NAMES: [&str; 5] = ["a", "a/b", "a/c", "b", "c"];
const COLLECTIONS: [&str; 2] = ["things", "others"];
const HISTORY: History = History { revisions: 12, bytes: 400 };

#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<(Key, Wanted)>, Vec<(Key, Change)>),
    Reopen,
    TakeSnapshot,
    /// From how many revisions back.
    Watch(u64),
}

/// A precondition; the revision of `Current` and `Stale` is looked up in the model.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    Absent,
    Present,
    Current,
    Stale,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Change {
    Put,
    Delete,
}

fn keys() -> impl Strategy<Value = Key> {
    let collection = prop::sample::select(&COLLECTIONS[..]);
    (collection, prop::sample::select(&NAMES[..])).prop_map(|(collection, name)| Key::new(collection, name).unwrap())
}

fn steps() -> impl Strategy<Value = Step> {
    let wanted = prop::sample::select(&[Wanted::Absent, Wanted::Present, Wanted::Current, Wanted::Stale][..]);
    let preconditions = prop::collection::vec((keys(), wanted), 0..2);
    let change = prop_oneof![2 => Just(Change::Put), 1 => Just(Change::Delete)];
    let writes = prop::collection::vec((keys(), change), 0..4);
    prop_oneof![
        12 => (preconditions, writes).prop_map(|(preconditions, writes)| Step::Commit(preconditions, writes)),
        1 => Just(Step::Reopen),
        2 => Just(Step::TakeSnapshot),
        2 => (0..30_u64).prop_map(Step::Watch),
    ]
}

/// Revision of the creation, revision of the value, value.
type Values = BTreeMap<Key, (Revision, Revision, String)>;

#[derive(Debug, Clone, PartialEq)]
struct Told {
    key: Key,
    revision: Revision,
    kind: EventKind,
    value: String,
    previous: Option<Revision>,
}

#[derive(Debug)]
struct Model {
    head: Revision,
    values: Values,
    history: Vec<Told>,
}

impl Model {
    fn expect(&self, key: &Key, wanted: Wanted) -> Expect {
        let current = self.values.get(key).map_or(self.head.next(), |value| value.1);
        match wanted {
            Wanted::Absent => Expect::Absent,
            Wanted::Present => Expect::Present,
            Wanted::Current => Expect::At(current),
            Wanted::Stale => Expect::At(current.next()),
        }
    }

    fn accepts(&self, preconditions: &[(Key, Wanted)], writes: &[(Key, Change)]) -> bool {
        let distinct = writes.iter().all(|(key, _)| writes.iter().filter(|(other, _)| other == key).count() == 1);
        let deletable = writes.iter().all(|(key, change)| *change == Change::Put || self.values.contains_key(key));
        let required = preconditions.iter().all(|(key, wanted)| match wanted {
            Wanted::Absent => !self.values.contains_key(key),
            Wanted::Present | Wanted::Current => self.values.contains_key(key),
            Wanted::Stale => false,
        });
        distinct && deletable && required
    }

    fn write(&mut self, key: &Key, change: Change) {
        self.head = self.head.next();
        let revision = self.head;
        let previous = self.values.remove(key);
        let value = format!("{}@{revision}", key.name());
        let kind = match (change, &previous) {
            (Change::Put, None) => EventKind::Created,
            (Change::Put, Some(_)) => EventKind::Updated,
            (Change::Delete, _) => EventKind::Deleted,
        };
        if change == Change::Put {
            let created = previous.as_ref().map_or(revision, |value| value.0);
            self.values.insert(key.clone(), (created, revision, value.clone()));
        }
        let previous = previous.map(|value| value.1);
        self.history.push(Told { key: key.clone(), revision, kind, value, previous });
    }
}

fn values(snapshot: &Snapshot) -> Values {
    let entries = COLLECTIONS.iter().flat_map(|collection| snapshot.scan(collection, "", None));
    entries
        .map(|entry| {
            let value = String::from_utf8(entry.value.to_vec()).unwrap();
            (entry.key.clone(), (entry.created, entry.revision, value))
        })
        .collect()
}

fn told(event: Event) -> Told {
    assert_eq!(event.revision, event.entry.revision);
    if let Some(previous) = &event.previous {
        assert_eq!(previous.value, format!("{}@{}", previous.key.name(), previous.revision));
    }
    Told {
        key: event.entry.key.clone(),
        revision: event.revision,
        kind: event.kind,
        value: String::from_utf8(event.entry.value.to_vec()).unwrap(),
        previous: event.previous.map(|entry| entry.revision),
    }
}

struct Run {
    runtime: Runtime,
    home: Home,
    store: Option<Store>,
    model: Model,
    snapshots: Vec<(Snapshot, Values)>,
}

impl Run {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let model = Model { head: Revision::FIRST, values: Values::new(), history: Vec::new() };
        let mut run = Self { runtime, home: Home::new(), store: None, model, snapshots: Vec::new() };
        run.open();
        run
    }

    fn open(&mut self) {
        self.store = None;
        self.store = Some(Store::open(Options { history: HISTORY, ..self.home.options() }).unwrap());
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Commit(preconditions, writes) => self.commit(&preconditions, &writes),
            Step::Reopen => self.open(),
            Step::TakeSnapshot => self.snapshots.push((self.store().snapshot(), self.model.values.clone())),
            Step::Watch(back) => {
                let after = self.model.head.get().saturating_sub(back).max(1);
                self.watch(Revision::new(after).unwrap());
            }
        }
        assert_eq!(self.store().snapshot().revision(), self.model.head);
        assert_eq!(values(&self.store().snapshot()), self.model.values);
    }

    fn commit(&mut self, preconditions: &[(Key, Wanted)], writes: &[(Key, Change)]) {
        let mut transaction = Transaction::new();
        for (key, wanted) in preconditions {
            transaction = transaction.require(key.clone(), self.model.expect(key, *wanted));
        }
        for (key, change) in writes {
            let (key, template) = (key.clone(), template(key.name()));
            transaction = match change {
                Change::Put => transaction.put(key, template),
                Change::Delete => transaction.delete(key, template),
            };
        }
        let answer = self.runtime.block_on(self.store().commit(transaction));
        if !self.model.accepts(preconditions, writes) {
            assert!(matches!(answer, Err(CommitError::Conflict { .. } | CommitError::WrittenTwice { .. })));
            return;
        }
        let written = answer.unwrap().entries;
        let before = self.model.history.len();
        for (key, change) in writes {
            self.model.write(key, *change);
        }
        let expected = self.model.history[before..].iter().map(|told| (told.key.clone(), told.revision));
        assert!(expected.eq(written.iter().map(|entry| (entry.key.clone(), entry.revision))));
    }

    /// A watch of `things` with the prefix `a` tells exactly what the model's list has.
    fn watch(&self, after: Revision) {
        let mut watch = match self.store().watch("things", "a", after) {
            Ok(watch) => watch,
            Err(WatchError::Compacted { compacted }) => {
                assert!(compacted > after && compacted <= self.model.head);
                return;
            }
            Err(error) => panic!("{error}"),
        };
        let interesting = |told: &&Told| {
            told.revision > after && told.key.collection() == "things" && told.key.name().starts_with('a')
        };
        for expected in self.model.history.iter().filter(interesting) {
            assert_eq!(told(self.runtime.block_on(next(&mut watch))), *expected);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_a_map_and_a_list_do(steps in prop::collection::vec(steps(), 1..80)) {
        let mut run = Run::new();
        for step in steps {
            run.step(step);
        }
        for (snapshot, expected) in &run.snapshots {
            prop_assert_eq!(&values(snapshot), expected);
        }
        run.open();
        prop_assert_eq!(&values(&run.store().snapshot()), &run.model.values);
    }
}
