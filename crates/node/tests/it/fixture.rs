//! What every test needs: a server and an agent of its own, short ways to say what runs, and the check for what it left.
//!
//! Start reading at [`Fixture`].

use std::any::Any;
use std::fs;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use bytes::Bytes;
use client::kinds::core::v1::{ConfigMap, ContainerStatus, Event, Pod, PodStatus, Secret};
use client::{Client, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use container::{Runtime, Zygote};
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use node::{Agent, BackOff};
use serde_json::{Value, json};
use stdx::Clock;
use task::Group;
use testkit::{Cluster, NodeApi, NodeService, ResponseBody, Settings, administrator};
use tower::ServiceExt;

/// How long anything may take that a test waits for.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// The name of the node.
pub(crate) const NODE: &str = "here";
/// Restarts without the patience of Kubernetes.
pub(crate) const BACK_OFF: BackOff =
    BackOff { first: Duration::from_millis(400), longest: Duration::from_secs(2), forget: Duration::from_secs(600) };

/// One test: a name that states the rule, and a function.
#[derive(Clone, Copy)]
pub(crate) struct Test {
    pub name: &'static str,
    pub run: for<'a> fn(&'a mut Fixture) -> Run<'a>,
}

pub(crate) type Run<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// Lists test functions under their own names.
#[macro_export]
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        pub(crate) fn tests() -> Vec<$crate::fixture::Test> {
            vec![$($crate::fixture::Test { name: stringify!($name), run: |fixture| Box::pin($name(fixture)) }),*]
        }
    };
}

/// Why real containers cannot run here; none if they can.
pub(crate) fn reason_to_skip() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("containers need root".to_owned());
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let has_groups = mounts.contains(" - cgroup ") || mounts.contains(" - cgroup2 ");
    (!has_groups).then(|| "no control groups are mounted".to_owned())
}

/// Runs one test with a server and an agent of its own and checks what it left.
pub(crate) fn run(test: Test, zygote: Zygote) -> Result<()> {
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    executor.block_on(async {
        let mut fixture = Fixture::start(zygote).await.context(test.name)?;
        // A failed assertion must not keep what runs from being removed.
        let result = AssertUnwindSafe((test.run)(&mut fixture)).catch_unwind().await;
        let result = result.unwrap_or_else(|panic| Err(anyhow!("{}", words_of(&*panic))));
        if result.is_err() {
            fixture.explain().await;
        }
        let cleaned = fixture.clean().await;
        result.and(cleaned)
    })
}

fn words_of(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words")
}

/// The agent that the API server asks; it changes when a test starts another one.
type Slot = Arc<Mutex<Option<Agent>>>;

pub(crate) struct Fixture {
    pub client: Client,
    pub agent: Agent,
    pub runtime: Runtime,
    pub directory: tempfile::TempDir,
    /// None only while it restarts.
    cluster: Option<Cluster>,
    slot: Slot,
    node_tasks: Group,
    containers: container::Options,
}

