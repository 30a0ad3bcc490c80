//! What the tests put around a proxy process: a control plane, backends, clients. All of it ends with the test.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use flow::event::{Counts, Key};
use flow::wire;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use task::{CancellationToken, Class, Group};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::Options;
use crate::control::{self, Delivery, Events, Handle, Proxy};

/// How long something may take that takes milliseconds on an idle machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `condition` gives a value.
pub(super) async fn eventually<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::task::yield_now().await;
    }
}

/// A control plane, until dropped or stopped.
pub(super) struct ControlPlane {
    pub(super) handle: Handle,
    pub(super) events: Events,
    group: Group,
}

impl ControlPlane {
    pub(super) fn start(directory: &Path) -> Self {
        Self::start_after(directory, HashMap::new())
    }

    /// One that remembers which batches those before it took.
    pub(super) fn start_after(directory: &Path, received: HashMap<String, u64>) -> Self {
        let options = control::Options { received, ..control::Options::in_directory(directory) };
        let (service, handle, events) = control::Service::bind(options).unwrap();
        let group = Group::new();
        group.spawn(Class::Core, "control", |stop| service.run(stop));
        Self { handle, events, group }
    }

    /// Ends it, with its sockets. What proxies had delivered can still be read.
    pub(super) async fn stop(self) -> Events {
        assert!(self.group.stop(PATIENCE).await);
        self.events
    }

    /// Waits until the one proxy is as wanted.
    pub(super) async fn proxy(&self, what: &str, wanted: impl Fn(&Proxy) -> bool) -> Proxy {
        let mut proxies = self.handle.proxies();
        let found = proxies.wait_for(|proxies| proxies.values().any(&wanted));
        let found = tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("not in time: {what}"));
        found.unwrap().values().find(|proxy| wanted(proxy)).unwrap().clone()
    }

    /// Publishes a snapshot and waits until it is in force with all its listeners.
    pub(super) async fn put_in_force(&self, snapshot: wire::Snapshot) {
        let version = snapshot.version.clone();
        self.handle.publish_message(snapshot);
        self.in_force(&version).await;
    }

    pub(super) async fn in_force(&self, version: &str) {
        let serves = |state: &wire::ListenerState| state.condition() == wire::ListenerCondition::Serving;
        let wanted = |proxy: &Proxy| {
            proxy.version.as_ref().is_some_and(|known| known.as_str() == version) && proxy.listeners.iter().all(serves)
        };
        self.proxy(&format!("version {version} in force"), wanted).await;
    }

    /// The next batch of events.
    pub(super) async fn next_events(&mut self) -> Delivery {
        tokio::time::timeout(PATIENCE, self.events.next()).await.expect("events in time").unwrap()
    }

    /// Adds up what is delivered until `enough`.
    pub(super) async fn counts(&mut self, rule: &str, enough: impl Fn(&Counts) -> bool) -> Counts {
        let mut sum = Counts::default();
        while !enough(&sum) {
            add(&mut sum, &self.next_events().await, rule);
        }
        sum
    }
}

/// Adds the counts of a rule.
pub(super) fn add(sum: &mut Counts, delivery: &Delivery, rule: &str) {
    for series in delivery.batch.series.iter().filter(|series| Key::from(*series).rule == rule) {
        sum.merge(&Counts::try_from(series).unwrap());
    }
}

/// A proxy process, killed when dropped.
pub(super) struct ProxyProcess {
    child: Child,
}

impl ProxyProcess {
    pub(super) fn start(directory: &Path) -> Self {
        // cargo builds examples before it runs tests; the test binary is in deps/ beside examples/.
        let tests = std::env::current_exe().unwrap();
        let program = tests.parent().unwrap().with_file_name("examples").join("proxy");
        let child = Command::new(&program).arg(directory).args(["2", "1"]).spawn();
        Self {
            child: child.unwrap_or_else(|error| panic!("{}: {error}; run cargo build --examples", program.display())),
        }
    }

    pub(super) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(super) fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    pub(super) async fn ended(&mut self) -> std::process::ExitStatus {
        eventually("the end of the process", async || self.child.try_wait().unwrap()).await
    }
}

impl Drop for ProxyProcess {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            println!("cannot end the proxy: {error}");
        }
    }
}

/// The same with the proxy inside the test, for limits that a process takes no options for.
pub(super) struct Local {
    pub(super) mesh: Mesh<Stop>,
}

impl Local {
    pub(super) fn start(change: impl FnOnce(&mut Options)) -> Self {
        let mesh = Mesh::around(|directory| {
            let mut options = Options { workers: 1, ..Options::in_directory(directory) };
            change(&mut options);
            let cancel = CancellationToken::new();
            let service = crate::Service::new(options).run(cancel.clone());
            Group::new().spawn(Class::Core, "proxy", |_| async move { service.await.unwrap() });
            Stop(cancel)
        });
        Self { mesh }
    }
}

/// A control plane and a proxy with one HTTP listener `gw` and one TCP listener `raw`.
pub(super) struct Mesh<P = ProxyProcess> {
    pub(super) control: ControlPlane,
    pub(super) proxy: P,
    pub(super) gateway: SocketAddr,
    pub(super) raw: SocketAddr,
    pub(super) directory: TempDir,
}

impl Mesh {
    pub(super) fn start() -> Self {
        Self::around(ProxyProcess::start)
    }
}

