//! Watches: the changes of a collection as a stream of lines, each an event.
//!
//! A watch may begin with the state as ADDED events, goes on with every change in order, and tells quiet clients by
//! bookmarks how far it is. It ends at its time limit, when the server stops, when its resource is gone, or with an ERROR
//! event (410) when the client was too slow. Start at [`watch`], then [`Feed::next`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use api::meta::INITIAL_EVENTS_END_ANNOTATION as INITIAL_EVENTS_END;
use bytes::Bytes;
use http::{Response, StatusCode};
use machinery::revision::{self, Consistency, Params, WatchStart};
use serde_json::{Value, json};
use store::{Entry, Event, EventKind, Revision, Snapshot, Watch, WatchError};
use tokio::time::Instant;

use crate::body::{self, ResponseBody};
use crate::context::Context;
use crate::filter::Filter;
use crate::negotiate::View;
use crate::object::Object;
use crate::read::{bad_options, not_older_than, too_large};
use crate::server::Inner;
use crate::status::Failure;
use crate::view::{self, Columns};

/// Clients may rely on a bookmark at least this often, as upstream has it.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// Watches without a time limit of their own end after this time and up to as much again, so that they do not all
/// come back at once.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// GET with `watch=true`.
///
/// A start that the history no longer reaches is told as an event, as upstream's watch cache does: kube-rs would ask for
/// the same watch again and again after an HTTP 410.
///
/// # Errors
/// 400 or 422 for parameters that contradict each other.
pub(crate) fn watch(ctx: Context) -> Result<Response<ResponseBody>, Failure> {
    let feed = match Feed::open(ctx) {
        Ok(feed) => feed,
        Err(failure) if failure.code() == StatusCode::GONE => {
            return Ok(body::stream(futures_util::stream::iter([error_line(&failure)])));
        }
        Err(failure) => return Err(failure),
    };
    Ok(body::stream(futures_util::stream::unfold(feed, |mut feed| async move {
        let line = feed.next().await?;
        Some((line, feed))
    })))
}

/// One watch on its way to a client.
struct Feed {
    ctx: Context,
    filter: Filter,
    /// The state at the beginning, as far as it is still to be sent.
    initial: VecDeque<Arc<Entry>>,
    /// What tells the client that the state was sent: the revision of the state.
    initial_end: Option<Revision>,
    watch: Watch,
    bookmarks: bool,
    next_bookmark: Instant,
    end: Instant,
    columns: Columns,
    over: bool,
}

impl Feed {
    fn open(ctx: Context) -> Result<Self, Failure> {
        let filter = Filter::parse(&ctx)?;
        let (after, state, initial_end) = start(&ctx)?;
        let prefix = ctx.resource.prefix(ctx.namespace());
        let mut initial = VecDeque::new();
        if let Some(snapshot) = state {
            for entry in snapshot.scan(&ctx.resource.collection, &prefix, None) {
                if filter.matches(&ctx, &entry.value)? {
                    initial.push_back(entry.clone());
                }
            }
        }
        let watch = ctx.server.store.watch(&ctx.resource.collection, &prefix, after).map_err(|error| match error {
            WatchError::Compacted { compacted } => {
                Failure::expired(format!("too old resource version: {after} ({compacted})"))
            }
            WatchError::Future { current } => too_large(after.get(), current),
        })?;
        let bookmarks = ctx.query.flag("allowWatchBookmarks")? || initial_end.is_some();
        let timeout = match ctx.query.number("timeoutSeconds")? {
            Some(seconds) if seconds > 0 => Duration::from_secs(seconds),
            _ => DEFAULT_TIMEOUT + DEFAULT_TIMEOUT.mul_f64(Inner::fraction()),
        };
        let now = Instant::now();
        let end = now + timeout;
        let (next_bookmark, columns) = (now + BOOKMARK_EVERY, Columns::Shown);
        Ok(Self { ctx, filter, initial, initial_end, watch, bookmarks, next_bookmark, end, columns, over: false })
    }

