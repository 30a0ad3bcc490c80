//! What every test needs: a runtime of its own, short ways to say what runs in it, and the check for what it left.
//!
//! Start reading at [`Fixture`].

use std::fs::{self, DirBuilder};
use std::future::Future;
use std::os::unix::fs::DirBuilderExt;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use container::{
    ContainerId, ContainerSpec, EtcFiles, Exit, ExitStatus, HostRootfs, LogOptions, Network, Options, Process,
    Resources, Rootfs, Runtime, SandboxId, SandboxSpec, Security, Status, Users, Zygote,
};
use futures_util::FutureExt;

/// How long anything may take that a test waits for.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
/// First machine id of containers in user namespaces.
pub(crate) const FIRST_USER: u32 = 700_000;

/// One test: a name that states the rule, and a function.
#[derive(Clone, Copy)]
pub(crate) struct Test {
    pub name: &'static str,
    pub run: for<'a> fn(&'a Fixture) -> Run<'a>,
}

pub(crate) type Run<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// Lists test functions under their own names.
#[macro_export]
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        pub(crate) fn tests() -> Vec<$crate::fixture::Test> {
            vec![$($crate::fixture::Test { name: stringify!($name), run: |fixture| Box::pin($name(fixture)) }),*]
        }
    };
}

/// Why real containers cannot run here; none if they can.
pub(crate) fn reason_to_skip() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("containers need root".to_owned());
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let has_groups = mounts.contains(" - cgroup ") || mounts.contains(" - cgroup2 ");
    (!has_groups).then(|| "no control groups are mounted".to_owned())
}

/// Runs one test in a runtime of its own and checks what it left.
pub(crate) fn run(test: Test, zygote: Zygote) -> Result<()> {
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    executor.block_on(async {
        let fixture = Fixture::new(test.name, zygote).await?;
        // A failed assertion panics, and what the test has started must go nevertheless.
        let result = AssertUnwindSafe((test.run)(&fixture)).catch_unwind().await;
        let result = result.unwrap_or_else(|_panic| Err(anyhow::anyhow!("it panicked")));
        let cleaned = fixture.clean().await;
        result.and(cleaned)
    })
}

pub(crate) struct Fixture {
    pub runtime: Runtime,
    pub options: Options,
    pub directory: tempfile::TempDir,
}

