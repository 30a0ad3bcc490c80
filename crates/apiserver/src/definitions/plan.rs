//! Which definitions' names hold, and the status that says so. Pure.

use std::collections::HashSet;

use api::apiextensions::v1::custom_resource_definition::{
    ESTABLISHED_CONDITION, NAMES_ACCEPTED_CONDITION, TERMINATING_CONDITION,
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::object::{Object, rfc3339};
use crate::resource::Resource;

/// The names in use, by group.
#[derive(Default)]
struct Taken {
    /// Plurals, singulars and short names share one space.
    resources: HashSet<(String, String)>,
    /// Kinds and list kinds share another.
    kinds: HashSet<(String, String)>,
}

/// The status of each definition, in their order. Those that were established before keep their names; among new ones
/// the first in order wins.
pub(super) fn statuses(definitions: &[&Object], builtin: &[&Resource], now: Timestamp) -> Vec<Value> {
    let mut taken = Taken::default();
    for resource in builtin {
        taken.take(&resource.group, &names_of(resource));
    }
    let mut order: Vec<usize> = (0..definitions.len()).collect();
    order.sort_by_key(|index| !is_true(definitions[*index], ESTABLISHED_CONDITION));
    let mut statuses = vec![Value::Null; definitions.len()];
    for index in order {
        let definition = definitions[index];
        let names = Names::of(definition.at(&["spec", "names"]));
        let group = definition.text(&["spec", "group"]);
        let conflict = taken.conflict(group, &names);
        if conflict.is_none() {
            taken.take(group, &names);
        }
        statuses[index] = status(definition, conflict, now);
    }
    statuses
}

/// Whether a condition holds.
pub(super) fn is_true(definition: &Object, condition: &str) -> bool {
    is_true_in(definition.at(&["status"]), condition)
}

/// Whether a condition holds in a status.
pub(super) fn is_true_in(status: &Value, condition: &str) -> bool {
    let conditions = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    conditions.iter().any(|entry| entry["type"] == condition && entry["status"] == "True")
}

struct Names {
    resources: Vec<String>,
    kinds: Vec<String>,
}

impl Names {
    fn of(names: &Value) -> Self {
        let text = |field: &str| names[field].as_str().map(str::to_owned);
        let short = names["shortNames"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        Self {
            resources: text("plural").into_iter().chain(text("singular")).chain(short).collect(),
            kinds: text("kind").into_iter().chain(text("listKind")).collect(),
        }
    }
}

fn names_of(resource: &Resource) -> Names {
    let mut resources = vec![resource.plural.clone(), resource.singular.clone()];
    resources.extend(resource.short_names.iter().cloned());
    Names { resources, kinds: vec![resource.kind.clone(), resource.list_kind.clone()] }
}

impl Taken {
    fn take(&mut self, group: &str, names: &Names) {
        let of_group = |name: &String| (group.to_owned(), name.clone());
        self.resources.extend(names.resources.iter().map(of_group));
        self.kinds.extend(names.kinds.iter().map(of_group));
    }

    /// The first name that another definition of the group has.
    fn conflict(&self, group: &str, names: &Names) -> Option<String> {
        let used = |set: &HashSet<_>, name: &String| set.contains(&(group.to_owned(), name.clone()));
        let resource = names.resources.iter().find(|name| used(&self.resources, name));
        resource.or_else(|| names.kinds.iter().find(|name| used(&self.kinds, name))).cloned()
    }
}

fn status(definition: &Object, conflict: Option<String>, now: Timestamp) -> Value {
    let mut status: Map<String, Value> = definition.at(&["status"]).as_object().cloned().unwrap_or_default();
    let mut conditions = status.get("conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    match &conflict {
        None => {
            status.insert("acceptedNames".to_owned(), definition.at(&["spec", "names"]).clone());
            let accepted = ("True", "NoConflicts", "no conflicts found");
            set_condition(&mut conditions, NAMES_ACCEPTED_CONDITION, accepted, now);
            let established = ("True", "InitialNamesAccepted", "the initial names have been accepted");
            set_condition(&mut conditions, ESTABLISHED_CONDITION, established, now);
        }
        Some(name) => {
            let message = format!("\"{name}\" is already in use");
            set_condition(&mut conditions, NAMES_ACCEPTED_CONDITION, ("False", "NameConflict", &message), now);
            // Once true it stays true: objects may exist.
            if !is_true(definition, ESTABLISHED_CONDITION) {
                let waiting = ("False", "NotAccepted", "not all names are accepted");
                set_condition(&mut conditions, ESTABLISHED_CONDITION, waiting, now);
            }
        }
    }
    if definition.is_terminating() {
        let terminating = ("True", "InstanceDeletionInProgress", "CustomResource deletion is in progress");
        set_condition(&mut conditions, TERMINATING_CONDITION, terminating, now);
    }
    status.insert("conditions".to_owned(), conditions.into());
    Value::Object(status)
}

/// Sets a condition; its transition time moves only when its status does.
fn set_condition(conditions: &mut Vec<Value>, kind: &str, condition: (&str, &str, &str), now: Timestamp) {
    let (status, reason, message) = condition;
    let existing = conditions.iter_mut().find(|entry| entry["type"] == kind);
    let since = match &existing {
        Some(entry) if entry["status"] == status => entry["lastTransitionTime"].clone(),
        Some(_) | None => rfc3339(now).into(),
    };
    let entry = json!({
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": since,
    });
    match existing {
        Some(existing) => *existing = entry,
        None => conditions.push(entry),
    }
}

#[cfg(test)]
mod tests;
