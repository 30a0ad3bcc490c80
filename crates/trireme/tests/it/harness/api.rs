//! The API over raw HTTP, for tests where exact bytes matter, and for the many in which a process per request would cost
//! most of the time. Start at [`Api::send`].

use std::io;

use serde_json::Value;

use super::wire::Connection;
use super::{Credentials, Request, Response};

/// The API over one connection, which is opened when it is needed.
#[derive(Debug)]
pub(crate) struct Api {
    credentials: Credentials,
    connection: Option<Connection>,
}

impl Api {
    pub(super) fn new(credentials: Credentials) -> Self {
        Self { credentials, connection: None }
    }

    #[track_caller]
    pub(crate) fn get(&mut self, path: &str) -> Response {
        self.send(&Request::new("GET", path))
    }

    /// GET in a representation of the client's choice.
    #[track_caller]
    pub(crate) fn get_as(&mut self, path: &str, accept: &str) -> Response {
        self.send(&Request::new("GET", path).header("Accept", accept))
    }

    #[track_caller]
    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Response {
        self.send(&Request::new("POST", path).json(body))
    }

    #[track_caller]
    pub(crate) fn put(&mut self, path: &str, body: &Value) -> Response {
        self.send(&Request::new("PUT", path).json(body))
    }

    /// PATCH; `format` is `merge`, `json` or `strategic-merge`.
    #[track_caller]
    pub(crate) fn patch(&mut self, path: &str, format: &str, body: &Value) -> Response {
        let format = match format {
            "json" => "application/json-patch+json".to_owned(),
            other => format!("application/{other}-patch+json"),
        };
        self.send(&Request::new("PATCH", path).content(&format, body.to_string()))
    }

    #[track_caller]
    pub(crate) fn delete(&mut self, path: &str) -> Response {
        self.send(&Request::new("DELETE", path))
    }

    /// DELETE with options in the body.
    #[track_caller]
    pub(crate) fn delete_with(&mut self, path: &str, options: &Value) -> Response {
        self.send(&Request::new("DELETE", path).json(options))
    }

    /// Any request.
    #[track_caller]
    pub(crate) fn send(&mut self, request: &Request<'_>) -> Response {
        match self.attempt(request) {
            Ok(response) => response,
            Err(error) => panic!("{} {}: no answer: {error}", request.method, request.path),
        }
    }

    /// Any request, at a server that may be gone.
    ///
    /// # Errors
    /// When no whole answer came. Whether the request was carried out is then unknown.
    pub(crate) fn attempt(&mut self, request: &Request<'_>) -> io::Result<Response> {
        // A connection is put back only after a whole answer.
        let mut connection = self.connection.take().unwrap_or_else(|| Connection::open(&self.credentials));
        connection.send(request)?;
        let response = connection.answer()?;
        if response.header("connection") != Some("close") {
            self.connection = Some(connection);
        }
        Ok(response)
    }
}
