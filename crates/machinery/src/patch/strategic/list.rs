//! Lists in a strategic merge patch: merging by key or by value, and the order of the result.
//!
//! The order obeys three wishes, the first most: the order that the patch gives, the order among elements that only the object
//! has, and, between the two groups, the order that the object had. Elements are compared by their JSON text through hash
//! tables: a body may hold a million scalars. Start at [`merge`] and [`arrange`].

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::{DIRECTIVE, PatchError, Place, clean, clean_list, merge_objects};
use crate::field::Path;
use crate::schema::Node;

/// Merges `patch` into `current`, a list with the patch strategy `merge`.
pub(super) fn merge(
    path: &Path<'_>,
    schema: Option<Node<'_>>,
    current: Vec<Value>,
    patch: Vec<Value>,
) -> Result<Vec<Value>, PatchError> {
    match element_type(path, current.iter().chain(&patch))? {
        ElementType::Objects => {
            let Some(key) = schema.and_then(Node::merge_key) else {
                return Err(unmergeable(path, "cannot merge lists of objects without a merge key"));
            };
            merge_by_key(&Keyed { path, key, items: schema.and_then(Node::items) }, current, patch)
        }
        ElementType::Scalars => {
            let mut seen = HashSet::new();
            let distinct = current.iter().chain(&patch).filter(|value| seen.insert(value.to_string()));
            let merged = distinct.cloned().collect();
            arrange(path, merged, &Arrangement { first: &patch, then: &current, key: None })
        }
    }
}

enum ElementType {
    Objects,
    Scalars,
}

fn element_type<'v>(path: &Path<'_>, elements: impl Iterator<Item = &'v Value>) -> Result<ElementType, PatchError> {
    let (mut objects, mut scalars) = (false, false);
    for element in elements {
        match element {
            Value::Array(_) => return Err(unmergeable(path, "lists of lists are not supported")),
            Value::Object(_) => objects = true,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => scalars = true,
        }
    }
    match (objects, scalars) {
        (true, true) => Err(unmergeable(path, "list element types are not identical")),
        (true, false) => Ok(ElementType::Objects),
        (false, _) => Ok(ElementType::Scalars),
    }
}

fn unmergeable(path: &Path<'_>, problem: &'static str) -> PatchError {
    PatchError::UnmergeableList { path: path.to_string(), problem }
}

/// A list of objects that are told apart by one of their fields.
struct Keyed<'a> {
    path: &'a Path<'a>,
    key: &'a str,
    items: Option<Node<'a>>,
}

impl Keyed<'_> {
    fn key_of<'v>(&self, element: &'v Value) -> Result<&'v Value, PatchError> {
        key_of(self.path, element, Some(self.key))
    }
}

fn merge_by_key(list: &Keyed<'_>, mut current: Vec<Value>, patch: Vec<Value>) -> Result<Vec<Value>, PatchError> {
    let mut replaced = false;
    let mut deleted = HashSet::new();
    let mut changes = Vec::new();
    for element in patch {
        match element.get(DIRECTIVE) {
            None => changes.push(element),
            Some(Value::String(word)) if word == "delete" => {
                deleted.insert(list.key_of(&element)?.to_string());
            }
            Some(Value::String(word)) if word == "replace" => replaced = true,
            Some(directive) => {
                let (path, directive) = (list.path.to_string(), directive.clone());
                return Err(PatchError::UnknownDirective { path, directive });
            }
        }
    }
    if replaced {
        return Ok(clean_list(changes));
    }
    current.retain(|element| element.get(list.key).is_none_or(|key| !deleted.contains(&key.to_string())));
    let order = changes.clone();
    let merged = merge_elements(list, current.clone(), changes)?;
    arrange(list.path, merged, &Arrangement { first: &order, then: &current, key: Some(list.key) })
}

