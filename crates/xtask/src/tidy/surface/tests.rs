use std::collections::BTreeSet;

use super::{Surface, commands, flags};

const HELP: &str = "\
Runs things.

Usage: trireme [OPTIONS] <COMMAND>

Commands:
  server         Runs everything on this machine,
                 in the foreground
  git-credential  Answers git
  help           Print this message

Options:
      --config <DIR>  Where the configuration is [default: ./config]
  -h, --help          Print help
";

/// A product with one command, `server`, that has one flag, `--data-dir`.
pub(crate) fn example() -> Surface {
    let one = |flag: &str| BTreeSet::from([flag.to_owned()]);
    Surface { flags: [(String::new(), one("config")), ("server".to_owned(), one("data-dir"))].into() }
}

#[test]
fn help_is_read_by_its_sections() {
    assert_eq!(commands(HELP), ["server", "git-credential", "help"]);
    assert_eq!(flags(HELP), ["config", "help"].map(str::to_owned).into());
}

#[test]
fn calls_that_exist_are_accepted() {
    let none: [&str; 0] = [];
    assert_eq!(example().unknown(&["server", "--data-dir=/x", "--config", "dir"]), none);
    assert_eq!(example().unknown(&["--config", "./x"]), none);
    assert_eq!(example().unknown(&["server", "more"]), none);
}

#[test]
fn calls_that_do_not_exist_are_named() {
    assert_eq!(example().unknown(&["serve", "--data-dir"]), ["serve"]);
    assert_eq!(example().unknown(&["server", "--data"]), ["--data"]);
    assert_eq!(example().unknown(&["--data-dir"]), ["--data-dir"]);
}

#[test]
fn a_binary_that_is_not_built_is_a_reason() {
    let reason = Surface::of(std::path::Path::new("/nonexistent/trireme")).unwrap_err();
    assert_eq!(reason, "/nonexistent/trireme is not built");
}
