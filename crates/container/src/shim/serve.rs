//! The life of a shim beside its running container: one loop around poll(2).
//!
//! It copies output, notices the end of the container, and answers clients. Start reading at [`Shim::serve`].

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::process::{WaitOptions, geteuid, pidfd_send_signal, wait};

use super::Shim;
use crate::process::{self, Ending};
use crate::shim::log::Batch;
use crate::state::{Exit, ExitStatus, Status};
use crate::wire::{Event, Lines, Request, Target, send};

/// How long the end of a process that is not our child may wait for its parent to reap it.
const REAP_TIMEOUT: Duration = Duration::from_secs(1);
/// Connections at a time; the server needs two, one that waits and one that acts.
const MAX_CLIENTS: usize = 16;
/// Reads of one stream before the others get their turn.
const READS_PER_TURN: usize = 8;
/// How long to wait before a record that the disk refused is written again.
const SAVE_RETRY: Duration = Duration::from_secs(1);

pub(super) struct Client {
    stream: UnixStream,
    lines: Lines,
}

impl Shim {
    /// Serves until released. An error ends the shim; another one can take over.
    pub(super) fn serve(&mut self) -> rustix::io::Result<Released> {
        loop {
            let ready = self.wait()?;
            if let Some(released) = self.turn(&ready) {
                return Ok(released);
            }
        }
    }

    /// Waits until something happens; says what.
    fn wait(&self) -> rustix::io::Result<Ready> {
        let mut fds: Vec<BorrowedFd<'_>> = vec![self.listener.as_fd()];
        fds.extend(self.streams.iter().map(|stream| stream.fifo.as_fd()));
        fds.extend(self.clients.iter().map(|client| client.stream.as_fd()));
        fds.extend(self.init.as_ref().map(|init| init.pidfd.as_fd()));
        let mut fds: Vec<PollFd<'_>> = fds.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
        // A record that could not be saved is tried again after a while.
        let timeout = (self.saved != Saved::Yes).then(|| process::timespec(SAVE_RETRY));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let (streams, clients) = (1 + self.streams.len(), self.clients.len());
        Ok(Ready {
            listener: ready[0],
            streams: ready[1..streams].to_vec(),
            clients: ready[streams..streams + clients].to_vec(),
            init: ready.get(streams + clients).copied().unwrap_or(false),
        })
    }

    /// Handles what happened. Something is returned when a client has released this shim.
    fn turn(&mut self, ready: &Ready) -> Option<Released> {
        if self.serve_clients(&ready.clients).is_some() {
            return Some(Released);
        }
        self.copy_output(&ready.streams);
        self.reap();
        if ready.init {
            self.init_ended();
        }
        if ready.listener
            && let Ok((stream, _)) = self.listener.accept()
        {
            self.admit(stream);
        }
        match self.saved {
            Saved::Yes => None,
            Saved::Later => {
                self.save();
                None
            }
            // Somebody has removed the container without asking us; there is nobody left to tell.
            Saved::Never => Some(Released),
        }
    }

    fn serve_clients(&mut self, ready: &[bool]) -> Option<Released> {
        for (mut client, is_ready) in std::mem::take(&mut self.clients).into_iter().zip(ready) {
            let connection = if *is_ready { self.serve_client(&mut client) } else { Ok(Connection::Open) };
            match connection {
                Ok(Connection::Open) => self.clients.push(client),
                Ok(Connection::Closed) => {}
                Ok(Connection::Released) => return Some(Released),
                // A client that breaks the protocol or does not read is cut off.
                Err(error) => tracing::debug!(%error, "client is cut off"),
            }
        }
        None
    }

    fn copy_output(&mut self, ready: &[bool]) {
        let mut batch = Batch::new(Timestamp::now());
        let mut index = 0;
        self.streams.retain_mut(|stream| {
            index += 1;
            !ready[index - 1] || stream.copy(READS_PER_TURN, &mut batch).is_open()
        });
        self.log.append(&batch);
    }

