//! Paths that must be refused, and what the others select.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{JsonPath, JsonPathError};

#[test]
fn what_is_no_path_of_the_dialect_is_refused() {
    for text in [
        "",
        "spec",
        "{}",
        "{.spec",
        ".spec}",
        "{.spec} x",
        "{.a}{.b}",
        ".a..b",
        "..a",
        ".a[",
        ".a[]",
        ".a[x]",
        ".a['x]",
        ".a[0",
        ".a[?(@.b==)]",
        ".a[?(@.b=='x']",
        ".a[?(@.b=='x' && @.c=='y')]",
        ".a[?(b)]",
        ".a\\",
        ".a b",
        ".a[0,]",
        ".a.",
        "$",
        "{range .a}",
        ".a[99999999999999999999]",
        ".a[?(@.b=~'x')]",
    ] {
        assert!(JsonPath::parse(text).is_err(), "{text:?}");
    }
    assert!(matches!(JsonPath::parse(&".a".repeat(600)), Err(JsonPathError::TooLong)));
    let error = JsonPath::parse(".a..b").expect_err("must be refused");
    assert_eq!(error.to_string(), "invalid JSONPath \".a..b\": recursive descent is not supported");
    let error = JsonPath::parse(".a[x]").expect_err("must be refused");
    assert_eq!(
        error.to_string(),
        "invalid JSONPath \".a[x]\": expected '*', an index, a slice or a quoted name at byte 3"
    );
}

#[test]
fn paths_select_what_kubectl_selects() {
    let object = json!({
        "metadata": {"annotations": {"foo.bar/baz": "annotated", "it's": 1, "a\\b": 2}},
        "spec": {"replicas": 3, "list": [10, 20, 30], "key-with-dash": true},
        "status": {"conditions": [
            {"type": "Ready", "status": "True", "n": 1}, {"type": "Synced", "status": "False", "n": 2, "flag": true},
        ]},
    });
    let table = [
        (".spec.replicas", json!([3])),
        ("{.spec.replicas}", json!([3])),
        ("{ .spec.replicas }", json!([3])),
        ("$.spec.replicas", json!([3])),
        (".spec['replicas']", json!([3])),
        (".spec[\"replicas\"]", json!([3])),
        (".spec.key-with-dash", json!([true])),
        (".spec.missing", json!([])),
        (".spec.replicas.deeper", json!([])),
        (r".metadata.annotations.foo\.bar/baz", json!(["annotated"])),
        (r".metadata.annotations['foo\.bar/baz']", json!(["annotated"])),
        (".metadata.annotations['foo.bar/baz']", json!(["annotated"])),
        (r".metadata.annotations['it\'s']", json!([1])),
        (r".metadata.annotations.a\\b", json!([2])),
        (".spec.list[0]", json!([10])),
        (".spec.list[-1]", json!([30])),
        (".spec.list[7]", json!([])),
        (".spec.list[*]", json!([10, 20, 30])),
        (".spec.list.*", json!([10, 20, 30])),
        (".spec.list[0:2]", json!([10, 20])),
        (".spec.list[0,2]", json!([10, 30])),
        (".spec.list[::2]", json!([10, 30])),
        (".status.conditions[*].type", json!(["Ready", "Synced"])),
        (r#".status.conditions[?(@.type=="Ready")].status"#, json!(["True"])),
        (r#".status.conditions[?(@.type == 'Synced')].status"#, json!(["False"])),
        (r#".status.conditions[?(@.type!="Ready")].status"#, json!(["False"])),
        (".status.conditions[?(@.n>1)].type", json!(["Synced"])),
        (".status.conditions[?(@.n<=2)].type", json!(["Ready", "Synced"])),
        (".status.conditions[?(@.flag)].type", json!(["Synced"])),
        (".status.conditions[?(@.flag==true)].type", json!(["Synced"])),
        (".status.conditions[?(@['type']=='Ready')]['status']", json!(["True"])),
    ];
    for (text, expected) in table {
        let path = JsonPath::parse(text)
            .unwrap_or_else(|error| panic!("{text}: {error}: {:?}", std::error::Error::source(&error)));
        assert_eq!(json!(path.select(&object)), expected, "{text}");
        assert_eq!(path.first(&object), expected.get(0), "{text}");
    }
    assert_eq!(JsonPath::parse(".").unwrap().select(&object), [&object]);
}

proptest! {
    #[test]
    fn any_field_can_be_named_in_quotes_and_with_escapes(name in ".{1,12}") {
        let object = json!({ name.clone(): {"x": 1} });
        let quoted = name.replace('\\', r"\\").replace('\'', r"\'");
        let path = JsonPath::parse(&format!("['{quoted}'].x")).unwrap();
        prop_assert_eq!(path.first(&object), Some(&Value::from(1)));
        let escaped: String = name.chars().flat_map(|c| ['\\', c]).collect();
        let path = JsonPath::parse(&format!(".{escaped}.x")).unwrap();
        prop_assert_eq!(path.first(&object), Some(&Value::from(1)));
    }

    #[test]
    fn parsing_never_panics(text in "[.a\\[\\]?(@)='\"0-9:*,{} \\\\$<>!]{0,24}") {
        if let Ok(path) = JsonPath::parse(&text) {
            let object = json!({"a": [{"a": 0}, 1]});
            prop_assert!(path.select(&object).len() < 100);
        }
    }
}