impl Fixture {
    async fn start(zygote: Zygote) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("trireme-node-").tempdir()?;
        let name = directory.path().file_name().and_then(|name| name.to_str()).context("a name")?.to_ascii_lowercase();
        let containers = container::Options {
            data_dir: directory.path().join("containers"),
            runtime_dir: directory.path().join("run"),
            cgroup_parent: name,
            zygote,
        };
        let (node_tasks, slot) = (Group::new(), Slot::default());
        let nodes = Some(nodes(&slot));
        let cluster = Cluster::start_with(Settings { nodes, ..Settings::default() }).await;
        let client = cluster.client("test");
        let (agent, runtime) = start_agent(directory.path(), &containers, (&cluster, &node_tasks)).await?;
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(agent.clone());
        Ok(Self { client, agent, runtime, directory, cluster: Some(cluster), slot, node_tasks, containers })
    }

    fn cluster(&self) -> Result<&Cluster> {
        self.cluster.as_ref().context("the server restarts")
    }

    /// Ends the agent as the death of a server would: nobody stops a container.
    pub(crate) async fn end_agent(&mut self) -> Result<()> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        ensure!(self.node_tasks.stop(DEADLINE).await, "a task of the agent did not stop");
        Ok(())
    }

    /// Starts another agent on what the one before has left.
    pub(crate) async fn start_agent(&mut self) -> Result<()> {
        self.node_tasks = Group::new();
        let (agent, runtime) =
            start_agent(self.directory.path(), &self.containers, (self.cluster()?, &self.node_tasks)).await?;
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(agent.clone());
        (self.agent, self.runtime) = (agent, runtime);
        Ok(())
    }

    /// Ends server and agent and starts both again on the same data.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        self.end_agent().await?;
        let cluster = self.cluster.take().context("the server restarts")?.restart().await;
        self.client = cluster.client("test");
        self.cluster = Some(cluster);
        self.start_agent().await
    }

    pub(crate) async fn config_map(&self, name: &str, data: Value) -> Result<()> {
        let object: ConfigMap = serde_json::from_value(json!({"metadata": {"name": name}, "data": data}))?;
        self.client.namespaced("default").create(&PostParams::default(), &object).await?;
        Ok(())
    }

    pub(crate) async fn change_config_map(&self, name: &str, data: Value) -> Result<()> {
        let maps = self.client.namespaced::<ConfigMap>("default");
        maps.patch(name, &PatchParams::default(), &Patch::Merge(json!({"data": data}))).await?;
        Ok(())
    }

    pub(crate) async fn secret(&self, name: &str, data: Value) -> Result<()> {
        let object: Secret = serde_json::from_value(json!({"metadata": {"name": name}, "stringData": data}))?;
        self.client.namespaced("default").create(&PostParams::default(), &object).await?;
        Ok(())
    }

    /// Makes a pod on this node.
    pub(crate) async fn run(&self, pod: Value) -> Result<Pod> {
        let pod: Pod = serde_json::from_value(pod)?;
        Ok(self.client.namespaced("default").create(&PostParams::default(), &pod).await?)
    }

    pub(crate) async fn pod(&self, name: &str) -> Result<Option<Pod>> {
        Ok(self.client.namespaced::<Pod>("default").get_opt(name).await?)
    }

    /// Waits until the status of a pod satisfies a condition; returns what the condition does.
    pub(crate) async fn wait<T>(
        &self,
        name: &str,
        what: &str,
        condition: impl Fn(&PodStatus) -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let pod = self.pod(name).await?.with_context(|| format!("pod {name} is gone; waited for {what}"))?;
            let status = pod.status.unwrap_or_default();
            if let Some(value) = condition(&status) {
                return Ok(value);
            }
            if Instant::now() > deadline {
                bail!("waited in vain for {what}: {}", serde_json::to_string_pretty(&status)?);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn wait_for_phase(&self, name: &str, phase: &str) -> Result<PodStatus> {
        let is = |status: &PodStatus| (status.phase.as_deref() == Some(phase)).then(|| status.clone());
        self.wait(name, &format!("phase {phase}"), is).await
    }

    pub(crate) async fn wait_until_ready(&self, name: &str) -> Result<PodStatus> {
        self.wait(name, "readiness", |status| (condition(status, "Ready") == "True").then(|| status.clone())).await
    }

    /// Waits until the only container of a pod waits for a reason; returns its status.
    pub(crate) async fn wait_for_reason(&self, name: &str, reason: &str) -> Result<ContainerStatus> {
        let is = |status: &PodStatus| {
            let container = only(status)?;
            let waiting = container.state.as_ref()?.waiting.as_ref()?;
            (waiting.reason.as_deref() == Some(reason)).then(|| container.clone())
        };
        self.wait(name, &format!("reason {reason}"), is).await
    }

    pub(crate) async fn delete(&self, name: &str) -> Result<()> {
        self.client.namespaced::<Pod>("default").delete(name, &DeleteParams::default()).await?;
        Ok(())
    }

    /// Deletes at once, as `kubectl delete --force` does: the agent is not asked.
    pub(crate) async fn delete_by_force(&self, name: &str) -> Result<()> {
        let params = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
        self.client.namespaced::<Pod>("default").delete(name, &params).await?;
        Ok(())
    }

    pub(crate) async fn wait_until_gone(&self, name: &str) -> Result<()> {
        let deadline = Instant::now() + DEADLINE;
        while let Some(pod) = self.pod(name).await? {
            ensure!(Instant::now() < deadline, "waited in vain for the end of {name}: {:#?}", pod.status);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    pub(crate) async fn patch(&self, name: &str, patch: Value) -> Result<()> {
        let pods = self.client.namespaced::<Pod>("default");
        pods.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(())
    }

    /// Changes entries of lists by their names, as `kubectl patch` does.
    pub(crate) async fn patch_by_name(&self, name: &str, patch: Value) -> Result<()> {
        let pods = self.client.namespaced::<Pod>("default");
        pods.patch(name, &PatchParams::default(), &Patch::Strategic(patch)).await?;
        Ok(())
    }

    /// What the log of a pod's container answers: status and text.
    pub(crate) async fn log(&self, name: &str, query: &str) -> Result<(u16, String)> {
        let response = self.log_stream(name, query).await?;
        let status = response.status().as_u16();
        let collect = response.into_body().collect();
        let body = tokio::time::timeout(DEADLINE, collect).await.context("the log does not end")?;
        let bytes = body.map_err(|error| anyhow::anyhow!("{error}"))?.to_bytes();
        Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
    }

    pub(crate) async fn log_stream(&self, name: &str, query: &str) -> Result<Response<ResponseBody>> {
        let uri = format!("/api/v1/namespaces/default/pods/{name}/log?{query}");
        let request = Request::get(uri).body(Empty::<Bytes>::new())?;
        let answer = self.cluster()?.server().local(administrator("test")).oneshot(request).await;
        answer.map_err(|error| anyhow::anyhow!("{error}"))
    }

    /// Waits until the log of a pod has a text.
    pub(crate) async fn wait_for_log(&self, name: &str, text: &str) -> Result<String> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let (status, log) = self.log(name, "").await?;
            if status == 200 && log.contains(text) {
                return Ok(log);
            }
            ensure!(Instant::now() < deadline, "waited in vain for {text:?} in the log: {status} {log:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits for an event about a pod; returns its message.
    pub(crate) async fn wait_for_event(&self, name: &str, reason: &str) -> Result<String> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let events = self.client.namespaced::<Event>("default").list(&ListParams::default()).await?;
            let is = |event: &&Event| {
                event.reason.as_deref() == Some(reason) && event.involved_object.name.as_deref() == Some(name)
            };
            if let Some(event) = events.items.iter().find(is) {
                return Ok(event.message.clone().unwrap_or_default());
            }
            let seen: Vec<_> = events.items.iter().map(|event| (&event.reason, &event.message)).collect();
            ensure!(Instant::now() < deadline, "waited in vain for event {reason}: {seen:#?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The process of a pod's only container.
    pub(crate) async fn process(&self, uid: &str) -> Result<container::Identity> {
        for listed in self.runtime.list().await? {
            if listed.id.as_str().starts_with(uid)
                && let container::Status::Running { init, .. } = listed.status
            {
                return Ok(init);
            }
        }
        bail!("no container of {uid} runs")
    }

    /// Where the agent keeps a pod.
    pub(crate) fn pod_directory(&self, uid: &str) -> PathBuf {
        self.directory.path().join("node/pods").join(uid)
    }

    async fn explain(&self) {
        if let Ok(pods) = self.client.all::<Pod>().list(&ListParams::default()).await {
            for pod in pods {
                println!("{}: {}", pod.metadata.name.unwrap_or_default(), json!(pod.status));
            }
        }
    }

    async fn clean(mut self) -> Result<()> {
        for pod in self.client.all::<Pod>().list(&ListParams::default()).await? {
            let name = pod.metadata.name.unwrap_or_default();
            self.delete_by_force(&name).await?;
        }
        let deadline = Instant::now() + DEADLINE;
        while !self.runtime.list().await?.is_empty() || !self.runtime.sandboxes().await?.is_empty() {
            let left = self.runtime.list().await?;
            ensure!(Instant::now() < deadline, "the agent does not remove {left:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let pods = self.directory.path().join("node/pods");
        while fs::read_dir(&pods)?.next().is_some() {
            ensure!(Instant::now() < deadline, "the agent does not remove the directories of pods");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.end_agent().await?;
        self.runtime.clear().await?;
        let mut leaks = container::leaks(&self.containers)?;
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let own = self.directory.path().to_str().context("a name")?;
        leaks.extend(mounts.lines().filter(|line| line.contains(own)).map(str::to_owned));
        ensure!(leaks.is_empty(), "left behind: {leaks:#?}");
        self.cluster.take().context("the server restarts")?.stop().await;
        Ok(())
    }
}

/// The way from the API server to the agent that runs at the moment.
fn nodes(slot: &Slot) -> NodeApi {
    let slot = slot.clone();
    NodeApi::new(move |name| {
        let agent = slot.lock().unwrap_or_else(PoisonError::into_inner).clone().filter(|_| name == NODE)?;
        let service = agent.router().map_request(|request: Request<Empty<Bytes>>| request.map(axum::body::Body::new));
        let service = service.map_response(|response| {
            response.map(|body: axum::body::Body| body.map_err(|error| Box::new(error) as _).boxed_unsync())
        });
        Some(NodeService::new(service.map_err(|never| match never {})))
    })
}

async fn start_agent(
    directory: &Path,
    containers: &container::Options,
    (cluster, tasks): (&Cluster, &Group),
) -> Result<(Agent, Runtime)> {
    let runtime = Runtime::open(containers.clone()).await?;
    let options = node::Options {
        name: NODE.to_owned(),
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        data_dir: directory.join("node"),
        client: cluster.client_in(&format!("system:node:{NODE}"), tasks),
        containers: runtime.clone(),
        toolchains: vec![],
        environment: vec![("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())],
        clock: Clock::system(),
        tasks: tasks.clone(),
        back_off: BACK_OFF,
        version: "v0.1.0".to_owned(),
    };
    Ok((Agent::start(options).await?, runtime))
}

/// A pod on this node whose container runs a shell script.
pub(crate) fn script(name: &str, script: &str) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {
            "nodeName": NODE,
            "terminationGracePeriodSeconds": 5,
            "containers": [{"name": "c", "image": "host", "command": ["/bin/sh", "-c", script]}],
        },
    })
}

/// A script that runs until it is asked to end, and then ends at once.
pub(crate) const SERVE: &str = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done";

/// The same pod with a field of its only container set.
pub(crate) fn with(mut pod: Value, field: &str, value: Value) -> Value {
    pod["spec"]["containers"][0][field] = value;
    pod
}

/// The same pod with a field of its specification set.
pub(crate) fn with_spec(mut pod: Value, field: &str, value: Value) -> Value {
    pod["spec"][field] = value;
    pod
}

/// The status of the only container.
pub(crate) fn only(status: &PodStatus) -> Option<&ContainerStatus> {
    status.container_statuses.as_ref()?.first()
}

/// The status of a condition, empty if there is none.
pub(crate) fn condition(status: &PodStatus, kind: &str) -> String {
    let found = status.conditions.iter().flatten().find(|condition| condition.type_ == kind);
    found.map(|condition| condition.status.clone()).unwrap_or_default()
}

/// Waits until `condition` holds.
pub(crate) async fn wait_until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> Result<T> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = condition() {
            return Ok(value);
        }
        ensure!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
