//! How long a container takes from its creation to the execution of its command, beside `runc run` if that is installed,
//! and what a shim costs in memory.
//!
//! Run as root: `cargo run --release -p container --example start_time`. Nothing is left on the machine.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use container::{
    ContainerId, ContainerSpec, EtcFiles, HostRootfs, LogOptions, Network, Options, Process, Resources, Rootfs,
    Runtime, SandboxId, SandboxSpec, Security, Users, Zygote,
};

const ROUNDS: usize = 50;

fn main() -> Result<()> {
    let zygote = container::zygote::start()?;
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    executor.block_on(measure(zygote))
}

async fn measure(zygote: Zygote) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let options = Options {
        data_dir: directory.path().join("data"),
        runtime_dir: directory.path().join("run"),
        cgroup_parent: format!("start-time-{}", std::process::id()),
        zygote,
    };
    let image = make_image(directory.path())?;
    let runtime = Runtime::open(options.clone()).await?;
    let sandbox = SandboxId::new("pod")?;
    let spec = SandboxSpec { id: sandbox.clone(), hostname: "pod".to_owned(), network: Network::NewNamespace };
    runtime.create_sandbox(spec).await?;

    let host = Rootfs::Host(HostRootfs { toolchains: vec![], scratch_bytes: 16 << 20 });
    let shifted = Users::Shifted { first: 800_000 };
    for (name, rootfs, users) in [
        ("image", Rootfs::Directory(image.clone()), Users::Machine),
        ("image, user namespace", Rootfs::Directory(image.clone()), shifted),
        ("host, user namespace", host, shifted),
    ] {
        let mut times = Vec::new();
        for round in 0..ROUNDS {
            let mut spec = container(directory.path(), &sandbox, round)?;
            spec.rootfs = rootfs.clone();
            spec.security.users = users;
            let begin = Instant::now();
            runtime.create_container(spec.clone()).await?;
            runtime.start(&spec.id).await?;
            times.push(begin.elapsed());
            if round == ROUNDS - 1 {
                print_memory()?;
            }
            runtime.stop(&spec.id, Duration::ZERO).await?;
            runtime.remove(&spec.id).await?;
        }
        print_times(name, times);
    }
    runtime.remove_sandbox(&sandbox).await?;
    runtime.clear().await?;
    ensure!(container::leaks(&options)?.is_empty());
    measure_runc(directory.path(), &image)
}

fn container(directory: &Path, sandbox: &SandboxId, round: usize) -> Result<ContainerSpec> {
    Ok(ContainerSpec {
        id: ContainerId::new(format!("c{round}"))?,
        sandbox: sandbox.clone(),
        rootfs: Rootfs::Directory(PathBuf::from("/")),
        read_only_root: false,
        process: Process {
            args: ["/bin/sleep", "1000"].map(str::to_owned).to_vec(),
            env: vec![],
            working_dir: PathBuf::from("/"),
            uid: 0,
            gid: 0,
            additional_gids: vec![],
            oom_score_adj: None,
            stop_signal: 15,
        },
        mounts: vec![],
        etc: EtcFiles::default(),
        resources: Resources { memory: Some(64 << 20), ..Resources::default() },
        security: Security::default(),
        log: LogOptions { path: directory.join(format!("c{round}.log")), max_size: 1 << 20, max_files: 1 },
    })
}

/// An image with `sleep` and the libraries it names.
fn make_image(directory: &Path) -> Result<PathBuf> {
    let image = directory.join("image");
    let libraries = String::from_utf8(Command::new("ldd").arg("/bin/sleep").output()?.stdout)?;
    let names = libraries.split_ascii_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from);
    for source in names.chain([PathBuf::from("/bin/sleep")]) {
        let place = image.join(source.strip_prefix("/")?);
        fs::create_dir_all(place.parent().context("it has one")?)?;
        fs::copy(fs::canonicalize(&source)?, place)?;
    }
    Ok(image)
}

fn measure_runc(directory: &Path, image: &Path) -> Result<()> {
    let bundle = directory.join("bundle");
    fs::create_dir(&bundle)?;
    let runc = |arguments: &[&str]| {
        let mut command = Command::new("runc");
        command.current_dir(&bundle).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status()
    };
    if runc(&["spec"]).is_err() {
        println!("runc is not installed");
        return Ok(());
    }
    let config = bundle.join("config.json");
    let mut spec: serde_json::Value = serde_json::from_slice(&fs::read(&config)?)?;
    spec["process"]["terminal"] = false.into();
    spec["process"]["args"] = vec!["/bin/sleep", "1000"].into();
    spec["root"]["path"] = image.display().to_string().into();
    fs::write(&config, spec.to_string())?;
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let name = format!("start-time-{}-{round}", std::process::id());
        let begin = Instant::now();
        ensure!(runc(&["run", "--detach", &name])?.success(), "runc failed");
        times.push(begin.elapsed());
        runc(&["delete", "--force", &name])?;
    }
    print_times("runc run", times);
    Ok(())
}

fn print_times(name: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!("{name}: p50 {:.1?}, p99 {:.1?}, least {:.1?}", at(50), at(99), at(0));
}

/// Memory of the zygote and the shims of this program: all that is resident, and their share of it.
fn print_memory() -> Result<()> {
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
        if fs::read_link(path.join("exe")).ok() != std::env::current_exe().ok() || !name.starts_with("trireme") {
            continue;
        }
        let rollup = fs::read_to_string(path.join("smaps_rollup"))?;
        let lines = rollup.lines().filter(|line| line.starts_with("Rss") || line.starts_with("Pss:"));
        println!("  {}: {}", name.trim(), lines.collect::<Vec<_>>().join(", "));
    }
    Ok(())
}
