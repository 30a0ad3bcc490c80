//! Patches that must be refused, and what the others make of an object.
//!
//! The strategic cases restate the semantics that upstream's tests of `strategicpatch` describe, on a schema of our own.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{JsonPatch, PatchError, merge, strategic};
use crate::decode;
use crate::schema::Definitions;

mod json_patch {
    use super::*;

    fn apply(target: &Value, operations: &Value) -> Result<Value, PatchError> {
        JsonPatch::parse(operations)?.apply(target)
    }

    #[test]
    fn operations_that_do_not_apply_are_refused_with_their_position() {
        let target = json!({"a": {"b": 1}, "list": [1]});
        for operation in [
            json!({"op": "test", "path": "/a/b", "value": 2}),
            json!({"op": "remove", "path": "/x"}),
            json!({"op": "replace", "path": "/x", "value": 1}),
            json!({"op": "add", "path": "/x/y", "value": 1}),
            json!({"op": "add", "path": "/list/2", "value": 1}),
            json!({"op": "move", "from": "/a", "path": "/a/b"}),
            json!({"op": "copy", "from": "/x", "path": "/y"}),
        ] {
            let patch = json!([{"op": "add", "path": "/ok", "value": 1}, operation]);
            assert!(matches!(apply(&target, &patch), Err(PatchError::Operation { index: 1, .. })), "{patch}");
        }
    }

    #[test]
    fn what_is_no_patch_is_refused() {
        for document in
            [json!({}), json!([1]), json!([{"op": "jump", "path": "/a"}]), json!([{"op": "add", "path": "a"}])]
        {
            assert!(matches!(JsonPatch::parse(&document), Err(PatchError::Malformed(_))), "{document}");
        }
        let many = Value::Array(vec![json!({"op": "remove", "path": "/a"}); 10_001]);
        assert!(matches!(JsonPatch::parse(&many), Err(PatchError::TooManyOperations { count: 10_001 })));
    }

    #[test]
    fn documents_that_double_themselves_are_refused() {
        let patch: Vec<Value> =
            (0..64).map(|i| json!({"op": "copy", "from": "/x", "path": format!("/x/{i}")})).collect();
        assert!(matches!(
            apply(&json!({"x": {}}), &Value::Array(patch)),
            Err(PatchError::TooDeep | PatchError::CopiesTooMuch)
        ));
        let wide: Vec<Value> =
            (0..1000).map(|i| json!({"op": "copy", "from": "/x", "path": format!("/y{i}")})).collect();
        assert!(matches!(
            apply(&json!({"x": "x".repeat(1 << 16)}), &Value::Array(wide)),
            Err(PatchError::CopiesTooMuch)
        ));
    }

    #[test]
    fn documents_that_grow_deeper_than_a_body_are_refused() {
        let patch: Vec<Value> = (0..decode::MAX_DEPTH + 10)
            .map(|i| json!({"op": "add", "path": "/a".repeat(i + 1), "value": {}}))
            .collect();
        assert!(matches!(apply(&json!({}), &Value::Array(patch)), Err(PatchError::TooDeep)));
    }

    #[test]
    fn operations_apply_in_order() {
        let patch = json!([
            {"op": "test", "path": "/m/a~1b", "value": [1]},
            {"op": "add", "path": "/m/a~1b/-", "value": 2},
            {"op": "move", "from": "/m/a~1b", "path": "/list"},
            {"op": "copy", "from": "/list/1", "path": "/two"},
            {"op": "replace", "path": "/list/0", "value": 0},
            {"op": "remove", "path": "/m"},
        ]);
        assert_eq!(apply(&json!({"m": {"a/b": [1]}}), &patch).unwrap(), json!({"list": [0, 2], "two": 2}));
    }
}

#[test]
fn merge_patches_follow_rfc_7386() {
    let table = [
        (json!({"a": {"b": 1, "c": 2}}), json!({"a": {"b": null, "d": 3}}), json!({"a": {"c": 2, "d": 3}})),
        (json!({"a": [1, 2]}), json!({"a": [3]}), json!({"a": [3]})),
        (json!({"a": "x"}), json!({"a": {"b": null, "c": 1}}), json!({"a": {"c": 1}})),
        (json!({"a": 1}), json!({}), json!({"a": 1})),
        (json!({"a": 1}), json!([]), json!([])),
    ];
    for (mut target, patch, expected) in table {
        merge(&mut target, &patch);
        assert_eq!(target, expected, "{patch}");
    }
}

