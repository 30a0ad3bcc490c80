//! `trireme` as a person meets it: help, wrong flags, machines that are not fit, and the way out.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Ran, Server, eventually, on_own_server, run, trireme};

on_own_server![
    nothing_to_do_is_a_usage_error,
    an_unknown_command_is_a_usage_error,
    an_unknown_flag_is_a_usage_error,
    an_address_that_is_none_is_a_usage_error,
    an_address_beyond_loopback_is_refused,
    an_ordinary_user_is_refused,
    a_level_that_is_none_is_a_usage_error,
    a_port_in_use_is_named,
    a_data_directory_in_use_is_named_and_left_alone,
    a_data_directory_that_is_a_file_is_named,
    a_data_directory_that_cannot_be_made_is_named,
    a_damaged_authority_is_named_and_left_alone,
    damaged_ports_are_named,
    a_damaged_database_is_named_and_left_alone,
    help_is_given_short_and_long,
    the_data_directory_is_private,
    the_environment_names_the_data_directory,
    chosen_ports_are_kept,
    what_is_announced_is_withdrawn_on_stop,
    a_stop_during_the_start_is_heard,
    a_request_that_hangs_does_not_hold_up_the_stop,
    a_second_interrupt_ends_at_once,
    logs_are_lines_of_json,
];

const FREE: [&str; 4] = ["--http", "127.0.0.1:0", "--api", "127.0.0.1:0"];

fn home() -> tempfile::TempDir {
    tempfile::tempdir().expect("there is room for a temporary directory")
}

/// `trireme server` on a data directory, with free ports unless the flags say otherwise.
fn server_command(data: &Path, flags: &[&str]) -> Command {
    let mut command = trireme(&["server"]);
    command.arg("--data-dir").arg(data).args(flags);
    command
}

/// The one clear message of a start that failed with `code`.
#[track_caller]
fn refused(command: &Command, code: i32) -> String {
    let Ran { code: found, stdout, stderr } = run(command);
    assert_eq!(found, code, "{stderr}");
    assert_eq!(stdout, "");
    stderr
}

/// The same, for messages of our own: one line.
#[track_caller]
fn refused_in_a_line(command: &Command, code: i32) -> String {
    let message = refused(command, code);
    let line = message.strip_suffix('\n').expect("a whole line");
    assert!(line.starts_with("error: ") && !line.contains('\n'), "{message}");
    line.to_owned()
}

/// Whatever was wrong, nothing says that a server is there.
#[track_caller]
fn check_not_announced(data: &Path) {
    for name in ["kubeconfig", "endpoints.json"] {
        assert!(!data.join(name).exists(), "{name} is there");
    }
}

fn nothing_to_do_is_a_usage_error() {
    let message = refused(&trireme(&[]), 2);
    assert!(message.contains("Usage: trireme"), "{message}");
}

fn an_unknown_command_is_a_usage_error() {
    let message = refused(&trireme(&["serve"]), 2);
    assert!(message.contains("unrecognized subcommand 'serve'") && message.contains("'server'"), "{message}");
}

fn an_unknown_flag_is_a_usage_error() {
    let home = home();
    let data = home.path().join("data");
    let message = refused(&server_command(&data, &["--ap", "127.0.0.1:0"]), 2);
    assert!(message.contains("unexpected argument '--ap'") && message.contains("'--api'"), "{message}");
    assert!(!data.exists());
}

fn an_address_that_is_none_is_a_usage_error() {
    for address in ["localhost", "6443", "127.0.0.1:70000", "127.0.0.1"] {
        let message = refused(&trireme(&["server", "--api", address]), 2);
        assert!(message.contains(address) && message.contains("--api"), "{message}");
    }
}

fn an_address_beyond_loopback_is_refused() {
    let home = home();
    let data = home.path().join("data");
    for (flag, address) in [("--api", "0.0.0.0:0"), ("--http", "192.0.2.1:8080"), ("--api", "[::]:0")] {
        let mut flags = FREE.to_vec();
        let place = flags.iter().position(|known| *known == flag).expect("one of the flags");
        flags[place + 1] = address;
        let message = refused_in_a_line(&server_command(&data, &flags), 2);
        assert!(message.contains(flag) && message.contains(address) && message.contains("127.0.0.1"), "{message}");
    }
    assert!(!data.exists());
}

