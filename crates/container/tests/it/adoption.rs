//! What survives the death of the server, and of a shim.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use container::{ContainerId, Error, ExitStatus, Identity, Runtime, Status, Target};
use rustix::process::{Pid, Signal, kill_process};

use crate::fixture::{DEADLINE, Fixture, output, wait_until};
use crate::server;
use crate::tests;

tests![
    a_container_survives_its_server,
    an_exit_is_kept_for_the_next_server,
    a_container_survives_its_shim,
    output_waits_for_the_next_shim,
    an_end_that_nobody_saw_is_unknown,
    a_pid_that_was_reused_is_not_adopted,
    a_restart_of_the_machine_ends_all_containers,
    a_waiting_caller_does_not_notice_a_killed_shim,
    a_start_that_is_killed_can_be_repeated,
];

/// Counts, so that an interruption would be seen.
const COUNT: &str = "i=0; while :; do echo $i; i=$((i+1)); sleep 0.005; done";

fn kill(pid: i32) -> Result<()> {
    Ok(kill_process(Pid::from_raw(pid).context("a pid")?, Signal::KILL)?)
}

/// The counted numbers, after checking that none is missing.
fn counted(text: &str) -> Result<usize> {
    let numbers: Vec<usize> = text.lines().map(str::parse).collect::<Result<_, _>>()?;
    ensure!(numbers.iter().copied().eq(0..numbers.len()), "there is a gap in {numbers:?}");
    Ok(numbers.len())
}

fn start_time(pid: i32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = stat.rsplit_once(')').context("a stat line")?;
    Ok(rest.split_ascii_whitespace().nth(19).context("field 22")?.parse()?)
}

fn is_gone(pid: i32) -> Option<()> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    (stat.is_empty() || stat.contains(") Z ")).then_some(())
}

async fn a_container_survives_its_server(fixture: &Fixture) -> Result<()> {
    let spec = fixture.script("c", COUNT);
    server::start_and_kill(fixture.directory.path(), "c", COUNT)?;
    let at_death = counted(&output(&spec.log.path)?)?;
    // Nobody serves, and the log goes on.
    wait_until("output without a server", || {
        output(&spec.log.path).and_then(|text| counted(&text)).ok().filter(|count| *count > at_death + 20)
    })
    .await?;

    let runtime = Runtime::open(fixture.options.clone()).await?;
    let adopted = runtime.adopt().await?;
    let Status::Running { init, .. } = adopted[0].status else { anyhow::bail!("{adopted:?}") };
    assert_eq!(start_time(init.pid)?, init.start_time, "the same process");
    let exit = runtime.stop(&spec.id, Duration::ZERO).await?;
    assert_eq!(exit.status, ExitStatus::Signal(9));
    ensure!(counted(&output(&spec.log.path)?)? > at_death + 20);
    Ok(())
}

async fn an_exit_is_kept_for_the_next_server(fixture: &Fixture) -> Result<()> {
    let script = "while [ ! -e /tmp/go ]; do sleep 0.005; done; exit 5";
    let spec = fixture.script("c", script);
    server::start_and_kill(fixture.directory.path(), "c", script)?;
    let Status::Running { init, .. } = fixture.runtime.list().await?[0].status.clone() else {
        anyhow::bail!("it does not run");
    };
    fs::write(format!("/proc/{}/root/tmp/go", init.pid), "")?;
    wait_until("the end of the process", || is_gone(init.pid)).await?;
    let exit = tokio::time::timeout(DEADLINE, fixture.runtime.wait(&spec.id)).await??;
    assert_eq!(exit.status, ExitStatus::Code(5));
    Ok(())
}

async fn a_container_survives_its_shim(fixture: &Fixture) -> Result<()> {
    let spec = fixture.script("c", &format!("trap 'exit 6' TERM; {COUNT}"));
    let init = fixture.start(&spec).await?;
    fixture.wait_for_output(&spec, "10\n").await?;
    kill(fixture.shim_of(&spec.id)?)?;
    let adopted = fixture.runtime.adopt().await?;
    ensure!(matches!(adopted[0].status, Status::Running { init: found, .. } if found == init), "{adopted:?}");
    let before = counted(&output(&spec.log.path)?)?;
    wait_until("output through the next shim", || {
        output(&spec.log.path).and_then(|text| counted(&text)).ok().filter(|count| *count > before + 10)
    })
    .await?;
    let exit = fixture.runtime.stop(&spec.id, DEADLINE).await?;
    // From Linux 6.15 on the kernel tells the exit code to whoever holds a pidfd.
    let known = exit.status == ExitStatus::Code(6);
    ensure!(known || matches!(exit.status, ExitStatus::Unknown { .. }), "{exit:?}");
    Ok(())
}

async fn output_waits_for_the_next_shim(fixture: &Fixture) -> Result<()> {
    // Less than the buffer of 1 MiB: nothing may block although nobody reads.
    let script =
        "while [ ! -e /tmp/go ]; do sleep 0.005; done; head -c 800000 /dev/zero | tr '\\0' x; touch /tmp/written
        while [ ! -e /tmp/end ]; do sleep 0.005; done";
    let spec = fixture.script("c", script);
    let init = fixture.start(&spec).await?;
    let shim = fixture.shim_of(&spec.id)?;
    kill(shim)?;
    wait_until("the end of the shim", || is_gone(shim)).await?;
    let inside = |name: &str| format!("/proc/{}/root/tmp/{name}", init.pid);
    fs::write(inside("go"), "")?;
    wait_until("all output to be written", || fs::exists(inside("written")).ok()?.then_some(())).await?;
    assert_eq!(output(&spec.log.path)?.len(), 0);
    fixture.runtime.adopt().await?;
    wait_until("the output in the log", || {
        (output(&spec.log.path).ok()?.len() >= 800_000 / (16 * 1024) * (16 * 1024)).then_some(())
    })
    .await?;
    fs::write(inside("end"), "")?;
    tokio::time::timeout(DEADLINE, fixture.runtime.wait(&spec.id)).await??;
    assert_eq!(output(&spec.log.path)?.len(), 800_000);
    Ok(())
}

