//! Connections that change to another protocol, such as WebSocket: bytes from then on.

use std::sync::Arc;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use task::Class;

use super::Connection;
use super::body::Open;
use crate::tcp;

/// Passes bytes between both sides once both have changed, until they end, fall silent or the listener is gone.
pub(super) fn tunnel(connection: Arc<Connection>, client: OnUpgrade, endpoint: OnUpgrade, open: Open) {
    let group = connection.worker.shared.group.clone();
    group.spawn(Class::Ingress, "upgraded connection", |_| async move {
        let (client, endpoint) = match tokio::try_join!(client, endpoint) {
            Ok(both) => both,
            Err(error) => {
                tracing::debug!(%error, "upgrade failed");
                return open.account.fail(flow::event::ErrorKind::Reset);
            }
        };
        let limits = tcp::Limits::new(&connection.worker, &connection.listener);
        match tcp::pass(TokioIo::new(client), TokioIo::new(endpoint), limits).await {
            Ok(()) => open.account.close(),
            Err(kind) => open.account.fail(kind),
        }
    });
}
