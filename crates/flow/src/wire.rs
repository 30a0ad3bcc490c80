//! The messages and the service as generated from `proto/flow.proto`.
//!
//! The generated code is kept in the repository, so that no build needs a protobuf compiler and its packages; a test
//! compares it with what the definition gives. After a change of the definition: `UPDATE_EXPECT=1 cargo test -p flow`.
//! Nothing is checked here; [`crate::Snapshot`] and [`crate::Rule`] do.

#![expect(clippy::all, clippy::allow_attributes_without_reason, reason = "generated code")]

include!("wire/trireme.flow.v1.rs");

#[cfg(test)]
mod tests;
