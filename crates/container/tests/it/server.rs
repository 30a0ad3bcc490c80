//! A server that can be killed: this program again, owning a runtime that a test shares with it.
//!
//! Start reading at [`start_and_kill`].

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use container::{Runtime, Zygote};

use crate::fixture::{options, script_spec};

/// First argument of a server.
pub(crate) const FLAG: &str = "--be-a-server";
const READY: &str = "running";

/// Has another server start a container in the runtime below `directory`, and kills that server with SIGKILL.
pub(crate) fn start_and_kill(directory: &Path, name: &str, script: &str) -> Result<()> {
    let program = std::env::current_exe()?;
    let mut server = Command::new(program)
        .arg(FLAG)
        .arg(directory)
        .args([name, script])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = server.stdout.take().context("it is piped")?;
    let line = BufReader::new(stdout).lines().next().transpose()?;
    server.kill()?;
    server.wait()?;
    ensure!(line.as_deref() == Some(READY), "the server said {line:?}");
    Ok(())
}

pub(crate) fn run(zygote: Zygote, mut words: impl Iterator<Item = OsString>) -> ExitCode {
    let mut word = || words.next().and_then(|word| word.into_string().ok()).unwrap_or_default();
    let directory = PathBuf::from(word());
    let spec = script_spec(&directory, &word(), &word());
    let serve = async {
        let runtime = Runtime::open(options(&directory, zygote)).await?;
        runtime.create_container(spec.clone()).await?;
        runtime.start(&spec.id).await?;
        println!("{READY}");
        std::future::pending::<Result<()>>().await
    };
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    match executor.map_err(anyhow::Error::from).and_then(|executor| executor.block_on(serve)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error:?}");
            ExitCode::FAILURE
        }
    }
}
