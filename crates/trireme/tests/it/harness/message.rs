//! HTTP requests and answers, whole.

use std::fmt::Write as _;

use serde_json::Value;

/// A request that has everything but a connection.
#[derive(Debug, Clone)]
pub(crate) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    body: Vec<u8>,
}

impl<'a> Request<'a> {
    pub(crate) fn new(method: &'a str, path: &'a str) -> Self {
        Self { method, path, headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn header(mut self, name: &'a str, value: &'a str) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// A body with its type.
    pub(crate) fn content(self, kind: &'a str, body: impl Into<Vec<u8>>) -> Self {
        self.header("Content-Type", kind).body(body)
    }

    /// A JSON body.
    pub(crate) fn json(self, body: &Value) -> Self {
        self.content("application/json", body.to_string())
    }

    /// The request as HTTP/1.1 sends it.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: trireme\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            // Writing into a string cannot fail.
            write!(head, "{name}: {value}\r\n").ok();
        }
        write!(head, "Content-Length: {}\r\n\r\n", self.body.len()).ok();
        [head.as_bytes(), &self.body].concat()
    }
}

/// An answer, body and all.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// A header by its lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text()))
    }

    /// The body, provided that the answer has this code.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()
    }

    /// The Status object of a refusal, provided that it has all that clients look at.
    #[track_caller]
    pub(crate) fn refused(&self, code: u16, reason: &str) -> Value {
        let status = self.expect(code);
        assert_eq!(status["kind"], "Status", "{status}");
        assert_eq!(status["apiVersion"], "v1", "{status}");
        assert_eq!(status["status"], "Failure", "{status}");
        assert_eq!(status["code"], code, "{status}");
        assert_eq!(status["reason"], reason, "{status}");
        assert!(status["message"].as_str().is_some_and(|message| !message.is_empty()), "{status}");
        status
    }
}

/// Text as the value of a query parameter.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing into a string cannot fail.
            write!(escaped, "%{byte:02X}").ok();
        }
    }
    escaped
}
