//! What the node agent uses: sandboxes and containers, with asynchronous operations.
//!
//! A [`Runtime`] keeps nothing in memory. The specification and the state of a container are files, and who is alive
//! is found by connecting to its shim, so every operation may be repeated and a new server needs no recovery but
//! [`Runtime::adopt`]. Operations on one container are expected one after another, as a level-triggered caller makes
//! them; [`Runtime::wait`] may run beside them. Start reading at [`Runtime::start`].

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::net::AddressFamily;
use tokio::net::TcpStream;

use crate::cgroup::Stats;
use crate::error::{Error, StartError};
use crate::layout::Layout;
use crate::spec::{ContainerId, ContainerSpec, SandboxId, SandboxSpec};
use crate::state::{Exit, Status};
use crate::wire::{Event, Order, Request, Target, Task};
use crate::zygote::Zygote;
use connection::Connection;
use files::{container_error, hierarchies, load_spec};
pub use leaks::leaks;

mod connection;
mod files;
mod leaks;
mod sandbox;

/// How long processes may take to end after SIGKILL, and shims after they were released.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a shim that another caller has had forked may take until it listens, and how often to look.
const TAKE_OVER_TIMEOUT: Duration = Duration::from_secs(5);
const TAKE_OVER_RETRY: Duration = Duration::from_millis(5);
/// How often a shim may be replaced while one caller waits for an exit. More means that shims cannot live here.
const MAX_REPLACEMENTS: u32 = 5;

/// Where a runtime keeps its things. Two runtimes must differ in all of them; whoever opens one makes sure that no
/// other server uses the same data directory.
#[derive(Debug, Clone)]
pub struct Options {
    /// Directory for what survives a restart of the machine; it is created.
    pub data_dir: PathBuf,
    /// Directory for sockets, namespaces and a mount point, below `/run`; it is created. Everybody must be able to pass
    /// through the directories above it.
    pub runtime_dir: PathBuf,
    /// Control group below which each container gets its own, such as `trireme-1f0c`; no leading slash.
    pub cgroup_parent: String,
    /// From [`crate::zygote::start`].
    pub zygote: Zygote,
}

/// Containers on this machine. Clones are the same runtime.
#[derive(Debug, Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    layout: Layout,
    zygote: Zygote,
    /// Directory of the sockets, through which their names are short.
    sockets: File,
}

/// A container as its files describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub id: ContainerId,
    /// The sandbox it belongs to.
    pub sandbox: SandboxId,
    /// What was recorded last. A container whose shim was killed may have ended since: [`Runtime::adopt`] finds out.
    pub status: Status,
    /// What was asked for and could not be had in full, one sentence each.
    pub notes: Vec<String>,
}

/// A container that was found running by [`Runtime::adopt`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// Its name.
    pub id: ContainerId,
    /// The sandbox it belongs to.
    pub sandbox: SandboxId,
    /// Running, or exited with an unknown status if it ended while nobody watched.
    pub status: Status,
}

/// What is known of a container, with its shim if it has one.
struct Known {
    status: Status,
    shim: Option<Connection>,
}

impl Runtime {
    /// Opens a runtime and removes what interrupted operations have left in its directories.
    ///
    /// # Errors
    /// [`Error::File`] if a directory cannot be made or read; [`Error::CgroupParent`],
    /// [`Error::Unreachable`] for options that cannot be used.
    pub async fn open(options: Options) -> Result<Self, Error> {
        let Options { data_dir, runtime_dir, cgroup_parent, zygote } = options;
        let layout = Layout { data: data_dir, runtime: runtime_dir, cgroup: cgroup_parent };
        let opened = layout.clone();
        let sockets = task::blocking(move || files::open(&opened)).await?;
        Ok(Self { inner: Arc::new(Inner { layout, zygote, sockets }) })
    }

    /// Makes a sandbox; fine if the same one exists. After a restart of the machine this makes its namespaces again.
    ///
    /// # Errors
    /// [`Error::SandboxDiffers`]; [`Error::Sandbox`] if the kernel refuses.
    pub async fn create_sandbox(&self, spec: SandboxSpec) -> Result<(), Error> {
        sandbox::create(self.inner.layout.clone(), spec).await
    }

