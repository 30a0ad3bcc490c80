//! `Secret`: values that are not shown unless asked for. Some types demand keys, which [`REQUIRED_DATA`] lists.

use crate::builtin::{Column, Description, Facts, Name, SelectableField, Update};

/// The facts of the kind.
pub const FACTS: Facts = Facts {
    group: "",
    version: "v1",
    kind: "Secret",
    name: Name::Subdomain,
    update: Update { unconditional: true, creates: false },
    selectable_fields: &[SelectableField::at(&["type"])],
    columns: &[
        Column::NAME,
        Column::text("Type", Description::Property { definition: DEFINITION, property: "type" }),
        Column::text("Data", Description::Property { definition: DEFINITION, property: "data" }),
        Column::AGE,
    ],
};

const DEFINITION: &str = "io.k8s.api.core.v1.Secret";

/// The most bytes that the decoded values of `data` may have in total; keys do not count.
pub const MAX_VALUES_BYTES: usize = 1024 * 1024;

/// The type of a secret that names none. The API gives it no meaning.
pub const OPAQUE_TYPE: &str = "Opaque";

/// The type of a secret with a token for a service account. It must carry [`SERVICE_ACCOUNT_NAME_ANNOTATION`].
pub const SERVICE_ACCOUNT_TOKEN_TYPE: &str = "kubernetes.io/service-account-token";

/// Annotation of a [`SERVICE_ACCOUNT_TOKEN_TYPE`] secret: the name of the service account.
pub const SERVICE_ACCOUNT_NAME_ANNOTATION: &str = "kubernetes.io/service-account.name";

/// Which keys `data` must have, for the types that demand any.
pub const REQUIRED_DATA: &[RequiredData] = &[
    RequiredData { r#type: "kubernetes.io/dockercfg", demand: Demand::JsonObject(".dockercfg") },
    RequiredData { r#type: "kubernetes.io/dockerconfigjson", demand: Demand::JsonObject(".dockerconfigjson") },
    RequiredData { r#type: "kubernetes.io/basic-auth", demand: Demand::AnyOf(&["username", "password"]) },
    RequiredData { r#type: "kubernetes.io/ssh-auth", demand: Demand::NotEmpty("ssh-privatekey") },
    RequiredData { r#type: "kubernetes.io/tls", demand: Demand::AllOf(&["tls.crt", "tls.key"]) },
];

/// What one type of secret demands of `data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequiredData {
    /// The value of `type`.
    pub r#type: &'static str,
    /// What `data` must hold.
    pub demand: Demand,
}

/// A rule about the keys of `data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Each of these keys, of any value, also the empty one.
    AllOf(&'static [&'static str]),
    /// At least one of these keys, of any value.
    AnyOf(&'static [&'static str]),
    /// This key, with a value that is not empty.
    NotEmpty(&'static str),
    /// This key, with a JSON object as its value.
    JsonObject(&'static str),
}
