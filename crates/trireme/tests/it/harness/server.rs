//! A `trireme server` process on a data directory of its own.
//!
//! It is bound to the thread that starts it: however the test process ends, no server stays behind.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Api, Credentials, Kubectl, Watch, eventually, unique};

/// A stop may take this long and no longer (SIGTERM drains and exits 0).
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// So many bytes of a server's log are shown when a test fails.
const LOG_SHOWN: u64 = 6_000;

/// The binary under test, untouched by the environment of whoever runs the tests.
pub(crate) fn trireme(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trireme"));
    command.args(arguments).env_remove("TRIREME_DATA_DIR").env_remove("LOG_LEVEL");
    command
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Server {
    /// Holds what the clients need, the log, and the data directory unless the test named another.
    home: TempDir,
    data: PathBuf,
    process: Option<Child>,
    credentials: Credentials,
}

impl Server {
    /// A ready server on an empty data directory.
    pub(crate) fn start() -> Self {
        let home = tempfile::tempdir().expect("there is room for a temporary directory");
        let data = home.path().join("data");
        Self::start_in(home, data)
    }

    /// A ready server on `data`.
    pub(crate) fn start_on(data: &Path) -> Self {
        Self::start_in(tempfile::tempdir().expect("there is room for a temporary directory"), data.to_owned())
    }

    fn start_in(home: TempDir, data: PathBuf) -> Self {
        let log = home.path().join("server.log");
        let before = written(&data);
        let mut process = spawn(server_command(&data), &log);
        let credentials = ready(&mut process, &data, (before, home.path()));
        Self { home, data, process: Some(process), credentials }
    }

    /// A ready server whose data directory is a file system of so many bytes. It is mounted where only the server sees
    /// it, and goes with the server; others reach it through the server's root.
    pub(crate) fn start_on_small_disk(bytes: usize) -> Self {
        let home = tempfile::tempdir().expect("there is room for a temporary directory");
        let mount = home.path().join("disk");
        std::fs::create_dir(&mount).expect("the test's directory is writable");
        let server = server_command(&mount);
        let mut unshare = Command::new("unshare");
        let script = r#"mount -t tmpfs -o size="$0",mode=700 tmpfs "$1" && shift && exec "$@""#;
        unshare.args(["--mount", "sh", "-c", script, &bytes.to_string()]).arg(&mount);
        unshare.arg(server.get_program()).args(server.get_args());
        let mut process = spawn(unshare, &home.path().join("server.log"));
        // Each of these programs becomes the next one, so that this is the id of the server.
        let data = Path::new("/proc")
            .join(process.id().to_string())
            .join("root")
            .join(mount.strip_prefix("/").expect("temporary directories have absolute paths"));
        let credentials = ready(&mut process, &data, (None, home.path()));
        Self { home, data, process: Some(process), credentials }
    }

    /// Starts the server again on the same data directory.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        self.restart_with(&[]);
    }

    /// The same with more arguments.
    #[track_caller]
    pub(crate) fn restart_with(&mut self, arguments: &[&str]) {
        let before = written(&self.data);
        assert!(self.process.is_none(), "the server still runs");
        let mut command = server_command(&self.data);
        command.args(arguments);
        let process = self.process.insert(spawn(command, &self.log_path()));
        self.credentials = ready(process, &self.data, (before, self.home.path()));
    }

    /// Starts the server again without waiting for anything.
    #[track_caller]
    pub(crate) fn begin(&mut self) {
        assert!(self.process.is_none(), "the server still runs");
        self.process = Some(spawn(server_command(&self.data), &self.log_path()));
    }

    /// SIGTERM: the server has to end well and in time.
    #[track_caller]
    pub(crate) fn stop(&mut self) {
        self.signal(Signal::TERM);
        let (status, took) = self.wait();
        assert_eq!(status.code(), Some(0), "{status}");
        assert!(took < STOP_WITHIN, "the stop took {took:?}");
    }

    /// `kill -9`.
    #[track_caller]
    pub(crate) fn kill9(&mut self) {
        self.signal(Signal::KILL);
        let (status, _) = self.wait();
        assert_eq!(status.signal(), Some(9), "the server had ended before: {status}");
    }

    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        let child = self.process.as_ref().expect("the server runs");
        kill_process(Pid::from_child(child), signal).expect("a child that was not waited for can be signalled");
    }

    /// Sends a signal as soon as the server has said that it handles it.
    #[track_caller]
    pub(crate) fn signal_once_handled(&self, signal: Signal) {
        let child = self.process.as_ref().expect("the server runs");
        let status = format!("/proc/{}/status", child.id());
        let bit = 1_u64 << (signal.as_raw() - 1);
        eventually("the signal is handled", || {
            let text = std::fs::read_to_string(&status).expect("the server still runs");
            let caught = text.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
            let caught = u64::from_str_radix(caught.trim(), 16).expect("a mask of signals");
            (caught & bit != 0).then_some(())
        });
        self.signal(signal);
    }

    /// Waits for the process to end, and says how long that took.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> (ExitStatus, Duration) {
        let mut child = self.process.take().expect("the server runs");
        let began = Instant::now();
        let status = eventually("the server ends", || child.try_wait().expect("a child can be asked"));
        (status, began.elapsed())
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// What `endpoints.json` says.
    pub(crate) fn endpoints(&self) -> Value {
        let text = std::fs::read_to_string(self.data.join("endpoints.json")).expect("a ready server says who answers");
        serde_json::from_str(&text).expect("endpoints.json is JSON")
    }

    /// The API as the administrator, over a connection of its own.
    pub(crate) fn api(&self) -> Api {
        Api::new(self.credentials.clone())
    }

    /// A watch on a path with all parameters but `watch`.
    #[track_caller]
    pub(crate) fn watch(&self, path: &str) -> Watch {
        Watch::open(&self.credentials, path, "application/json")
    }

    /// A watch in a representation of the client's choice.
    #[track_caller]
    pub(crate) fn watch_as(&self, path: &str, accept: &str) -> Watch {
        Watch::open(&self.credentials, path, accept)
    }

    /// kubectl in a namespace.
    pub(crate) fn kubectl(&self, namespace: &str) -> Kubectl {
        Kubectl::new(&self.data.join("kubeconfig"), self.home.path(), namespace)
    }

    /// A new namespace whose name begins with `stem`.
    #[track_caller]
    pub(crate) fn namespace(&self, stem: &str) -> String {
        let name = unique(stem);
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        self.api().post("/api/v1/namespaces", &body).expect(201);
        name
    }

    /// curl as the administrator, silent, for a path of the API.
    pub(crate) fn curl(&self, path: &str) -> Command {
        let mut curl = self.curl_without_certificate(path);
        curl.arg("--cert").arg(&self.credentials.certificate).arg("--key").arg(&self.credentials.key);
        curl
    }

    /// curl as nobody, silent, for a path of the API.
    pub(crate) fn curl_without_certificate(&self, path: &str) -> Command {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error"]).arg("--cacert").arg(&self.credentials.authority);
        curl.arg(self.credentials.url(path));
        curl
    }

    /// A directory that goes with this server.
    pub(crate) fn scratch(&self) -> &Path {
        self.home.path()
    }

    /// All that the server has said, over all its starts.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).expect("a server has a log")
    }

    fn log_path(&self) -> PathBuf {
        self.home.path().join("server.log")
    }

    /// Shows what the server says from here on, if the test fails.
    pub(crate) fn log_on_failure(&self) -> LogOnFailure {
        let path = self.log_path();
        let from = std::fs::metadata(&path).map_or(0, |log| log.len());
        LogOnFailure { path, from }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.process {
            // It may have ended by itself.
            child.kill().ok();
            child.wait().ok();
        }
        drop(LogOnFailure { path: self.log_path(), from: 0 });
    }
}

