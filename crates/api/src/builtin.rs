//! The built-in kinds as data: the schema table in typed form, and the facts that stand in the files of the kinds.
//!
//! [`table`] has a [`Resource`] for each kind that Kubernetes defines and this product is to serve. [`facts`] has the rest
//! for those it serves today; a kind without facts is not served. Nothing here interprets a schema.

mod facts;
mod table;

pub use facts::{Column, Description, Facts, Name, SelectableField, Update};
pub use table::{Resource, Scope, Subresource, Table, Verb, table};

use crate::{apiextensions, apps, coordination, core};

/// The facts of all kinds that are served.
pub const FACTS: &[&Facts] = &[
    &apiextensions::v1::custom_resource_definition::FACTS,
    &apps::v1::deployment::FACTS,
    &apps::v1::replica_set::FACTS,
    &coordination::v1::lease::FACTS,
    &core::v1::config_map::FACTS,
    &core::v1::event::FACTS,
    &core::v1::namespace::FACTS,
    &core::v1::node::FACTS,
    &core::v1::pod::FACTS,
    &core::v1::secret::FACTS,
    &core::v1::service_account::FACTS,
];

/// The facts of the kind that `resource` serves, or none if the kind is not served.
pub fn facts(resource: &Resource) -> Option<&'static Facts> {
    FACTS
        .iter()
        .find(|facts| {
            (facts.group, facts.version, facts.kind) == (&*resource.group, &*resource.version, &*resource.kind)
        })
        .copied()
}

#[cfg(test)]
mod tests;
