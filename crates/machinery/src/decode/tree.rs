//! Builds a [`Value`] from any serde deserializer, noting duplicate fields and keeping to the limits.
//!
//! `serde_json::Value` has a `Deserialize` of its own, but that one drops duplicates silently and follows aliases without
//! a limit.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::MAX_DEPTH;
use crate::field::{MAX_ERRORS, Path};

/// What is noticed while a document is read.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) duplicates: Vec<String>,
    pub(super) too_deep: bool,
    pub(super) exhausted: bool,
    /// For formats whose values may be larger than their text.
    pub(super) budget: Option<Budget>,
}

/// How much may still be built.
#[derive(Debug)]
pub(super) struct Budget {
    pub(super) values: usize,
    pub(super) text: usize,
}

impl Report {
    fn duplicate(&mut self, path: &Path<'_>) {
        if self.duplicates.len() == MAX_ERRORS {
            return;
        }
        let path = path.to_string();
        if !self.duplicates.contains(&path) {
            self.duplicates.push(path);
        }
    }

    fn spend<E: Error>(&mut self, text: usize) -> Result<(), E> {
        let Some(budget) = &mut self.budget else { return Ok(()) };
        match (budget.values.checked_sub(1), budget.text.checked_sub(text)) {
            (Some(values), Some(text)) => {
                *budget = Budget { values, text };
                Ok(())
            }
            _ => {
                self.exhausted = true;
                Err(E::custom("the document expands to too many values"))
            }
        }
    }
}

/// Deserializes one value that stands at `path`.
#[derive(Debug)]
pub(super) struct Tree<'r, 'p> {
    report: &'r mut Report,
    path: Path<'p>,
    depth: usize,
}

impl<'r> Tree<'r, '_> {
    pub(super) fn new(report: &'r mut Report) -> Self {
        Tree { report, path: Path::ROOT, depth: 0 }
    }

    fn descend<E: Error>(&mut self) -> Result<usize, E> {
        if self.depth == MAX_DEPTH {
            self.report.too_deep = true;
            return Err(E::custom("nested too deep"));
        }
        Ok(self.depth + 1)
    }

    fn number<E: Error>(self, number: impl Into<Number>) -> Result<Value, E> {
        self.report.spend(0)?;
        Ok(Value::Number(number.into()))
    }
}

impl<'de> DeserializeSeed<'de> for Tree<'_, '_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
        self.report.spend(0)?;
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        self.number(number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        self.number(number)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        let number = Number::from_f64(number).ok_or_else(|| E::custom("not a finite number"))?;
        self.number(number)
    }

    /// Beyond 64 bits, JSON numbers are floating point, as in Kubernetes.
    fn visit_i128<E: Error>(self, number: i128) -> Result<Value, E> {
        self.visit_f64(number as f64)
    }

    fn visit_u128<E: Error>(self, number: u128) -> Result<Value, E> {
        self.visit_f64(number as f64)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        self.report.spend(text.len())?;
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        self.report.spend(text.len())?;
        Ok(Value::String(text))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.report.spend(0)?;
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut sequence: A) -> Result<Value, A::Error> {
        let depth = self.descend()?;
        self.report.spend(0)?;
        let mut list = Vec::new();
        while let Some(value) =
            sequence.next_element_seed(Tree { report: self.report, path: self.path.index(list.len()), depth })?
        {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Value, A::Error> {
        let depth = self.descend()?;
        self.report.spend(0)?;
        let mut map = Map::new();
        while let Some(name) = entries.next_key_seed(Key)? {
            self.report.spend(name.len())?;
            if map.contains_key(&name) {
                self.report.duplicate(&self.path.field(&name));
            }
            let value = entries.next_value_seed(Tree { report: self.report, path: self.path.field(&name), depth })?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

/// A field name. YAML may write one that reads as a number or a boolean.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Key {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<String, E> {
        Ok(text)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<String, E> {
        Ok(flag.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<String, E> {
        Ok(number.to_string())
    }
}
