//! Watches: where they begin, what they show, how they end.

use serde_json::{Value, json};

use crate::harness::{
    Api, DEFINITIONS, Definition, Event, Server, Watch, config_map, config_maps, eventually, on_shared_server, revision,
};

use super::{TABLE, filled, labelled};

on_shared_server![
    revisions_are_plain_growing_numbers,
    a_watch_begins_with_what_is_there,
    a_watch_begins_after_its_revision,
    a_watch_of_one_object_sees_only_that,
    an_object_that_leaves_the_selector_is_deleted_for_its_watchers,
    an_object_that_enters_the_selector_is_added_for_its_watchers,
    initial_events_end_with_a_marked_bookmark,
    initial_events_without_their_match_are_refused,
    a_watch_ends_at_its_time_with_a_bookmark,
    a_watch_without_bookmarks_gets_none,
    a_watch_shows_tables,
    a_watch_shows_metadata_alone,
    all_watchers_see_one_order,
    a_watch_of_a_kind_ends_with_its_definition,
];

fn revisions_are_plain_growing_numbers(server: &Server) {
    let mut api = server.api();
    let path = filled(server, &mut api, &[]);
    let mut before = 0;
    for name in ["a", "b", "c"] {
        let created = api.post(&path, &config_map(name, &json!({}))).expect(201);
        let number = revision(&created);
        assert_eq!(created["metadata"]["resourceVersion"], number.to_string());
        assert!(number > before, "{number} after {before}");
        before = number;
    }
    let list = revision(&api.get(&path).expect(200));
    assert!(list >= before);
    let mut watch = server.watch(&format!("{path}?resourceVersion={before}"));
    api.delete(&format!("{path}/a")).expect(200);
    let gone = watch.event();
    assert_eq!(gone.shown(), "DELETED a");
    assert!(gone.revision() > before, "a deletion has a revision of its own");
}

fn a_watch_begins_with_what_is_there(server: &Server) {
    let mut api = server.api();
    let path = filled(server, &mut api, &["b", "a"]);
    for query in ["", "?resourceVersion=0"] {
        let mut watch = server.watch(&format!("{path}{query}"));
        assert_eq!([watch.event().shown(), watch.event().shown()], ["ADDED a", "ADDED b"]);
        let patch = json!({"data": {"query": query}});
        api.patch(&format!("{path}/a"), "merge", &patch).expect(200);
        assert_eq!(watch.event().shown(), "MODIFIED a");
    }
}

fn a_watch_begins_after_its_revision(server: &Server) {
    let mut api = server.api();
    let path = filled(server, &mut api, &["a"]);
    let at = revision(&api.get(&path).expect(200));
    api.post(&path, &config_map("b", &json!({}))).expect(201);
    api.patch(&format!("{path}/b"), "merge", &json!({"data": {"x": "y"}})).expect(200);
    api.delete(&format!("{path}/a")).expect(200);
    let mut watch = server.watch(&format!("{path}?resourceVersion={at}"));
    let seen: Vec<Event> = (0..3).map(|_| watch.event()).collect();
    assert_eq!(seen.iter().map(Event::shown).collect::<Vec<_>>(), ["ADDED b", "MODIFIED b", "DELETED a"]);
    assert!(seen.windows(2).all(|pair| pair[0].revision() < pair[1].revision()));
    // From the middle of the history: strictly after.
    let mut later = server.watch(&format!("{path}?resourceVersion={}", seen[1].revision()));
    assert_eq!(later.event().shown(), "DELETED a");
}

fn a_watch_of_one_object_sees_only_that(server: &Server) {
    let mut api = server.api();
    let path = filled(server, &mut api, &["a", "b"]);
    let mut by_path = server.watch(&format!("{path}/a"));
    let mut by_field = server.watch(&format!("{path}?fieldSelector=metadata.name%3Da"));
    for name in ["b", "a"] {
        api.delete(&format!("{path}/{name}")).expect(200);
    }
    for watch in [&mut by_path, &mut by_field] {
        assert_eq!([watch.event().shown(), watch.event().shown()], ["ADDED a", "DELETED a"]);
    }
}