fn an_ordinary_user_is_refused() {
    let home = home();
    // Where the binary was built may be closed to others.
    let binary = home.path().join("trireme");
    std::fs::copy(env!("CARGO_BIN_EXE_trireme"), &binary).expect("there is room for a copy");
    std::fs::set_permissions(home.path(), PermissionsExt::from_mode(0o755)).expect("the directory is ours");
    let data = home.path().join("data");
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]).arg(&binary);
    command.arg("server").args(FREE).arg("--data-dir").arg(&data);
    let message = refused_in_a_line(&command, 2);
    assert!(message.contains("root") && message.contains("sudo"), "{message}");
    assert!(!data.exists());
}

fn a_level_that_is_none_is_a_usage_error() {
    let home = home();
    let mut command = server_command(&home.path().join("data"), &FREE);
    command.env("LOG_LEVEL", "loud=very=loud");
    let message = refused_in_a_line(&command, 2);
    assert!(message.contains("LOG_LEVEL"), "{message}");
}

fn a_port_in_use_is_named() {
    let home = home();
    let data = home.path().join("data");
    for flag in ["--api", "--http"] {
        let taken = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let address = taken.local_addr().expect("it is bound").to_string();
        let mut flags = FREE.to_vec();
        let place = flags.iter().position(|known| *known == flag).expect("one of the flags");
        flags[place + 1] = &address;
        let message = refused_in_a_line(&server_command(&data, &flags), 1);
        assert!(message.contains(&address) && message.contains(flag) && message.contains("in use"), "{message}");
        check_not_announced(&data);
    }
    // What the failed starts left does not stand in the way.
    let mut server = Server::start_on(&data);
    server.stop();
}

fn a_data_directory_in_use_is_named_and_left_alone() {
    let server = Server::start();
    let before = server.endpoints();
    let message = refused_in_a_line(&server_command(server.data(), &FREE), 1);
    let directory = server.data().to_string_lossy();
    assert!(message.contains(&*directory) && message.contains("--data-dir"), "{message}");
    assert_eq!(server.endpoints(), before);
    assert!(server.data().join("kubeconfig").exists());
    server.api().get("/readyz");
}

fn a_data_directory_that_is_a_file_is_named() {
    let home = home();
    let data = home.path().join("data");
    std::fs::write(&data, "precious").expect("the directory is ours");
    let message = refused_in_a_line(&server_command(&data, &FREE), 1);
    assert!(message.contains(&*data.to_string_lossy()), "{message}");
    assert_eq!(std::fs::read_to_string(&data).ok().as_deref(), Some("precious"));
}

fn a_data_directory_that_cannot_be_made_is_named() {
    let message = refused_in_a_line(&server_command(Path::new("/proc/trireme"), &FREE), 1);
    assert!(message.contains("/proc/trireme"), "{message}");
}

/// A data directory that a server has used and left.
fn used(home: &Path) -> std::path::PathBuf {
    let data = home.join("data");
    let mut server = Server::start_on(&data);
    server.stop();
    data
}

/// A start that fails because of a damaged file, which is left as it is.
#[track_caller]
fn check_damaged(file: &str) -> String {
    const DAMAGE: &[u8] = b"this is not what it was\n";
    let home = home();
    let data = used(home.path());
    let path = data.join(file);
    assert!(path.exists(), "{file} is not what it is called");
    std::fs::write(&path, DAMAGE).expect("the directory is ours");
    let message = refused(&server_command(&data, &FREE), 1);
    let line = message.lines().last().unwrap_or_default();
    assert!(line.starts_with("error: "), "{message}");
    assert_eq!(std::fs::read(&path).expect("it is there"), DAMAGE);
    check_not_announced(&data);
    line.replace(&*data.to_string_lossy(), "DATA")
}

fn a_damaged_authority_is_named_and_left_alone() {
    for file in ["pki/ca.crt", "pki/ca.key"] {
        let message = check_damaged(file);
        assert!(message.contains("DATA/pki") && message.contains("restore"), "{message}");
    }
}

fn damaged_ports_are_named() {
    let message = check_damaged("ports.json");
    assert!(message.contains("DATA/ports.json") && message.contains("remove it"), "{message}");
}

fn a_damaged_database_is_named_and_left_alone() {
    let message = check_damaged("state.redb");
    assert!(message.contains("DATA/state.redb"), "{message}");
}

fn help_is_given_short_and_long() {
    let short = run(&trireme(&["-h"])).ok();
    assert!(short.contains("server") && short.contains("Usage: trireme"), "{short}");
    let long = run(&trireme(&["server", "--help"])).ok();
    for flag in ["--config", "--data-dir", "--http", "--api", "--gateway", "--gateway-tls", "--registry", "--otlp"] {
        assert!(long.contains(flag), "{flag} is missing in\n{long}");
    }
    assert!(long.contains("Examples:") && long.contains("127.0.0.1:6443"), "{long}");
    assert!(run(&trireme(&["server", "-h"])).ok().len() < long.len());
    assert!(run(&trireme(&["--version"])).ok().starts_with("trireme "));
}

