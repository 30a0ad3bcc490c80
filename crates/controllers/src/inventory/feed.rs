//! The watch of one resource as a stream that can be ended from outside.

use std::sync::Arc;
use std::time::Duration;

use client::{Client, Event, Metadata, Watch};
use futures_util::StreamExt;
use futures_util::stream::{BoxStream, unfold};
use task::CancellationToken;
use tokio::time::{Instant, timeout_at};

use super::Feed;

/// How long others wait for the objects of a resource that cannot be listed, such as that of a broken aggregated server.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a feed tells: an event, or once nothing, when its objects are not all known after [`PATIENCE`].
pub(super) type Told = Option<Event<Metadata>>;

pub(super) type Stream = BoxStream<'static, (Arc<Feed>, Told)>;

/// A feed whose stream ends when this is dropped.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) feed: Arc<Feed>,
    ended: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.ended.cancel();
    }
}

pub(super) fn start(client: &Client, feed: Arc<Feed>) -> (Running, Stream) {
    let ended = CancellationToken::new();
    let watch = Watch::new(client.metadata(&feed.resource, None));
    let state = Unfolded { watch, deadline: Some(Instant::now() + PATIENCE) };
    let name = feed.clone();
    let events = unfold(state, move |mut state| {
        let feed = name.clone();
        async move { Some(((feed, state.next().await), state)) }
    });
    let stream = events.take_until(ended.clone().cancelled_owned()).boxed();
    (Running { feed, ended }, stream)
}

struct Unfolded {
    watch: Watch<Metadata>,
    /// None once the list is complete or its being late was told.
    deadline: Option<Instant>,
}

impl Unfolded {
    async fn next(&mut self) -> Told {
        let event = match self.deadline {
            None => self.watch.next().await,
            Some(deadline) => match timeout_at(deadline, self.watch.next()).await {
                Ok(event) => event,
                Err(_elapsed) => {
                    self.deadline = None;
                    return None;
                }
            },
        };
        if matches!(event, Event::Complete) {
            self.deadline = None;
        }
        Some(event)
    }
}
