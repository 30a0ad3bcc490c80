//! An API server on a temporary directory, which can be stopped and started again on what it left behind.

use std::time::Duration;

use apiserver::{ApiServer, NodeApi, Options, User};
use client::Client;
use stdx::Clock;
use task::Group;
use tempfile::TempDir;

/// Tests that need longer to stop have lost a task.
const GRACE: Duration = Duration::from_secs(10);

/// A real API server without a network. It is alone: no controllers run unless a test starts them.
///
/// Its directory goes with it; [`Cluster::stop`] also says whether all of its tasks ended.
#[derive(Debug)]
pub struct Cluster {
    server: ApiServer,
    tasks: Group,
    settings: Settings,
    directory: TempDir,
}

/// What a test chooses about its server.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The time of day.
    pub clock: Clock,
    /// The way to the agents of nodes; without it no node can be asked.
    pub nodes: Option<NodeApi>,
}

impl Cluster {
    /// A server without objects other than those that it makes by itself.
    pub async fn start() -> Self {
        Self::start_with(Settings::default()).await
    }

    /// A server whose time of day is `clock`.
    pub async fn start_at(clock: Clock) -> Self {
        Self::start_with(Settings { clock, ..Settings::default() }).await
    }

    /// A server as a test wants it.
    pub async fn start_with(settings: Settings) -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let (server, tasks) = serve(&directory, &settings).await;
        Self { server, tasks, settings, directory }
    }

    /// A client of `user`, who is in the group of administrators. Its caches end with the server.
    pub fn client(&self, user: &str) -> Client {
        self.client_in(user, &self.tasks)
    }

    /// A client whose caches run in `tasks`, so that they can be stopped without the server.
    pub fn client_in(&self, user: &str, tasks: &Group) -> Client {
        Client::in_process(self.server.local(administrator(user)), tasks)
    }

    /// The server itself, for requests that a client would not make.
    pub fn server(&self) -> &ApiServer {
        &self.server
    }

    /// The server's time of day.
    pub fn clock(&self) -> &Clock {
        &self.settings.clock
    }

    /// Stops the server and starts it again on the same data. Clients made before reach nothing afterwards.
    pub async fn restart(self) -> Self {
        let Self { server, tasks, settings, directory } = self;
        halt(server, tasks).await;
        let (server, tasks) = serve(&directory, &settings).await;
        Self { server, tasks, settings, directory }
    }

    /// Stops the server and removes its data.
    pub async fn stop(self) {
        halt(self.server, self.tasks).await;
        self.directory.close().expect("the temporary directory can be removed");
    }
}

/// A user who may do everything.
pub fn administrator(name: &str) -> User {
    User::new(name, ["system:masters".to_owned()])
}

async fn serve(directory: &TempDir, settings: &Settings) -> (ApiServer, Group) {
    let tasks = Group::new();
    let options = Options {
        database: directory.path().join("store.redb"),
        clock: settings.clock.clone(),
        tasks: tasks.clone(),
        nodes: settings.nodes.clone(),
    };
    let server = ApiServer::start(options).await.expect("the server starts");
    (server, tasks)
}

async fn halt(server: ApiServer, tasks: Group) {
    assert!(tasks.stop(GRACE).await, "a task of the server did not stop");
    server.close().await;
}
