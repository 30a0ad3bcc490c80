//! Which objects a list, watch or collection deletion is about: label and field selectors.

use std::borrow::Cow;
use std::collections::HashMap;

use bytes::Bytes;
use machinery::selector::{FieldSelector, LabelSelector};
use serde::Deserialize;

use crate::context::Context;
use crate::object::Object;
use crate::status::Failure;

/// The selectors of one request.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    labels: LabelSelector,
    fields: FieldSelector,
    /// A single object is watched by its path.
    name: Option<String>,
}

/// The one part of an object that label selectors look at; everything else is skipped while parsing.
#[derive(Deserialize)]
struct Labelled<'a> {
    #[serde(borrow)]
    metadata: Labels<'a>,
}

#[derive(Deserialize)]
struct Labels<'a> {
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    labels: HashMap<Cow<'a, str>, Cow<'a, str>>,
}

impl Filter {
    /// The selectors in the query, and the name in the path.
    ///
    /// # Errors
    /// 400 for selectors that cannot be parsed or name fields that the kind does not offer.
    pub(crate) fn parse(ctx: &Context) -> Result<Self, Failure> {
        let labels = LabelSelector::parse(ctx.query.get("labelSelector").unwrap_or_default())
            .map_err(|error| Failure::bad_request(format!("unable to parse requirement: {error}")))?;
        let fields = FieldSelector::parse(ctx.query.get("fieldSelector").unwrap_or_default())
            .map_err(|error| Failure::bad_request(error.to_string()))?;
        if let Some(term) = fields.terms().iter().find(|term| !ctx.resource.has_field(&term.field)) {
            return Err(Failure::bad_request(format!("field label not supported: {}", term.field)));
        }
        Ok(Self { labels, fields, name: ctx.path.name.clone() })
    }

    /// Whether every object is meant.
    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.terms().is_empty() && self.name.is_none()
    }

    /// Whether a stored object is meant.
    ///
    /// # Errors
    /// 500 when the stored bytes are no object.
    pub(crate) fn matches(&self, ctx: &Context, stored: &Bytes) -> Result<bool, Failure> {
        if self.is_empty() {
            return Ok(true);
        }
        let head: Labelled<'_> = serde_json::from_slice(stored)
            .map_err(|error| Failure::internal(format!("a stored object is damaged: {error}")))?;
        let label = |key: &str| head.metadata.labels.get(key).map(|value| &**value);
        if self.name.as_ref().is_some_and(|name| *name != head.metadata.name) || !self.labels.matches_by(label) {
            return Ok(false);
        }
        if self.fields.terms().is_empty() {
            return Ok(true);
        }
        let object = Object::decode(stored)?;
        let field = |name: &str| Cow::Borrowed(ctx.resource.field(&object, name).unwrap_or_default());
        Ok(self.fields.matches_by(field))
    }
}
