//! Who belongs to whom: adoption and release by selector.
//!
//! Pure. Start reading at [`claim`].

use client::meta::OwnerReference;
use client::{Kind, KindExt, Subject};
use serde_json::{Value, json};

/// An object that owns others as their controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    /// `group/version`.
    pub(crate) api_version: &'static str,
    /// The kind.
    pub(crate) kind: &'static str,
    /// The name.
    pub(crate) name: String,
    /// The uid.
    pub(crate) uid: String,
    /// The namespace, which is that of its dependents.
    pub(crate) namespace: Option<String>,
    /// Whether it is being deleted. Then it takes nothing and lets nothing go.
    pub(crate) terminating: bool,
}

impl Owner {
    /// The owner that an object is.
    pub(crate) fn of<K: Kind<DynamicType = ()>>(object: &K, api_version: &'static str, kind: &'static str) -> Self {
        Self {
            api_version,
            kind,
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
            namespace: object.namespace(),
            terminating: object.meta().deletion_timestamp.is_some(),
        }
    }

    /// The owner as the subject of an event.
    pub(crate) fn subject(&self) -> Subject {
        Subject {
            api_version: self.api_version.to_owned(),
            kind: self.kind.to_owned(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            uid: self.uid.clone(),
        }
    }
}

/// An object that may belong to an [`Owner`] in the same namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate<'a> {
    /// The uid of its controller, if it has one.
    pub(crate) controller: Option<&'a str>,
    /// Whether the owner's selector matches it.
    pub(crate) matches: bool,
    /// Whether it is being deleted.
    pub(crate) terminating: bool,
}

/// What an owner does about an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It owns the object already.
    Keep,
    /// Nobody owns it, and the selector matches.
    Adopt,
    /// It owns the object, but the selector no longer matches.
    Release,
    /// It has nothing to do with it.
    Ignore,
}

/// What `owner` does about an object.
pub(crate) fn claim(owner: &Owner, candidate: Candidate<'_>) -> Claim {
    match candidate.controller {
        Some(controller) if controller != owner.uid => Claim::Ignore,
        Some(_) if candidate.matches => Claim::Keep,
        Some(_) if owner.terminating => Claim::Ignore,
        Some(_) => Claim::Release,
        None if owner.terminating || candidate.terminating || !candidate.matches => Claim::Ignore,
        None => Claim::Adopt,
    }
}

/// The uid of an object's controller.
pub(crate) fn controller<K: Kind>(object: &K) -> Option<&str> {
    controller_reference(object).map(|reference| reference.uid.as_str())
}

/// The reference to an object's controller.
pub(crate) fn controller_reference<K: Kind>(object: &K) -> Option<&OwnerReference> {
    let references = object.meta().owner_references.as_deref().unwrap_or_default();
    references.iter().find(|reference| reference.controller == Some(true))
}

/// The reference that makes `owner` the controller of an object.
pub(crate) fn reference(owner: &Owner) -> OwnerReference {
    OwnerReference {
        api_version: owner.api_version.to_owned(),
        kind: owner.kind.to_owned(),
        name: owner.name.clone(),
        uid: owner.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// A strategic merge patch that makes `owner` the controller of the object of this uid, beside its other owners.
pub(crate) fn take_patch(owner: &Owner, uid: &str) -> Value {
    json!({"metadata": {"uid": uid, "ownerReferences": [reference(owner)]}})
}

/// A strategic merge patch that removes `owner` from the owners of the object of this uid.
pub(crate) fn release_patch(owner: &Owner, uid: &str) -> Value {
    json!({"metadata": {"uid": uid, "ownerReferences": [{"$patch": "delete", "uid": owner.uid}]}})
}

#[cfg(test)]
mod tests;
