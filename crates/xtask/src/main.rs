//! Automation of this repository: `cargo xtask <command>`.
//!
//! Each command is one module: [`tidy`] (rules that the compiler does not know), [`codegen`] (committed files that are
//! made from other files), [`tools`] (clients that the integration tests drive) and [`suite`] (all checks in one run,
//! which is what CI calls). Nothing here is linked into the product, and this crate depends on no other crate of ours,
//! so that it builds in seconds. Start reading at [`COMMANDS`].

#![expect(clippy::print_stdout, reason = "an automation tool reports to whoever runs it")]

mod codegen;
mod outcome;
mod suite;
mod tidy;
mod tools;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::outcome::Outcome;
use crate::workspace::Workspace;

struct Command {
    name: &'static str,
    arguments: &'static str,
    summary: &'static str,
    run: fn(&Workspace, &[String]) -> Result<ExitCode>,
}

const COMMANDS: &[Command] = &[
    Command { name: "test", arguments: "", summary: "every check and test, as CI runs them", run: run_suite },
    Command { name: "tidy", arguments: "", summary: "layers, names, docs and other house rules", run: run_tidy },
    Command {
        name: "codegen",
        arguments: "[--check]",
        summary: "make the generated files again, or compare them",
        run: run_codegen,
    },
    Command { name: "tools", arguments: "", summary: "fetch the test clients into target/tools", run: run_tools },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let command = arguments.first().and_then(|name| COMMANDS.iter().find(|command| command.name == name));
    let Some(command) = command else {
        print!("{}", usage());
        return ExitCode::from(2);
    };
    let result = Workspace::locate().and_then(|workspace| (command.run)(&workspace, &arguments[1..]));
    result.unwrap_or_else(|error| {
        println!("{} failed: {error:#}", command.name);
        ExitCode::FAILURE
    })
}

fn usage() -> String {
    let mut text = "usage: cargo xtask <command>\n\n".to_owned();
    for command in COMMANDS {
        let call = format!("{} {}", command.name, command.arguments);
        text.push_str(&format!("  {call:<20} {}\n", command.summary));
    }
    text
}

fn run_suite(workspace: &Workspace, arguments: &[String]) -> Result<ExitCode> {
    refuse_arguments(arguments)?;
    Ok(suite::run(workspace))
}

fn run_tidy(workspace: &Workspace, arguments: &[String]) -> Result<ExitCode> {
    refuse_arguments(arguments)?;
    Ok(report(&tidy::run(workspace)?))
}

fn run_codegen(workspace: &Workspace, arguments: &[String]) -> Result<ExitCode> {
    match arguments {
        [] => codegen::write(workspace).map(|()| ExitCode::SUCCESS),
        [flag] if flag == "--check" => Ok(report(&codegen::check(workspace)?)),
        _ => bail!("codegen takes nothing or --check"),
    }
}

fn run_tools(workspace: &Workspace, arguments: &[String]) -> Result<ExitCode> {
    refuse_arguments(arguments)?;
    println!("{}", tools::kubectl(workspace)?.display());
    Ok(ExitCode::SUCCESS)
}

fn refuse_arguments(arguments: &[String]) -> Result<()> {
    match arguments.first() {
        Some(argument) => bail!("unexpected argument {argument:?}"),
        None => Ok(()),
    }
}

fn report(outcome: &Outcome) -> ExitCode {
    match outcome {
        Outcome::Passed => ExitCode::SUCCESS,
        Outcome::Skipped(reason) => {
            println!("skipped: {reason}");
            ExitCode::SUCCESS
        }
        Outcome::Failed(summary) => {
            println!("failed: {summary}");
            ExitCode::FAILURE
        }
    }
}
