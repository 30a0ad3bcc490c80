//! A proxy process, as `trireme proxy` will be: the black-box tests and the measurement of its cost run it.
//!
//! `proxy DIRECTORY [WORKERS [SEED]]`; SIGTERM drains it. The control plane's sockets are expected in the directory.

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> anyhow::Result<()> {
    observe::init("warn")?;
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().context("usage: proxy DIRECTORY [WORKERS [SEED]]")?;
    let mut options = proxy::Options::in_directory(directory);
    if let Some(workers) = arguments.next() {
        options.workers = workers.parse().context("WORKERS")?;
    }
    options.seed = arguments.next().map(|seed| seed.parse()).transpose().context("SEED")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let cancel = task::CancellationToken::new();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut running = std::pin::pin!(proxy::run(options, cancel.clone()));
        tokio::select! {
            ended = running.as_mut() => return Ok(ended?),
            _ = terminate.recv() => cancel.cancel(),
        }
        Ok(running.await?)
    })
}
