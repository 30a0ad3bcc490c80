//! A TLS connection that `openssl s_client` holds, and HTTP/1.1 on it byte by byte.
//!
//! It knows as much of HTTP as the server's answers use: lengths and chunks. Start at [`Connection::answer`].

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use super::{Credentials, PATIENCE, Request, Response};

/// The head of an answer whose body is still to be read.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
}

impl Head {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// One TLS connection.
#[derive(Debug)]
pub(super) struct Connection {
    tunnel: Child,
    stream: BufReader<UnixStream>,
}

impl Connection {
    pub(super) fn open(credentials: &Credentials) -> Self {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair needs nothing");
        ours.set_read_timeout(Some(PATIENCE)).expect("the timeout is not zero");
        let output = theirs.try_clone().expect("a socket can be cloned");
        let mut openssl = Command::new("openssl");
        // With end of input the tunnel ends, so that it does not outlive a killed test process.
        openssl.args(["s_client", "-quiet", "-nocommands", "-no_ign_eof", "-alpn", "http/1.1"]);
        openssl.args(["-verify_return_error", "-verify_ip", "127.0.0.1", "-connect", &credentials.address]);
        openssl.arg("-CAfile").arg(&credentials.authority);
        openssl.arg("-cert").arg(&credentials.certificate).arg("-key").arg(&credentials.key);
        openssl.stdin(OwnedFd::from(theirs)).stdout(OwnedFd::from(output)).stderr(Stdio::null());
        let tunnel = openssl.spawn().expect("openssl is installed");
        Self { tunnel, stream: BufReader::new(ours) }
    }

    pub(super) fn send(&mut self, request: &Request<'_>) -> io::Result<()> {
        self.stream.get_mut().write_all(&request.bytes())
    }

    /// The next answer, body and all.
    pub(super) fn answer(&mut self) -> io::Result<Response> {
        let head = self.head()?;
        let body = self.body(&head)?;
        Ok(Response { status: head.status, headers: head.headers, body })
    }

    pub(super) fn head(&mut self) -> io::Result<Head> {
        let status = self.line()?;
        let code = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = code.ok_or_else(|| io::Error::new(ErrorKind::InvalidData, format!("no status line: {status}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(Head { status, headers });
            }
            if let Some((name, value)) = line.split_once(':') {
                headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }

    /// The next piece of a body in chunks; none at its end.
    pub(super) fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let line = self.line()?;
        let length = usize::from_str_radix(&line, 16)
            .map_err(|error| io::Error::new(ErrorKind::InvalidData, format!("no chunk length: {line}: {error}")))?;
        let piece = self.exactly(length)?;
        self.line()?;
        Ok((length > 0).then_some(piece))
    }

    fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn body(&mut self, head: &Head) -> io::Result<Vec<u8>> {
        if let Some(length) = head.header("content-length") {
            return self.exactly(length.parse().map_err(io::Error::other)?);
        }
        let mut body = Vec::new();
        if head.header("transfer-encoding") == Some("chunked") {
            while let Some(piece) = self.chunk()? {
                body.extend(piece);
            }
        }
        Ok(body)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.tunnel.kill().ok();
        self.tunnel.wait().ok();
    }
}
