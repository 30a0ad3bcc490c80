//! The logs of containers, as an API server asks a kubelet for them.
//!
//! The shims write the files; here they are only read. `entry` knows the format, `reader` the files and their rotation,
//! `changes` when there is more to read. An answer is produced as it is read, and a followed one ends with its container.
//! Start reading at [`router`].

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path as UrlPath, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use client::kinds::core::v1::Pod;
use futures_util::stream;
use jiff::{SignedDuration, Timestamp};

use crate::agent::Inner;
use crate::pod::identity::{Attempt, Slot, Uid};
use entry::{Filter, Stream};
use reader::Reader;

mod changes;
mod entry;
mod reader;

/// What of a log stands for the last words of a container that left none, API reference of Container
/// (`terminationMessagePolicy`).
const LAST_LINES: usize = 80;
const LAST_BYTES: usize = 2048;
/// How much of the end of a log is looked at for that.
const LAST_READ: u64 = 64 * 1024;

/// The routes of the log.
pub(crate) fn router(agent: Arc<Inner>) -> Router {
    Router::new().route("/containerLogs/{namespace}/{pod}/{container}", get(answer)).with_state(agent)
}

/// The query of a request.
#[derive(Debug, Default)]
struct Options {
    follow: bool,
    previous: bool,
    timestamps: bool,
    tail_lines: Option<u64>,
    since_seconds: Option<i64>,
    since_time: Option<Timestamp>,
    limit_bytes: Option<u64>,
    stream: Option<Stream>,
}

impl Options {
    fn parse(query: &str) -> Result<Self, Refusal> {
        let mut options = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let wrong = || Refusal(StatusCode::BAD_REQUEST, format!("query parameter {name}: {value:?} is not valid"));
            let is_set = matches!(&*value, "true" | "1");
            match &*name {
                "follow" => options.follow = is_set,
                "previous" => options.previous = is_set,
                "timestamps" => options.timestamps = is_set,
                "tailLines" => options.tail_lines = Some(value.parse().map_err(|_unparsed| wrong())?),
                "sinceSeconds" => options.since_seconds = Some(value.parse().map_err(|_unparsed| wrong())?),
                "sinceTime" => options.since_time = Some(value.parse().map_err(|_unparsed| wrong())?),
                "limitBytes" => options.limit_bytes = Some(value.parse().map_err(|_unparsed| wrong())?),
                "stream" => {
                    options.stream = match &*value {
                        "All" => None,
                        "Stdout" => Some(Stream::Stdout),
                        "Stderr" => Some(Stream::Stderr),
                        _ => return Err(wrong()),
                    }
                }
                _ => return Err(Refusal(StatusCode::BAD_REQUEST, format!("there is no query parameter {name}"))),
            }
        }
        Ok(options)
    }
}

/// A request that has no log for an answer.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

async fn answer(
    State(agent): State<Arc<Inner>>,
    UrlPath((namespace, name, container)): UrlPath<(String, String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let options = Options::parse(query.as_deref().unwrap_or_default())?;
    let not_found = || Refusal(StatusCode::NOT_FOUND, format!("pod {name:?} not found"));
    let pod = agent.pod_named(&namespace, &name).ok_or_else(not_found)?;
    let uid = Uid::new(pod.metadata.uid.as_deref().unwrap_or_default()).map_err(|_unnamed| not_found())?;
    let slot = slot_of(&pod, &container).ok_or_else(|| {
        Refusal(StatusCode::BAD_REQUEST, format!("container {container} is not valid for pod {name}"))
    })?;
    let filter = filter(&options, agent.now());
    let attempt = find(&agent, &uid, slot, &options).await?;
    let attempt = attempt.ok_or_else(|| {
        let message = if options.previous {
            format!("previous terminated container {container:?} in pod {name:?} not found")
        } else {
            let reason = waiting_reason(&pod, &container).unwrap_or_else(|| "ContainerCreating".to_owned());
            format!("container {container:?} in pod {name:?} is waiting to start: {reason}")
        };
        Refusal(StatusCode::BAD_REQUEST, message)
    })?;
    let path = agent.directory(&uid).log(attempt);
    let tail = options.tail_lines;
    let opened = task::blocking(move || Reader::open(path, filter, tail)).await.map_err(unreadable)?;
    let follows = options.follow.then(|| (agent, attempt.id(&uid)));
    let chunks = stream::try_unfold(Some((opened, follows)), |state| async move {
        let Some((reader, mut follows)) = state else { return Ok::<_, io::Error>(None) };
        let (chunk, reader) = reader.next(&mut follows).await?;
        Ok(chunk.map(|chunk| (chunk, Some((reader, follows)))))
    });
    Ok(([(header::CONTENT_TYPE, "text/plain")], Body::from_stream(chunks)).into_response())
}

fn unreadable(error: io::Error) -> Refusal {
    Refusal(StatusCode::INTERNAL_SERVER_ERROR, format!("the log cannot be read: {error}"))
}

fn filter(options: &Options, now: Timestamp) -> Filter {
    let ago = options
        .since_seconds
        .map(|seconds| now.checked_sub(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MIN));
    Filter {
        since: options.since_time.or(ago),
        stream: options.stream,
        timestamps: options.timestamps,
        limit: options.limit_bytes,
    }
}

/// The attempt whose log is meant; none if there is none.
async fn find(agent: &Inner, uid: &Uid, slot: Slot, options: &Options) -> Result<Option<Attempt>, Refusal> {
    let listed = agent.runtime.list().await.map_err(|error| {
        let error = stdx::error_chain(&error).to_string();
        Refusal(StatusCode::SERVICE_UNAVAILABLE, format!("the runtime does not answer: {error}"))
    })?;
    let own = listed.iter().filter_map(|listed| Attempt::parse(&listed.id));
    let mut attempts: Vec<Attempt> =
        own.filter(|(owner, attempt)| owner == uid && attempt.slot == slot).map(|(_, attempt)| attempt).collect();
    attempts.sort();
    if options.previous {
        attempts.pop();
    }
    let Some(attempt) = attempts.pop() else { return Ok(None) };
    let path = agent.directory(uid).log(attempt);
    let has_log = task::blocking(move || path.exists()).await;
    Ok(Some(attempt).filter(|_| has_log))
}

fn slot_of(pod: &Pod, container: &str) -> Option<Slot> {
    let spec = pod.spec.as_ref()?;
    let main = spec.containers.iter().position(|found| found.name == container).map(Slot::main);
    let init = spec.init_containers.iter().flatten().position(|found| found.name == container).map(Slot::init);
    main.or(init)
}

fn waiting_reason(pod: &Pod, container: &str) -> Option<String> {
    let status = pod.status.as_ref()?;
    let mut all = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    let known = all.find(|known| known.name == container)?;
    known.state.as_ref()?.waiting.as_ref()?.reason.clone()
}

/// The last lines of a log, for the status of a container that left no last words. Empty if there is no log.
pub(crate) fn last_lines(path: &Path) -> io::Result<String> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LAST_READ)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let mut text = Vec::new();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let mut filter = Filter::default();
    for line in &lines[lines.len().saturating_sub(LAST_LINES)..] {
        filter.push(line, &mut text);
    }
    let cut = text.len().saturating_sub(LAST_BYTES);
    Ok(String::from_utf8_lossy(&text[cut..]).into_owned())
}

/// Removes a log with its older parts.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    for part in reader::parts(path) {
        match fs::remove_file(part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
