//! The tables of the Kubernetes API concepts, refused combinations first.

use serde_json::json;

use super::{Consistency, Params, Revision, WatchStart, get, list, precondition, watch};

fn at(number: u64) -> Revision {
    Revision::new(number).expect("not zero")
}

fn params<'a>(resource_version: &'a str, resource_version_match: &'a str) -> Params<'a> {
    Params { resource_version, resource_version_match, ..Params::default() }
}

fn messages<T: std::fmt::Debug>(result: Result<T, Vec<crate::field::FieldError>>) -> Vec<String> {
    result.expect_err("must be refused").iter().map(ToString::to_string).collect()
}

#[test]
fn texts_that_are_no_revisions_are_refused() {
    for text in ["01", "00", "+1", "-1", "1.0", "1e3", "abc", " 1", "18446744073709551616"] {
        assert_eq!(messages(get(text)).len(), 1, "{text:?}");
        assert!(list(params(text, "")).is_err(), "{text:?}");
        assert!(watch(params(text, "")).is_err(), "{text:?}");
    }
    assert_eq!("18446744073709551615".parse::<Revision>().map(Revision::get), Ok(u64::MAX));
}

#[test]
fn contradictory_list_parameters_are_refused() {
    let forbidden = |detail: &str| format!("resourceVersionMatch: Forbidden: resourceVersionMatch {detail}");
    assert_eq!(messages(list(params("", "Exact"))), [forbidden("is forbidden unless resourceVersion is provided")]);
    assert_eq!(messages(list(params("0", "Exact"))), [forbidden("\"exact\" is forbidden for resourceVersion \"0\"")]);
    assert_eq!(
        messages(list(params("5", "Newest"))),
        [r#"resourceVersionMatch: Unsupported value: "Newest": supported values: "Exact", "NotOlderThan", """#]
    );
    let with_token = Params { continue_token: "t", ..params("5", "Exact") };
    assert_eq!(messages(list(with_token)).len(), 2);
    let streaming = Params { send_initial_events: Some(true), ..Params::default() };
    assert_eq!(messages(list(streaming)), ["sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"]);
}

#[test]
fn lists_read_the_state_that_their_parameters_name() {
    let table = [
        (params("", ""), Consistency::Latest),
        (params("0", ""), Consistency::Any),
        (params("0", "NotOlderThan"), Consistency::Any),
        (params("7", ""), Consistency::NotOlderThan(at(7))),
        (params("7", "NotOlderThan"), Consistency::NotOlderThan(at(7))),
        (params("7", "Exact"), Consistency::Exact(at(7))),
        (Params { limit: 5, ..params("", "") }, Consistency::Latest),
        (Params { limit: 5, ..params("7", "") }, Consistency::Exact(at(7))),
        (Params { limit: 5, ..params("7", "NotOlderThan") }, Consistency::NotOlderThan(at(7))),
        (Params { continue_token: "t", limit: 5, ..params("", "") }, Consistency::Continue),
        (Params { continue_token: "t", ..params("0", "") }, Consistency::Continue),
    ];
    for (params, expected) in table {
        assert_eq!(list(params), Ok(expected), "{params:?}");
    }
    assert_eq!(get(""), Ok(Consistency::Latest));
    assert_eq!(get("0"), Ok(Consistency::Any));
    assert_eq!(get("7"), Ok(Consistency::NotOlderThan(at(7))));
}

#[test]
fn initial_events_and_match_are_only_valid_together() {
    let initial = |flag, matching| Params { send_initial_events: Some(flag), ..params("", matching) };
    for flag in [true, false] {
        assert_eq!(
            messages(watch(initial(flag, ""))),
            [
                "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            ]
        );
        assert_eq!(messages(watch(initial(flag, "Exact"))).len(), 2);
    }
    assert_eq!(
        messages(watch(params("5", "NotOlderThan"))),
        [
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        ]
    );
}

#[test]
fn watches_begin_where_their_parameters_say() {
    let initial = |rv, flag| Params { send_initial_events: Some(flag), ..params(rv, "NotOlderThan") };
    let table = [
        (params("", ""), WatchStart::State(Consistency::Latest)),
        (params("0", ""), WatchStart::State(Consistency::Any)),
        (params("7", ""), WatchStart::After(at(7))),
        (initial("", true), WatchStart::StateThenBookmark(Consistency::Latest)),
        (initial("0", true), WatchStart::StateThenBookmark(Consistency::Any)),
        (initial("7", true), WatchStart::StateThenBookmark(Consistency::NotOlderThan(at(7)))),
        (initial("", false), WatchStart::Now),
        (initial("0", false), WatchStart::Now),
        (initial("7", false), WatchStart::After(at(7))),
    ];
    for (params, expected) in table {
        assert_eq!(watch(params), Ok(expected), "{params:?}");
    }
}

#[test]
fn an_object_states_the_revision_that_it_replaces() {
    assert_eq!(precondition(&json!({"metadata": {"resourceVersion": "12"}})), Ok(Revision::new(12)));
    for object in
        [json!({}), json!({"metadata": {"resourceVersion": ""}}), json!({"metadata": {"resourceVersion": "0"}})]
    {
        assert_eq!(precondition(&object), Ok(None));
    }
    assert!(precondition(&json!({"metadata": {"resourceVersion": "x"}})).is_err());
    assert!(precondition(&json!({"metadata": {"resourceVersion": 12}})).is_err());
}
