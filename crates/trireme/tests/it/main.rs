//! Black-box tests: the real binary, driven by the real clients (kubectl, curl, openssl) and by raw bytes.
//!
//! They see what a user sees and nothing of the inside. Most share one server, each in namespaces and API groups of its
//! own; tests of faults start servers that they may kill. Start reading at `harness`, then at any subject. They need root,
//! because the server does, and kubectl from `cargo xtask tools`.

#![expect(clippy::panic, reason = "a test fails by panicking")]

mod harness;

mod api_basics;
mod collection;
mod command_line;
mod durability;
mod health;
mod kubectl;
mod lists_and_watches;
mod pods;
mod writes;

use std::process::ExitCode;
use std::sync::Arc;

use harness::Server;
use libtest_mimic::{Arguments, Trial};

/// Tests wait more than they compute.
const THREADS: usize = 4;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    if let Err(problem) = check_machine() {
        eprintln!("error: {problem}");
        return ExitCode::FAILURE;
    }
    // Started here, because a server ends with the thread that starts it.
    let server = Arc::new(Server::start());
    let conclusion = libtest_mimic::run(&arguments, trials(&server));
    Arc::into_inner(server).expect("a test lets go of the server when it ends").stop();
    conclusion.exit_code()
}

/// # Errors
/// What the tests cannot do without, and how to get it.
fn check_machine() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("the server needs root, and so do its tests; run them with sudo".to_owned());
    }
    harness::kubectl_program().map(drop)
}

fn trials(server: &Arc<Server>) -> Vec<Trial> {
    let subjects = [
        api_basics::access::trials(server),
        api_basics::answers::trials(server),
        api_basics::bodies::trials(server),
        collection::trials(server),
        collection::over_restarts::trials(),
        command_line::trials(),
        durability::trials(),
        health::trials(),
        pods::trials(),
        kubectl::changes::trials(server),
        kubectl::custom::trials(server),
        kubectl::kinds::trials(server),
        kubectl::output::trials(server),
        kubectl::validation::trials(server),
        lists_and_watches::lists::trials(server),
        lists_and_watches::resumption::trials(),
        lists_and_watches::watches::trials(server),
        writes::changes::trials(server),
        writes::deletion::trials(server),
        writes::kinds::trials(server),
        writes::patches::trials(server),
    ];
    subjects.into_iter().flatten().collect()
}
