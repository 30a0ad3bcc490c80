//! Objects in the representation that a client asked for: as they are, as table rows, as metadata only.
//!
//! Stored bytes are passed on without parsing wherever that is possible: an object in the version that is stored, shown
//! as it is.

use std::borrow::Cow;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::context::Context;
use crate::negotiate::View;
use crate::object::Object;
use crate::resource::Resource;
use crate::status::Failure;

/// The metadata of a list.
#[derive(Debug, Clone, Default)]
pub(crate) struct ListMeta {
    pub(crate) resource_version: String,
    pub(crate) continue_token: Option<String>,
    pub(crate) remaining: Option<usize>,
}

impl ListMeta {
    pub(crate) fn at(resource_version: String) -> Self {
        Self { resource_version, ..Self::default() }
    }

    fn to_json(&self) -> Value {
        let mut meta = json!({"resourceVersion": self.resource_version});
        if let Some(token) = &self.continue_token {
            meta["continue"] = token.as_str().into();
        }
        if let Some(remaining) = self.remaining {
            meta["remainingItemCount"] = remaining.into();
        }
        meta
    }
}

/// One object for an answer.
///
/// # Errors
/// 500 when the stored bytes are no object.
pub(crate) fn one(ctx: &Context, stored: &Bytes) -> Result<Bytes, Failure> {
    match ctx.view {
        View::Object => convert(&ctx.resource, stored),
        View::Partial => partial(stored),
        View::Table => {
            let object = convert(&ctx.resource, stored)?;
            let meta = ListMeta::at(Object::decode(&object)?.resource_version().to_owned());
            table(ctx, &[object], &meta, Columns::Shown)
        }
    }
}

/// A list for an answer.
///
/// # Errors
/// 500 when stored bytes are no object.
pub(crate) fn list(ctx: &Context, stored: &[Bytes], meta: &ListMeta) -> Result<Bytes, Failure> {
    let (kind, api_version, items) = match ctx.view {
        View::Table => {
            let objects = stored.iter().map(|stored| convert(&ctx.resource, stored)).collect::<Result<Vec<_>, _>>()?;
            return table(ctx, &objects, meta, Columns::Shown);
        }
        View::Object => {
            let items = stored.iter().map(|stored| convert(&ctx.resource, stored)).collect::<Result<Vec<_>, _>>()?;
            (ctx.resource.list_kind.as_str(), Cow::Owned(ctx.resource.api_version()), items)
        }
        View::Partial => {
            let items = stored.iter().map(partial).collect::<Result<Vec<_>, _>>()?;
            ("PartialObjectMetadataList", Cow::Borrowed(META_V1), items)
        }
    };
    let bytes: usize = items.iter().map(|item| item.len() + 1).sum();
    let mut body = Vec::with_capacity(bytes + 256);
    let head = json!({"kind": kind, "apiVersion": api_version, "metadata": meta.to_json()}).to_string();
    body.extend_from_slice(head.strip_suffix('}').unwrap_or(&head).as_bytes());
    body.extend_from_slice(br#","items":["#);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(item);
    }
    body.extend_from_slice(b"]}");
    Ok(body.into())
}

/// The object of a watch event. A table's columns are named in the first event only.
///
/// # Errors
/// 500 when the stored bytes are no object.
pub(crate) fn event(ctx: &Context, stored: &Bytes, columns: Columns) -> Result<Bytes, Failure> {
    match ctx.view {
        View::Object => convert(&ctx.resource, stored),
        View::Partial => partial(stored),
        View::Table => {
            let object = convert(&ctx.resource, stored)?;
            let meta = ListMeta::at(Object::decode(&object)?.resource_version().to_owned());
            table(ctx, &[object], &meta, columns)
        }
    }
}

const META_V1: &str = "meta.k8s.io/v1";

/// The stored object as the resource shows it.
fn convert(resource: &Resource, stored: &Bytes) -> Result<Bytes, Failure> {
    if resource.shows_as_stored(stored) {
        return Ok(stored.clone());
    }
    Ok(resource.restore(stored)?.into_value().to_string().into())
}

#[derive(Deserialize)]
struct MetadataOnly<'a> {
    #[serde(borrow)]
    metadata: &'a RawValue,
}

fn partial(stored: &Bytes) -> Result<Bytes, Failure> {
    let object: MetadataOnly<'_> = serde_json::from_slice(stored)
        .map_err(|error| Failure::internal(format!("a stored object is damaged: {error}")))?;
    let metadata = object.metadata.get();
    Ok(format!(r#"{{"kind":"PartialObjectMetadata","apiVersion":"{META_V1}","metadata":{metadata}}}"#).into())
}

/// Whether a table names its columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Columns {
    Shown,
    /// Later events of a watch: the client has them already.
    Omitted,
}

fn table(ctx: &Context, objects: &[Bytes], meta: &ListMeta, columns: Columns) -> Result<Bytes, Failure> {
    let include = Include::of(ctx)?;
    let now = ctx.now();
    let rows = objects.iter().map(|object| row(&ctx.resource, object, include, now)).collect::<Result<Vec<_>, _>>()?;
    let definitions: Vec<Value> = match columns {
        Columns::Omitted => Vec::new(),
        Columns::Shown => ctx.resource.columns.iter().map(column).collect(),
    };
    let table = json!({
        "kind": "Table",
        "apiVersion": META_V1,
        "metadata": meta.to_json(),
        "columnDefinitions": definitions,
        "rows": rows,
    });
    Ok(table.to_string().into())
}

fn column(column: &crate::resource::Column) -> Value {
    json!({
        "name": column.name,
        "type": column.r#type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    })
}

/// What a table row carries beside its cells (`includeObject`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Include {
    None,
    Metadata,
    Object,
}

impl Include {
    fn of(ctx: &Context) -> Result<Self, Failure> {
        match ctx.query.get("includeObject") {
            None | Some("Metadata") => Ok(Self::Metadata),
            Some("None") => Ok(Self::None),
            Some("Object") => Ok(Self::Object),
            Some(other) => Err(Failure::bad_request(format!(
                "includeObject: Unsupported value: \"{other}\": supported values: \"None\", \"Metadata\", \"Object\""
            ))),
        }
    }
}

fn row(resource: &Resource, bytes: &Bytes, include: Include, now: Timestamp) -> Result<Value, Failure> {
    let object = Object::decode(bytes)?;
    let cells = resource.rules.cells(&object, now);
    let shown = match include {
        Include::None => Value::Null,
        Include::Object => object.into_value(),
        Include::Metadata => json!({
            "kind": "PartialObjectMetadata",
            "apiVersion": META_V1,
            "metadata": object.at(&["metadata"]),
        }),
    };
    Ok(json!({"cells": cells, "object": shown}))
}