    /// The next line, or none at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        if let Some(entry) = self.initial.pop_front() {
            return Some(self.object_line("ADDED", &entry.value));
        }
        if let Some(revision) = self.initial_end.take() {
            return Some(self.bookmark(revision, json!({INITIAL_EVENTS_END: "true"})));
        }
        loop {
            let turn = self.turn().await;
            match turn {
                Turn::Event(event) => {
                    if let Some(line) = self.event_line(&event) {
                        return Some(line);
                    }
                }
                Turn::Bookmark => {
                    self.next_bookmark = Instant::now() + BOOKMARK_EVERY;
                    if self.bookmarks {
                        return Some(self.bookmark(self.watch.seen(), json!({})));
                    }
                }
                Turn::TimeUp => {
                    self.over = true;
                    return self.bookmarks.then(|| self.bookmark(self.watch.seen(), json!({})));
                }
                Turn::Lagged => {
                    self.over = true;
                    let failure = Failure::expired("the watch fell too far behind; list again and watch from there");
                    return Some(error_line(&failure));
                }
                Turn::Over => return None,
            }
        }
    }

    async fn turn(&mut self) -> Turn {
        let stop = self.ctx.server.stop.clone();
        let removed = self.ctx.resource.custom.as_ref().map(|custom| custom.removed.clone()).unwrap_or_default();
        tokio::select! {
            biased;
            () = stop.cancelled() => Turn::Over,
            () = removed.cancelled() => Turn::Over,
            event = self.watch.next() => match event {
                Ok(Some(event)) => Turn::Event(event),
                Ok(None) => Turn::Over,
                Err(_lagged) => Turn::Lagged,
            },
            () = tokio::time::sleep_until(self.end) => Turn::TimeUp,
            () = tokio::time::sleep_until(self.next_bookmark) => Turn::Bookmark,
        }
    }

    /// What an event means for this watch's selectors; None when it means nothing.
    fn event_line(&mut self, event: &Event) -> Option<Bytes> {
        match self.translate(event) {
            Ok(line) => line,
            Err(failure) => {
                self.over = true;
                Some(error_line(&failure))
            }
        }
    }

    fn translate(&mut self, event: &Event) -> Result<Option<Bytes>, Failure> {
        let matches = |entry: &Arc<Entry>| self.filter.matches(&self.ctx, &entry.value);
        let before = event.previous.as_ref().map(matches).transpose()?.unwrap_or(false);
        let after = event.kind != EventKind::Deleted && matches(&event.entry)?;
        let line = match (before, after) {
            (false, true) => self.object_line("ADDED", &event.entry.value),
            (true, true) => self.object_line("MODIFIED", &event.entry.value),
            (true, false) if event.kind == EventKind::Deleted => self.object_line("DELETED", &event.entry.value),
            (true, false) => {
                // The object left the selector: clients see it go as they knew it, at the revision of the change.
                let Some(previous) = &event.previous else { return Ok(None) };
                let mut object = Object::decode(&previous.value)?;
                object.set_metadata("resourceVersion", Some(event.revision.to_string().into()));
                self.object_line("DELETED", &crate::write::bytes_of(&object))
            }
            (false, false) => return Ok(None),
        };
        Ok(Some(line))
    }

    fn object_line(&mut self, kind: &str, stored: &Bytes) -> Bytes {
        match view::event(&self.ctx, stored, self.columns) {
            Ok(object) => {
                self.columns = Columns::Omitted;
                line(kind, &object)
            }
            Err(failure) => {
                self.over = true;
                error_line(&failure)
            }
        }
    }

    fn bookmark(&self, revision: Revision, annotations: Value) -> Bytes {
        let resource = &self.ctx.resource;
        let mut metadata = json!({"resourceVersion": revision.to_string(), "creationTimestamp": null});
        if annotations.as_object().is_some_and(|annotations| !annotations.is_empty()) {
            metadata["annotations"] = annotations;
        }
        let object = match self.ctx.view {
            View::Object => json!({"kind": resource.kind, "apiVersion": resource.api_version(), "metadata": metadata}),
            View::Partial => {
                json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata})
            }
            View::Table => json!({
                "kind": "Table",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": metadata,
                "columnDefinitions": [],
                "rows": [],
            }),
        };
        line("BOOKMARK", object.to_string().as_bytes())
    }
}

/// What happened next on a watch.
enum Turn {
    Event(Event),
    Bookmark,
    TimeUp,
    Lagged,
    Over,
}

/// After which revision the watch starts, which state it sends before, and the revision of the closing bookmark.
fn start(ctx: &Context) -> Result<(Revision, Option<Snapshot>, Option<Revision>), Failure> {
    let text = |name| ctx.query.get(name).unwrap_or_default();
    let send_initial_events = match ctx.query.contains("sendInitialEvents") {
        true => Some(ctx.query.flag("sendInitialEvents")?),
        false => None,
    };
    let params = Params {
        resource_version: text("resourceVersion"),
        resource_version_match: text("resourceVersionMatch"),
        continue_token: text("continue"),
        limit: 0,
        send_initial_events,
    };
    let snapshot = |consistency| match consistency {
        // A continue token has no place in a watch: it is refused with the other parameters.
        Consistency::Latest | Consistency::Any | Consistency::Continue => Ok(ctx.server.store.snapshot()),
        Consistency::Exact(at) | Consistency::NotOlderThan(at) => not_older_than(ctx, at),
    };
    match revision::watch(params).map_err(|errors| bad_options(&errors))? {
        WatchStart::State(consistency) => {
            let state = snapshot(consistency)?;
            Ok((state.revision(), Some(state), None))
        }
        WatchStart::StateThenBookmark(consistency) => {
            let state = snapshot(consistency)?;
            Ok((state.revision(), Some(state.clone()), Some(state.revision())))
        }
        WatchStart::After(at) => {
            let revision = Revision::new(at.get()).unwrap_or(Revision::FIRST);
            Ok((revision, None, None))
        }
        WatchStart::Now => Ok((ctx.server.store.snapshot().revision(), None, None)),
    }
}

fn line(kind: &str, object: &[u8]) -> Bytes {
    let mut line = Vec::with_capacity(object.len() + kind.len() + 24);
    line.extend_from_slice(br#"{"type":""#);
    line.extend_from_slice(kind.as_bytes());
    line.extend_from_slice(br#"","object":"#);
    line.extend_from_slice(object);
    line.extend_from_slice(b"}\n");
    line.into()
}

fn error_line(failure: &Failure) -> Bytes {
    line("ERROR", failure.to_status().to_string().as_bytes())
}
