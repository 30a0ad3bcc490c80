//! The group `coordination.k8s.io`: how processes agree on who leads.

pub mod v1;
