//! The control plane's end of the handing over of listening sockets.
//!
//! A proxy first offers what it holds; what is not held here is kept, for it was opened by a control plane before this
//! one. Then the proxy gets what it lacks, and every change.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::sync::Arc;

use flow::wire::handover;
use task::{CancellationToken, Class};

use super::Shared;
use crate::handover::message;
use crate::socket::{self, Acceptor, Channel};

/// The listening sockets and their listeners.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    held: BTreeMap<String, Arc<TcpListener>>,
    /// Listeners that were closed: a proxy that offers one of them missed that.
    withdrawn: BTreeSet<String>,
}

/// How many closed listeners are remembered; a proxy that missed more keeps sockets that nothing names, until it restarts.
const WITHDRAWN_LIMIT: usize = 100_000;

impl Sockets {
    pub(super) fn held(&self) -> &BTreeMap<String, Arc<TcpListener>> {
        &self.held
    }

    pub(super) fn put(&mut self, id: &str, socket: Arc<TcpListener>) {
        self.withdrawn.remove(id);
        self.held.insert(id.to_owned(), socket);
    }

    pub(super) fn withdraw(&mut self, id: &str) {
        self.held.remove(id);
        if self.withdrawn.len() < WITHDRAWN_LIMIT {
            self.withdrawn.insert(id.to_owned());
        }
    }
}

/// Takes connections of proxies until `stop`.
pub(super) async fn accept(shared: Arc<Shared>, acceptor: Acceptor, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            accepted = acceptor.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok(channel) => {
                let attend = attend(shared.clone(), channel);
                shared.group.spawn(Class::Ingress, "socket handover", |stop| async move {
                    tokio::select! {
                        ended = attend => if let Err(error) = ended {
                            tracing::warn!(%error, "handing over of listening sockets broke");
                        },
                        () = stop.cancelled() => {}
                    }
                });
            }
            Err(error) => tracing::warn!(%error, "proxy turned away"),
        }
    }
}

async fn attend(shared: Arc<Shared>, channel: Channel) -> io::Result<()> {
    let mut peer = take_offers(&shared, &channel).await?;
    shared.settled.send_replace(true);
    let mut sockets = shared.sockets.subscribe();
    loop {
        let wanted = sockets.borrow_and_update().held.clone();
        bring_up_to_date(&channel, &mut peer, &wanted).await?;
        tokio::select! {
            changed = sockets.changed() => changed.map_err(io::Error::other)?,
            received = channel.receive() => match received? {
                Some(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "an offer after the last one")),
                None => return Ok(()),
            },
        }
    }
}

/// What the proxy holds: listener and socket.
type Peer = HashMap<String, SocketIdentity>;

/// Tells whether two descriptors are of one socket.
type SocketIdentity = u64;

fn identity(socket: &TcpListener) -> io::Result<SocketIdentity> {
    Ok(rustix::fs::fstat(socket)?.st_ino)
}

async fn take_offers(shared: &Shared, channel: &Channel) -> io::Result<Peer> {
    let mut peer = Peer::new();
    while let Some((offer, descriptor)) = channel.receive().await? {
        match (offer.message, descriptor) {
            (Some(handover::Message::Socket(id)), Some(descriptor)) => {
                let socket = socket::listening(descriptor)?;
                peer.insert(id.clone(), identity(&socket)?);
                shared.sockets.send_if_modified(|sockets| {
                    let unknown = !sockets.held.contains_key(&id) && !sockets.withdrawn.contains(&id);
                    if unknown {
                        sockets.held.insert(id, Arc::new(socket));
                    }
                    unknown
                });
            }
            (Some(handover::Message::Settled(_)), None) => return Ok(peer),
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "an offer without a socket")),
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

async fn bring_up_to_date(
    channel: &Channel,
    peer: &mut Peer,
    wanted: &BTreeMap<String, Arc<TcpListener>>,
) -> io::Result<()> {
    let superfluous: Vec<String> = peer.keys().filter(|id| !wanted.contains_key(*id)).cloned().collect();
    for id in superfluous {
        peer.remove(&id);
        channel.send(&message(handover::Message::Close(id)), None).await?;
    }
    for (id, socket) in wanted {
        let identity = identity(socket)?;
        if peer.insert(id.clone(), identity) != Some(identity) {
            channel.send(&message(handover::Message::Socket(id.clone())), Some(socket.as_fd())).await?;
        }
    }
    Ok(())
}
