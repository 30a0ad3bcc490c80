//! Real pods on this machine: a real API server in the process, a real agent, real containers. Each test has its own, and
//! ends with a check for what is left of them.
//!
//! The zygote has to be forked before the test runner starts a thread, so this is a program of its own with the usual
//! command line. Without root or control groups everything is skipped. Start reading at [`fixture::Fixture`].

#![expect(clippy::print_stdout, reason = "a test runner reports there")]

use std::process::ExitCode;

use libtest_mimic::{Arguments, Conclusion, Trial};

mod adoption;
mod ends;
mod fixture;
mod latency;
mod life;
mod logs;
mod machine;
mod probes;
mod refusals;
mod restarts;
mod values;
mod volumes;

fn main() -> ExitCode {
    // The first act, before anything could have started a thread.
    let zygote = container::zygote::start().expect("nothing has started a thread");
    let skipped = fixture::reason_to_skip();
    if let Some(reason) = &skipped {
        println!("skipped: {reason}");
    }
    let tests = [
        adoption::tests(),
        ends::tests(),
        latency::tests(),
        life::tests(),
        logs::tests(),
        machine::tests(),
        probes::tests(),
        refusals::tests(),
        restarts::tests(),
        values::tests(),
        volumes::tests(),
    ];
    let trial = |test: &fixture::Test| {
        let (test, zygote) = (*test, zygote.clone());
        let run = move || fixture::run(test, zygote).map_err(|error| format!("{error:?}").into());
        Trial::test(test.name, run).with_ignored_flag(skipped.is_some())
    };
    let conclusion: Conclusion =
        libtest_mimic::run(&Arguments::from_args(), tests.concat().iter().map(trial).collect());
    conclusion.exit_code()
}
