//! Selectors that cannot be understood, what the others match, and that they print as they parse.

use std::borrow::Cow;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Comparison, FieldSelector, LabelSelector, SelectorError};
use crate::field::Path;

#[test]
fn label_selectors_that_make_no_sense_are_refused() {
    for text in [
        ",",
        "a,",
        ",a",
        "a b",
        "a=b=c",
        "a in",
        "a in b",
        "a in (",
        "a in (b",
        "a in (b c)",
        "a in b)",
        "!",
        "!a=b",
        "=a",
        "a!b",
        "a==b==c",
        "a notin",
        "(a)",
        "a=(b)",
        "a>b",
        "a>",
        "a<1.5",
        "a/b/c=d",
        "-a=b",
        "a=-b",
        "a in (x,-)",
        "a!!=b",
        "a b=c",
    ] {
        assert!(LabelSelector::parse(text).is_err(), "{text:?}");
    }
    let error = LabelSelector::parse("a in b").expect_err("must be refused");
    assert_eq!(error.to_string(), "unable to parse requirement: found 'b', expected: '('");
    assert!(LabelSelector::parse(&format!("a={}", "x".repeat(64))).is_err());
}

#[test]
fn labels_match_by_equality_and_by_set() {
    let labels = json!({"a": "b", "empty": "", "n": "5", "in": "notin"});
    let table = [
        ("", true),
        (" ", true),
        ("a=b", true),
        ("a==b", true),
        ("a = b", true),
        ("a=c", false),
        ("z=b", false),
        ("a!=b", false),
        ("a!=c", true),
        ("z!=b", true),
        ("a in (x,b)", true),
        ("a in(b)", true),
        ("a in (x)", false),
        ("z in (x)", false),
        ("a notin (x)", true),
        ("a notin (b)", false),
        ("z notin (b)", true),
        ("a", true),
        ("!a", false),
        ("z", false),
        ("!z", true),
        ("! z", true),
        ("empty=", true),
        ("empty in ()", true),
        ("empty in (,x)", true),
        ("a=,n", false),
        ("n>4", true),
        ("n>5", false),
        ("n<6", true),
        ("a>1", false),
        ("z>1", false),
        ("in=notin", true),
        ("in in (in,notin)", true),
        ("a=b,n=5", true),
        ("a=b,n=6", false),
        ("notin,a", false),
        ("a in (b,,c),!z,n notin (1)", true),
    ];
    for (text, expected) in table {
        let selector = LabelSelector::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(selector.matches(labels.as_object()), expected, "{text}");
    }
    assert!(LabelSelector::parse("!a,b!=c").unwrap().matches(None));
    assert!(!LabelSelector::parse("a").unwrap().matches(None));
}

#[test]
fn selector_objects_are_read_and_refused_with_paths() {
    let read = |object: Value| LabelSelector::from_object(&Path::new("spec").field("selector"), &object);
    let object = json!({"matchLabels": {"b": "1", "a": ""}, "matchExpressions": [
        {"key": "e", "operator": "In", "values": ["y", "x"]}, {"key": "f", "operator": "NotIn", "values": ["z"]},
        {"key": "g", "operator": "DoesNotExist"}, {"key": "h", "operator": "Exists", "values": []},
    ]});
    assert_eq!(read(object).unwrap().to_string(), "a=,b=1,e in (x,y),f notin (z),!g,h");
    assert!(read(json!({})).unwrap().is_empty());
    assert!(read(json!({"matchLabels": null, "matchExpressions": null})).unwrap().is_empty());

    let bad = json!({"matchLabels": {"a b": ""}, "matchExpressions": [
        {"key": "e", "operator": "In"}, {"key": "f", "operator": "Exists", "values": ["x"]},
        {"key": "", "operator": "Like", "values": ["x y", 1]},
    ]});
    let errors: Vec<String> = read(bad).expect_err("must be refused").iter().map(|error| error.path.clone()).collect();
    let at = |rest: &str| format!("spec.selector.matchExpressions{rest}");
    assert_eq!(
        errors,
        [
            "spec.selector.matchLabels".to_owned(),
            at("[0].values"),
            at("[1].values"),
            at("[2].operator"),
            at("[2].key"),
            at("[2].key"),
            at("[2].values[0]"),
            at("[2].values[1]"),
        ]
    );
    assert!(read(json!([])).is_err());
    assert!(read(json!({"matchExpressions": {}})).is_err());
}

