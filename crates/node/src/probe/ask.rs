//! One HTTP question of a probe, over a connection that is there already.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, StatusCode, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// How a probe introduces itself; servers leave it out of their logs by this name.
const USER_AGENT: &str = "kube-probe/1.34";

/// What is asked.
#[derive(Debug)]
pub(crate) struct Get<'a> {
    pub port: u16,
    pub path: &'a str,
    /// They take the place of the probe's own.
    pub headers: &'a [(HeaderName, HeaderValue)],
}

impl Get<'_> {
    fn request(&self) -> Result<Request<Empty<Bytes>>, http::Error> {
        let mut request = Request::get(self.path)
            .header(header::HOST, format!("127.0.0.1:{}", self.port))
            .header(header::USER_AGENT, USER_AGENT)
            .header(header::ACCEPT, "*/*")
            .header(header::CONNECTION, "close")
            .body(Empty::new())?;
        for (name, _) in self.headers {
            request.headers_mut().remove(name);
        }
        for (name, value) in self.headers {
            request.headers_mut().append(name, value.clone());
        }
        Ok(request)
    }
}

/// Asks, and takes every status from 200 to 399 for yes. The body is not read; a redirect is not followed.
///
/// # Errors
/// Why not, for people.
pub(crate) async fn http(connection: TcpStream, get: &Get<'_>) -> Result<(), String> {
    let request = get.request().map_err(|error| format!("the probe makes no request: {error}"))?;
    let broken = |error: hyper::Error| format!("Get \"http://127.0.0.1:{}{}\": {error}", get.port, get.path);
    let (mut sender, connection) = http1::handshake(TokioIo::new(connection)).await.map_err(broken)?;
    let exchange = sender.send_request(request);
    // Without the connection's own future nothing would be sent. How it ends shows in the exchange.
    let carry = async {
        drop(connection.await);
        std::future::pending::<std::convert::Infallible>().await
    };
    let answer = tokio::select! {
        answer = exchange => answer.map_err(broken)?,
        never = carry => match never {},
    };
    let status = answer.status();
    if (StatusCode::OK..StatusCode::BAD_REQUEST).contains(&status) {
        Ok(())
    } else {
        Err(format!("HTTP probe failed with statuscode: {}", status.as_u16()))
    }
}
