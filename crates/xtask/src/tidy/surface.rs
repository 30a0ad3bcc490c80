//! What the product's command line offers, read from its own help.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::workspace::output_of;

/// Flags by subcommand; those of the program itself are under the empty name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Surface {
    flags: BTreeMap<String, BTreeSet<String>>,
}

impl Surface {
    /// Asks `binary` for its help, or says why that cannot be done.
    pub(crate) fn of(binary: &Path) -> Result<Surface, String> {
        if !binary.is_file() {
            return Err(format!("{} is not built", binary.display()));
        }
        let help = |arguments: &[&str]| {
            let mut command = Command::new(binary);
            command.args(arguments).stdin(Stdio::null());
            output_of(&mut command).map_err(|error| format!("{error:#}"))
        };
        let top = help(&["--help"])?;
        if top.trim().is_empty() {
            return Err(format!("{} prints no help", binary.display()));
        }
        let mut surface = Surface::default();
        // The short form has one line a command, whatever the long form says about each.
        for command in commands(&help(&["-h"])?) {
            // The `help` command takes commands, not flags.
            let flags = if command == "help" { Default::default() } else { flags(&help(&[&command, "--help"])?) };
            surface.flags.insert(command, flags);
        }
        surface.flags.insert(String::new(), flags(&top));
        Ok(surface)
    }

    /// What of a call does not exist: `arguments` are those after the program's name.
    pub(crate) fn unknown(&self, arguments: &[&str]) -> Vec<String> {
        let mut unknown = Vec::new();
        let mut command = "";
        for (index, argument) in arguments.iter().enumerate() {
            // What follows a flag may be its value; which flags take one is not known here.
            let value = index > 0 && arguments[index - 1].starts_with("--") && !arguments[index - 1].contains('=');
            if let Some(flag) = argument.strip_prefix("--") {
                let flag = flag.split('=').next().unwrap_or_default();
                if !flag.is_empty() && !self.has_flag(command, flag) {
                    unknown.push(format!("--{flag}"));
                }
            } else if command.is_empty() && self.flags.contains_key(*argument) {
                command = argument;
            } else if command.is_empty() && !value && is_word(argument) {
                return vec![(*argument).to_owned()];
            }
        }
        unknown
    }

    fn has_flag(&self, command: &str, flag: &str) -> bool {
        // Flags of the program itself may be global, which the help of a subcommand then repeats or not.
        ["", command].iter().any(|name| self.flags.get(*name).is_some_and(|flags| flags.contains(flag)))
    }
}

/// The names under `Commands:`.
fn commands(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| line.trim() != "Commands:")
        .skip(1)
        .take_while(|line| !line.trim().is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect()
}

/// All long flags that a help text mentions, without their dashes.
fn flags(help: &str) -> BTreeSet<String> {
    help.split(|separator: char| !separator.is_ascii_alphanumeric() && separator != '-')
        .filter_map(|word| word.strip_prefix("--"))
        .filter(|flag| !flag.is_empty())
        .map(str::to_owned)
        .collect()
}

fn is_word(argument: &str) -> bool {
    !argument.is_empty()
        && argument.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        && !argument.starts_with('-')
}

#[cfg(test)]
pub(crate) mod tests;