    /// Collects children that have ended: helpers of a launch, orphans, the first process.
    pub(super) fn reap(&mut self) {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if let Some(init) = &mut self.init
                && init.identity.pid == pid.as_raw_nonzero().get()
            {
                init.ending = Ending::from_wait_status(status.as_raw());
            }
        }
    }

    /// The first process has ended, and with it the kernel has ended all others of its pid namespace.
    fn init_ended(&mut self) {
        let Some(init) = self.init.take() else { return };
        let mut batch = Batch::new(Timestamp::now());
        for stream in &mut self.streams {
            stream.copy(usize::MAX, &mut batch);
            stream.output.finish(&mut batch);
        }
        self.streams.clear();
        self.log.append(&batch);
        let ending = init.ending.or_else(|| ending_of_stranger(&init.pidfd));
        self.exited(ending.map_or_else(
            || ExitStatus::Unknown {
                reason: "its first shim was gone, and this kernel tells the exit code to the parent only".to_owned(),
            },
            ExitStatus::from,
        ));
    }

    pub(super) fn exited(&mut self, status: ExitStatus) {
        let Status::Running { init, started_at } = self.record.status else { return };
        let group = self.hierarchies.group(&self.order.layout.container_cgroup(&self.order.id));
        let oom_killed = status.code() != 0 && group.out_of_memory_kills().is_some_and(|kills| kills > 0);
        let exit = Exit { status, at: Timestamp::now(), oom_killed };
        self.set_status(Status::Exited { init, started_at, exit });
    }

    /// Records the status, then tells it.
    pub(super) fn set_status(&mut self, status: Status) {
        self.record.status = status;
        self.save();
        let event = Event::Status(self.record.status.clone());
        self.clients.retain_mut(|client| send(&mut client.stream, &event).is_ok());
    }

    fn save(&mut self) {
        self.saved = match self.record.save(&self.files.state()) {
            Ok(()) => Saved::Yes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Saved::Never,
            Err(_) => Saved::Later,
        };
    }

    /// Takes a connection in, if it comes from a process of our own user.
    pub(super) fn admit(&mut self, stream: UnixStream) {
        let ours = socket_peercred(&stream).is_ok_and(|peer| peer.uid == geteuid());
        let mut client = Client { stream, lines: Lines::default() };
        let event = Event::Status(self.record.status.clone());
        let usable = ours
            && self.clients.len() < MAX_CLIENTS
            && client.stream.set_nonblocking(true).is_ok()
            && send(&mut client.stream, &event).is_ok();
        if usable {
            self.clients.push(client);
        }
    }

    fn serve_client(&mut self, client: &mut Client) -> io::Result<Connection> {
        loop {
            match client.lines.receive::<Request>(&mut client.stream) {
                Ok(None) => return Ok(Connection::Closed),
                Ok(Some(Request::Signal { number, target })) => {
                    let answer = match self.signal(number, target) {
                        Ok(()) => Event::Done,
                        Err(error) => Event::Refused { errno: error.raw_os_error().unwrap_or(libc::EIO) },
                    };
                    send(&mut client.stream, &answer)?;
                }
                Ok(Some(Request::Release)) if self.may_end() => {
                    send(&mut client.stream, &Event::Done)?;
                    return Ok(Connection::Released);
                }
                Ok(Some(Request::Release)) => send(&mut client.stream, &Event::Refused { errno: libc::EBUSY })?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Connection::Open),
                Err(error) => return Err(error),
            }
        }
    }

    fn may_end(&mut self) -> bool {
        if self.saved == Saved::Later {
            self.save();
        }
        self.saved != Saved::Later && self.init.is_none()
    }

    fn signal(&self, number: i32, target: Target) -> io::Result<()> {
        let signal = process::signal(number).ok_or(Errno::INVAL)?;
        let init = self.init.as_ref().ok_or(Errno::SRCH)?;
        match target {
            Target::Init => Ok(pidfd_send_signal(&init.pidfd, signal)?),
            Target::All => {
                self.hierarchies.group(&self.order.layout.container_cgroup(&self.order.id)).signal_all(signal)
            }
        }
    }
}

/// What [`Shim::wait`] found to do, in the order in which it listed the descriptors.
struct Ready {
    listener: bool,
    streams: Vec<bool>,
    clients: Vec<bool>,
    init: bool,
}

pub(super) struct Released;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Saved {
    Yes,
    /// The disk refused; it is tried again.
    Later,
    /// The directory of the container is gone.
    Never,
}

enum Connection {
    Open,
    Closed,
    Released,
}

/// How a process ended that is not our child. Its parent has to reap it first, which a hang-up of the pidfd tells.
fn ending_of_stranger(pidfd: &OwnedFd) -> Option<Ending> {
    let deadline = Instant::now() + REAP_TIMEOUT;
    loop {
        let ending = Ending::from_pidfd(pidfd);
        if ending.is_some() || Instant::now() >= deadline {
            return ending;
        }
        process::pause(Duration::from_millis(2));
    }
}
