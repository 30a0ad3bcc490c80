//! The shim: a small process that stands beside one container, from its start until its exit is known.
//!
//! It outlives the server. It watches the container's first process, writes its output to the log, records its exit
//! durably, and answers whoever connects to its socket. It has one thread and keeps little memory; what needs much is
//! done by a child that ends ([`launch`]). If it is killed the container goes on, because nothing of the container
//! depends on it, and another shim can take over. It knows neither retries nor restarts. Start reading at [`run`].
//!
//! There is one shim for each container, not for each sandbox: a shim that dies then takes the exit code of one container
//! with it instead of several, and its life is that of its container.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal, set_child_subreaper};

use crate::cgroup::Hierarchies;
use crate::error::{StartError, Step};
use crate::layout::{ContainerFiles, socket_address};
use crate::process::{self, Ending, Identity, wait_any, wait_readable};
use crate::shim::launch::{Go, Launch, Progress};
use crate::shim::log::LogFile;
use crate::shim::serve::{Client, Saved};
use crate::shim::stream::Stream;
use crate::spec::ContainerSpec;
use crate::state::{ExitStatus, Record, Status, read_json};
use crate::wire::{Event, Lines, Order, Task, send};

mod executor;
mod launch;
mod log;
mod oci;
mod rootfs;
mod serve;
mod stream;

/// How long the creation of a container may take. libcontainer has hung before.
const LAUNCH_TIMEOUT: Duration = Duration::from_secs(30);
/// How long killed processes may take to end.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

/// Does what the server ordered and then serves until released. `server` is the first connection. Returns the exit code.
pub(crate) fn run(order: Order, server: UnixStream) -> u8 {
    let mut server = server;
    let mut shim = match Shim::open(&order) {
        Ok(shim) => shim,
        Err(error) => return refuse(&mut server, error),
    };
    let started = match order.task {
        Task::Launch => shim.launch(),
        Task::Attach => shim.attach(),
    };
    if let Err(error) = started {
        shim.close();
        return refuse(&mut server, error);
    }
    shim.admit(server);
    let served = shim.serve();
    shim.close();
    u8::from(served.is_err())
}

fn refuse(server: &mut UnixStream, error: StartError) -> u8 {
    // If the server is gone, the record says it.
    u8::from(send(server, &Event::StartFailed(error)).is_err())
}

struct Shim {
    order: Order,
    files: ContainerFiles,
    spec: ContainerSpec,
    hierarchies: Hierarchies,
    record: Record,
    /// Whether the record is on disk in its present form.
    saved: Saved,
    init: Option<Init>,
    streams: Vec<Stream>,
    log: LogFile,
    listener: UnixListener,
    clients: Vec<Client>,
    /// Directory of the sockets, through which their names are short.
    sockets: File,
    /// Held as long as this process lives; says that the container has a shim.
    _lock: File,
}

/// The container's first process while it runs.
struct Init {
    identity: Identity,
    pidfd: OwnedFd,
    /// Set when it has been reaped as our child.
    ending: Option<Ending>,
}

