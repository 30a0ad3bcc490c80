//! The Kubernetes API: every resource under its path, as unmodified clients expect it.
//!
//! Requests come in at [`ApiServer::handle`], over TLS ([`serve`]) or from this process ([`ApiServer::local`]). State is
//! in the `store`; rules that are true for all kinds come from `machinery`; this crate has HTTP, the rules of single
//! kinds (`kinds`) and CustomResourceDefinitions (`definitions`). It runs no controllers: namespaces and owners are the
//! business of `controllers`, through this API like anyone else's. Start reading at `server`.

mod auth;
mod body;
mod bootstrap;
mod context;
mod definitions;
mod delete;
mod discovery;
mod expiry;
mod filter;
#[cfg(test)]
mod fixture;
mod health;
mod kinds;
mod metrics;
mod negotiate;
mod nodes;
mod object;
mod openapi;
mod pods;
mod read;
mod request;
mod resource;
mod scale;
pub mod serve;
mod server;
mod status;
mod view;
mod watch;
mod write;

pub use auth::User;
pub use body::{BoxError, ResponseBody};
pub use health::{Check, Problem};
pub use nodes::{NodeApi, NodeService};
pub use server::{ApiServer, Local, Options, StartError};
