//! One API object in memory: a JSON map with typed access to the metadata that every kind has.
//!
//! Objects are parsed only where a request looks inside them; lists and watches pass stored bytes on. Start reading at
//! [`Object::encode`] for how an object becomes what the store keeps.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use store::Template;

use crate::status::Failure;

/// An API object. `metadata` is always a map.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Object(Value);

impl Object {
    /// Takes a decoded request body.
    ///
    /// # Errors
    /// 400 when it is not a map, or its metadata is not one.
    pub(crate) fn from_value(value: Value) -> Result<Self, Failure> {
        let mut value = value;
        let Some(map) = value.as_object_mut() else {
            return Err(Failure::bad_request("the object provided is not a JSON object"));
        };
        match map.get("metadata") {
            None | Some(Value::Null) => {
                map.insert("metadata".to_owned(), json!({}));
            }
            Some(Value::Object(_)) => {}
            Some(_) => return Err(Failure::bad_request("metadata of the object provided is not a JSON object")),
        }
        Ok(Self(value))
    }

    /// Parses what [`Object::encode`] has written.
    ///
    /// # Errors
    /// 500 when the stored bytes are no object: the store is damaged.
    pub(crate) fn decode(stored: &[u8]) -> Result<Self, Failure> {
        let value = serde_json::from_slice(stored)
            .map_err(|error| Failure::internal(format!("a stored object is damaged: {error}")))?;
        Self::from_value(value)
    }

    pub(crate) fn as_value(&self) -> &Value {
        &self.0
    }

    /// The value, for functions that walk it along its schema; they leave metadata a map.
    pub(crate) fn as_value_mut(&mut self) -> &mut Value {
        &mut self.0
    }

    pub(crate) fn into_value(self) -> Value {
        self.0
    }

    pub(crate) fn fields(&self) -> &Map<String, Value> {
        self.0.as_object().expect("from_value takes only maps")
    }

    pub(crate) fn fields_mut(&mut self) -> &mut Map<String, Value> {
        self.0.as_object_mut().expect("from_value takes only maps")
    }

    /// The value at a path of map keys, null where there is none.
    pub(crate) fn at(&self, path: &[&str]) -> &Value {
        const NULL: &Value = &Value::Null;
        path.iter().fold(&self.0, |value, key| value.get(*key).unwrap_or(NULL))
    }

    /// The text at a path, empty where there is none.
    pub(crate) fn text(&self, path: &[&str]) -> &str {
        self.at(path).as_str().unwrap_or_default()
    }

    /// Sets a top-level field, or removes it with None.
    pub(crate) fn set(&mut self, field: &str, value: Option<Value>) {
        put(self.fields_mut(), field, value);
    }

    pub(crate) fn metadata(&self) -> &Map<String, Value> {
        self.0.get("metadata").and_then(Value::as_object).expect("from_value makes metadata a map")
    }

    pub(crate) fn metadata_mut(&mut self) -> &mut Map<String, Value> {
        self.0.get_mut("metadata").and_then(Value::as_object_mut).expect("from_value makes metadata a map")
    }

    /// Sets a metadata field, or removes it with None.
    pub(crate) fn set_metadata(&mut self, field: &str, value: Option<Value>) {
        put(self.metadata_mut(), field, value);
    }

    /// Takes metadata fields over from another object, present or absent.
    pub(crate) fn keep_metadata(&mut self, from: &Object, fields: &[&str]) {
        for field in fields {
            self.set_metadata(field, from.metadata().get(*field).cloned());
        }
    }

