//! A watch that does not end: all objects of a resource, then every change, through whatever the server does.
//!
//! [`Watch::next`] lists in pages, watches from there, resumes where a watch ended, and lists again when the history does
//! not reach back far enough (410, as an answer or as an event). Servers that fail, do not answer yet, or end watches at once
//! are asked again after a pause that grows. It keeps no objects. Start reading at [`Event`].

use std::fmt::Debug;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use kube::Error as KubeError;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use kube::core::Resource as Kind;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep_until, timeout};

use crate::{Error, Result};

/// How many objects a page of the list has. Pages bound the memory that a large collection takes on its way.
const PAGE: u32 = 500;
/// The server ends a watch after this time; the next one resumes it. Below the idle limits of common proxies.
const WATCH_SECONDS: u32 = 290;
/// A stream that is silent for so much longer than [`WATCH_SECONDS`] has lost its server.
const SILENCE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 10);
/// A watch that ends sooner than this without an event is taken for a failure.
const SHORT: Duration = Duration::from_secs(1);
/// The pause after the first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause.
const LAST_PAUSE: Duration = Duration::from_secs(30);
/// So many failures in a row are worth a warning. Fewer are the rule while servers start and stop.
const WARN_AFTER: u32 = 4;

/// What a watch tells. It begins with [`Event::Restarted`], and may do so again at any time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<K> {
    /// All objects follow from the beginning. Those that are not among them by [`Event::Complete`] are gone.
    Restarted,
    /// An object as it is.
    Object(K),
    /// Every object that there was has been told; changes follow.
    Complete,
    /// An object that is gone, in its last state.
    Removed(K),
}

/// A watch over the objects of an [`Api`]. Objects come without `managedFields`.
pub struct Watch<K> {
    api: Api<K>,
    state: State<K>,
    failures: u32,
    pause_until: Option<Instant>,
}

impl<K: Kind> Debug for Watch<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("url", &self.api.resource_url()).field("failures", &self.failures).finish()
    }
}

enum State<K> {
    Start,
    Page { continue_token: Option<String>, items: std::vec::IntoIter<K>, version: Option<String> },
    Listed { version: String },
    Open(Stream<K>),
}

struct Stream<K> {
    version: String,
    events: BoxStream<'static, Result<WatchEvent<K>, KubeError>>,
    since: Instant,
    silent: bool,
}

