//! `cargo xtask test`: every check and every test, as CI runs them.
//!
//! Steps run in order and each prints its time. A failed step does not hide the later ones, except those that cannot mean
//! anything without it. The last line is `N passed, N failed, N skipped`: tests of all test binaries, plus one failure
//! for each other step that failed and one skip for each that could not run here. Start at [`STEPS`].

mod counts;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::outcome::Outcome;
use crate::suite::counts::Counts;
use crate::workspace::{Workspace, shown};
use crate::{codegen, tidy, tools};

struct Step {
    name: &'static str,
    /// The step without whose success this one is not run.
    needs: Option<&'static str>,
    run: fn(&Workspace) -> Result<End>,
}

/// How a step ended.
enum End {
    Check(Outcome),
    /// It ran tests: what they counted, and whether the program that ran them was content.
    Tests(Counts, Outcome),
}

/// Tidy comes after the build because it asks the binary which commands documents may name.
const STEPS: &[Step] = &[
    Step { name: "fmt", needs: None, run: fmt },
    Step { name: "codegen --check", needs: None, run: |workspace| codegen::check(workspace).map(End::Check) },
    Step { name: "clippy", needs: None, run: clippy },
    Step { name: "build", needs: None, run: build },
    Step { name: "tidy", needs: None, run: |workspace| tidy::run(workspace).map(End::Check) },
    Step { name: "tools", needs: None, run: fetch_tools },
    Step { name: "tests", needs: Some("build"), run: tests },
];

/// Runs all steps.
pub(crate) fn run(workspace: &Workspace) -> ExitCode {
    let mut total = Counts::default();
    let mut failed: Vec<&str> = Vec::new();
    for step in STEPS {
        println!("\n== {}", step.name);
        let begin = Instant::now();
        let blocked = step.needs.filter(|needed| failed.contains(needed));
        let (counts, outcome) = match blocked {
            Some(needed) => (Counts::default(), Outcome::Skipped(format!("{needed} failed"))),
            None => perform(step, workspace),
        };
        report(step.name, &outcome, begin.elapsed());
        total.add(counts.with_step(&outcome));
        if matches!(outcome, Outcome::Failed(_)) {
            failed.push(step.name);
        }
    }
    if !failed.is_empty() {
        println!("\nfailed: {}", failed.join(", "));
    }
    println!("{total}");
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn perform(step: &Step, workspace: &Workspace) -> (Counts, Outcome) {
    match (step.run)(workspace) {
        Ok(End::Check(outcome)) => (Counts::default(), outcome),
        Ok(End::Tests(counts, outcome)) => (counts, outcome),
        Err(error) => (Counts::default(), Outcome::Failed(format!("{error:#}"))),
    }
}

fn report(step: &str, outcome: &Outcome, took: Duration) {
    let seconds = took.as_secs_f64();
    match outcome {
        Outcome::Passed => println!("== {step}: passed in {seconds:.1} s"),
        Outcome::Skipped(reason) => println!("== {step}: skipped: {reason}"),
        Outcome::Failed(summary) => println!("== {step}: failed in {seconds:.1} s: {summary}"),
    }
}

fn fmt(workspace: &Workspace) -> Result<End> {
    run_program(workspace.cargo().args(["fmt", "--all", "--check"]))
}

fn clippy(workspace: &Workspace) -> Result<End> {
    let mut cargo = workspace.cargo();
    cargo.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    run_program(&mut cargo)
}

/// All binaries, because integration tests start the product's.
fn build(workspace: &Workspace) -> Result<End> {
    run_program(workspace.cargo().args(["build", "--workspace"]))
}

fn fetch_tools(workspace: &Workspace) -> Result<End> {
    println!("{}", tools::kubectl(workspace)?.display());
    Ok(End::Check(Outcome::Passed))
}

fn tests(workspace: &Workspace) -> Result<End> {
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--workspace", "--no-fail-fast"]);
    let mut child = cargo.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {}", shown(&cargo)))?;
    let mut counts = Counts::default();
    if let Some(printed) = child.stdout.take() {
        counts = forward(BufReader::new(printed), &mut std::io::stdout())?;
    }
    let status = child.wait().with_context(|| format!("cannot wait for {}", shown(&cargo)))?;
    let outcome = if status.success() { Outcome::Passed } else { Outcome::Failed(status.to_string()) };
    Ok(End::Tests(counts, outcome))
}

/// Passes on what the test binaries print, as it comes, and counts along.
fn forward(printed: impl BufRead, out: &mut impl Write) -> Result<Counts> {
    let mut counts = Counts::default();
    // By bytes: a test may print what is no UTF-8.
    for line in printed.split(b'\n') {
        let line = line.context("cannot read what the tests print")?;
        out.write_all(&line).and_then(|()| out.write_all(b"\n")).context("cannot print")?;
        if let Some(more) = Counts::of_line(&String::from_utf8_lossy(&line)) {
            counts.add(more);
        }
    }
    Ok(counts)
}

/// Runs a program whose output goes where ours goes.
fn run_program(command: &mut Command) -> Result<End> {
    let status = command.status().with_context(|| format!("cannot start {}", shown(command)))?;
    Ok(End::Check(match status.success() {
        true => Outcome::Passed,
        false => Outcome::Failed(format!("{}: {status}", shown(command))),
    }))
}

#[cfg(test)]
mod tests;
