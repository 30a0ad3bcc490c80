//! `pods/log`: what a container has written, straight from the node that runs it.
//!
//! This side chooses the container and checks the options; the node knows whether there is anything to read, and its
//! words reach the user. Nothing is buffered on the way. Start at [`log`].

use std::fmt::Write;

use api::core::v1::pod::DEFAULT_CONTAINER_ANNOTATION;
use bytes::Bytes;
use futures_util::StreamExt;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, BodyStream, Empty, StreamBody};
use jiff::Timestamp;
use machinery::field::{FieldError, Path};
use tower::ServiceExt;

use crate::body::{self, ResponseBody};
use crate::context::Context;
use crate::kinds::containers_of_pod;
use crate::object::{Object, rfc3339};
use crate::request::Query;
use crate::status::{Failure, Reason, Subject};

/// A node says what went wrong in less than this.
const MAX_MESSAGE_BYTES: usize = 50_000;

/// GET of a container's log.
///
/// # Errors
/// 422 for options that make no sense, 400 for a container that is not there or has not started, 503 when the node cannot
/// be reached.
pub(crate) async fn log(ctx: &Context) -> Result<Response<ResponseBody>, Failure> {
    let options = Options::parse(ctx)?;
    let pod = ctx.resource.restore(&ctx.entry()?.value)?;
    let container = choose_container(&pod, ctx.query.get("container").unwrap_or_default())?;
    let node = pod.text(&["spec", "nodeName"]);
    if node.is_empty() {
        // Nothing has been written yet, which is no error.
        let mut answer = body::text(StatusCode::NO_CONTENT, "");
        answer.headers_mut().remove(http::header::CONTENT_TYPE);
        return Ok(answer);
    }
    let answer = ask(ctx, node, &options.path(&pod, container)).await?;
    if !answer.status().is_success() {
        return Err(refused(ctx, answer).await);
    }
    // A log that is followed would outlive the server.
    let frames = BodyStream::new(answer.into_body()).take_until(ctx.server.stop.clone().cancelled_owned());
    let mut relayed = body::text(StatusCode::OK, "");
    *relayed.body_mut() = StreamBody::new(frames).boxed_unsync();
    Ok(relayed)
}

async fn ask(ctx: &Context, node: &str, path: &str) -> Result<Response<ResponseBody>, Failure> {
    let unavailable = |why: &str| {
        let message = format!("the node \"{node}\" of pod \"{}\" {why}", ctx.name());
        Failure::new(Reason::ServiceUnavailable, message).retry_after(1)
    };
    let agent = ctx.server.nodes.as_ref().and_then(|nodes| nodes.agent(node));
    let Some(agent) = agent else { return Err(unavailable("is not connected to this server")) };
    let request = Request::get(path)
        .body(Empty::<Bytes>::new())
        .map_err(|error| Failure::bad_request(format!("the pod cannot be addressed on its node: {error}")))?;
    match agent.oneshot(request).await {
        Ok(answer) => Ok(answer),
        Err(error) => Err(unavailable(&format!("cannot be reached: {}", stdx::error_chain(&*error)))),
    }
}

/// What the node says against it, as the answer of this server.
async fn refused(ctx: &Context, answer: Response<ResponseBody>) -> Failure {
    let code = answer.status();
    let mut body = answer.into_body();
    let mut text = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => text.extend_from_slice(&data),
            Ok(Err(_trailers)) => {}
            Err(error) => return Failure::internal(format!("the node broke off while it said why: {error}")),
        }
        if text.len() > MAX_MESSAGE_BYTES {
            text.truncate(MAX_MESSAGE_BYTES);
            break;
        }
    }
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    let subject = Subject { kind: "pods/log".to_owned(), name: ctx.name().to_owned(), ..Subject::default() };
    match code {
        StatusCode::BAD_REQUEST => Failure::bad_request(text),
        StatusCode::NOT_FOUND => Failure::new(Reason::NotFound, text).about(subject),
        StatusCode::SERVICE_UNAVAILABLE => Failure::new(Reason::ServiceUnavailable, text).about(subject),
        _ => Failure::internal(format!("Internal error occurred: {text}")).about(subject),
    }
}