    fn metadata_text(&self, field: &str) -> &str {
        self.metadata().get(field).and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn api_version(&self) -> &str {
        self.text(&["apiVersion"])
    }

    pub(crate) fn kind(&self) -> &str {
        self.text(&["kind"])
    }

    pub(crate) fn name(&self) -> &str {
        self.metadata_text("name")
    }

    pub(crate) fn generate_name(&self) -> &str {
        self.metadata_text("generateName")
    }

    pub(crate) fn namespace(&self) -> &str {
        self.metadata_text("namespace")
    }

    pub(crate) fn uid(&self) -> &str {
        self.metadata_text("uid")
    }

    /// The resource version that a client sent; empty for none.
    pub(crate) fn resource_version(&self) -> &str {
        self.metadata_text("resourceVersion")
    }

    pub(crate) fn generation(&self) -> i64 {
        self.metadata().get("generation").and_then(Value::as_i64).unwrap_or_default()
    }

    pub(crate) fn is_terminating(&self) -> bool {
        !self.metadata_text("deletionTimestamp").is_empty()
    }

    /// How long the object may take to go once it is terminating; 0 where its kind has no such time.
    pub(crate) fn deletion_grace_seconds(&self) -> i64 {
        self.metadata().get("deletionGracePeriodSeconds").and_then(Value::as_i64).unwrap_or_default()
    }

    /// When a terminating object should be gone.
    pub(crate) fn deletion_timestamp(&self) -> Option<Timestamp> {
        self.metadata_text("deletionTimestamp").parse().ok()
    }

    pub(crate) fn finalizers(&self) -> Vec<&str> {
        self.metadata()
            .get("finalizers")
            .and_then(Value::as_array)
            .map(|list| list.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default()
    }

    /// Replaces the finalizers; none removes the field.
    pub(crate) fn set_finalizers(&mut self, finalizers: &[String]) {
        let value = (!finalizers.is_empty()).then(|| json!(finalizers));
        self.set_metadata("finalizers", value);
    }

    pub(crate) fn creation_timestamp(&self) -> Option<Timestamp> {
        self.metadata_text("creationTimestamp").parse().ok()
    }

    /// Whether the two differ in anything but what the server maintains by itself on every write.
    pub(crate) fn same_content(&self, other: &Object) -> bool {
        let strip = |object: &Object| {
            let mut object = object.clone();
            object.set_metadata("resourceVersion", None);
            object
        };
        strip(self) == strip(other)
    }

    /// The object as JSON for the store, with the place where the committer puts the resource version.
    ///
    /// The resource version comes first in the metadata, so that its place is known without searching.
    ///
    /// # Errors
    /// 413 when the object is larger than the store takes.
    pub(crate) fn encode(&self) -> Result<Template, Failure> {
        const BEFORE: &[u8] = br#""metadata":{"resourceVersion":""#;
        let mut bytes = Vec::with_capacity(512);
        let mut offset = 0;
        bytes.push(b'{');
        for (index, (field, value)) in self.fields().iter().enumerate() {
            if index > 0 {
                bytes.push(b',');
            }
            if field != "metadata" {
                write_member(&mut bytes, field, value);
                continue;
            }
            bytes.extend_from_slice(BEFORE);
            offset = bytes.len();
            bytes.push(b'"');
            for (field, value) in self.metadata().iter().filter(|(field, _)| *field != "resourceVersion") {
                bytes.push(b',');
                write_member(&mut bytes, field, value);
            }
            bytes.push(b'}');
        }
        bytes.push(b'}');
        Template::new(Bytes::from(bytes), offset)
            .map_err(|error| Failure::new(crate::status::Reason::RequestEntityTooLarge, error.to_string()))
    }
}

fn put(map: &mut Map<String, Value>, field: &str, value: Option<Value>) {
    match value {
        Some(value) => map.insert(field.to_owned(), value),
        None => map.remove(field),
    };
}

fn write_member(bytes: &mut Vec<u8>, field: &str, value: &Value) {
    serde_json::to_writer(&mut *bytes, field).expect("a string encodes and a vector takes every write");
    bytes.push(b':');
    serde_json::to_writer(bytes, value).expect("a JSON value encodes and a vector takes every write");
}

/// A time as `metav1.Time` has it: RFC 3339 in UTC, whole seconds.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::Object;
    use serde_json::json;

    #[test]
    fn an_object_without_metadata_gets_some_and_other_shapes_are_refused() {
        assert!(Object::from_value(json!({"kind": "X"})).unwrap().metadata().is_empty());
        assert!(Object::from_value(json!([])).is_err());
        assert!(Object::from_value(json!({"metadata": 1})).is_err());
    }

    #[test]
    fn fields_are_found_by_path() {
        let object = Object::from_value(json!({"spec": {"a": {"b": "c"}}})).unwrap();
        assert_eq!(object.text(&["spec", "a", "b"]), "c");
        assert_eq!(object.text(&["spec", "x", "b"]), "");
    }

    #[test]
    fn content_is_compared_without_the_resource_version() {
        let with = |rv: &str, data: &str| {
            Object::from_value(json!({"metadata": {"resourceVersion": rv}, "data": data})).unwrap()
        };
        assert!(with("1", "a").same_content(&with("2", "a")));
        assert!(!with("1", "a").same_content(&with("1", "b")));
    }
}