impl<K> Watch<K>
where
    K: Kind + Clone + Debug + DeserializeOwned + Send + 'static,
{
    /// A watch that begins at the first call of [`Watch::next`].
    pub fn new(api: Api<K>) -> Self {
        Self { api, state: State::Start, failures: 0, pause_until: None }
    }

    /// The next event. Waits as long as it takes: failures are retried and, when they last, logged. Cancel safe.
    pub async fn next(&mut self) -> Event<K> {
        loop {
            if let Some(until) = self.pause_until {
                sleep_until(until).await;
                self.pause_until = None;
            }
            match self.step().await {
                Ok(Some(Event::Object(object))) => return Event::Object(stripped(object)),
                Ok(Some(Event::Removed(object))) => return Event::Removed(stripped(object)),
                Ok(Some(event @ (Event::Restarted | Event::Complete))) => return event,
                Ok(None) => {}
                Err(error) => self.failed(&error),
            }
        }
    }

    /// One step of the way; the state changes only after the last await, so that a dropped step is repeated.
    async fn step(&mut self) -> Result<Option<Event<K>>> {
        match &mut self.state {
            State::Start => {
                self.state = State::Page { continue_token: None, items: Vec::new().into_iter(), version: None };
                Ok(Some(Event::Restarted))
            }
            State::Page { items, continue_token, version } => {
                if let Some(object) = items.next() {
                    return Ok(Some(Event::Object(object)));
                }
                if let (None, Some(version)) = (&continue_token, version.take()) {
                    self.state = State::Listed { version };
                    return Ok(Some(Event::Complete));
                }
                self.page().await
            }
            State::Listed { version } => {
                let version = version.clone();
                self.open(version).await
            }
            State::Open(stream) => {
                // Silence counts as the end.
                let event = timeout(SILENCE, stream.events.next()).await.unwrap_or_default();
                self.received(event)
            }
        }
    }

    async fn page(&mut self) -> Result<Option<Event<K>>> {
        let State::Page { continue_token, .. } = &self.state else { return Ok(None) };
        let params = ListParams { limit: Some(PAGE), continue_token: continue_token.clone(), ..ListParams::default() };
        let list = self.api.list(&params).await.map_err(|error| self.maybe_expired(error.into()))?;
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        self.state = State::Page {
            continue_token: filled(list.metadata.continue_),
            // An absent version would mean "any" to the watch; "0" is the oldest that says so.
            version: Some(filled(list.metadata.resource_version).unwrap_or_else(|| "0".to_owned())),
            items: list.items.into_iter(),
        };
        Ok(None)
    }

    async fn open(&mut self, version: String) -> Result<Option<Event<K>>> {
        let params = WatchParams { timeout: Some(WATCH_SECONDS), bookmarks: true, ..WatchParams::default() };
        let events = self.api.watch(&params, &version).await.map_err(|error| self.maybe_expired(error.into()))?.boxed();
        self.state = State::Open(Stream { version, events, since: Instant::now(), silent: true });
        Ok(None)
    }

    fn received(&mut self, event: Option<Result<WatchEvent<K>, KubeError>>) -> Result<Option<Event<K>>> {
        let State::Open(stream) = &mut self.state else { return Ok(None) };
        let version = |object: &K| object.meta().resource_version.clone().unwrap_or_default();
        let (seen, event) = match event {
            Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object))) => {
                (version(&object), Some(Event::Object(object)))
            }
            Some(Ok(WatchEvent::Deleted(object))) => (version(&object), Some(Event::Removed(object))),
            Some(Ok(WatchEvent::Bookmark(bookmark))) => (bookmark.metadata.resource_version, None),
            Some(Ok(WatchEvent::Error(status))) => return Err(self.interrupted(Error::from(*status))),
            Some(Err(error)) => return Err(self.interrupted(error.into())),
            None => return self.ended(),
        };
        if !seen.is_empty() {
            stream.version = seen;
        }
        stream.silent = false;
        self.failures = 0;
        Ok(event)
    }

    /// The stream broke; the next one begins where it was, unless that is too long ago.
    fn interrupted(&mut self, error: Error) -> Error {
        if let State::Open(stream) = &self.state {
            self.state = State::Listed { version: stream.version.clone() };
        }
        self.maybe_expired(error)
    }

    fn ended(&mut self) -> Result<Option<Event<K>>> {
        let State::Open(stream) = &self.state else { return Ok(None) };
        let at_once = stream.silent && stream.since.elapsed() < SHORT;
        self.state = State::Listed { version: stream.version.clone() };
        if at_once {
            return Err(Error::Transport("the watch ended as soon as it began".into()));
        }
        self.failures = 0;
        Ok(None)
    }

    /// Begins from the start when that is what the error demands.
    fn maybe_expired(&mut self, error: Error) -> Error {
        if error.is_expired() {
            self.state = State::Start;
        }
        error
    }

    fn failed(&mut self, error: &Error) {
        self.failures = self.failures.saturating_add(1);
        let pause = pause_after(self.failures);
        self.pause_until = Some(Instant::now() + pause);
        let (url, failures, retry_in) = (self.api.resource_url(), self.failures, pause.as_secs_f64());
        let chain = stdx::error_chain(error);
        if self.failures == WARN_AFTER {
            tracing::warn!(url, failures, error = %chain, "a watch keeps failing; it goes on being tried");
        } else {
            tracing::debug!(url, failures, retry_in, error = %chain, "watch interrupted");
        }
    }
}

fn pause_after(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    (FIRST_PAUSE * (1 << doublings)).min(LAST_PAUSE)
}

/// Field ownership is often larger than the object, and no reconciler reads it.
fn stripped<K: Kind>(mut object: K) -> K {
    object.meta_mut().managed_fields = None;
    object
}

#[cfg(test)]
mod tests;