fn label(api: &mut Api, path: &str, color: Option<&str>) -> Value {
    api.patch(path, "merge", &json!({"metadata": {"labels": {"color": color}}})).expect(200)
}

fn an_object_that_leaves_the_selector_is_deleted_for_its_watchers(server: &Server) {
    let mut api = server.api();
    let path = filled(server, &mut api, &["a"]);
    label(&mut api, &format!("{path}/a"), Some("red"));
    let mut watch = server.watch(&format!("{path}?labelSelector=color%3Dred"));
    assert_eq!(watch.event().shown(), "ADDED a");
    let left = label(&mut api, &format!("{path}/a"), Some("green"));
    let gone = watch.event();
    assert_eq!(gone.shown(), "DELETED a");
    assert_eq!(gone.revision(), revision(&left));
    assert_eq!(gone.object["metadata"]["labels"]["color"], "red", "it goes as its watchers knew it");
}

fn an_object_that_enters_the_selector_is_added_for_its_watchers(server: &Server) {
    let mut api = server.api();
    let path = filled(server, &mut api, &["a"]);
    let at = revision(&api.get(&path).expect(200));
    let mut watch = server.watch(&format!("{path}?labelSelector=color&resourceVersion={at}"));
    for color in [Some("red"), Some("green"), None] {
        label(&mut api, &format!("{path}/a"), color);
    }
    api.delete(&format!("{path}/a")).expect(200);
    api.post(&path, &labelled("b", &json!({"color": "red"}))).expect(201);
    let seen: Vec<String> = (0..4).map(|_| watch.event().shown()).collect();
    assert_eq!(seen, ["ADDED a", "MODIFIED a", "DELETED a", "ADDED b"]);
}

const INITIAL: &str = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";

