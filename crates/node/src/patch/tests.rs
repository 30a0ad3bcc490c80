use serde_json::{Value, json};

use super::between;

fn check(old: Value, new: Value, expected: Option<Value>) {
    assert_eq!(between(&old, &new), expected);
}

#[test]
fn equal_statuses_need_no_patch() {
    let status = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
    check(status.clone(), status, None);
}

#[test]
fn only_what_differs_is_told() {
    check(json!({"a": 1, "b": 2, "gone": 3}), json!({"a": 1, "b": 4}), Some(json!({"b": 4, "gone": null})));
}

#[test]
fn conditions_are_told_one_by_one() {
    check(
        json!({"conditions": [{"type": "Foreign", "status": "True"}, {"type": "Ready", "status": "False", "reason": "R"}]}),
        json!({"conditions": [{"type": "Foreign", "status": "True"}, {"type": "Ready", "status": "True"}]}),
        Some(json!({"conditions": [{"type": "Ready", "status": "True", "reason": null}]})),
    );
    check(
        json!({}),
        json!({"conditions": [{"type": "Ready", "status": "True"}]}),
        Some(json!({"conditions": [{"type": "Ready", "status": "True"}]})),
    );
}
