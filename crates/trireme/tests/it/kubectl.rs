//! What people do with kubectl, word for word as kubectl tells them what came of it.
//!
//! One file a subject: [`changes`] of objects, [`output`] in all its forms, [`kinds`] one by one, [`custom`] kinds that the
//! tests invent, [`validation`] of what people mistype.

pub(crate) mod changes;
pub(crate) mod custom;
pub(crate) mod kinds;
pub(crate) mod output;
pub(crate) mod validation;
