//! Fields that a schema does not know: found with their paths, and removed.
//!
//! Kubernetes drops unknown fields of every object it stores; `fieldValidation` only decides whether their paths become an
//! error (Strict), warnings (Warn) or nothing (Ignore). So there is one operation, [`prune`], which does both. For custom
//! resources it follows the pruning rules of the CustomResourceDefinition documentation, with
//! `x-kubernetes-preserve-unknown-fields` and `x-kubernetes-embedded-resource`. The `metadata` of a custom or
//! embedded resource is left alone: the caller prunes it along the published schema of ObjectMeta.

use serde_json::Value;

use crate::field::{MAX_ERRORS, Path, quote};
use crate::schema::{Member, Node};

/// Removes from `value`, found at `path`, the fields that `schema` does not know. Returns the paths of at most [`MAX_ERRORS`] of
/// them, sorted, such as `spec.containers[0].foo`.
pub fn prune(path: &Path<'_>, schema: Node<'_>, value: &mut Value) -> Vec<String> {
    let mut pruning = Pruning { removed: Vec::new() };
    pruning.walk(path, Rule { schema: Some(schema), inherited: Fate::Removed }, value);
    pruning.removed.sort();
    pruning.removed
}

/// `unknown field "spec.foo"`: one warning, or one part of a strict decoding error.
pub fn unknown_message(path: &str) -> String {
    format!("unknown field {}", quote(path))
}

/// `duplicate field "spec.foo"`, for [`crate::decode::Decoded::duplicates`].
pub fn duplicate_message(path: &str) -> String {
    format!("duplicate field {}", quote(path))
}

/// What a resource has without its schema saying so.
const RESOURCE_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// What becomes of fields that are not declared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    Removed,
}

/// What applies to a value. Without a schema, scalars stay and nothing is known inside objects.
#[derive(Clone, Copy)]
struct Rule<'a> {
    schema: Option<Node<'a>>,
    inherited: Fate,
}

struct Pruning {
    removed: Vec<String>,
}

impl Pruning {
    fn walk(&mut self, path: &Path<'_>, rule: Rule<'_>, value: &mut Value) {
        let schema = rule.schema;
        let preserves = schema.is_some_and(Node::preserves_unknown_fields);
        let fate = if preserves { Fate::Kept } else { rule.inherited };
        match value {
            Value::Object(map) => {
                let is_resource = schema.is_some_and(Node::is_resource);
                map.retain(|name, child| {
                    if is_resource && RESOURCE_FIELDS.contains(&name.as_str()) {
                        return true;
                    }
                    let path = path.field(name);
                    match schema.map_or(Member::Unknown, |schema| schema.member(name)) {
                        Member::Property(schema) | Member::Entry(schema) => {
                            self.walk(&path, Rule { schema: Some(schema), inherited: Fate::Removed }, child);
                            return true;
                        }
                        Member::Free => return true,
                        Member::Unknown if fate == Fate::Kept => return true,
                        Member::Unknown => {}
                    }
                    if self.removed.len() < MAX_ERRORS {
                        self.removed.push(path.to_string());
                    }
                    false
                });
            }
            Value::Array(list) => {
                let items = schema.and_then(Node::items);
                if items.is_none() && fate == Fate::Kept {
                    return;
                }
                for (i, element) in list.iter_mut().enumerate() {
                    self.walk(&path.index(i), Rule { schema: items, inherited: fate }, element);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
