//! Rules that hold for every Kubernetes kind, as pure functions over [`serde_json::Value`].
//!
//! No I/O, no clock (time is an argument), no randomness (it is an argument too), no CEL, and no knowledge of any
//! kind: schemas come in as arguments. The way of a request body through this crate, which is also the order to read it in:
//! [`decode`] → [`unknown`] → [`defaulting`] → [`validate`] and [`meta`], all of them along a [`schema`], all of
//! them reporting [`field::FieldError`]s. [`patch`] makes the new object out of the old one; [`selector`],
//! [`revision`], [`jsonpath`] and [`table`] serve reads.

pub mod decode;
pub mod defaulting;
pub mod field;
pub mod jsonpath;
pub mod meta;
pub mod name;
pub mod owner;
pub mod patch;
pub mod quantity;
pub mod revision;
pub mod schema;
pub mod selector;
pub mod table;
pub mod unknown;
pub mod validate;
