//! Measures the store on this machine's disk: durable puts a second with 64 concurrent writers and random names, and
//! the time to open 10,000 values, after a clean end and after a crash. Compares with nothing; `bench/` does.
//!
//! `cargo run --release -p store --example puts [FOLDER]`; without a folder, a temporary one.
#![expect(clippy::print_stdout, reason = "printing figures is what this program is for")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use store::{Key, Options, Store, Template, Transaction};
use tokio::task::JoinSet;

const WRITERS: u64 = 64;
const MEASURED: Duration = Duration::from_secs(3);
const SAVED: u64 = 10_000;
/// A pod of an ordinary deployment, as JSON.
const POD_BYTES: usize = 2400;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let temporary = tempfile::tempdir()?;
    let folder = std::env::args_os().nth(1).map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    for bytes in [1024, POD_BYTES] {
        let path = folder.join(format!("puts-{bytes}.redb"));
        runtime.block_on(measure_puts(&path, bytes))?;
        std::fs::remove_file(&path)?;
    }
    measure_open(&runtime, &folder.join("open.redb"))?;
    println!("memory of this process at the end: {}", resident()?);
    Ok(())
}

/// Names spread like random ones, and are the same in each run (splitmix64).
fn name(n: u64) -> String {
    let mut x = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    format!("default/{:016x}", x ^ (x >> 31))
}

async fn put(store: &Store, n: u64, bytes: usize) -> Outcome<()> {
    let key = Key::new("core/pods", name(n))?;
    let transaction = Transaction::new().put(key, Template::new(vec![b'x'; bytes], bytes / 2)?);
    store.commit(transaction).await?;
    Ok(())
}

async fn measure_puts(path: &Path, bytes: usize) -> Outcome<()> {
    let store = Store::open(Options::new(path))?;
    let start = Instant::now();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = store.clone();
        writers.spawn(async move {
            let mut waits = Vec::new();
            while start.elapsed() < MEASURED {
                let begin = Instant::now();
                put(&store, writer << 32 | waits.len() as u64, bytes).await?;
                waits.push(begin.elapsed());
            }
            Outcome::Ok(waits)
        });
    }
    let mut waits = Vec::new();
    for of_writer in writers.join_all().await {
        waits.extend(of_writer?);
    }
    let rate = waits.len() as f64 / start.elapsed().as_secs_f64();
    waits.sort_unstable();
    let (median, late) = (waits[waits.len() / 2], waits[waits.len() * 99 / 100]);
    println!("{bytes} bytes, {WRITERS} writers: {rate:.0} durable puts/s, wait p50 {median:.1?}, p99 {late:.1?}");
    store.close().await;
    Ok(())
}

fn measure_open(runtime: &tokio::runtime::Runtime, path: &Path) -> Outcome<()> {
    let store = Store::open(Options::new(path))?;
    runtime.block_on(async {
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let store = store.clone();
            writers.spawn(async move {
                for n in (0..SAVED).filter(|n| n % WRITERS == writer) {
                    put(&store, n, POD_BYTES).await?;
                }
                Outcome::Ok(())
            });
        }
        writers.join_all().await.into_iter().collect::<Outcome<Vec<()>>>()
    })?;
    // What a killed process leaves is the file as it is while the store is open.
    let crashed = path.with_extension("crashed");
    std::fs::copy(path, &crashed)?;
    runtime.block_on(store.close());
    drop(store);
    for (path, after) in [(path, "a clean end"), (&crashed, "a crash")] {
        let start = Instant::now();
        let store = Store::open(Options::new(path))?;
        let elapsed = start.elapsed();
        let found = store.snapshot().count("core/pods", "");
        println!("open {found} values of {POD_BYTES} bytes after {after}: {elapsed:.1?}, {}", resident()?);
        drop(store);
        std::fs::remove_file(path)?;
    }
    Ok(())
}

/// Resident memory of this process.
fn resident() -> Outcome<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or("VmRSS: unknown");
    Ok(line.split_whitespace().collect::<Vec<_>>().join(" "))
}
