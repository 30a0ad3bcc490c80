//! Taints and what tolerates them.

use machinery::field::{FieldError, Path};
use machinery::name;
use serde_json::Value;

use super::{items, text};

const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// Everything that is wrong with the tolerations of a pod.
pub(in crate::kinds) fn check_tolerations(path: &Path<'_>, tolerations: &Value, errors: &mut Vec<FieldError>) {
    for (i, toleration) in items(tolerations).iter().enumerate() {
        check_toleration(&path.index(i), toleration, errors);
    }
}

fn check_toleration(path: &Path<'_>, toleration: &Value, errors: &mut Vec<FieldError>) {
    let (key, operator) = (text(&toleration["key"]), text(&toleration["operator"]));
    let (value, effect) = (text(&toleration["value"]), text(&toleration["effect"]));
    if !key.is_empty() {
        let problems = name::check_qualified(key).into_iter();
        errors.extend(problems.map(|why| FieldError::invalid(&path.field("key"), key, why)));
    }
    let operator_path = path.field("operator");
    if key.is_empty() && operator != "Exists" {
        let why = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
        errors.push(FieldError::invalid(&operator_path, operator, why));
    }
    if !toleration["tolerationSeconds"].is_null() && effect != "NoExecute" {
        let why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
        errors.push(FieldError::invalid(&path.field("effect"), effect, why));
    }
    match operator {
        "" | "Equal" => {
            let problems = name::check_label_value(value);
            if !problems.is_empty() {
                errors.push(FieldError::invalid(&operator_path, value, problems.join(";")));
            }
        }
        "Exists" if value.is_empty() => {}
        "Exists" => {
            errors.push(FieldError::invalid(&operator_path, value, "value must be empty when `operator` is 'Exists'"));
        }
        other => errors.push(FieldError::not_supported(&operator_path, other, &["Equal", "Exists"])),
    }
    if !effect.is_empty() {
        check_effect(&path.field("effect"), effect, errors);
    }
}

/// The effect of a taint. Only a toleration may leave it out.
pub(in crate::kinds) fn check_effect(path: &Path<'_>, effect: &str, errors: &mut Vec<FieldError>) {
    match effect {
        "" => errors.push(FieldError::required(path, "")),
        effect if EFFECTS.contains(&effect) => {}
        other => errors.push(FieldError::not_supported(path, other, &EFFECTS)),
    }
}
