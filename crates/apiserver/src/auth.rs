//! Who is asking. Everything but health needs an answer; what the user may do is decided elsewhere.

use http::Extensions;

/// An authenticated user, as Kubernetes describes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name, for example `kubernetes-admin` or `system:node:laptop`.
    pub name: String,
    /// The groups, `system:authenticated` among them.
    pub groups: Vec<String>,
}

const AUTHENTICATED: &str = "system:authenticated";

impl User {
    /// A user with `name` and `groups`; the group of all authenticated users is added.
    pub fn new(name: impl Into<String>, groups: impl IntoIterator<Item = String>) -> Self {
        let mut groups: Vec<String> = groups.into_iter().collect();
        if !groups.iter().any(|group| group == AUTHENTICATED) {
            groups.push(AUTHENTICATED.to_owned());
        }
        Self { name: name.into(), groups }
    }

    /// The user of a request, which the transport has put into its extensions: from a verified client certificate, or
    /// for a role in the same process. There is no bearer token that this server issues or accepts.
    pub(crate) fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get::<Self>()
    }
}