impl Fixture {
    async fn new(name: &str, zygote: Zygote) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("trireme-it-").tempdir()?;
        DirBuilder::new().mode(0o700).create(directory.path().join("home"))?;
        let options = options(directory.path(), zygote);
        let runtime = Runtime::open(options.clone()).await.context(name.to_owned())?;
        let fixture = Self { runtime, options, directory };
        fixture.sandbox("pod").await?;
        Ok(fixture)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) async fn sandbox(&self, name: &str) -> Result<()> {
        let spec =
            SandboxSpec { id: SandboxId::new(name)?, hostname: format!("{name}-host"), network: Network::NewNamespace };
        Ok(self.runtime.create_sandbox(spec).await?)
    }

    /// A container on the machine's own programs that runs a shell script.
    pub(crate) fn script(&self, name: &str, script: &str) -> ContainerSpec {
        script_spec(self.directory.path(), name, script)
    }

    /// Creates and starts.
    pub(crate) async fn start(&self, spec: &ContainerSpec) -> Result<container::Identity> {
        self.runtime.create_container(spec.clone()).await?;
        match self.runtime.start(&spec.id).await? {
            Status::Running { init, .. } | Status::Exited { init, .. } => Ok(init),
            other => anyhow::bail!("{other:?}"),
        }
    }

    /// Creates, starts, and waits for the end. Returns what it wrote to standard output and error, and how it ended.
    pub(crate) async fn complete(&self, spec: &ContainerSpec) -> Result<(String, Exit)> {
        self.start(spec).await?;
        let exit = tokio::time::timeout(DEADLINE, self.runtime.wait(&spec.id)).await??;
        Ok((output(&spec.log.path)?, exit))
    }

    /// Runs a script that must succeed; returns its output.
    pub(crate) async fn output_of(&self, name: &str, script: &str) -> Result<String> {
        let (output, exit) = self.complete(&self.script(name, script)).await?;
        ensure!(exit.status == ExitStatus::Code(0), "{exit:?}: {output}");
        Ok(output)
    }

    /// The pid of the shim of a container.
    pub(crate) fn shim_of(&self, id: &ContainerId) -> Result<i32> {
        self.holder_of_lock(id, "trireme-shim").with_context(|| format!("container {id} has no shim"))
    }

    /// The process of a name that has the lock of a container open: its shim, and what that has forked.
    pub(crate) fn holder_of_lock(&self, id: &ContainerId, name: &str) -> Option<i32> {
        let lock = self.options.data_dir.join("containers").join(id.as_str()).join("shim.lock");
        let holds = |process: &Path| {
            let descriptors = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
            descriptors.filter_map(|fd| fs::read_link(fd.path()).ok()).any(|target| target == lock)
        };
        let named = |process: &Path| fs::read_to_string(process.join("comm")).is_ok_and(|found| found.trim() == name);
        let processes = fs::read_dir("/proc").ok()?.flatten().map(|entry| entry.path());
        let holder = processes.filter(|process| named(process)).find(|process| holds(process))?;
        holder.file_name()?.to_str()?.parse().ok()
    }

    /// Waits until the output contains a text.
    pub(crate) async fn wait_for_output(&self, spec: &ContainerSpec, text: &str) -> Result<String> {
        let found = || output(&spec.log.path).ok().filter(|output| output.contains(text));
        wait_until(&format!("{text:?} in the output of {}", spec.id), found).await
    }

    async fn clean(&self) -> Result<()> {
        for listed in self.runtime.list().await? {
            match self.runtime.stop(&listed.id, Duration::ZERO).await {
                Ok(_) | Err(container::Error::NotRunning { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            self.runtime.remove(&listed.id).await?;
        }
        for sandbox in self.runtime.sandboxes().await? {
            self.runtime.remove_sandbox(&sandbox.id).await?;
        }
        let mut leaks = container::leaks(&self.options)?;
        leaks.retain(|leak| !leak.starts_with("control group"));
        self.runtime.clear().await?;
        ensure!(leaks.is_empty(), "left by removed containers: {leaks:#?}");
        let leaks = container::leaks(&self.options)?;
        ensure!(leaks.is_empty(), "left behind: {leaks:#?}");
        Ok(())
    }
}

pub(crate) fn options(directory: &Path, zygote: Zygote) -> Options {
    let name = directory.file_name().and_then(|name| name.to_str()).unwrap_or("trireme-it");
    Options {
        // Below a directory that is closed to others, as a home directory is.
        data_dir: directory.join("home/data"),
        runtime_dir: directory.join("run"),
        cgroup_parent: name.to_ascii_lowercase(),
        zygote,
    }
}

pub(crate) fn script_spec(directory: &Path, name: &str, script: &str) -> ContainerSpec {
    ContainerSpec {
        id: ContainerId::new(name).expect("tests use plain names"),
        sandbox: SandboxId::new("pod").expect("a plain name"),
        rootfs: Rootfs::Host(HostRootfs { toolchains: vec![], scratch_bytes: 64 << 20 }),
        read_only_root: false,
        process: Process {
            args: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
            env: vec![],
            working_dir: PathBuf::from("/"),
            uid: 0,
            gid: 0,
            additional_gids: vec![],
            oom_score_adj: None,
            stop_signal: 15,
        },
        mounts: vec![],
        etc: EtcFiles::default(),
        resources: Resources::default(),
        security: Security { users: Users::Shifted { first: FIRST_USER }, ..Security::default() },
        log: LogOptions { path: directory.join(format!("{name}.log")), max_size: 10 << 20, max_files: 2 },
    }
}

/// Waits until `condition` holds.
pub(crate) async fn wait_until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> Result<T> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = condition() {
            return Ok(value);
        }
        ensure!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// One entry of a container's log.
pub(crate) struct Entry {
    pub stream: String,
    pub tag: String,
    pub text: String,
}

pub(crate) fn log_entries(path: &Path) -> Result<Vec<Entry>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let mut entries = Vec::new();
    for line in text.lines() {
        let mut parts = line.splitn(4, ' ');
        let time = parts.next().context("an entry without time")?;
        ensure!(time.len() == "2016-10-06T00:17:09.669794202Z".len() && time.ends_with('Z'), "time {time:?}");
        let mut part = |what: &'static str| parts.next().map(str::to_owned).context(what);
        let (stream, tag) = (part("an entry without stream")?, part("an entry without tag")?);
        entries.push(Entry { stream, tag, text: part("an entry without text")? });
    }
    Ok(entries)
}

/// The output as the container wrote it.
pub(crate) fn output(log: &Path) -> Result<String> {
    let line = |entry: Entry| if entry.tag == "F" { entry.text + "\n" } else { entry.text };
    Ok(log_entries(log)?.into_iter().map(line).collect())
}
