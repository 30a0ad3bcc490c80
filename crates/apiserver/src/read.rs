//! Reading one object, and lists in pages that fit together.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Response, StatusCode};
use machinery::revision::{self, Consistency, Params};
use serde::{Deserialize, Serialize};
use store::{Revision, Snapshot};

use crate::body::{self, ResponseBody};
use crate::context::Context;
use crate::filter::Filter;
use crate::status::Failure;
use crate::view::{self, ListMeta};

/// GET of one object.
///
/// # Errors
/// 404 when there is none.
pub(crate) fn get(ctx: &Context) -> Result<Response<ResponseBody>, Failure> {
    revision::get(ctx.query.get("resourceVersion").unwrap_or_default()).map_err(|errors| bad_options(&errors))?;
    let entry = ctx.entry()?;
    Ok(body::json(StatusCode::OK, view::one(ctx, &entry.value)?))
}

/// GET of a list, or of one page of it.
///
/// # Errors
/// 400 for parameters that contradict each other, 410 when the asked-for state is gone.
pub(crate) fn list(ctx: &Context) -> Result<Response<ResponseBody>, Failure> {
    let filter = Filter::parse(ctx)?;
    let limit = ctx.query.number("limit")?.unwrap_or_default();
    let start = Start::of(ctx, limit)?;
    let prefix = ctx.resource.prefix(ctx.namespace());
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut items = Vec::new();
    let mut more = None;
    let mut last_name = start.after.clone();
    for entry in start.snapshot.scan(&ctx.resource.collection, &prefix, start.after.as_deref()) {
        if !filter.matches(ctx, &entry.value)? {
            continue;
        }
        if limit > 0 && items.len() == limit {
            more = last_name;
            break;
        }
        items.push(entry.value.clone());
        last_name = Some(entry.key.name().to_owned());
    }
    let mut meta = ListMeta::at(start.snapshot.revision().to_string());
    if let Some(after) = more {
        // The next page comes from the same state, as long as it is held.
        ctx.server.store.hold(&start.snapshot);
        meta.continue_token =
            Some(Token { revision: Some(start.snapshot.revision().get()), after: after.clone() }.encode());
        if filter.is_empty() {
            let rest = start.snapshot.scan(&ctx.resource.collection, &prefix, Some(&after));
            meta.remaining = Some(rest.count());
        }
    }
    Ok(body::json(StatusCode::OK, view::list(ctx, &items, &meta)?))
}

/// Where a list begins.
struct Start {
    snapshot: Snapshot,
    /// The last name of the page before.
    after: Option<String>,
}

impl Start {
    fn of(ctx: &Context, limit: u64) -> Result<Self, Failure> {
        let text = |name| ctx.query.get(name).unwrap_or_default();
        let token = text("continue");
        let params = Params {
            resource_version: text("resourceVersion"),
            resource_version_match: text("resourceVersionMatch"),
            continue_token: token,
            limit,
            send_initial_events: match ctx.query.get("sendInitialEvents") {
                None => None,
                Some(_) => Some(ctx.query.flag("sendInitialEvents")?),
            },
        };
        let consistency = revision::list(params).map_err(|errors| bad_options(&errors))?;
        let snapshot = match consistency {
            Consistency::Continue => return Self::at_token(ctx, &Token::decode(token)?),
            Consistency::Latest | Consistency::Any => ctx.server.store.snapshot(),
            Consistency::NotOlderThan(at) => not_older_than(ctx, at)?,
            Consistency::Exact(at) => exactly(ctx, at)?,
        };
        Ok(Self { snapshot, after: None })
    }

    fn at_token(ctx: &Context, token: &Token) -> Result<Self, Failure> {
        let after = Some(token.after.clone());
        let Some(revision) = token.revision else {
            return Ok(Self { snapshot: ctx.server.store.snapshot(), after });
        };
        match Revision::new(revision).and_then(|revision| ctx.server.store.held(revision)) {
            Some(snapshot) => Ok(Self { snapshot, after }),
            None => Err(Failure::expired(
                "The provided continue parameter is too old to display a consistent list result. You can start a new \
                 list without the continue parameter, or use the continue token in this response to retrieve the \
                 remainder of the results. Continuing with the provided token results in an inconsistent list.",
            )
            .with_continue(Token { revision: None, after: token.after.clone() }.encode())),
        }
    }
}

/// The current state, provided that it has reached a revision.
///
/// # Errors
/// 504-like failure when the client has seen a later state than exists: it talked to another server.
pub(crate) fn not_older_than(ctx: &Context, at: revision::Revision) -> Result<Snapshot, Failure> {
    let snapshot = ctx.server.store.snapshot();
    if snapshot.revision().get() < at.get() {
        return Err(too_large(at.get(), snapshot.revision()));
    }
    Ok(snapshot)
}

/// A resource version from the future.
pub(crate) fn too_large(asked: u64, current: Revision) -> Failure {
    Failure::new(crate::status::Reason::Timeout, format!("Too large resource version: {asked}, current: {current}"))
        .retry_after(1)
}

fn exactly(ctx: &Context, at: revision::Revision) -> Result<Snapshot, Failure> {
    let snapshot = ctx.server.store.snapshot();
    if snapshot.revision().get() == at.get() {
        return Ok(snapshot);
    }
    if snapshot.revision().get() < at.get() {
        return Err(too_large(at.get(), snapshot.revision()));
    }
    Revision::new(at.get())
        .and_then(|revision| ctx.server.store.held(revision))
        .ok_or_else(|| Failure::expired(format!("The resourceVersion for the provided list is too old: {}", at.get())))
}

/// Parameters that contradict each other or cannot be read.
pub(crate) fn bad_options(errors: &[machinery::field::FieldError]) -> Failure {
    let subject = crate::status::Subject { kind: "ListOptions".to_owned(), ..Default::default() };
    Failure::invalid(subject, errors)
}

/// What a `continue` token says. Opaque to clients.
#[derive(Debug, Serialize, Deserialize)]
struct Token {
    /// The state that all pages come from; None goes on in the current state.
    #[serde(rename = "rv")]
    revision: Option<u64>,
    /// The last name of the page before.
    after: String,
}

impl Token {
    fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).expect("a number and a string encode"))
    }

    fn decode(text: &str) -> Result<Self, Failure> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        bytes
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or_else(|| Failure::bad_request("continue key is not valid"))
    }
}
