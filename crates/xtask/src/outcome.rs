//! How a command or a step of the suite ended.

/// The end of a check that ran to its end, or that could not run here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    /// What it needs is not on this machine: the reason, as a sentence fragment.
    Skipped(String),
    /// It ran and refused: what it found was printed, this is the summary.
    Failed(String),
}
