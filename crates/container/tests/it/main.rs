//! Real containers on this machine: each test starts them through the public interface and ends with a leak check.
//!
//! The zygote has to be forked before the test runner starts a thread, so this is a program of its own with the usual
//! command line. Without root or control groups everything is skipped. Start reading at [`fixture::Fixture`].

#![expect(clippy::print_stdout, reason = "a test runner reports there")]

use std::process::ExitCode;

use libtest_mimic::{Arguments, Conclusion, Trial};

mod adoption;
mod fixture;
mod isolation;
mod lifecycle;
mod reach;
mod rootfs;
mod server;

fn main() -> ExitCode {
    // The first act, before anything could have started a thread.
    let zygote = container::zygote::start().expect("nothing has started a thread");
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == server::FLAG) {
        return server::run(zygote, words);
    }
    let skipped = fixture::reason_to_skip();
    if let Some(reason) = &skipped {
        println!("skipped: {reason}");
    }
    let tests = [lifecycle::tests(), adoption::tests(), isolation::tests(), rootfs::tests(), reach::tests()].concat();
    let trial = |test: &fixture::Test| {
        let (test, zygote) = (*test, zygote.clone());
        let run = move || fixture::run(test, zygote).map_err(|error| format!("{error:?}").into());
        Trial::test(test.name, run).with_ignored_flag(skipped.is_some())
    };
    let conclusion: Conclusion = libtest_mimic::run(&Arguments::from_args(), tests.iter().map(trial).collect());
    conclusion.exit_code()
}