async fn an_end_that_nobody_saw_is_unknown(fixture: &Fixture) -> Result<()> {
    let spec = fixture.script("c", "exec sleep 1000");
    let init = fixture.start(&spec).await?;
    let shim = fixture.shim_of(&spec.id)?;
    kill(shim)?;
    wait_until("the end of the shim", || is_gone(shim)).await?;
    kill(init.pid)?;
    wait_until("the end of the container", || (!fs::exists(format!("/proc/{}", init.pid)).ok()?).then_some(())).await?;
    let adopted = fixture.runtime.adopt().await?;
    let Status::Exited { exit, .. } = &adopted[0].status else { anyhow::bail!("{adopted:?}") };
    let reason = "its shim was gone, and nobody saw the end of the process".to_owned();
    assert_eq!(exit.status, ExitStatus::Unknown { reason });
    assert_eq!(fixture.runtime.wait(&spec.id).await?, *exit, "it is recorded");
    Ok(())
}

/// Changes the state file of a container whose shim is gone.
async fn forge(fixture: &Fixture, change: impl FnOnce(&mut serde_json::Value)) -> Result<Identity> {
    let spec = fixture.script("c", "exec sleep 1000");
    let init = fixture.start(&spec).await?;
    let shim = fixture.shim_of(&spec.id)?;
    kill(shim)?;
    wait_until("the end of the shim", || is_gone(shim)).await?;
    let path = fixture.options.data_dir.join("containers/c/state.json");
    let mut state = serde_json::from_slice(&fs::read(&path)?)?;
    change(&mut state);
    fs::write(&path, state.to_string())?;
    Ok(init)
}

async fn a_pid_that_was_reused_is_not_adopted(fixture: &Fixture) -> Result<()> {
    let init = forge(fixture, |state| state["status"]["init"]["startTime"] = 1.into()).await?;
    let adopted = fixture.runtime.adopt().await?;
    ensure!(matches!(&adopted[0].status, Status::Exited { .. }), "{adopted:?}");
    let signalled = fixture.runtime.signal(&adopted[0].id, 9, Target::Init).await;
    ensure!(matches!(signalled, Err(Error::NotRunning { .. })), "{signalled:?}");
    ensure!(is_gone(init.pid).is_none(), "the stranger is left alone");
    Ok(())
}

async fn a_restart_of_the_machine_ends_all_containers(fixture: &Fixture) -> Result<()> {
    forge(fixture, |state| state["bootId"] = "another".into()).await?;
    let adopted = fixture.runtime.adopt().await?;
    let Status::Exited { exit, .. } = &adopted[0].status else { anyhow::bail!("{adopted:?}") };
    assert_eq!(exit.status, ExitStatus::Unknown { reason: "the machine was restarted".to_owned() });
    Ok(())
}

async fn a_waiting_caller_does_not_notice_a_killed_shim(fixture: &Fixture) -> Result<()> {
    let spec = fixture.script("c", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done");
    fixture.start(&spec).await?;
    fixture.wait_for_output(&spec, "ready").await?;
    let first = fixture.shim_of(&spec.id)?;
    let act = async {
        kill(first)?;
        wait_until("another shim", || fixture.shim_of(&spec.id).ok().filter(|pid| *pid != first)).await?;
        fixture.runtime.signal(&spec.id, 15, Target::Init).await?;
        Ok::<_, anyhow::Error>(())
    };
    let wait = async { Ok(tokio::time::timeout(DEADLINE, fixture.runtime.wait(&spec.id)).await??) };
    tokio::try_join!(wait, act)?;
    Ok(())
}

/// Kills the process of a name as soon as it works for a container, unless the container starts before.
async fn kill_early(fixture: &Fixture, id: &ContainerId, name: &str) -> Result<()> {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while tokio::time::Instant::now() < deadline {
        if let Some(pid) = fixture.holder_of_lock(id, name) {
            // It may have ended by itself.
            return kill(pid).or(Ok(()));
        }
        tokio::task::yield_now().await;
    }
    anyhow::bail!("there was no {name}")
}

async fn a_start_that_is_killed_can_be_repeated(fixture: &Fixture) -> Result<()> {
    for round in 0..12 {
        let name = if round % 2 == 0 { "trireme-shim" } else { "trireme-create" };
        let spec = fixture.script(&format!("c{round}"), "exec sleep 1000");
        fixture.runtime.create_container(spec.clone()).await?;
        let start = fixture.runtime.start(&spec.id);
        tokio::pin!(start);
        // Whether the start fails depends on the moment; what must hold is that it leaves nothing in the way.
        let first = tokio::select! {
            result = &mut start => result,
            killed = kill_early(fixture, &spec.id, name) => { killed?; start.await }
        };
        fixture.runtime.adopt().await?;
        match fixture.runtime.start(&spec.id).await {
            Ok(Status::Running { init, .. }) => assert_eq!(start_time(init.pid)?, init.start_time),
            // It was killed after the first process was recorded and before that was let go.
            Err(Error::Ended { .. }) => ensure!(first.is_err(), "{first:?}"),
            other => anyhow::bail!("round {round}, {name}: first {first:?}, then {other:?}"),
        }
    }
    Ok(())
}
