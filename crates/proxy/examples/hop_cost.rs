//! Measures the CPU that one proxied request costs, beside nginx doing plain `proxy_pass`, in interleaved runs.
//!
//! `cargo build --release -p proxy --examples && target/release/examples/hop_cost [ROUNDS [SECONDS [CONNECTIONS]]]`. Needs
//! nginx, wrk and taskset. Backend and load run on processor 0, the proxies, one worker each, on processor 1. Each round
//! loads each proxy for so long; its CPU comes from /proc/PID/stat, the number of requests from wrk. The last line is JSON.

#![expect(clippy::print_stdout, reason = "a command-line tool whose output is its figures")]

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use flow::wire;
use proxy::control;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u32>());
    let mut number = |default| arguments.next().unwrap_or(Ok(default));
    let (rounds, seconds, connections) = (number(5)?, number(4)?, number(32)?);
    let directory = tempfile::tempdir()?;
    let backend = free_address()?;
    let peer = free_address()?;
    let _backend = nginx(directory.path(), "backend", &backend_configuration(backend), "0")?;
    let nginx = nginx(directory.path(), "peer", &peer_configuration(peer, backend), "1")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let _entered = runtime.enter();
    let (service, handle, _events) = control::Service::bind(control::Options::in_directory(directory.path()))?;
    let group = task::Group::new();
    group.spawn(task::Class::Core, "control", |stop| service.run(stop));
    let socket = TcpListener::bind("127.0.0.1:0")?;
    let ours = socket.local_addr()?;
    handle.offer("hop", socket);
    handle.publish_message(snapshot(backend));
    let proxy = our_proxy(directory.path())?;
    for address in [backend, peer, ours] {
        answers(address)?;
    }

    let worker = |child: &Child| child_of(child.id());
    let subjects = [("nginx", worker(&nginx.0)?, peer), ("trireme", proxy.0.id(), ours)];
    let mut figures = [Vec::new(), Vec::new()];
    for round in 0..=rounds {
        for (figures, (name, pid, address)) in figures.iter_mut().zip(subjects) {
            let before = cpu(pid)?;
            let run = load(address, seconds, connections)?;
            #[expect(clippy::cast_precision_loss, reason = "requests of some seconds")]
            let micros = (cpu(pid)? - before).as_secs_f64() * 1e6 / run.requests as f64;
            println!("{round} {name:8} {micros:6.2} µs CPU a request, {} requests, {}", run.requests, run.latency);
            // The first round fills pools and caches.
            if round > 0 {
                figures.push(micros);
            }
        }
    }
    let [peer, ours] = figures.map(median);
    println!(r#"{{"nginx_us":{peer:.2},"trireme_us":{ours:.2},"ratio":{:.3}}}"#, ours / peer);
    Ok(())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// A process that ends with this.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        if let Err(error) = rustix::process::kill_process(pid, rustix::process::Signal::TERM) {
            println!("cannot stop {pid:?}: {error}");
        }
        if let Err(error) = self.0.wait() {
            println!("cannot wait for {pid:?}: {error}");
        }
    }
}

fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn nginx(directory: &Path, name: &str, http: &str, processor: &str) -> anyhow::Result<Process> {
    let file = directory.join(format!("{name}.conf"));
    let pid = directory.join(format!("{name}.pid"));
    let text = format!(
        "worker_processes 1; daemon off; pid {}; error_log stderr warn;\nevents {{ worker_connections 1024; }}\n\
         http {{ access_log off; keepalive_requests 1000000000; {http} }}\n",
        pid.display()
    );
    fs::write(&file, text)?;
    let child = Command::new("taskset").args(["-c", processor, "nginx", "-c"]).arg(&file).spawn();
    Ok(Process(child.context("cannot start nginx under taskset")?))
}

fn backend_configuration(address: SocketAddr) -> String {
    let body = "x".repeat(1024);
    format!("server {{ listen {address}; location / {{ return 200 {body}; }} }}")
}

fn peer_configuration(address: SocketAddr, backend: SocketAddr) -> String {
    format!(
        "upstream backend {{ server {backend}; keepalive 256; keepalive_requests 1000000000; }}\n\
         server {{ listen {address}; location / {{ proxy_pass http://backend; proxy_http_version 1.1; \
         proxy_set_header Connection \"\"; }} }}"
    )
}

fn our_proxy(directory: &Path) -> anyhow::Result<Process> {
    let program = std::env::current_exe()?.with_file_name("proxy");
    let child = Command::new("taskset").args(["-c", "1"]).arg(program).arg(directory).arg("1").spawn();
    Ok(Process(child.context("cannot start the proxy; build it with --examples")?))
}

/// One listener, one rule with a path, one endpoint: routed, counted, trace context made.
fn snapshot(backend: SocketAddr) -> wire::Snapshot {
    wire::Snapshot {
        version: "hop".into(),
        listeners: vec![wire::Listener {
            id: "hop".into(),
            protocol: wire::ListenerProtocol::Http.into(),
            purpose: wire::ListenerPurpose::Service.into(),
            description: "measurement".into(),
        }],
        rules: vec![wire::FlowRule {
            id: "hop".into(),
            r#match: [("http.path-prefix".to_owned(), "/".to_owned())].into(),
            action: "forward:backend".into(),
            ..wire::FlowRule::default()
        }],
        clusters: vec![wire::Cluster {
            name: "backend".into(),
            protocol: wire::ClusterProtocol::Plain.into(),
            endpoints: vec![wire::Endpoint {
                address: backend.ip().to_string(),
                port: backend.port().into(),
                weight: 1,
                ready: true,
            }],
            connect_timeout_ms: 0,
        }],
    }
}

/// Waits until a connection is accepted.
fn answers(address: SocketAddr) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
        if Instant::now() > deadline {
            bail!("nobody answers at {address}");
        }
        std::thread::yield_now();
    }
    Ok(())
}

/// nginx's worker: the only child of its master, which listens before it has one.
fn child_of(parent: u32) -> anyhow::Result<u32> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))?;
        match children.split_whitespace().next() {
            Some(child) => return child.parse().context("pid of the worker"),
            None if Instant::now() > deadline => bail!("nginx has no worker"),
            None => std::thread::yield_now(),
        }
    }
}

/// User and system time of a process so far.
fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = stat.rsplit_once(')').context("stat has no name")?;
    let ticks = rest.split_whitespace().skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
}

struct Load {
    requests: u64,
    latency: String,
}

fn load(address: SocketAddr, seconds: u32, connections: u32) -> anyhow::Result<Load> {
    let output = Command::new("taskset")
        .args(["-c", "0", "wrk", "-t", "1", "--latency", "-c", &connections.to_string(), "-d", &seconds.to_string()])
        .arg(format!("http://{address}/path/of/a/request"))
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if text.contains("Non-2xx") || text.contains("Socket errors") {
        bail!("the load saw errors:\n{text}");
    }
    let line = text.lines().find(|line| line.contains(" requests in ")).context("wrk counted nothing")?;
    let requests = line.split_whitespace().next().context("wrk counted nothing")?.parse()?;
    let tail = text.lines().filter(|line| line.contains("50%") || line.contains("99%")).map(str::trim);
    Ok(Load { requests, latency: tail.collect::<Vec<_>>().join(", ") })
}