impl Shim {
    fn open(order: &Order) -> Result<Self, StartError> {
        let order = order.clone();
        let files = order.layout.container(&order.id);
        let lock = File::create(files.lock()).step("open the lock of the shim")?;
        // A lock of the process: children that it forks do not hold it, so it ends with the shim alone.
        match fcntl_lock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::AGAIN | Errno::ACCESS) => return Err(StartError::AnotherShim),
            Err(errno) => return Err(StartError::setup("lock the container", errno)),
        }
        record_panics(&files);
        set_child_subreaper(Some(rustix::process::getpid())).step("adopt orphans")?;
        let hierarchies = Hierarchies::detect().step("read the control groups")?;
        if order.task == Task::Launch {
            remove_attempt(&order, &hierarchies)?;
        }
        let group = hierarchies.group(&order.layout.shim_cgroup(&order.id));
        group.join_as_shim().step("enter the control group of the shim")?;
        let spec: Option<ContainerSpec> = read_json(&files.config()).step("read the specification")?;
        let spec = spec.ok_or_else(|| StartError::setup("read the specification", "it is not there"))?;
        let boot_id = process::boot_id().step("read the boot id")?;
        let record = Record::load(&files.state()).step("read the state")?;
        let record = record.unwrap_or(Record { boot_id, status: Status::Created, notes: Vec::new() });
        let sockets = File::open(order.layout.sockets()).step("open the directory of the sockets")?;
        let listener = listen(&order, &sockets).step("listen")?;
        let streams = ["stdout", "stderr"].map(|name| Stream::open(&files, name));
        let streams = streams.into_iter().collect::<io::Result<Vec<_>>>().step("open the output of the container")?;
        let log = LogFile::open(spec.log.clone()).step(format!("open the log {}", spec.log.path.display()))?;
        Ok(Self {
            order,
            files,
            spec,
            hierarchies,
            record,
            saved: Saved::Yes,
            init: None,
            streams,
            log,
            listener,
            clients: Vec::new(),
            sockets,
            _lock: lock,
        })
    }

    /// Starts the container. If this fails, nothing of it is left but the record of the failure.
    fn launch(&mut self) -> Result<(), StartError> {
        let result = self.prepare_launch().and_then(|()| self.drive_launch());
        if let Err(error) = &result {
            self.abort_launch();
            self.init = None;
            self.set_status(Status::StartFailed { error: error.clone(), at: Timestamp::now() });
        }
        result
    }

    /// Removes what an attempt before this one may have left.
    fn prepare_launch(&mut self) -> Result<(), StartError> {
        let oci = self.files.oci();
        match fs::remove_dir_all(&oci) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StartError::setup("remove an earlier attempt", error));
            }
            _ => {}
        }
        fs::create_dir(&oci).step(format!("make {}", oci.display()))?;
        self.record.notes.clear();
        Ok(())
    }

    fn drive_launch(&mut self) -> Result<(), StartError> {
        let deadline = Instant::now() + LAUNCH_TIMEOUT;
        let (ours, theirs) = UnixStream::pair().step("make a channel")?;
        let launch = Launch { layout: &self.order.layout, files: &self.files, spec: &self.spec };
        let (pid, channel) =
            process::fork_without(ours, move || launch::create(&launch, theirs)).step("fork the creating process")?;
        let mut creator = Creator::new(pid, channel).step("watch the creating process")?;
        let result = loop {
            match creator.receive(deadline) {
                Ok(Progress::Prepared { pid, notes }) => {
                    if let Err(error) = self.prepared(pid, notes).and_then(|()| send(&mut creator.channel, &Go)) {
                        break Err(StartError::setup("record the first process", error));
                    }
                }
                Ok(Progress::Executed) => break Ok(()),
                Ok(Progress::Failed(error)) | Err(error) => break Err(error),
            }
        };
        if result.is_err() {
            // It may hang; what it started is found through the control group.
            pidfd_send_signal(&creator.pidfd, Signal::KILL).step("kill the creating process")?;
        }
        result
    }

    /// The first process is there and waits. Its identity is on disk before it executes the command.
    fn prepared(&mut self, pid: i32, notes: Vec<String>) -> io::Result<()> {
        let pid = Pid::from_raw(pid).ok_or(Errno::INVAL)?;
        // It is our child and has not been waited for, so the pid is its own.
        let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
        let identity = Identity::of(pid)?;
        self.init = Some(Init { identity, pidfd, ending: None });
        self.record.boot_id = process::boot_id()?;
        self.record.notes = notes;
        self.record.status = Status::Running { init: identity, started_at: Timestamp::now() };
        self.record.save(&self.files.state())
    }

    fn abort_launch(&mut self) {
        self.reap();
        // What cannot be removed here is removed with the container, or named by the next attempt.
        if let Err(error) = remove_attempt(&self.order, &self.hierarchies) {
            self.record.notes.push(error.to_string());
        }
        self.reap();
    }

    /// Takes over a container that runs already.
    fn attach(&mut self) -> Result<(), StartError> {
        let Status::Running { init, .. } = self.record.status else {
            return Err(StartError::setup("take the container over", "it does not run"));
        };
        match init.open().step("find the first process")? {
            Some(pidfd) => self.init = Some(Init { identity: init, pidfd, ending: None }),
            None => {
                let reason = "its shim was gone, and nobody saw the end of the process".to_owned();
                self.exited(ExitStatus::Unknown { reason });
            }
        }
        Ok(())
    }

    /// Removes the socket. Clients see the end of their connection after it is gone.
    fn close(&mut self) {
        let address = socket_address(self.sockets.as_raw_fd(), &self.order.id);
        if let Err(error) = fs::remove_file(address) {
            tracing::debug!(%error, "socket is gone already");
        }
        self.clients.clear();
    }
}

/// Ends what is left of an attempt to start a container. What creates it ends first, so that nothing is added after the
/// second look.
fn remove_attempt(order: &Order, hierarchies: &Hierarchies) -> Result<(), StartError> {
    let deadline = Instant::now() + KILL_TIMEOUT;
    let creating = hierarchies.group(&order.layout.shim_cgroup(&order.id));
    let created = hierarchies.group(&order.layout.container_cgroup(&order.id));
    let ended = creating.kill_all(deadline).and_then(|_| created.kill_all(deadline));
    ended.and_then(|_| created.remove(deadline)).step("end an earlier attempt")
}

/// The process that creates the container, as the shim sees it.
struct Creator {
    pidfd: OwnedFd,
    channel: UnixStream,
    lines: Lines,
}

impl Creator {
    fn new(pid: Pid, channel: UnixStream) -> io::Result<Self> {
        channel.set_nonblocking(true)?;
        Ok(Self { pidfd: pidfd_open(pid, PidfdFlags::empty())?, channel, lines: Lines::default() })
    }

    /// What it says next. That it has ended is seen by its pidfd: the container's first process, which it has forked,
    /// keeps the channel open as well.
    fn receive(&mut self, deadline: Instant) -> Result<Progress, StartError> {
        let failed = |cause: &dyn std::fmt::Display| StartError::setup("create the container", cause);
        loop {
            let ended = wait_readable(&self.pidfd, Instant::now()).map_err(|error| failed(&error))?;
            match self.lines.receive(&mut self.channel) {
                Ok(Some(progress)) => return Ok(progress),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !ended => {}
                Ok(None) | Err(_) => return Err(failed(&"the creating process ended early")),
            }
            if !wait_any([self.channel.as_fd(), self.pidfd.as_fd()], deadline).map_err(|error| failed(&error))? {
                return Err(StartError::TimedOut { seconds: LAUNCH_TIMEOUT.as_secs() });
            }
        }
    }
}

/// Listens on the container's socket. The lock is held, so a socket that is there belongs to a shim that is gone.
fn listen(order: &Order, sockets: &File) -> io::Result<UnixListener> {
    let address = socket_address(sockets.as_raw_fd(), &order.id);
    match fs::remove_file(&address) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&address)?;
    fs::set_permissions(&address, Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Standard error leads nowhere; a panic is written to a file beside the container.
fn record_panics(files: &ContainerFiles) {
    let path = files.shim_log();
    std::panic::set_hook(Box::new(move |panic| {
        let file = OpenOptions::new().create(true).append(true).open(&path);
        // The process is about to end; there is nowhere else to tell it.
        drop(file.and_then(|mut file| writeln!(file, "{} {panic}", Timestamp::now())));
    }));
}
