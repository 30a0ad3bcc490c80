//! Wording of paths and field errors, compared with what Kubernetes prints.

use serde_json::json;

use super::{ErrorKind, FieldError, Path, quote};

#[test]
fn paths_render_fields_indexes_and_keys() {
    let spec = Path::new("spec");
    let containers = spec.field("containers");
    assert_eq!(containers.index(0).field("name").to_string(), "spec.containers[0].name");
    assert_eq!(Path::new("data").key("my.key").to_string(), "data[my.key]");
    assert_eq!(Path::ROOT.field("spec").to_string(), "spec");
    assert_eq!(Path::ROOT.index(2).field("name").to_string(), "[2].name");
}

#[test]
fn overlong_names_are_shortened_in_paths() {
    let name = "ä".repeat(1000);
    assert_eq!(Path::new("a").key(&name).to_string(), format!("a[{}…]", "ä".repeat(256)));
}

#[test]
fn messages_read_as_kubernetes_writes_them() {
    let replicas = Path::new("spec");
    let replicas = replicas.field("replicas");
    let table = [
        (
            FieldError::invalid(&replicas, -1, "must be greater than or equal to 0"),
            "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
        ),
        (FieldError::required(&replicas, ""), "spec.replicas: Required value"),
        (FieldError::required(&Path::ROOT, "because"), "<nil>: Required value: because"),
        (
            FieldError::not_supported(&replicas, "x", &["a", "b"]),
            r#"spec.replicas: Unsupported value: "x": supported values: "a", "b""#,
        ),
        (FieldError::duplicate(&replicas, json!({"a": 1})), r#"spec.replicas: Duplicate value: {"a":1}"#),
        (FieldError::too_long(&replicas, 1), "spec.replicas: Too long: may not be more than 1 byte"),
        (FieldError::too_many(&replicas, 3, 2), "spec.replicas: Too many: 3: must have at most 2 items"),
        (FieldError::forbidden(&replicas, "no"), "spec.replicas: Forbidden: no"),
        (FieldError::not_found(&replicas, "x"), r#"spec.replicas: Not found: "x""#),
    ];
    for (error, expected) in table {
        assert_eq!(error.to_string(), expected);
    }
    assert_eq!(ErrorKind::TypeInvalid.reason(), "FieldValueTypeInvalid");
}

#[test]
fn control_characters_in_values_are_escaped() {
    assert_eq!(quote("a\"b\\c\nd\u{1}é\u{85}"), "\"a\\\"b\\\\c\\nd\\x01é\\u0085\"");
}