fn initial_events_end_with_a_marked_bookmark(server: &Server) {
    let mut api = server.api();
    let path = filled(server, &mut api, &["a", "b"]);
    let at = revision(&api.get(&path).expect(200));
    let mut watch = server.watch(&format!("{path}?{INITIAL}"));
    assert_eq!([watch.event().shown(), watch.event().shown()], ["ADDED a", "ADDED b"]);
    let end = watch.event();
    assert_eq!(end.kind, "BOOKMARK");
    assert_eq!(end.object["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    assert_eq!((&end.object["kind"], &end.object["apiVersion"]), (&json!("ConfigMap"), &json!("v1")));
    assert!(end.revision() >= at);
    api.post(&path, &config_map("c", &json!({}))).expect(201);
    assert_eq!(watch.event().shown(), "ADDED c");
    let mut empty = server.watch(&format!("{}?{INITIAL}", config_maps(&server.namespace("empty"))));
    assert_eq!(empty.event().kind, "BOOKMARK");
}

fn initial_events_without_their_match_are_refused(server: &Server) {
    let mut api = server.api();
    let path = "/api/v1/configmaps?watch=true&allowWatchBookmarks=true&timeoutSeconds=1";
    api.get(&format!("{path}&sendInitialEvents=true")).refused(422, "Invalid");
    let exact = "sendInitialEvents=true&resourceVersionMatch=Exact&resourceVersion=1";
    api.get(&format!("{path}&{exact}")).refused(422, "Invalid");
}

fn a_watch_ends_at_its_time_with_a_bookmark(server: &Server) {
    let mut api = server.api();
    let path = filled(server, &mut api, &["a"]);
    let events = server.watch(&format!("{path}?allowWatchBookmarks=true&timeoutSeconds=1")).rest();
    let shown: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(shown, ["ADDED", "BOOKMARK"]);
    let metadata = events[1].object["metadata"].as_object().expect("an object");
    assert!(metadata.keys().all(|key| key == "resourceVersion" || key == "creationTimestamp"), "{metadata:?}");
    // Later changes elsewhere must not be missed from there on.
    api.post(&path, &config_map("b", &json!({}))).expect(201);
    let mut next = server.watch(&format!("{path}?resourceVersion={}", events[1].revision()));
    assert_eq!(next.event().shown(), "ADDED b");
}

fn a_watch_without_bookmarks_gets_none(server: &Server) {
    let mut api = server.api();
    let path = filled(server, &mut api, &["a"]);
    let events = server.watch(&format!("{path}?timeoutSeconds=1")).rest();
    assert_eq!(events.iter().map(Event::shown).collect::<Vec<_>>(), ["ADDED a"]);
}

fn a_watch_shows_tables(server: &Server) {
    let mut api = server.api();
    let path = filled(server, &mut api, &["a"]);
    let mut watch = server.watch_as(&path, TABLE);
    let first = watch.event();
    assert_eq!((first.kind.as_str(), &first.object["kind"]), ("ADDED", &json!("Table")));
    assert_eq!(first.object["columnDefinitions"][0]["name"], "Name");
    assert_eq!(first.object["rows"][0]["cells"][0], "a");
    assert_eq!(first.object["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    api.patch(&format!("{path}/a"), "merge", &json!({"data": {"x": "y"}})).expect(200);
    let second = watch.event();
    assert_eq!(second.kind, "MODIFIED");
    assert_eq!(second.object["rows"][0]["cells"][1], 1);
    assert!(second.object["columnDefinitions"].as_array().is_none_or(Vec::is_empty), "columns are named once");
}

fn a_watch_shows_metadata_alone(server: &Server) {
    let mut api = server.api();
    let path = filled(server, &mut api, &["a"]);
    let mut watch = server.watch_as(&path, "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io");
    let event = watch.event();
    assert_eq!(event.shown(), "ADDED a");
    assert_eq!(event.object["kind"], "PartialObjectMetadata");
    assert_eq!(event.object["apiVersion"], "meta.k8s.io/v1");
}

const WATCHERS: usize = 8;
const OBJECTS: usize = 40;

fn all_watchers_see_one_order(server: &Server) {
    let path = config_maps(&server.namespace("order"));
    let at = revision(&server.api().get(&path).expect(200));
    let open = || server.watch(&format!("{path}?resourceVersion={at}"));
    let mut watches: Vec<Watch> = (0..WATCHERS).map(|_| open()).collect();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let path = &path;
            scope.spawn(move || {
                let mut api = server.api();
                for object in 0..OBJECTS / 4 {
                    api.post(path, &config_map(&format!("w{writer}-{object}"), &json!({}))).expect(201);
                }
            });
        }
    });
    let mut seen = watches.iter_mut().map(|watch| {
        let events: Vec<(u64, String)> =
            (0..OBJECTS).map(|_| watch.event()).map(|event| (event.revision(), event.shown())).collect();
        events
    });
    let first = seen.next().expect("there are watchers");
    assert!(first.windows(2).all(|pair| pair[0].0 < pair[1].0), "revisions grow");
    assert!(seen.all(|other| other == first), "all see the same");
}

fn a_watch_of_a_kind_ends_with_its_definition(server: &Server) {
    let definition = Definition::new("ends");
    definition.install(server);
    let namespace = server.namespace("ends");
    let mut api = server.api();
    api.post(&definition.path(&namespace), &definition.widget("w", &json!({"size": 1}))).expect(201);
    let watch = server.watch(&definition.path(&namespace));
    api.delete(&format!("{}/{}", DEFINITIONS, definition.name())).expect(200);
    let seen: Vec<String> = watch.rest().iter().map(Event::shown).collect();
    assert_eq!(seen, ["ADDED w", "DELETED w"]);
    eventually("the kind is no longer served", || (api.get(&definition.path(&namespace)).status == 404).then_some(()));
}