/// The container that is meant: the one that is named, the only one, or the one that the pod says.
fn choose_container<'p>(pod: &'p Object, asked: &'p str) -> Result<&'p str, Failure> {
    let name = pod.name();
    let all = containers_of_pod(pod);
    if !asked.is_empty() {
        let known = all.contains(&asked);
        return if known {
            Ok(asked)
        } else {
            Err(Failure::bad_request(format!("container {asked} is not valid for pod {name}")))
        };
    }
    let regular = pod.at(&["spec", "containers"]).as_array().map(Vec::as_slice).unwrap_or_default();
    if let [only] = regular {
        return Ok(only["name"].as_str().unwrap_or_default());
    }
    let preferred = pod.at(&["metadata", "annotations", DEFAULT_CONTAINER_ANNOTATION]).as_str();
    preferred.filter(|preferred| all.contains(preferred)).ok_or_else(|| {
        let choices = all.join(" ");
        Failure::bad_request(format!("a container name must be specified for pod {name}, choose one of: [{choices}]"))
    })
}

/// `PodLogOptions`, but for the container.
#[derive(Debug, Clone)]
struct Options {
    follow: bool,
    previous: bool,
    timestamps: bool,
    tail_lines: Option<i64>,
    limit_bytes: Option<i64>,
    since_seconds: Option<i64>,
    since_time: Option<Timestamp>,
    stream: String,
}

impl Options {
    fn parse(ctx: &Context) -> Result<Self, Failure> {
        let query = &ctx.query;
        // There is no certificate of a node that could be left unchecked; the option is still one.
        query.flag("insecureSkipTLSVerifyBackend")?;
        let since_time = query.get("sinceTime").map(|text| {
            text.parse()
                .map_err(|error| Failure::bad_request(format!("query parameter sinceTime: \"{text}\": {error}")))
        });
        let options = Self {
            follow: query.flag("follow")?,
            previous: query.flag("previous")?,
            timestamps: query.flag("timestamps")?,
            tail_lines: integer(query, "tailLines")?,
            limit_bytes: integer(query, "limitBytes")?,
            since_seconds: integer(query, "sinceSeconds")?,
            since_time: since_time.transpose()?,
            stream: query.get("stream").unwrap_or(ALL_STREAMS).to_owned(),
        };
        let errors = options.check();
        if errors.is_empty() {
            return Ok(options);
        }
        let subject = Subject { kind: "PodLogOptions".to_owned(), name: ctx.name().to_owned(), ..Subject::default() };
        Err(Failure::invalid(subject, &errors))
    }

    fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if let Some(lines) = self.tail_lines.filter(|lines| *lines < 0) {
            errors.push(FieldError::invalid(&Path::new("tailLines"), lines, "must be greater than or equal to 0"));
        }
        for (field, value) in [("limitBytes", self.limit_bytes), ("sinceSeconds", self.since_seconds)] {
            if let Some(value) = value.filter(|value| *value < 1) {
                errors.push(FieldError::invalid(&Path::new(field), value, "must be greater than 0"));
            }
        }
        if self.since_seconds.is_some() && self.since_time.is_some() {
            let why = "at most one of `sinceTime` or `sinceSeconds` may be specified";
            errors.push(FieldError::forbidden(&Path::ROOT, why));
        }
        if !STREAMS.contains(&&*self.stream) {
            errors.push(FieldError::not_supported(&Path::new("stream"), self.stream.as_str(), &STREAMS));
        } else if self.stream != ALL_STREAMS && self.tail_lines.is_some() {
            let why = "`tailLines` and specific `stream` are mutually exclusive for now";
            errors.push(FieldError::forbidden(&Path::ROOT, why));
        }
        errors
    }

    /// The path and query of the request to the node.
    fn path(&self, pod: &Object, container: &str) -> String {
        let mut path = format!("/containerLogs/{}/{}/{container}?stream={}", pod.namespace(), pod.name(), self.stream);
        for (name, set) in [("follow", self.follow), ("previous", self.previous), ("timestamps", self.timestamps)] {
            if set {
                write!(path, "&{name}=true").expect("writing to a String");
            }
        }
        let numbers =
            [("tailLines", self.tail_lines), ("limitBytes", self.limit_bytes), ("sinceSeconds", self.since_seconds)];
        for (name, number) in numbers {
            if let Some(number) = number {
                write!(path, "&{name}={number}").expect("writing to a String");
            }
        }
        if let Some(at) = self.since_time {
            write!(path, "&sinceTime={}", rfc3339(at)).expect("writing to a String");
        }
        path
    }
}

const ALL_STREAMS: &str = "All";
const STREAMS: [&str; 3] = [ALL_STREAMS, "Stderr", "Stdout"];

fn integer(query: &Query, name: &str) -> Result<Option<i64>, Failure> {
    let parse = |text: &str| {
        let why = || Failure::bad_request(format!("query parameter {name}: \"{text}\" is no integer"));
        text.parse().map_err(|_invalid| why())
    };
    query.get(name).map(parse).transpose()
}
