//! The group `apps`: workloads that keep a number of pods running.

pub mod v1;
