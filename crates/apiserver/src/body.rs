//! Request bodies within limits, and answers.

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::Stream;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, VARY};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use serde_json::Value;

use crate::status::{Failure, Reason};

/// The largest request body, as upstream has it.
pub(crate) const MAX_REQUEST_BYTES: usize = 3 * 1024 * 1024;
/// Answers below this many bytes are not worth compressing, as upstream has it.
const GZIP_FROM_BYTES: usize = 128 * 1024;
/// A body that takes longer than this to arrive holds a connection for nothing.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A failure while a body is read or written.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// The body of an answer.
pub type ResponseBody = UnsyncBoxBody<Bytes, BoxError>;

/// Reads a request body.
///
/// # Errors
/// 413 when it is larger than [`MAX_REQUEST_BYTES`], 400 when it breaks off or takes too long.
pub(crate) async fn read<B>(body: B) -> Result<Bytes, Failure>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let collected = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, MAX_REQUEST_BYTES).collect()).await;
    match collected {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(Failure::new(
            Reason::RequestEntityTooLarge,
            format!("Request entity too large: limit is {MAX_REQUEST_BYTES}"),
        )),
        Ok(Err(error)) => Err(Failure::bad_request(format!("the request body could not be read: {error}"))),
        Err(_elapsed) => Err(Failure::bad_request("the request body took too long to arrive")),
    }
}

/// An answer with a whole JSON body.
pub(crate) fn json(code: StatusCode, body: impl Into<Bytes>) -> Response<ResponseBody> {
    whole(code, "application/json", body.into())
}

/// An answer with a JSON value.
pub(crate) fn json_value(code: StatusCode, value: &Value) -> Response<ResponseBody> {
    json(code, value.to_string())
}

/// An answer with plain text.
pub(crate) fn text(code: StatusCode, body: impl Into<Bytes>) -> Response<ResponseBody> {
    whole(code, "text/plain; charset=utf-8", body.into())
}

/// An answer with a body of the given type, never cached unless the caller says otherwise.
pub(crate) fn whole(code: StatusCode, content_type: &'static str, body: Bytes) -> Response<ResponseBody> {
    let body = Full::new(body).map_err(|never| match never {}).boxed_unsync();
    respond(code, content_type, body)
}

/// An answer whose JSON body is a stream of lines.
pub(crate) fn stream(lines: impl Stream<Item = Bytes> + Send + 'static) -> Response<ResponseBody> {
    use futures_util::StreamExt;
    let body = StreamBody::new(lines.map(|line| Ok(Frame::data(line)))).boxed_unsync();
    respond(StatusCode::OK, "application/json", body)
}

fn respond(code: StatusCode, content_type: &'static str, body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// The Status answer for a failure.
pub(crate) fn failure(failure: &Failure) -> Response<ResponseBody> {
    let mut response = json_value(failure.code(), &failure.to_status());
    if let Some(seconds) = failure.retry_after_seconds() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Compresses an answer that is whole and large; streams and small answers pass unchanged.
pub(crate) async fn gzip(response: Response<ResponseBody>) -> Response<ResponseBody> {
    let large = response.body().size_hint().exact().is_some_and(|bytes| bytes >= GZIP_FROM_BYTES as u64);
    if !large || response.headers().contains_key(CONTENT_ENCODING) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let plain = match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) => return failure(&Failure::internal(format!("the answer could not be read: {error}"))),
    };
    let original = plain.clone();
    let compressed = task::blocking(move || compress(&plain)).await;
    let body = match compressed {
        Ok(compressed) => {
            parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            parts.headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
            Bytes::from(compressed)
        }
        Err(_io_on_memory) => original,
    };
    Response::from_parts(parts, Full::new(body).map_err(|never| match never {}).boxed_unsync())
}

fn compress(plain: &[u8]) -> std::io::Result<Vec<u8>> {
    // The fastest level: the wire is mostly loopback, and upstream does the same.
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::fast());
    encoder.write_all(plain)?;
    encoder.finish()
}
