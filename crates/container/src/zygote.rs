//! The zygote: a process forked before anything else existed, which forks the shims.
//!
//! A server with threads must not fork, and a shim that executed the binary anew would cost its start-up time and its
//! memory each time. The zygote has one thread, next to no memory of its own, and ends when the server does. Start
//! reading at [`start`].

use std::fs;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustix::fs::Mode;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::process::{WaitOptions, chdir, setsid, umask, waitpid};
use rustix::thread::set_name;

use crate::error::StartError;
use crate::process;
use crate::shim;
use crate::wire::{Event, MAX_MESSAGE, Order, send};

/// The connection to the zygote. Clones share it; when the last one is dropped, the zygote ends.
#[derive(Debug, Clone)]
pub struct Zygote {
    socket: Arc<OwnedFd>,
}

/// Forks the zygote. Must be the first thing that `main` does: before threads, a runtime, signal handlers or a log.
///
/// # Errors
/// If the process has more than one thread, or the operating system refuses.
pub fn start() -> io::Result<Zygote> {
    if fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("the zygote must be forked before the first thread is started"));
    }
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let (_, ours) = process::fork_without(ours, move || serve(&theirs))?;
    Ok(Zygote { socket: Arc::new(ours) })
}

impl Zygote {
    /// Has a shim forked, which gets `connection`. Blocks only if hundreds of orders wait.
    pub(crate) fn order(&self, order: &Order, connection: OwnedFd) -> io::Result<()> {
        let message = serde_json::to_vec(order)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [connection.as_fd()];
        if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
            return Err(io::Error::other("no room for a descriptor"));
        }
        sendmsg(&self.socket, &[IoSlice::new(&message)], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

/// Forks shims until the server is gone. Returns the exit code of the zygote.
fn serve(socket: &OwnedFd) -> u8 {
    if isolate(socket).is_err() {
        return 1;
    }
    loop {
        match receive(socket) {
            Ok(Some((message, connection))) => fork_shim(&message, connection),
            Ok(None) => return 0,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return 1,
        }
    }
}

/// Lets go of everything that was the server's: terminal, directory, descriptors.
fn isolate(socket: &OwnedFd) -> io::Result<()> {
    setsid()?;
    umask(Mode::from_raw_mode(0o022));
    chdir("/")?;
    set_name(c"trireme-zygote")?;
    process::silence_standard_streams()?;
    process::close_all_but(socket.as_raw_fd())
}

/// One order and the connection that came with it; none if the server is gone.
fn receive(socket: &OwnedFd) -> io::Result<Option<(Vec<u8>, OwnedFd)>> {
    let mut message = vec![0; MAX_MESSAGE];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(socket, &mut [IoSliceMut::new(&mut message)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    if received.bytes == 0 {
        return Ok(None);
    }
    let connection = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    if received.flags.contains(ReturnFlags::TRUNC) {
        return Err(io::Error::from(io::ErrorKind::InvalidData));
    }
    message.truncate(received.bytes);
    connection.map(|connection| Some((message, connection))).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Forks twice, so that the shim is nobody's child but the machine's.
fn fork_shim(message: &[u8], connection: OwnedFd) {
    let mut connection = UnixStream::from(connection);
    let outer = process::fork(|| {
        let run = || match become_shim(message, &connection) {
            Ok((order, server)) => shim::run(order, server),
            Err(_) => 1,
        };
        match setsid().map_err(io::Error::from).and_then(|_| process::fork(run)) {
            Ok(_) => 0,
            Err(_) => 1,
        }
    });
    let outcome = outer.and_then(|pid| Ok(waitpid(Some(pid), WaitOptions::empty())?));
    let failure = match outcome {
        Ok(Some((_, status))) if status.exit_status() == Some(0) => return,
        Ok(_) => StartError::setup("fork a shim", "the process in between failed"),
        Err(error) => StartError::setup("fork a shim", error),
    };
    // If the server is gone, it does not miss the answer.
    drop(send(&mut connection, &Event::StartFailed(failure)));
}

fn become_shim(message: &[u8], connection: &UnixStream) -> io::Result<(Order, UnixStream)> {
    set_name(c"trireme-shim")?;
    let order = serde_json::from_slice(message)?;
    let server = connection.try_clone()?;
    process::close_all_but(server.as_raw_fd())?;
    Ok((order, server))
}
