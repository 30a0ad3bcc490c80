//! Unix sockets between the control plane and the data plane: made, checked, and used to hand over descriptors.
//!
//! A [`Channel`] carries whole messages, each with at most one descriptor (SCM_RIGHTS). Both sides refuse a peer that is
//! neither the same user nor root. What the messages mean is not known here.

use std::fs;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use flow::wire::Handover;
use prost::Message;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};
use tokio::io::Interest;
use tokio::net::{UnixListener, UnixStream};

/// The longest message: the id of a listener and its frame.
const MESSAGE_BYTES: usize = 4096;
/// Connections that wait to be accepted. There are as many as proxies on this machine.
const QUEUE: i32 = 16;

/// Makes room for a socket at `path`: a socket that nobody listens on any more is removed.
///
/// # Errors
/// [`io::ErrorKind::AddrInUse`] if someone listens there, or what is there is no socket.
pub(crate) fn clear(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => return Err(io::ErrorKind::AddrInUse.into()),
        Ok(_) => {}
    }
    let kinds = [SocketType::STREAM, SocketType::SEQPACKET];
    let answered = kinds.into_iter().any(|kind| connect(path, kind).is_ok());
    if answered { Err(io::ErrorKind::AddrInUse.into()) } else { fs::remove_file(path) }
}

fn connect(path: &Path, kind: SocketType) -> io::Result<OwnedFd> {
    let fd = rustix::net::socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    rustix::net::connect(&fd, &SocketAddrUnix::new(path)?)?;
    Ok(fd)
}

/// Only the owner may connect.
///
/// # Errors
/// Those of the file system.
pub(crate) fn restrict(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}

/// Refuses a peer that is neither this user nor root.
///
/// # Errors
/// [`io::ErrorKind::PermissionDenied`] with the peer's user.
pub(crate) fn check_peer(socket: impl AsFd) -> io::Result<()> {
    let peer = rustix::net::sockopt::socket_peercred(socket)?;
    if peer.uid.is_root() || peer.uid == rustix::process::geteuid() {
        return Ok(());
    }
    let message = format!("the peer runs as user {}", peer.uid.as_raw());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
}

/// Takes connections that become [`Channel`]s.
#[derive(Debug)]
pub(crate) struct Acceptor {
    /// Of sequenced packets; the type of std and tokio fits every kind of unix socket that is not read as a stream.
    listener: UnixListener,
}

impl Acceptor {
    /// Listens at `path`. Must be called on a runtime.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        clear(path)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        rustix::net::bind(&fd, &SocketAddrUnix::new(path)?)?;
        restrict(path)?;
        rustix::net::listen(&fd, QUEUE)?;
        Ok(Self { listener: UnixListener::from_std(fd.into())? })
    }

    /// The next connection of a peer that passes the check. Cancellation safe.
    pub(crate) async fn accept(&self) -> io::Result<Channel> {
        let (socket, _) = self.listener.accept().await?;
        Channel::over(socket)
    }
}

/// One connection on which descriptors are handed over.
#[derive(Debug)]
pub(crate) struct Channel {
    socket: UnixStream,
}

impl Channel {
    /// Connects to `path` and checks who listens there. Must be called on a runtime.
    pub(crate) fn connect(path: &Path) -> io::Result<Self> {
        Self::over(UnixStream::from_std(connect(path, SocketType::SEQPACKET)?.into())?)
    }

    fn over(socket: UnixStream) -> io::Result<Self> {
        check_peer(&socket)?;
        Ok(Self { socket })
    }

    /// Sends one message, with a descriptor of which both sides then have one.
    pub(crate) async fn send(&self, message: &Handover, descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let bytes = message.encode_to_vec();
        let send = || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            let rights = descriptor.as_slice();
            if !rights.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(rights)) {
                return Err(io::Error::other("no room for the descriptor"));
            }
            rustix::net::sendmsg(&self.socket, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
            Ok(())
        };
        self.socket.async_io(Interest::WRITABLE, send).await
    }

    /// The next message. None when the peer has closed the connection. Cancellation safe.
    pub(crate) async fn receive(&self) -> io::Result<Option<(Handover, Option<OwnedFd>)>> {
        let receive = || {
            let mut bytes = [0; MESSAGE_BYTES];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let received = rustix::net::recvmsg(
                &self.socket,
                &mut [IoSliceMut::new(&mut bytes)],
                &mut ancillary,
                RecvFlags::CMSG_CLOEXEC,
            )?;
            let descriptor = ancillary.drain().find_map(|message| match message {
                RecvAncillaryMessage::ScmRights(mut rights) => rights.next(),
                _ => None,
            });
            if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a message longer than any we know"));
            }
            Ok((bytes[..received.bytes].to_vec(), descriptor))
        };
        let (bytes, descriptor) = self.socket.async_io(Interest::READABLE, receive).await?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let message =
            Handover::decode(bytes.as_slice()).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(Some((message, descriptor)))
    }
}

/// The descriptor as a listening TCP socket, if it is one.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] if it is something else.
pub(crate) fn listening(descriptor: OwnedFd) -> io::Result<std::net::TcpListener> {
    let kind = rustix::net::sockopt::socket_type(&descriptor)?;
    if kind != SocketType::STREAM || !rustix::net::sockopt::socket_acceptconn(&descriptor)? {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the descriptor is no listening socket"));
    }
    let socket = std::net::TcpListener::from(descriptor);
    socket.local_addr()?;
    Ok(socket)
}

#[cfg(test)]
mod tests;