fn the_data_directory_is_private() {
    let server = Server::start();
    let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(server.data()), 0o700);
    for name in ["kubeconfig", "endpoints.json", "state.redb", "pki/ca.key"] {
        assert_eq!(mode(&server.data().join(name)), 0o600, "{name}");
    }
}

fn the_environment_names_the_data_directory() {
    let home = home();
    let data = home.path().join("file");
    std::fs::write(&data, "").expect("the directory is ours");
    let mut command = trireme(&["server"]);
    command.args(FREE).env("TRIREME_DATA_DIR", &data);
    let message = refused_in_a_line(&command, 1);
    assert!(message.contains(&*data.to_string_lossy()), "{message}");
}

fn chosen_ports_are_kept() {
    let mut server = Server::start();
    let before = server.endpoints();
    for name in ["http", "api"] {
        assert!(
            before[name].as_str().is_some_and(|url| url.contains("://127.0.0.1:") && !url.ends_with(":0")),
            "{before}"
        );
    }
    server.stop();
    server.restart();
    assert_eq!(server.endpoints(), before);
    server.kill9();
    server.restart();
    assert_eq!(server.endpoints(), before);
    server.stop();
}

fn what_is_announced_is_withdrawn_on_stop() {
    let mut server = Server::start();
    let api = server.endpoints()["api"].as_str().map(str::to_owned);
    assert_eq!(api, Some(server.credentials().url("")));
    let old = server.credentials().clone();
    let authority = std::fs::read(&old.authority).expect("it was written");
    server.stop();
    check_not_announced(server.data());
    server.restart();
    assert_eq!(std::fs::read(&server.credentials().authority).expect("it was written"), authority, "trust is kept");
    server.stop();
    check_not_announced(server.data());
}

fn a_stop_during_the_start_is_heard() {
    for _ in 0..3 {
        let mut server = Server::start();
        server.stop();
        server.begin();
        server.signal_once_handled(Signal::TERM);
        let (status, _) = server.wait();
        assert_eq!(status.code(), Some(0), "{status}");
        check_not_announced(server.data());
    }
}

/// Leaves a request open whose body does not come.
fn hang(server: &Server) -> Stuck {
    let mut curl = server.curl("/api/v1/namespaces/default/configmaps");
    let body = server.scratch().join("pipe");
    run(Command::new("mkfifo").arg(&body)).ok();
    curl.args(["--request", "POST", "--header", "Content-Type: application/json", "--no-progress-meter"]);
    curl.arg("--upload-file").arg(&body);
    let child =
        curl.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().expect("curl runs");
    // Opening the other end succeeds once curl reads, which is after it has connected or before it sends.
    let pipe = std::fs::OpenOptions::new().write(true).open(&body).expect("curl opens the pipe");
    Stuck { child, _pipe: pipe }
}

struct Stuck {
    child: std::process::Child,
    /// Open and never written to.
    _pipe: std::fs::File,
}

impl Drop for Stuck {
    fn drop(&mut self) {
        // It may have ended with the server.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Waits until the server holds a request of `hang`.
fn wait_for_the_hanging_request(server: &Server) {
    let port = server.credentials().address.rsplit(':').next().expect("an address has a port").to_owned();
    eventually("the request has arrived", || {
        let mut ss = Command::new("ss");
        ss.args(["--no-header", "--tcp", "state", "established", &format!("( sport = :{port} )")]);
        (run(&ss).ok().lines().count() > 0).then_some(())
    });
}

fn a_request_that_hangs_does_not_hold_up_the_stop() {
    let mut server = Server::start();
    let _stuck = hang(&server);
    wait_for_the_hanging_request(&server);
    server.stop();
}

fn a_second_interrupt_ends_at_once() {
    let mut server = Server::start();
    let _stuck = hang(&server);
    wait_for_the_hanging_request(&server);
    server.signal(Signal::INT);
    eventually("the server has begun to stop", || (!server.data().join("kubeconfig").exists()).then_some(()));
    server.signal(Signal::INT);
    let (status, took) = server.wait();
    assert_eq!(status.code(), Some(1), "{status}");
    assert!(took < Duration::from_secs(4), "it took {took:?}");
    server.restart();
    server.stop();
}

fn logs_are_lines_of_json() {
    let mut server = Server::start();
    server.stop();
    let log = server.log();
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect();
    assert!(lines.iter().any(|line| line["message"] == "server ready" && line["level"] == "INFO"), "{log}");
}