/// Each change is merged into the first element with its key, or appended.
fn merge_elements(list: &Keyed<'_>, mut merged: Vec<Value>, changes: Vec<Value>) -> Result<Vec<Value>, PatchError> {
    let mut positions = HashMap::new();
    for (i, element) in merged.iter().enumerate() {
        positions.entry(list.key_of(element)?.to_string()).or_insert(i);
    }
    for change in changes {
        let key = list.key_of(&change)?.to_string();
        if let Some(&i) = positions.get(&key) {
            let (target, change) = (into_object(merged[i].take()), into_object(change));
            merged[i] = Value::Object(merge_objects(&list.path.index(i), list.items, target, change)?);
        } else {
            positions.insert(key, merged.len());
            merged.extend(clean(change));
        }
    }
    Ok(merged)
}

fn into_object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// The order that a merged list shall have.
pub(super) struct Arrangement<'a> {
    /// Elements named here keep this order among themselves.
    pub(super) first: &'a [Value],
    /// The others keep this one, which also decides between the two groups.
    pub(super) then: &'a [Value],
    /// What tells elements apart; `None` for scalars.
    pub(super) key: Option<&'a str>,
}

/// Brings `merged` into order.
pub(super) fn arrange(path: &Path<'_>, merged: Vec<Value>, wish: &Arrangement<'_>) -> Result<Vec<Value>, PatchError> {
    let ranks = |order: &[Value]| -> Result<HashMap<String, usize>, PatchError> {
        let mut ranks = HashMap::new();
        for (at, element) in order.iter().enumerate() {
            ranks.entry(key_of(path, element, wish.key)?.to_string()).or_insert(at);
        }
        Ok(ranks)
    };
    let (first, then) = (ranks(wish.first)?, ranks(wish.then)?);
    let (mut named, mut others) = (Vec::new(), Vec::new());
    for element in merged {
        let key = key_of(path, &element, wish.key)?.to_string();
        let in_then = then.get(&key).copied();
        match first.get(&key) {
            Some(at) => named.push((*at, in_then, element)),
            None => others.push((in_then, element)),
        }
    }
    named.sort_by_key(|(at, _, _)| *at);
    others.sort_by_key(|(at, _)| at.unwrap_or(usize::MAX));
    let mut arranged = Vec::with_capacity(named.len() + others.len());
    let mut others = others.into_iter().peekable();
    for (_, in_then, element) in named {
        // An element of the object alone goes before a named one only if it did so in the object.
        while let Some((_, other)) =
            others.next_if(|(other, _)| matches!((other, in_then), (Some(a), Some(b)) if *a < b))
        {
            arranged.push(other);
        }
        arranged.push(element);
    }
    arranged.extend(others.map(|(_, element)| element));
    Ok(arranged)
}

fn key_of<'v>(path: &Path<'_>, element: &'v Value, key: Option<&str>) -> Result<&'v Value, PatchError> {
    let Some(key) = key else { return Ok(element) };
    element.get(key).ok_or_else(|| PatchError::NoMergeKey { path: path.to_string(), key: key.to_owned() })
}

/// The elements of a patch must stand in its `$setElementOrder`, in the same order.
pub(super) fn check_order(
    place: &Place<'_>,
    patch: &[Value],
    order: &[Value],
    key: Option<&str>,
) -> Result<(), PatchError> {
    if order.is_empty() {
        return Ok(());
    }
    let mut rest = order.iter();
    for element in patch.iter().filter(|element| element.get(DIRECTIVE).is_none()) {
        let wanted = key_of(place.path, element, key)?;
        loop {
            match rest.next() {
                Some(next) if key_of(place.path, next, key)? == wanted => break,
                Some(_) => {}
                None => {
                    return Err(place.malformed("the order in the patch list doesn't match its $setElementOrder list"));
                }
            }
        }
    }
    Ok(())
}

/// `list` without the scalars in `deletions`.
pub(super) fn without(place: &Place<'_>, list: Vec<Value>, deletions: &[Value]) -> Result<Vec<Value>, PatchError> {
    match element_type(place.path, list.iter().chain(deletions))? {
        ElementType::Scalars => {
            let gone: HashSet<String> = deletions.iter().map(Value::to_string).collect();
            Ok(list.into_iter().filter(|element| !gone.contains(&element.to_string())).collect())
        }
        ElementType::Objects => Err(place.malformed("$deleteFromPrimitiveList is for lists of scalars")),
    }
}
