//! The controllers of the cluster floor: how workloads become pods, who deletes what nobody owns any more, what a namespace
//! begins and ends with.
//!
//! - `deployment`: replica sets that replace each other when the template changes
//! - `replica_set`: as many pods as are asked for
//! - `pod_gc`: pods that no node will end any more
//! - `garbage`: objects go when their owners are gone (owner references; background, foreground, orphan)
//! - `namespace`: a namespace that is being deleted is emptied and released
//! - `service_account`: every namespace has the service account `default`
//! - `inventory`: what the garbage and namespace controllers see the cluster through; it writes nothing
//! - `ownership`: how the workload controllers know what they own, also while a cache is behind their own writes
//!
//! They speak the Kubernetes API through `client` and nothing else, so that they work against any API server. Each may be
//! killed at any instruction: what it was about to do is in the objects. Start reading at [`Service::run`].

mod deployment;
mod failure;
mod garbage;
mod instant;
mod inventory;
mod namespace;
mod ownership;
mod pod_gc;
mod pod_state;
mod replica_set;
mod selector;
mod service_account;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod workload_stage;

use std::sync::Arc;

use client::{Client, Leadership};
use stdx::Clock;
use task::{Class, Group};

/// What the controllers need.
#[derive(Debug, Clone)]
pub struct Options {
    /// The API server, as a user who may read, change and delete everything.
    pub client: Client,
    /// Whether this process writes; it watches in any case.
    pub leadership: Leadership,
    /// The time of day, for conditions and events.
    pub clock: Clock,
}

/// The controllers, not yet running.
#[derive(Debug)]
pub struct Service {
    options: Options,
}

impl Service {
    /// Controllers that begin with [`Service::run`].
    pub fn new(options: Options) -> Self {
        Self { options }
    }

    /// Starts the controllers as tasks of `tasks`, among the controllers. They stop with it.
    pub fn run(self, tasks: &Group) {
        run_workloads(&self.options, tasks);
        let Options { client, leadership, clock } = self.options;
        let catalogue = Arc::new(inventory::Catalogue::default());
        let collector = Arc::new(garbage::Collector::new(&client, catalogue.clone(), clock.clone()));
        let namespaces = Arc::new(namespace::Lifecycle::new(&client, clock));
        let accounts = service_account::Accounts::new(&client);

        let observers: Vec<Arc<dyn inventory::Observer>> = vec![collector.clone(), namespaces.clone()];
        let inventory = inventory::Inventory::new(client, catalogue, observers);
        tasks.spawn(Class::Controller, "inventory", |stop| inventory.run(stop));
        let lead = leadership.clone();
        tasks.spawn(Class::Controller, "garbage collector", |stop| async move { collector.run(lead, stop).await });
        let lead = leadership.clone();
        tasks.spawn(Class::Controller, "namespaces", |stop| async move { namespaces.run(lead, stop).await });
        tasks.spawn(Class::Controller, "service accounts", |stop| accounts.run(leadership, stop));
    }
}

fn run_workloads(options: &Options, tasks: &Group) {
    let each = || (options.client.clone(), options.clock.clone(), options.leadership.clone());
    let (client, clock, lead) = each();
    tasks.spawn(Class::Controller, "deployments", |stop| deployment::run(client, clock, lead, stop));
    let (client, clock, lead) = each();
    tasks.spawn(Class::Controller, "replica sets", |stop| replica_set::run(client, clock, lead, stop));
    let (client, clock, lead) = each();
    tasks.spawn(Class::Controller, "pod garbage", |stop| pod_gc::PodGc::new(client, clock).run(lead, stop));
}
