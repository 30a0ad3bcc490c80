//! The proxy as a process of its own, seen from its neighbours: clients, backends, the control plane.

mod faults;
mod harness;
mod limits;
mod passing;
mod routing;
