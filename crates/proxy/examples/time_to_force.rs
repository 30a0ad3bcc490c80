//! Measures the time from publishing a snapshot to its acknowledgement, with many routes, and what it costs in memory.
//!
//! `target/release/examples/time_to_force [ROUTES [CHANGES]]`. Each change moves the weights of one route; the snapshot is
//! sent, checked, compiled and put in force as a whole. The last line is JSON.

#![expect(clippy::print_stdout, reason = "a command-line tool whose output is its figures")]

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use anyhow::Context;
use flow::wire;
use proxy::control;
use task::{Class, Group};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u32>());
    let mut number = |default| arguments.next().unwrap_or(Ok(default));
    let (routes, changes) = (number(5000)?, number(200)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(routes, changes))
}

async fn measure(routes: u32, changes: u32) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let (service, handle, _events) = control::Service::bind(control::Options::in_directory(directory.path()))?;
    let group = Group::new();
    group.spawn(Class::Core, "control", |stop| service.run(stop));
    handle.offer("gw", TcpListener::bind("127.0.0.1:0")?);
    let mut proxy = std::process::Command::new(std::env::current_exe()?.with_file_name("proxy"))
        .arg(directory.path())
        .arg("1")
        .spawn()
        .context("cannot start the proxy; build it with --examples")?;
    let mut times = Vec::new();
    let mut proxies = handle.proxies();
    for change in 0..=changes {
        let snapshot = snapshot(routes, change);
        let version = snapshot.version.clone();
        let began = Instant::now();
        handle.publish_message(snapshot);
        let in_force = |proxy: &control::Proxy| proxy.version.as_ref().is_some_and(|known| known.as_str() == version);
        proxies.wait_for(|proxies| proxies.values().any(in_force)).await?;
        // The first includes the start of the process.
        if change > 0 {
            times.push(began.elapsed());
        }
    }
    let status = fs::read_to_string(format!("/proc/{}/status", proxy.id()))?;
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default().trim().to_owned();
    proxy.kill()?;
    proxy.wait()?;
    times.sort_unstable();
    let quantile = |percent: usize| times[(times.len() - 1) * percent / 100];
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        r#"{{"routes":{routes},"p50_ms":{:.2},"p99_ms":{:.2},"resident":"{memory}"}}"#,
        milliseconds(quantile(50)),
        milliseconds(quantile(99))
    );
    Ok(())
}

fn snapshot(routes: u32, change: u32) -> wire::Snapshot {
    let backend = |cluster: String, weight| wire::Backend { cluster, weight, ..wire::Backend::default() };
    let rule = |index: u32| wire::FlowRule {
        id: format!("default/route-{index}/0"),
        r#match: [
            ("http.host".to_owned(), format!("host-{}.example", index % 100)),
            ("http.path-prefix".to_owned(), format!("/service/{index}")),
        ]
        .into(),
        action: "forward".into(),
        backends: vec![
            backend(format!("cluster-{index}"), 100),
            backend("canary".into(), if index == 0 { change } else { 0 }),
        ],
        ..wire::FlowRule::default()
    };
    let cluster = |name: String| wire::Cluster {
        name,
        protocol: wire::ClusterProtocol::Plain.into(),
        endpoints: vec![wire::Endpoint { address: "10.42.0.1".into(), port: 8080, weight: 1, ready: true }],
        connect_timeout_ms: 0,
    };
    wire::Snapshot {
        version: change.to_string(),
        listeners: vec![wire::Listener {
            id: "gw".into(),
            protocol: wire::ListenerProtocol::Http.into(),
            purpose: wire::ListenerPurpose::Gateway.into(),
            description: "measurement".into(),
        }],
        rules: (0..routes).map(rule).collect(),
        clusters: (0..routes)
            .map(|index| cluster(format!("cluster-{index}")))
            .chain([cluster("canary".into())])
            .collect(),
    }
}
