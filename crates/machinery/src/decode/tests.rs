//! Bodies that must be refused, duplicates that must be seen, and the same value from both formats.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{DecodeError, Decoded, MAX_DEPTH, json as decode_json, yaml as decode_yaml};

fn nested(depth: usize) -> String {
    format!("{}1{}", "[".repeat(depth), "]".repeat(depth))
}

#[test]
fn nesting_beyond_the_limit_is_refused_by_both_formats() {
    assert!(decode_json(nested(MAX_DEPTH).as_bytes()).is_ok());
    assert!(decode_yaml(nested(MAX_DEPTH).as_bytes()).is_ok());
    for depth in [MAX_DEPTH + 1, 127, 128, 200, 100_000] {
        let body = nested(depth);
        assert!(matches!(decode_json(body.as_bytes()), Err(DecodeError::TooDeep)), "json {depth}");
        assert!(matches!(decode_yaml(body.as_bytes()), Err(DecodeError::TooDeep)), "yaml {depth}");
    }
    let block: String = (0..150).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
    assert!(matches!(decode_yaml(block.as_bytes()), Err(DecodeError::TooDeep)));
}

#[test]
fn alias_bombs_are_refused() {
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for i in 1..10 {
        let aliases = vec![format!("*a{}", i - 1); 9].join(",");
        bomb.push_str(&format!("a{i}: &a{i} [{aliases}]\n"));
    }
    let refusal = decode_yaml(bomb.as_bytes());
    assert!(matches!(refusal, Err(DecodeError::TooLarge | DecodeError::Yaml(_))), "{refusal:?}");

    let text = "y".repeat(1 << 20);
    let aliases = vec!["*t"; 64].join(",");
    let long = format!("t: &t {text}\nl: [{aliases}]\n");
    assert!(matches!(decode_yaml(long.as_bytes()), Err(DecodeError::TooLarge)));
}

#[test]
fn anything_but_one_document_is_refused() {
    for body in ["", " \n\t"] {
        assert!(matches!(decode_json(body.as_bytes()), Err(DecodeError::Empty)));
        assert!(matches!(decode_yaml(body.as_bytes()), Err(DecodeError::Empty)));
    }
    assert!(matches!(decode_yaml(b"# only a comment\n"), Err(DecodeError::Empty)));
    assert!(matches!(decode_yaml(b"a: 1\n---\nb: 2\n"), Err(DecodeError::SeveralDocuments)));
    assert!(matches!(decode_json(b"{} {}"), Err(DecodeError::Json(_))));
    assert!(decode_yaml(b"---\na: 1\n...\n").is_ok());
}

#[test]
fn malformed_bodies_say_where() {
    let Err(DecodeError::Json(source)) = decode_json(b"{\"a\": 1,\n \"b\": }") else { panic!("must be refused") };
    assert_eq!((source.line(), source.column()), (2, 7));
    let Err(DecodeError::Yaml(source)) = decode_yaml(b"a: 1\nb: [1, 2\n") else { panic!("must be refused") };
    assert!(source.to_string().contains("line"), "{source}");
    assert!(decode_json(b"\"\xff\"").is_err());
    assert!(decode_yaml(b"a: \xff").is_err());
    assert!(decode_yaml(b"a: .nan").is_err());
    assert!(decode_yaml(b"? [a, b]\n: 1").is_err());
}

#[test]
fn every_duplicate_field_is_reported_once_with_its_path() {
    let body = br#"{"metadata":{"name":"a","name":"b","name":"c"},"spec":{"c":[{"x":1},{"x":1,"x":2}]},"spec":{}}"#;
    let Decoded { value, duplicates } = decode_json(body).unwrap();
    assert_eq!(duplicates, ["metadata.name", "spec.c[1].x", "spec"]);
    assert_eq!(value, json!({"metadata": {"name": "c"}, "spec": {}}));

    let Decoded { value, duplicates } = decode_yaml(b"metadata:\n  name: a\n  name: b\nkind: x\nkind: z\n").unwrap();
    assert_eq!(duplicates, ["metadata.name", "kind"]);
    assert_eq!(value, json!({"metadata": {"name": "b"}, "kind": "z"}));
}

#[test]
fn a_body_of_duplicates_is_read_in_time_and_reported_in_part() {
    let fields: Vec<String> = (0..100_000).map(|i| format!("\"k{}\":1", i / 2)).collect();
    let decoded = decode_json(format!("{{{}}}", fields.join(",")).as_bytes()).unwrap();
    assert_eq!(decoded.duplicates.len(), crate::field::MAX_ERRORS);
    assert_eq!(decoded.value.as_object().map(serde_json::Map::len), Some(50_000));
}

#[test]
fn yaml_reads_as_kubernetes_reads_it() {
    let body = b"base: &b {a: 1}\nmerged: {<<: *b, c: 2}\n1: one\ntrue: yes\nday: 2024-01-02\nquoted: \"1\"\n\
        empty:\nfloat: 1.5\nhex: 0x10\nbig: 18446744073709551615\nblock: |\n  x\n  y\n";
    let expected = json!({
        "base": {"a": 1}, "merged": {"a": 1, "c": 2}, "1": "one", "true": true, "day": "2024-01-02", "quoted": "1",
        "empty": null, "float": 1.5, "hex": 16, "big": u64::MAX, "block": "x\ny\n",
    });
    assert_eq!(decode_yaml(body).unwrap(), Decoded { value: expected, duplicates: vec![] });
}

#[test]
fn numbers_beyond_64_bits_become_floating_point() {
    assert_eq!(decode_json(b"123456789012345678901234567890").unwrap().value, json!(1.2345678901234568e29));
    assert_eq!(decode_yaml(b"a: 123456789012345678901234567890").unwrap().value, json!({"a": 1.2345678901234568e29}));
}

/// Any JSON value, with texts that tempt YAML.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z0-9:#&*!|>'\"%@`~ \\-]{0,8}".prop_map(Value::from),
        prop_oneof!["yes", "null", "1e3", "0x1", "~", "<<", "- a", "2001-01-01"].prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,4}", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn decoding_never_panics(body in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode_json(&body).is_ok() == serde_json::from_slice::<Value>(&body).is_ok());
        if let Ok(decoded) = decode_yaml(&body) {
            prop_assert!(!decoded.value.is_null());
        }
    }

    #[test]
    fn yaml_like_noise_never_panics(body in "[a-z0-9:\\-{}\\[\\],&*!|>'\"#%@ \n\t?<~.]{0,120}") {
        if let Ok(decoded) = decode_yaml(body.as_bytes()) {
            prop_assert!(!decoded.value.is_null());
        }
    }

    #[test]
    fn json_text_decodes_to_the_same_value_in_both_formats(value in any_json()) {
        prop_assume!(!value.is_null());
        let text = value.to_string();
        let expected = Decoded { value, duplicates: vec![] };
        prop_assert_eq!(decode_json(text.as_bytes()).unwrap(), expected.clone());
        prop_assert_eq!(decode_yaml(text.as_bytes()).unwrap(), expected);
    }
}
