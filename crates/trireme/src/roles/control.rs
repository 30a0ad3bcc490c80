//! The control role: the controllers and the scheduler of the cluster floor, each as a user of its own.

use apiserver::{ApiServer, User};
use client::{Client, Leadership};
use stdx::Clock;
use task::{Class, Group};

/// Starts them as tasks of `tasks`. They speak the API and nothing else.
pub(crate) fn start(server: &ApiServer, clock: &Clock, tasks: &Group) {
    let client = |name: &str| Client::in_process(server.local(User::new(name, [])), tasks);
    let options = controllers::Options {
        client: client("system:kube-controller-manager"),
        leadership: Leadership::always(),
        clock: clock.clone(),
    };
    controllers::Service::new(options).run(tasks);
    let (client, clock) = (client("system:kube-scheduler"), clock.clone());
    tasks.spawn(Class::Controller, "scheduler", |stop| scheduler::run(client, clock, Leadership::always(), stop));
}