#[test]
fn field_selectors_split_at_unescaped_characters() {
    let parsed = FieldSelector::parse(r"metadata.name=a\,b\=c\\,,status.phase!=Running,x==y").unwrap();
    let terms: Vec<(&str, Comparison, &str)> =
        parsed.terms().iter().map(|term| (term.field.as_str(), term.comparison, term.value.as_str())).collect();
    assert_eq!(
        terms,
        [
            ("metadata.name", Comparison::Equals, r"a,b=c\"),
            ("status.phase", Comparison::NotEquals, "Running"),
            ("x", Comparison::Equals, "y"),
        ]
    );
    assert_eq!(parsed.exact("metadata.name"), Some(r"a,b=c\"));
    assert_eq!(parsed.exact("status.phase"), None);
    assert!(FieldSelector::parse("").unwrap().is_empty());

    assert!(matches!(FieldSelector::parse("a"), Err(SelectorError::Field { .. })));
    assert!(matches!(FieldSelector::parse(r"a=\x"), Err(SelectorError::Escape(_))));
    assert!(matches!(FieldSelector::parse(r"a=b\"), Err(SelectorError::Escape(_))));
    assert!(matches!(FieldSelector::parse("a=b=c"), Err(SelectorError::Unescaped('='))));
}

#[test]
fn fields_are_looked_up_by_the_caller() {
    let object = |field: &str| -> Cow<'static, str> {
        match field {
            "metadata.name" => "a".into(),
            _ => "".into(),
        }
    };
    for (text, expected) in [
        ("metadata.name=a", true),
        ("metadata.name!=a", false),
        ("spec.nodeName=", true),
        ("spec.nodeName!=x", true),
        ("metadata.name=a,spec.nodeName=x", false),
        ("", true),
    ] {
        assert_eq!(FieldSelector::parse(text).unwrap().matches_by(object), expected, "{text}");
    }
}

fn requirement() -> impl Strategy<Value = String> {
    let key = "([a-z]{1,3}\\.io/)?[A-Za-z0-9]([a-z_.-]{0,3}[a-z0-9])?";
    let value = "([A-Za-z0-9]([a-z_.-]{0,3}[a-z0-9])?)?";
    let values = prop::collection::vec(value, 0..4).prop_map(|values| values.join(","));
    prop_oneof![
        (key, prop::sample::select(vec!["=", "==", "!=", " = "]), value).prop_map(|(k, op, v)| format!("{k}{op}{v}")),
        (key, prop::sample::select(vec!["in", "notin"]), values).prop_map(|(k, op, v)| format!("{k} {op} ({v})")),
        key.prop_map(|key| key.to_owned()),
        key.prop_map(|key| format!("!{key}")),
        (key, any::<i64>()).prop_map(|(key, limit)| format!("{key}>{}", limit.saturating_abs())),
    ]
}

proptest! {
    #[test]
    fn label_selectors_print_as_they_parse(requirements in prop::collection::vec(requirement(), 0..5)) {
        let selector = LabelSelector::parse(&requirements.join(",")).unwrap();
        prop_assert_eq!(LabelSelector::parse(&selector.to_string()).unwrap(), selector);
    }

    #[test]
    fn field_selectors_print_as_they_parse(terms in prop::collection::vec(("[a-z.]{1,8}", any::<bool>(), ".{0,6}"), 0..4)) {
        let escape = |value: &str| value.replace('\\', r"\\").replace(',', r"\,").replace('=', r"\=");
        let text: Vec<String> = terms
            .iter()
            .map(|(field, equal, value)| format!("{field}{}{}", if *equal { "=" } else { "!=" }, escape(value)))
            .collect();
        let selector = FieldSelector::parse(&text.join(",")).unwrap();
        prop_assert_eq!(selector.terms().len(), terms.len());
        for (term, (field, _, value)) in selector.terms().iter().zip(&terms) {
            prop_assert_eq!((&term.field, &term.value), (field, value));
        }
        prop_assert_eq!(FieldSelector::parse(&selector.to_string()).unwrap(), selector);
    }

    #[test]
    fn parsing_never_panics(text in "[a-c=!(),<> \\\\]{0,16}|.{0,16}") {
        if let Ok(selector) = LabelSelector::parse(&text) {
            prop_assert_eq!(LabelSelector::parse(&selector.to_string()).unwrap(), selector);
        }
        if let Ok(selector) = FieldSelector::parse(&text) {
            prop_assert_eq!(FieldSelector::parse(&selector.to_string()).unwrap(), selector);
        }
    }
}