impl<P> Mesh<P> {
    fn around(start: impl FnOnce(&Path) -> P) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let control = ControlPlane::start(directory.path());
        let [gateway, raw] = ["gw", "raw"].map(|id| {
            let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let address = socket.local_addr().unwrap();
            control.handle.offer(id, socket);
            address
        });
        let proxy = start(directory.path());
        Self { control, proxy, gateway, raw, directory }
    }

    pub(super) async fn put_in_force(&self, version: &str, rules: &[&str], clusters: &[(&str, &[SocketAddr])]) {
        self.control.put_in_force(snapshot(version, rules, clusters)).await;
    }
}

pub(super) fn snapshot(version: &str, rules: &[&str], clusters: &[(&str, &[SocketAddr])]) -> wire::Snapshot {
    let listener = |id: &str, protocol: wire::ListenerProtocol| wire::Listener {
        id: id.into(),
        protocol: protocol.into(),
        purpose: wire::ListenerPurpose::Gateway.into(),
        description: "test".into(),
    };
    wire::Snapshot {
        version: version.into(),
        listeners: vec![listener("gw", wire::ListenerProtocol::Http), listener("raw", wire::ListenerProtocol::Tcp)],
        rules: rules.iter().map(|rule| (&rule.parse::<flow::Rule>().unwrap()).into()).collect(),
        clusters: clusters.iter().map(|(name, endpoints)| cluster(name, endpoints)).collect(),
    }
}

pub(super) fn cluster(name: &str, endpoints: &[SocketAddr]) -> wire::Cluster {
    let endpoint = |address: &SocketAddr| wire::Endpoint {
        address: address.ip().to_string(),
        port: address.port().into(),
        weight: 1,
        ready: true,
    };
    wire::Cluster {
        name: name.into(),
        protocol: wire::ClusterProtocol::Plain.into(),
        endpoints: endpoints.iter().map(endpoint).collect(),
        connect_timeout_ms: 0,
    }
}

/// A server with a runtime of its own; dropping it is as abrupt as a kill.
pub(super) struct Backend {
    pub(super) address: SocketAddr,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Backend {
    /// Answers with its name, the request's head and its body. HTTP/1.1 and HTTP/2 with prior knowledge.
    pub(super) fn echo(name: &'static str) -> Self {
        Self::http(move |request| async move {
            let (parts, body) = request.into_parts();
            let mut text = format!("{name} {} {} {:?}\n", parts.method, parts.uri, parts.version);
            for (name, value) in &parts.headers {
                text += &format!("{name}: {}\n", value.to_str().unwrap());
            }
            let body = body.collect().await.unwrap().to_bytes();
            text += &String::from_utf8_lossy(&body);
            Response::builder().header("x-backend", name).body(Full::from(text)).unwrap()
        })
    }

    pub(super) fn http<F, Fut>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Response<Full<Bytes>>> + Send + 'static,
    {
        let answer = Arc::new(answer);
        Self::tcp(move |stream| {
            let answer = answer.clone();
            async move {
                let service = service_fn(move |request| {
                    let answer = answer(request);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                let executor = crate::worker::Executor::downstream(Group::new());
                let builder = hyper_util::server::conn::auto::Builder::new(executor);
                if let Err(error) = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await {
                    println!("backend: {error}");
                }
            }
        })
    }

    pub(super) fn tcp<F, Fut>(serve: F) -> Self
    where
        F: Fn(TcpStream) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let entered = runtime.enter();
        let group = Group::new();
        let connections = group.clone();
        let socket = tokio::net::TcpListener::from_std(socket).unwrap();
        group.spawn(Class::Core, "backend", |_| async move {
            while let Ok((stream, _)) = socket.accept().await {
                connections.spawn(Class::Core, "backend connection", |_| serve(stream));
            }
        });
        drop(entered);
        Self { address, runtime: Some(runtime) }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

/// A client with one connection.
pub(super) struct Client {
    sender: hyper::client::conn::http1::SendRequest<Full<Bytes>>,
    _group: Stop,
}

/// Cancels when dropped.
pub(super) struct Stop(CancellationToken);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Client {
    pub(super) async fn connect(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        Group::new().spawn(Class::Core, "client", |_| async move {
            tokio::select! {
                ended = connection.with_upgrades() => if let Err(error) = ended { println!("client: {error}") },
                () = stopped.cancelled() => {}
            }
        });
        Ok(Self { sender, _group: Stop(stop) })
    }

    pub(super) async fn send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Answer> {
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let (parts, body) = response.into_parts();
        let body = String::from_utf8_lossy(&body.collect().await?.to_bytes()).into_owned();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    pub(super) async fn get(&mut self, host: &str, path: &str) -> hyper::Result<Answer> {
        self.send(request(host, path)).await
    }
}

pub(super) fn request(host: &str, path: &str) -> Request<Full<Bytes>> {
    Request::builder().uri(path).header("host", host).body(Full::default()).unwrap()
}

/// One request on a connection of its own.
pub(super) async fn get(address: SocketAddr, host: &str, path: &str) -> Answer {
    let answer = async { Client::connect(address).await.unwrap().get(host, path).await.unwrap() };
    tokio::time::timeout(PATIENCE, answer).await.expect("an answer in time")
}

/// Whether a connection stays in the queue, from where this process can take it.
pub(super) fn unserved(socket: &TcpListener) -> bool {
    let _connection = std::net::TcpStream::connect(socket.local_addr().unwrap()).unwrap();
    socket.accept().is_ok()
}