/// See [`Server::log_on_failure`].
#[derive(Debug)]
pub(crate) struct LogOnFailure {
    path: PathBuf,
    from: u64,
}

impl Drop for LogOnFailure {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("-- the server's log\n{}--", tail(&self.path, self.from).unwrap_or_default());
        }
    }
}

fn tail(path: &Path, from: u64) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let end = file.metadata()?.len();
    file.seek(SeekFrom::Start(from.max(end.saturating_sub(LOG_SHOWN))))?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Ports that the server chooses by itself, and keeps.
const ANY_PORT: [&str; 4] = ["--http", "127.0.0.1:0", "--api", "127.0.0.1:0"];

/// When the kubeconfig was written, if it is there. A server that was killed has left its own, which means nothing until
/// the next one has replaced it.
fn written(data: &Path) -> Option<SystemTime> {
    std::fs::metadata(data.join("kubeconfig")).and_then(|file| file.modified()).ok()
}

/// Waits until a server is ready: for a kubeconfig other than that of `before`. What clients need goes into a directory.
#[track_caller]
fn ready(child: &mut Child, data: &Path, (before, home): (Option<SystemTime>, &Path)) -> Credentials {
    let shown_on_failure = LogOnFailure { path: home.join("server.log"), from: 0 };
    eventually("the server is ready", || {
        let ended = child.try_wait().expect("a child can be asked");
        assert_eq!(ended, None, "the server ended before it was ready");
        written(data).filter(|time| Some(*time) != before)
    });
    drop(shown_on_failure);
    Credentials::of(&data.join("kubeconfig"), home)
}

fn server_command(data: &Path) -> Command {
    let mut command = trireme(&["server"]);
    command.args(ANY_PORT).arg("--data-dir").arg(data);
    command
}

/// Starts a program whose log goes into a file.
fn spawn(program: Command, log: &Path) -> Child {
    let mut command = Command::new("setpriv");
    // The signal comes when the thread that starts the server ends: then nobody is left to stop it.
    command.args(["--pdeathsig", "KILL", "--"]).arg(program.get_program()).args(program.get_args());
    command.env_remove("TRIREME_DATA_DIR").env_remove("LOG_LEVEL");
    let log = OpenOptions::new().create(true).append(true).open(log).expect("the test's directory is writable");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().expect("setpriv is part of util-linux")
}