    /// Removes a sandbox; fine if there is none.
    ///
    /// # Errors
    /// [`Error::SandboxInUse`] while it has containers; [`Error::Sandbox`] if the kernel refuses.
    pub async fn remove_sandbox(&self, id: &SandboxId) -> Result<(), Error> {
        for container in self.list().await? {
            if container.sandbox == *id {
                return Err(Error::SandboxInUse { id: id.clone(), container: container.id });
            }
        }
        sandbox::remove(self.inner.layout.clone(), id.clone()).await
    }

    /// Opens a TCP connection from inside a sandbox, as its containers would. It may be dropped at any time.
    ///
    /// # Errors
    /// As connect(2); `NotFound` if there is no such sandbox.
    pub async fn connect_tcp(&self, id: &SandboxId, address: SocketAddr) -> io::Result<TcpStream> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        sandbox::socket(&self.inner.layout, id, family).await?.connect(address).await
    }

    /// The sandboxes that exist, by name.
    ///
    /// # Errors
    /// [`Error::File`] if a file cannot be read.
    pub async fn sandboxes(&self) -> Result<Vec<SandboxSpec>, Error> {
        let layout = self.inner.layout.clone();
        task::blocking(move || sandbox::list(&layout)).await
    }

    /// Writes a container down without starting it; fine if the same one exists.
    ///
    /// # Errors
    /// [`Error::Spec`], [`Error::ContainerDiffers`], [`Error::NoSandbox`]; [`Error::File`] if it cannot be written.
    pub async fn create_container(&self, spec: ContainerSpec) -> Result<(), Error> {
        spec.check().map_err(|source| Error::Spec { id: spec.id.clone(), source })?;
        let layout = self.inner.layout.clone();
        task::blocking(move || files::create(&layout, &spec)).await
    }

    /// Starts a container and waits until its command has been executed; fine if it runs already. If this future is
    /// dropped, the start goes on.
    ///
    /// # Errors
    /// [`Error::Start`] with the reason, after which nothing of it runs and another attempt may be made;
    /// [`Error::Ended`] if it has run before; [`Error::NoContainer`], [`Error::Zygote`].
    pub async fn start(&self, id: &ContainerId) -> Result<Status, Error> {
        let deadline = Instant::now() + TAKE_OVER_TIMEOUT;
        loop {
            match self.find(id).await?.status {
                Status::Created | Status::StartFailed { .. } => {}
                running @ Status::Running { .. } => return Ok(running),
                Status::Exited { .. } => return Err(Error::Ended { id: id.clone() }),
            }
            let mut shim = self.order(id, Task::Launch).await?;
            let source = match shim.event().await {
                Ok(Some(Event::Status(status))) => return Ok(status),
                // The one of a failed attempt is about to end.
                Ok(Some(Event::StartFailed(StartError::AnotherShim))) if Instant::now() < deadline => {
                    tokio::time::sleep(TAKE_OVER_RETRY).await;
                    continue;
                }
                Ok(Some(Event::StartFailed(source))) => source,
                Ok(Some(Event::Done | Event::Refused { .. }) | None) => StartError::ShimDied,
                Err(source) => return Err(container_error("hear from the shim of", id)(source)),
            };
            return Err(Error::Start { id: id.clone(), source });
        }
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// [`Error::NotRunning`], [`Error::NoContainer`]; [`Error::Container`] with EINVAL for a number that is no signal.
    pub async fn signal(&self, id: &ContainerId, number: i32, target: Target) -> Result<(), Error> {
        let known = self.find(id).await?;
        let (Status::Running { .. }, Some(mut shim)) = (known.status, known.shim) else {
            return Err(Error::NotRunning { id: id.clone() });
        };
        match shim.request(&Request::Signal { number, target }).await {
            Ok(()) => Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Err(Error::NotRunning { id: id.clone() }),
            Err(error) => Err(container_error("signal", id)(error)),
        }
    }

    /// Asks the container to end with its stop signal, and kills it after `grace`. Returns its exit, also if it had ended
    /// before.
    ///
    /// # Errors
    /// [`Error::NotRunning`] if it was never started; [`Error::Unkillable`] if it is still there 10 s after SIGKILL.
    pub async fn stop(&self, id: &ContainerId, grace: Duration) -> Result<Exit, Error> {
        let spec = self.spec(id).await?;
        match self.signal(id, spec.process.stop_signal, Target::Init).await {
            // It has ended or never ran; waiting tells which.
            Ok(()) | Err(Error::NotRunning { .. }) => {}
            Err(error) => return Err(error),
        }
        if let Ok(exit) = tokio::time::timeout(grace, self.wait(id)).await {
            return exit;
        }
        match self.signal(id, libc::SIGKILL, Target::All).await {
            Ok(()) | Err(Error::NotRunning { .. }) => {}
            Err(error) => return Err(error),
        }
        let unkillable = || Error::Unkillable { id: id.clone(), seconds: KILL_TIMEOUT.as_secs() };
        tokio::time::timeout(KILL_TIMEOUT, self.wait(id)).await.map_err(|_elapsed| unkillable())?
    }

    /// Waits for the end of a container that runs; at once if it has ended. May be cancelled and called again.
    ///
    /// # Errors
    /// [`Error::NotRunning`] if it was never started; [`Error::Container`] if its shims keep dying.
    pub async fn wait(&self, id: &ContainerId) -> Result<Exit, Error> {
        for _ in 0..MAX_REPLACEMENTS {
            let known = self.find(id).await?;
            let mut shim = match (known.status, known.shim) {
                (Status::Exited { exit, .. }, _) => return Ok(exit),
                (Status::Running { .. }, Some(shim)) => shim,
                _ => return Err(Error::NotRunning { id: id.clone() }),
            };
            // The end of the connection, whatever its reason, means that the shim is gone; the next round finds out
            // what has become of the container.
            while let Ok(Some(event)) = shim.event().await {
                if let Event::Status(Status::Exited { exit, .. }) = event {
                    return Ok(exit);
                }
            }
        }
        let source = io::Error::other(format!("{MAX_REPLACEMENTS} shims died"));
        Err(Error::Container { id: id.clone(), action: "wait for", source })
    }

    /// Ends the shim of a container whose exit the caller has taken note of; fine if it has none. The exit stays on disk
    /// until the container is removed.
    ///
    /// # Errors
    /// [`Error::Running`], [`Error::NoContainer`]; [`Error::Container`] if the exit could not be written to disk.
    pub async fn release(&self, id: &ContainerId) -> Result<(), Error> {
        if let Status::Running { .. } = self.find(id).await?.status {
            return Err(Error::Running { id: id.clone() });
        }
        let Some(mut shim) = self.connect(id).await? else { return Ok(()) };
        match shim.request(&Request::Release).await {
            Ok(()) => Ok(()),
            // It ended between the two, which is what was wanted.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => Err(Error::Running { id: id.clone() }),
            Err(source) => Err(Error::Container { id: id.clone(), action: "release the shim of", source }),
        }
    }

    /// Removes a container that does not run, with everything but its log; fine if there is none.
    ///
    /// # Errors
    /// [`Error::Running`]; [`Error::Unkillable`] if processes are left over that do not end; [`Error::Container`].
    pub async fn remove(&self, id: &ContainerId) -> Result<(), Error> {
        match self.release(id).await {
            Err(Error::NoContainer { .. }) => return Ok(()),
            result => result?,
        }
        let (layout, id) = (self.inner.layout.clone(), id.clone());
        task::blocking(move || files::remove(&layout, &id)).await
    }

    /// What is recorded about every container, by name. Reads files only.
    ///
    /// # Errors
    /// [`Error::File`] if a file cannot be read.
    pub async fn list(&self) -> Result<Vec<Listed>, Error> {
        let layout = self.inner.layout.clone();
        task::blocking(move || files::list(&layout)).await
    }

    /// Makes sure that every running container has a shim, finds out which have ended unseen, and kills what belongs to no
    /// container. Called once when a server begins, before anything else; harmless at any other time.
    ///
    /// # Errors
    /// The first container that could be neither reached nor taken over.
    pub async fn adopt(&self) -> Result<Vec<Adopted>, Error> {
        let mut adopted = Vec::new();
        for listed in self.list().await? {
            if let Status::Running { .. } = listed.status {
                let status = self.find(&listed.id).await?.status;
                adopted.push(Adopted { id: listed.id, sandbox: listed.sandbox, status });
            }
        }
        let layout = self.inner.layout.clone();
        task::blocking(move || files::remove_strays(&layout)).await?;
        Ok(adopted)
    }

    /// What a container uses; empty if it does not run.
    ///
    /// # Errors
    /// [`Error::Container`] if the control groups cannot be read.
    pub async fn stats(&self, id: &ContainerId) -> Result<Stats, Error> {
        let (layout, id) = (self.inner.layout.clone(), id.clone());
        task::blocking(move || Ok(hierarchies(&id)?.group(&layout.container_cgroup(&id)).stats())).await
    }

    /// The specification of a container.
    ///
    /// # Errors
    /// [`Error::NoContainer`]; [`Error::File`] if it cannot be read.
    pub async fn spec(&self, id: &ContainerId) -> Result<ContainerSpec, Error> {
        let files = self.inner.layout.container(id);
        let spec = task::blocking(move || load_spec(&files)).await?;
        spec.ok_or_else(|| Error::NoContainer { id: id.clone() })
    }

    /// Removes what a runtime without containers and sandboxes still has on the machine: its control groups and its
    /// directory below `/run`. Its data directory stays, and it can be opened again.
    ///
    /// # Errors
    /// [`Error::InUse`]; [`Error::File`] if something cannot be removed.
    pub async fn clear(&self) -> Result<(), Error> {
        if !self.list().await?.is_empty() || !self.sandboxes().await?.is_empty() {
            return Err(Error::InUse);
        }
        let layout = self.inner.layout.clone();
        task::blocking(move || files::clear(&layout)).await
    }

    /// What is known of a container: its shim says it, or, if there is none, the record; a container that runs without a
    /// shim gets one.
    async fn find(&self, id: &ContainerId) -> Result<Known, Error> {
        let deadline = Instant::now() + TAKE_OVER_TIMEOUT;
        loop {
            if let Some(mut shim) = self.connect(id).await?
                && let Ok(Some(Event::Status(status))) = shim.event().await
            {
                return Ok(Known { status, shim: Some(shim) });
            }
            let (layout, wanted) = (self.inner.layout.clone(), id.clone());
            let status = task::blocking(move || files::recorded(&layout, &wanted)).await?;
            if !matches!(status, Status::Running { .. }) {
                return Ok(Known { status, shim: None });
            }
            let mut shim = self.order(id, Task::Attach).await?;
            match shim.event().await {
                Ok(Some(Event::Status(status))) => return Ok(Known { status, shim: Some(shim) }),
                // Another caller was faster, and its shim will listen in a moment.
                Ok(Some(Event::StartFailed(StartError::AnotherShim))) if Instant::now() < deadline => {
                    tokio::time::sleep(TAKE_OVER_RETRY).await;
                }
                Ok(Some(Event::StartFailed(source))) => return Err(Error::Start { id: id.clone(), source }),
                Ok(_) => return Err(Error::Start { id: id.clone(), source: StartError::ShimDied }),
                Err(error) => return Err(container_error("take over", id)(error)),
            }
        }
    }

    /// A connection to the container's shim; none if it has none.
    async fn connect(&self, id: &ContainerId) -> Result<Option<Connection>, Error> {
        let connection = Connection::open(&self.inner.sockets, id).await;
        connection.map_err(|source| Error::Container { id: id.clone(), action: "reach the shim of", source })
    }

    /// Has a shim forked; the connection to it.
    async fn order(&self, id: &ContainerId, task: Task) -> Result<Connection, Error> {
        let (connection, theirs) = Connection::pair().map_err(|source| Error::Container {
            id: id.clone(),
            action: "make a connection for",
            source,
        })?;
        let order = Order { layout: self.inner.layout.clone(), id: id.clone(), task };
        let zygote = self.inner.zygote.clone();
        task::blocking(move || zygote.order(&order, theirs)).await.map_err(Error::Zygote)?;
        Ok(connection)
    }
}
