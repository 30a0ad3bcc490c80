//! The kinds: what their schemas are, and what the platform knows of each beyond its schema.
//!
//! [`KUBERNETES_SCHEMA`] is the table of built-in resources and OpenAPI v3 schemas that `cargo xtask codegen` makes;
//! [`builtin`] reads it. A kind has one file, `<group>/<version>/<kind>.rs`, with the facts that no schema states and the
//! names that it defines; names that belong to every kind are in [`meta`]. What happens to an object (validation,
//! defaulting, cells of a table) is not here: `machinery` has the rules for every kind, `apiserver` those of one.
//! Start reading at [`builtin::table`].

pub mod apiextensions;
pub mod apps;
pub mod builtin;
pub mod coordination;
pub mod core;
pub mod meta;

/// The schema table as JSON, 0.4 MB: `version`, `resources`, and `definitions`, which maps the names that OpenAPI
/// documents use to their schemas. [`builtin::table`] is its typed form.
pub const KUBERNETES_SCHEMA: &[u8] = include_bytes!("../schema/kubernetes.json");
