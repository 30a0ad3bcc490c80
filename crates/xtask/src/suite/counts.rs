//! How many tests passed, failed and were skipped, read from what test binaries print.

use std::fmt::{self, Display};

use crate::outcome::Outcome;

/// A sum over test binaries and steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Counts {
    /// The counts in the line with which the standard test harness closes a binary, as in
    /// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s`.
    pub(crate) fn of_line(line: &str) -> Option<Counts> {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let count = |what: &str| {
            let number = counts.split("; ").find_map(|part| part.strip_suffix(what))?;
            number.trim().parse::<u64>().ok()
        };
        Some(Counts { passed: count("passed")?, failed: count("failed")?, skipped: count("ignored")? })
    }

    pub(crate) fn add(&mut self, more: Counts) {
        self.passed += more.passed;
        self.failed += more.failed;
        self.skipped += more.skipped;
    }

    /// The same, with the step itself: a failure that no test accounts for, such as code that does not compile, must
    /// not end in a line with `0 failed`.
    pub(crate) fn with_step(self, outcome: &Outcome) -> Counts {
        match outcome {
            Outcome::Failed(_) if self.failed == 0 => Counts { failed: 1, ..self },
            Outcome::Skipped(_) => Counts { skipped: self.skipped + 1, ..self },
            Outcome::Passed | Outcome::Failed(_) => self,
        }
    }
}

impl Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests;
