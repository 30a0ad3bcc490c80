//! The proxy's end of the handing over of listening sockets.
//!
//! On each connection the proxy offers the sockets that it holds, so that a restarted control plane gets them back, and
//! takes those that it lacks. Both sides hold each socket: while one restarts, connections wait in the queue.

use std::io;
use std::sync::Arc;

use flow::wire::{Handover, handover};
use stdx::error_chain;
use task::CancellationToken;

use crate::backoff::Backoff;
use crate::socket::{self, Channel};
use crate::worker::Shared;

/// Keeps the connection until `stop`.
pub(crate) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let mut backoff = Backoff::default();
    loop {
        let ended = tokio::select! {
            ended = attend(&shared, &mut backoff) => ended,
            () = stop.cancelled() => return,
        };
        if let Err(error) = ended {
            tracing::debug!(error = %error_chain(&error), "cannot take listening sockets");
        }
        tokio::select! {
            () = backoff.wait(&shared.random) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn attend(shared: &Shared, backoff: &mut Backoff) -> io::Result<()> {
    let channel = Channel::connect(&shared.options.listener_socket)?;
    for (id, socket) in shared.table.sockets() {
        use std::os::fd::AsFd;
        channel.send(&message(handover::Message::Socket(id)), Some(socket.as_fd())).await?;
    }
    channel.send(&message(handover::Message::Settled(true)), None).await?;
    while let Some((Handover { message }, descriptor)) = channel.receive().await? {
        backoff.reset();
        match (message, descriptor) {
            (Some(handover::Message::Socket(id)), Some(descriptor)) => match socket::listening(descriptor) {
                Ok(socket) => shared.table.put_socket(id, socket),
                Err(error) => {
                    tracing::warn!(listener = id, %error, "cannot use the listening socket");
                    shared.table.socket_failed(&id, &error);
                }
            },
            (Some(handover::Message::Close(id)), None) => shared.table.close_socket(&id),
            (Some(handover::Message::Settled(_)), None) => {}
            (message, _) => tracing::warn!(?message, "message about listening sockets has no meaning"),
        }
    }
    Ok(())
}

pub(crate) fn message(message: handover::Message) -> Handover {
    Handover { message: Some(message) }
}