static SCHEMA: LazyLock<Definitions> = LazyLock::new(|| {
    let item = json!({"allOf": [{"$ref": "#/components/schemas/Item"}], "default": {}});
    let by_name = json!({"type": "array", "items": item, "x-kubernetes-patch-strategy": "merge",
        "x-kubernetes-patch-merge-key": "name"});
    let properties = json!({
        "name": {"type": "string"}, "value": {"type": "string"}, "other": {"type": "integer"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "items": by_name,
        "plain": {"type": "array", "items": item},
        "words": {"type": "array", "items": {"type": "string"}, "x-kubernetes-patch-strategy": "merge"},
        "keyless": {"type": "array", "items": item, "x-kubernetes-patch-strategy": "merge"},
        "nested": item,
        "whole": {"allOf": [{"$ref": "#/components/schemas/Item"}], "x-kubernetes-patch-strategy": "replace"},
        "union": {"allOf": [{"$ref": "#/components/schemas/Item"}], "x-kubernetes-patch-strategy": "retainKeys"},
        "raw": {"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.runtime.RawExtension"},
    });
    let mut definitions = Definitions::new();
    definitions
        .add_document(&json!({"components": {"schemas": {
            "Item": {"type": "object", "properties": properties},
            "io.k8s.apimachinery.pkg.runtime.RawExtension": {"type": "object"},
        }}}))
        .unwrap();
    definitions
});

fn apply(target: &Value, patch: &Value) -> Result<Value, PatchError> {
    strategic(SCHEMA.get("Item").unwrap(), target, patch)
}

#[track_caller]
fn check(target: Value, patch: Value, expected: Value) {
    assert_eq!(apply(&target, &patch).unwrap(), expected, "{target} with {patch}");
}

#[test]
fn strategic_patches_that_make_no_sense_are_refused() {
    use PatchError::{MalformedDirective, NoMergeKey, NotAnObject, UnknownDirective, UnknownField, UnmergeableList};
    let target = json!({
        "items": [{"name": "a"}], "words": ["a"], "keyless": [{"name": "a"}], "nested": {"name": "a"}, "alien": {"x": {}},
        "labels": {}, "union": {"name": "a"},
    });
    macro_rules! refused {
        ($patch:tt, $pattern:pat) => {
            let refusal = apply(&target, &json!($patch));
            assert!(matches!(refusal, Err($pattern)), "{refusal:?}");
        };
    }
    refused!([], NotAnObject);
    refused!({"alien": {"x": {}}}, UnknownField { .. });
    refused!({"$patch": "join"}, UnknownDirective { .. });
    refused!({"nested": {"$patch": 1}}, UnknownDirective { .. });
    refused!({"items": [{"$patch": "merge", "name": "a"}]}, UnknownDirective { .. });
    refused!({"items": [{"value": "x"}]}, NoMergeKey { .. });
    refused!({"items": [{"$patch": "delete"}]}, NoMergeKey { .. });
    refused!({"items": ["x"]}, UnmergeableList { .. });
    refused!({"words": [["x"]]}, UnmergeableList { .. });
    refused!({"keyless": [{"name": "b"}]}, UnmergeableList { .. });
    refused!({"$setElementOrder/items": {}}, MalformedDirective { .. });
    refused!({"$setElementOrder/nested": []}, MalformedDirective { .. });
    refused!({"$setElementOrder/items": [{"value": "x"}]}, NoMergeKey { .. });
    refused!({"$setElementOrder/items": [{"name": "a"}], "items": [{"name": "b"}]}, MalformedDirective { .. });
    refused!({"$setElementOrder/words": ["a", "b"], "words": ["b", "a"]}, MalformedDirective { .. });
    refused!({"$deleteFromPrimitiveList/words": "a"}, MalformedDirective { .. });
    refused!({"$deleteFromPrimitiveList/items": [{"name": "a"}]}, MalformedDirective { .. });
    refused!({"union": {"$retainKeys": "name", "name": "b"}}, MalformedDirective { .. });
    refused!({"union": {"$retainKeys": ["name"], "value": "b"}}, MalformedDirective { .. });
}

#[test]
fn objects_merge_and_nulls_delete() {
    check(json!({"name": "a"}), json!({}), json!({"name": "a"}));
    check(json!({}), json!({"name": "a", "value": null}), json!({"name": "a"}));
    check(json!({"name": "a", "value": "b"}), json!({"value": null, "other": 1}), json!({"name": "a", "other": 1}));
    check(
        json!({"nested": {"name": "a", "other": 1}}),
        json!({"nested": {"other": null}}),
        json!({"nested": {"name": "a"}}),
    );
    check(
        json!({"labels": {"a": "1", "b": "2"}}),
        json!({"labels": {"a": null, "c": "3"}}),
        json!({"labels": {"b": "2", "c": "3"}}),
    );
    check(json!({"nested": "odd"}), json!({"nested": {"name": "a", "value": null}}), json!({"nested": {"name": "a"}}));
    check(
        json!({"raw": {"a": {"b": [1]}}}),
        json!({"raw": {"a": {"b": [2], "c": 1}}}),
        json!({"raw": {"a": {"b": [2], "c": 1}}}),
    );
}

#[test]
fn directives_replace_and_delete_objects() {
    let target = json!({"name": "x", "nested": {"name": "a", "other": 1}, "whole": {"name": "a"}});
    check(target.clone(), json!({"$patch": "replace", "value": "y"}), json!({"value": "y"}));
    check(target.clone(), json!({"$patch": "delete"}), json!({}));
    check(
        target.clone(),
        json!({"nested": {"$patch": "replace", "value": "y"}}),
        json!({"name": "x", "nested": {"value": "y"}, "whole": {"name": "a"}}),
    );
    check(
        target.clone(),
        json!({"nested": {"$patch": "delete"}, "whole": {"value": "v"}}),
        json!({"name": "x", "nested": {}, "whole": {"value": "v"}}),
    );
    check(
        target.clone(),
        json!({"nested": {"$patch": "merge", "value": "y"}, "whole": null}),
        json!({"name": "x", "nested": {"name": "a", "other": 1, "value": "y"}}),
    );
    check(
        json!({}),
        json!({"nested": {"$patch": "delete", "name": "a"}, "items": [{"$patch": "delete", "name": "a"}]}),
        json!({"items": []}),
    );
}

#[test]
fn retain_keys_clears_what_is_not_named() {
    check(
        json!({"union": {"name": "rolling", "value": "x", "other": 1}}),
        json!({"union": {"$retainKeys": ["name"], "name": "recreate", "value": null}}),
        json!({"union": {"name": "recreate"}}),
    );
    check(
        json!({"union": {"name": "a"}}),
        json!({"union": {"$retainKeys": ["value"], "value": "b"}}),
        json!({"union": {"value": "b"}}),
    );
    check(json!({}), json!({"union": {"$retainKeys": ["value"], "value": "b"}}), json!({"union": {"value": "b"}}));
}

#[test]
fn lists_with_a_merge_key_merge_element_by_element() {
    let target = json!({"items": [{"name": "a", "value": "1", "other": 1}, {"name": "b"}]});
    check(
        target.clone(),
        json!({"items": [{"name": "b", "value": "2"}, {"name": "a", "other": null}]}),
        json!({"items": [{"name": "b", "value": "2"}, {"name": "a", "value": "1"}]}),
    );
    check(
        target.clone(),
        json!({"items": [{"name": "c", "value": null}]}),
        json!({"items": [{"name": "c"}, {"name": "a", "value": "1", "other": 1}, {"name": "b"}]}),
    );
    check(target.clone(), json!({"items": [{"name": "a", "$patch": "delete"}]}), json!({"items": [{"name": "b"}]}));
    check(
        target.clone(),
        json!({"items": [{"name": "z"}, {"$patch": "replace"}, {"name": "y", "value": null}]}),
        json!({"items": [{"name": "z"}, {"name": "y"}]}),
    );
    check(target.clone(), json!({"items": [{"$patch": "replace"}]}), json!({"items": []}));
    check(target, json!({"items": null}), json!({}));
    check(
        json!({"items": [{"name": "a"}, {"name": "b"}, {"name": "a"}]}),
        json!({"items": [{"name": "a", "$patch": "delete"}]}),
        json!({"items": [{"name": "b"}]}),
    );
    check(
        json!({"items": [{"name": "a", "items": [{"name": "x"}, {"name": "y"}]}]}),
        json!({"items": [{"name": "a", "items": [{"name": "x", "$patch": "delete"}]}]}),
        json!({"items": [{"name": "a", "items": [{"name": "y"}]}]}),
    );
}

#[test]
fn lists_without_a_merge_strategy_are_replaced() {
    check(
        json!({"plain": [{"name": "a"}]}),
        json!({"plain": [{"name": "b", "value": null}]}),
        json!({"plain": [{"name": "b"}]}),
    );
}

#[test]
fn lists_of_scalars_merge_as_sets() {
    check(json!({"words": ["a", "b"]}), json!({"words": ["b", "c"]}), json!({"words": ["a", "b", "c"]}));
    check(
        json!({"words": ["a", "b", "c"]}),
        json!({"$deleteFromPrimitiveList/words": ["b", "z"]}),
        json!({"words": ["a", "c"]}),
    );
    check(
        json!({"words": ["a", "b"]}),
        json!({"$deleteFromPrimitiveList/words": ["a"], "words": ["c"], "$setElementOrder/words": ["c", "b"]}),
        json!({"words": ["c", "b"]}),
    );
    check(json!({}), json!({"$deleteFromPrimitiveList/words": ["a"]}), json!({}));
}

#[test]
fn element_order_is_obeyed_and_elements_of_the_object_keep_their_place() {
    check(
        json!({"items": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}),
        json!({"$setElementOrder/items": [{"name": "c"}, {"name": "a"}]}),
        json!({"items": [{"name": "b"}, {"name": "c"}, {"name": "a"}]}),
    );
    check(
        json!({"items": [{"name": "a"}, {"name": "server"}, {"name": "c"}]}),
        json!({"$setElementOrder/items": [{"name": "a"}, {"name": "new"}, {"name": "c"}], "items": [{"name": "new"}]}),
        json!({"items": [{"name": "a"}, {"name": "new"}, {"name": "server"}, {"name": "c"}]}),
    );
    check(
        json!({"items": [{"name": "a"}, {"name": "b"}]}),
        json!({"$setElementOrder/items": [{"name": "b"}], "items": [{"name": "a", "$patch": "delete"}]}),
        json!({"items": [{"name": "b"}]}),
    );
    check(json!({}), json!({"$setElementOrder/items": [{"name": "b"}]}), json!({}));
    check(
        json!({}),
        json!({"$setElementOrder/items": [{"name": "b"}, {"name": "a"}], "items": [{"name": "b"}, {"name": "a"}]}),
        json!({"items": [{"name": "b"}, {"name": "a"}]}),
    );
    check(
        json!({"words": ["1", "2", "3"]}),
        json!({"$setElementOrder/words": ["3", "1", "4"], "words": ["4"]}),
        json!({"words": ["2", "3", "1", "4"]}),
    );
}

fn item() -> impl Strategy<Value = Value> {
    let words = || prop::collection::btree_set("[a-e]", 0..4).prop_map(Value::from_iter);
    let leaf = ("[a-e]", prop::option::of("[x-z]"), words()).prop_map(|(name, value, words)| {
        let mut item = json!({"name": name, "words": words});
        if let Some(value) = value {
            item["value"] = value.into();
        }
        item
    });
    leaf.prop_recursive(3, 20, 4, |inner| {
        ("[a-e]", prop::collection::vec(inner.clone(), 0..4), inner).prop_map(|(name, items, nested)| {
            let mut seen = std::collections::BTreeSet::new();
            let items: Vec<Value> = items.into_iter().filter(|item| seen.insert(item["name"].to_string())).collect();
            json!({"name": name, "items": items, "nested": nested})
        })
    })
}

proptest! {
    #[test]
    fn a_patch_without_directives_is_found_in_the_result_and_changes_nothing_twice(target in item(), patch in item()) {
        let once = apply(&target, &patch).unwrap();
        prop_assert_eq!(&apply(&once, &patch).unwrap(), &once);
        prop_assert_eq!(&once["name"], &patch["name"]);
        prop_assert_eq!(apply(&target, &json!({})).unwrap(), target);
        prop_assert_eq!(apply(&json!({}), &patch).unwrap(), patch);
    }

    #[test]
    fn patches_of_any_shape_never_panic(target in decode::tests::any_json(), patch in decode::tests::any_json()) {
        if let Ok(patched) = apply(&target, &patch) {
            prop_assert!(patched.is_object());
        }
    }
}
