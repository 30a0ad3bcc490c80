//! The `trireme` binary: reads the command line, wires roles together, owns no logic.
//!
//! Each command is a file in `commands`, each long-running role one in `roles`. Exit codes: 2 for a wrong command line
//! or a machine that cannot run it, 1 for a failure.

mod commands;
mod roles;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Microservices, containers, platform: from commit to production in one binary.
#[derive(Debug, Parser)]
#[command(
    name = "trireme",
    version,
    about,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Server(commands::server::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::Server(arguments) => commands::server::run(arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {:#}", failure.error);
            ExitCode::from(failure.code)
        }
    }
}
