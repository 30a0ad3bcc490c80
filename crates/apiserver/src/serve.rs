//! The TLS listener: handshakes, who the peer is, HTTP/1.1 and HTTP/2, and the way out when the server stops.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use task::{CancellationToken, Class, Group};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::auth::User;
use crate::server::ApiServer;

/// A client that does not finish the handshake in this time is cut off.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that does not finish its HTTP/1.1 request head in this time is cut off.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// Connections at the same time; more wait to be accepted. Watches share connections over HTTP/2.
const MAX_CONNECTIONS: usize = 10_000;
/// Requests at the same time on one HTTP/2 connection: informers of a large controller and then some.
const MAX_STREAMS: u32 = 1_000;
/// An idle HTTP/2 connection is probed this often, so that the watches of a vanished client end.
const PROBE_EVERY: Duration = Duration::from_secs(30);
/// After a failure to accept, for example for want of file descriptors, the listener waits this long.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Keys and certificates of the listener, PEM.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The server's certificate and key.
    pub pair: pki::Pair,
    /// The authority that signs client certificates.
    pub client_authority: String,
}

/// Why the keys and certificates cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A certificate or key is no PEM.
    #[error("a certificate or key is not valid PEM")]
    Pem(#[source] pem::Error),
    /// The client authority cannot be used to verify anyone.
    #[error("the client authority is not usable")]
    Authority(#[source] VerifierBuilderError),
    /// Certificate and key do not fit, or TLS refuses them.
    #[error("the server's certificate is not usable")]
    Certificate(#[source] rustls::Error),
}

impl Tls {
    fn config(&self) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(self.client_authority.as_bytes()) {
            roots.add(certificate.map_err(TlsError::Pem)?).map_err(TlsError::Certificate)?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .allow_unauthenticated()
            .build()
            .map_err(TlsError::Authority)?;
        let chain = CertificateDer::pem_slice_iter(self.pair.certificate.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(TlsError::Pem)?;
        let key = PrivateKeyDer::from_pem_slice(self.pair.key.as_bytes()).map_err(TlsError::Pem)?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Certificate)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(TlsError::Certificate)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// Accepts connections until the ingress class of `tasks` is stopped; open requests then finish.
///
/// # Errors
/// When the keys and certificates cannot be used.
pub fn listen(server: ApiServer, listener: TcpListener, tls: &Tls, tasks: &Group) -> Result<(), TlsError> {
    let acceptor = TlsAcceptor::from(Arc::new(tls.config()?));
    let connections = tasks.clone();
    tasks.spawn(Class::Ingress, "API listener", |stop| async move {
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = accept(&listener, &slots) => accepted,
            };
            let (stream, slot) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "connection could not be accepted");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                    continue;
                }
            };
            let (server, acceptor) = (server.clone(), acceptor.clone());
            connections.spawn(Class::Ingress, "API connection", |stop| async move {
                connection(server, stream, acceptor, stop).await;
                drop(slot);
            });
        }
    });
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let slot = slots.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _peer) = listener.accept().await?;
    // Small answers must not wait for the acknowledgement of earlier ones.
    stream.set_nodelay(true)?;
    Ok((stream, slot))
}

async fn connection(server: ApiServer, stream: TcpStream, acceptor: TlsAcceptor, stop: CancellationToken) {
    let stream = match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "TLS handshake failed"),
        Err(_elapsed) => return tracing::debug!("TLS handshake timed out"),
    };
    let user = peer(&stream);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let (server, user) = (server.clone(), user.clone());
        async move {
            if let Some(user) = user {
                request.extensions_mut().insert(user);
            }
            Ok::<_, std::convert::Infallible>(server.handle(request).await)
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(MAX_STREAMS).keep_alive_interval(PROBE_EVERY);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(error = %error, "connection ended early");
    }
}

/// The user that the verified client certificate names; None without a certificate, or with one that names nobody.
fn peer(stream: &TlsStream<TcpStream>) -> Option<User> {
    let certificate = stream.get_ref().1.peer_certificates()?.first()?;
    match pki::Identity::from_certificate(certificate) {
        Ok(identity) => Some(User::new(identity.user, identity.groups)),
        Err(error) => {
            tracing::info!(error = %stdx::error_chain(&error), "client certificate names nobody");
            None
        }
    }
}
