//! From creation to removal: output, exits, failures, repeated operations.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use container::{Error, ExitStatus, Resources, SandboxId, StartError, Status, Target};

use crate::fixture::{DEADLINE, Fixture, log_entries, wait_until};
use crate::tests;

tests![
    unusable_options_are_refused,
    a_command_that_is_not_there_is_a_start_error,
    a_file_that_is_no_program_is_a_start_error,
    a_failed_start_can_be_repeated,
    a_missing_sandbox_is_refused,
    output_and_exit_code_are_recorded,
    an_instant_exit_is_recorded,
    only_the_given_environment_is_seen,
    a_signal_that_kills_is_the_exit,
    a_handled_signal_does_not_end_the_container,
    stop_asks_first,
    stop_kills_after_the_grace_time,
    exceeding_the_memory_limit_is_named,
    a_container_runs_once,
    operations_can_be_repeated,
    a_running_container_cannot_be_removed,
    a_sandbox_goes_after_its_containers,
    twenty_containers_run_at_a_time,
    interrupted_operations_are_cleaned_up,
    usage_is_reported,
    waiters_that_give_up_do_not_disturb,
    realtime_signals_can_be_sent,
    a_lowered_oom_score_is_noted_where_it_is_not_allowed,
];

async fn unusable_options_are_refused(fixture: &Fixture) -> Result<()> {
    let mut options = fixture.options.clone();
    options.cgroup_parent = "../system".to_owned();
    let refused = container::Runtime::open(options).await;
    ensure!(matches!(refused, Err(Error::CgroupParent { .. })), "{refused:?}");
    let mut options = fixture.options.clone();
    options.runtime_dir = fixture.path("home/run");
    let refused = container::Runtime::open(options).await;
    ensure!(matches!(&refused, Err(Error::Unreachable { path }) if *path == fixture.path("home")), "{refused:?}");
    Ok(())
}

async fn start_error(fixture: &Fixture, name: &str, command: &str) -> Result<StartError> {
    let mut spec = fixture.script(name, "");
    spec.process.args = vec![command.to_owned()];
    fixture.runtime.create_container(spec.clone()).await?;
    match fixture.runtime.start(&spec.id).await {
        Err(Error::Start { source, .. }) => Ok(source),
        other => anyhow::bail!("{other:?}"),
    }
}

async fn a_command_that_is_not_there_is_a_start_error(fixture: &Fixture) -> Result<()> {
    for (name, command) in [("a", "/bin/nothing"), ("b", "nothing"), ("c", "/etc/passwd/x")] {
        let error = start_error(fixture, name, command).await?;
        assert_eq!(error, StartError::CommandNotFound { command: command.to_owned() });
    }
    for listed in fixture.runtime.list().await? {
        ensure!(matches!(listed.status, Status::StartFailed { .. }), "{listed:?}");
    }
    Ok(())
}

async fn a_file_that_is_no_program_is_a_start_error(fixture: &Fixture) -> Result<()> {
    let refused =
        |path: &str, cause: &str| StartError::CommandNotExecutable { path: path.to_owned(), cause: cause.to_owned() };
    let passwd = start_error(fixture, "a", "/etc/passwd").await?;
    assert_eq!(passwd, refused("/etc/passwd", "Permission denied (os error 13)"));
    let directory = start_error(fixture, "b", "/usr").await?;
    assert_eq!(directory, refused("/usr", "is a directory"));
    // A program in form but not in content: only the kernel finds out, after everything is set up.
    let broken = fixture.path("broken");
    fs::write(&broken, "no format\n")?;
    fs::set_permissions(&broken, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let mut spec = fixture.script("c", "");
    spec.process.args = vec!["/broken".to_owned()];
    spec.mounts.push(crate::rootfs::read_only_bind(&broken, "/broken"));
    fixture.runtime.create_container(spec.clone()).await?;
    let Err(Error::Start { source, .. }) = fixture.runtime.start(&spec.id).await else {
        anyhow::bail!("it started");
    };
    assert_eq!(source, refused("/broken", "Exec format error (os error 8)"));
    Ok(())
}

async fn a_failed_start_can_be_repeated(fixture: &Fixture) -> Result<()> {
    let source = fixture.path("late");
    let mut spec = fixture.script("c", "cat /late");
    spec.mounts.push(crate::rootfs::read_only_bind(&source, "/late"));
    fixture.runtime.create_container(spec.clone()).await?;
    let error = fixture.runtime.start(&spec.id).await.err().context("the source of a mount is missing")?;
    let text = stdx::error_chain(&error).to_string();
    ensure!(text.contains("open mount source") && text.contains("No such file"), "{text}");
    fs::write(&source, "there\n")?;
    let (output, exit) = fixture.complete(&spec).await?;
    assert_eq!((output.as_str(), exit.status), ("there\n", ExitStatus::Code(0)));
    Ok(())
}

async fn a_missing_sandbox_is_refused(fixture: &Fixture) -> Result<()> {
    let mut spec = fixture.script("c", "true");
    spec.sandbox = SandboxId::new("other")?;
    let refused = fixture.runtime.create_container(spec).await;
    ensure!(matches!(refused, Err(Error::NoSandbox { .. })), "{refused:?}");
    Ok(())
}

async fn output_and_exit_code_are_recorded(fixture: &Fixture) -> Result<()> {
    let spec = fixture.script("c", "echo out; echo err >&2; printf end; exit 7");
    let (_, exit) = fixture.complete(&spec).await?;
    ensure!(exit.status == ExitStatus::Code(7) && !exit.oom_killed, "{exit:?}");
    let entries = log_entries(&spec.log.path)?;
    let mut found: Vec<String> =
        entries.iter().map(|entry| format!("{} {} {}", entry.stream, entry.tag, entry.text)).collect();
    found.sort();
    assert_eq!(found, ["stderr F err", "stdout F out", "stdout P end"]);
    Ok(())
}

async fn an_instant_exit_is_recorded(fixture: &Fixture) -> Result<()> {
    let mut spec = fixture.script("c", "");
    spec.process.args = vec!["/bin/false".to_owned()];
    for round in 0..10 {
        spec.id = container::ContainerId::new(format!("c{round}"))?;
        let (_, exit) = fixture.complete(&spec).await?;
        assert_eq!(exit.status, ExitStatus::Code(1));
    }
    Ok(())
}

async fn only_the_given_environment_is_seen(fixture: &Fixture) -> Result<()> {
    let mut spec = fixture.script("c", "");
    spec.process.args = vec!["env".to_owned()];
    spec.process.env = vec![("A".to_owned(), "1=2".to_owned()), ("A".to_owned(), "3".to_owned())];
    let (output, _) = fixture.complete(&spec).await?;
    let mut lines: Vec<&str> = output.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["A=3", "HOME=/root", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]);
    Ok(())
}

async fn a_signal_that_kills_is_the_exit(fixture: &Fixture) -> Result<()> {
    let spec = fixture.script("c", "echo ready; exec sleep 1000");
    fixture.start(&spec).await?;
    fixture.runtime.signal(&spec.id, 9, Target::Init).await?;
    let exit = tokio::time::timeout(DEADLINE, fixture.runtime.wait(&spec.id)).await??;
    assert_eq!(exit.status, ExitStatus::Signal(9));
    let late = fixture.runtime.signal(&spec.id, 9, Target::Init).await;
    ensure!(matches!(late, Err(Error::NotRunning { .. })), "{late:?}");
    Ok(())
}

async fn a_handled_signal_does_not_end_the_container(fixture: &Fixture) -> Result<()> {
    let spec = fixture.script("c", "trap 'echo hup' HUP; trap 'exit 3' USR1; echo ready; while :; do sleep 0.01; done");
    fixture.start(&spec).await?;
    fixture.wait_for_output(&spec, "ready").await?;
    fixture.runtime.signal(&spec.id, 1, Target::Init).await?;
    fixture.wait_for_output(&spec, "hup").await?;
    fixture.runtime.signal(&spec.id, 10, Target::Init).await?;
    let exit = tokio::time::timeout(DEADLINE, fixture.runtime.wait(&spec.id)).await??;
    assert_eq!(exit.status, ExitStatus::Code(3));
    Ok(())
}

async fn stop_asks_first(fixture: &Fixture) -> Result<()> {
    let spec = fixture.script("c", "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done");
    fixture.start(&spec).await?;
    fixture.wait_for_output(&spec, "ready").await?;
    let exit = fixture.runtime.stop(&spec.id, DEADLINE).await?;
    assert_eq!(exit.status, ExitStatus::Code(0));
    ensure!(fixture.wait_for_output(&spec, "bye").await?.ends_with("bye\n"));
    Ok(())
}

async fn stop_kills_after_the_grace_time(fixture: &Fixture) -> Result<()> {
    // The first process of a pid namespace ignores what it does not handle.
    let spec = fixture.script("c", "exec sleep 1000");
    fixture.start(&spec).await?;
    let exit = fixture.runtime.stop(&spec.id, Duration::from_millis(50)).await?;
    assert_eq!(exit.status, ExitStatus::Signal(9));
    assert_eq!(fixture.runtime.stop(&spec.id, DEADLINE).await?, exit, "stopping twice tells the same");
    Ok(())
}

async fn exceeding_the_memory_limit_is_named(fixture: &Fixture) -> Result<()> {
    let mut spec = fixture.script("c", "tail /dev/zero; exit $?");
    spec.resources = Resources { memory: Some(32 << 20), ..Resources::default() };
    let (_, exit) = fixture.complete(&spec).await?;
    ensure!(exit.oom_killed && exit.status == ExitStatus::Code(137), "{exit:?}");
    Ok(())
}

async fn a_container_runs_once(fixture: &Fixture) -> Result<()> {
    let spec = fixture.script("c", "true");
    fixture.complete(&spec).await?;
    let again = fixture.runtime.start(&spec.id).await;
    ensure!(matches!(again, Err(Error::Ended { .. })), "{again:?}");
    Ok(())
}

async fn operations_can_be_repeated(fixture: &Fixture) -> Result<()> {
    let spec = fixture.script("c", "exec sleep 1000");
    fixture.sandbox("pod").await?;
    let first = fixture.start(&spec).await?;
    assert_eq!(fixture.start(&spec).await?, first, "it runs already");
    let mut other = spec.clone();
    other.process.args.push("more".to_owned());
    let refused = fixture.runtime.create_container(other).await;
    ensure!(matches!(refused, Err(Error::ContainerDiffers { .. })), "{refused:?}");
    fixture.runtime.stop(&spec.id, Duration::ZERO).await?;
    fixture.runtime.release(&spec.id).await?;
    fixture.runtime.release(&spec.id).await?;
    let listed = fixture.runtime.list().await?;
    ensure!(matches!(listed[0].status, Status::Exited { .. }), "the exit stays: {listed:?}");
    fixture.runtime.remove(&spec.id).await?;
    fixture.runtime.remove(&spec.id).await?;
    let gone = fixture.runtime.start(&spec.id).await;
    ensure!(matches!(gone, Err(Error::NoContainer { .. })), "{gone:?}");
    fixture.runtime.remove_sandbox(&spec.sandbox).await?;
    Ok(fixture.runtime.remove_sandbox(&spec.sandbox).await?)
}

async fn a_running_container_cannot_be_removed(fixture: &Fixture) -> Result<()> {
    let spec = fixture.script("c", "exec sleep 1000");
    fixture.start(&spec).await?;
    let removed = fixture.runtime.remove(&spec.id).await;
    ensure!(matches!(removed, Err(Error::Running { .. })), "{removed:?}");
    let released = fixture.runtime.release(&spec.id).await;
    ensure!(matches!(released, Err(Error::Running { .. })), "{released:?}");
    Ok(())
}

async fn a_sandbox_goes_after_its_containers(fixture: &Fixture) -> Result<()> {
    let spec = fixture.script("c", "true");
    fixture.runtime.create_container(spec.clone()).await?;
    let refused = fixture.runtime.remove_sandbox(&spec.sandbox).await;
    ensure!(matches!(refused, Err(Error::SandboxInUse { .. })), "{refused:?}");
    let cleared = fixture.runtime.clear().await;
    ensure!(matches!(cleared, Err(Error::InUse)), "{cleared:?}");
    Ok(())
}

async fn twenty_containers_run_at_a_time(fixture: &Fixture) -> Result<()> {
    let specs: Vec<_> = (0..20)
        .map(|number| {
            fixture.script(&format!("c{number}"), &format!("echo start; read line </dev/null; exit {number}"))
        })
        .collect();
    let runs = specs.iter().map(|spec| fixture.complete(spec));
    for (number, result) in (0_u8..).zip(futures_util::future::join_all(runs).await) {
        let (output, exit) = result?;
        assert_eq!((output.as_str(), exit.status), ("start\n", ExitStatus::Code(number)));
    }
    Ok(())
}

async fn interrupted_operations_are_cleaned_up(fixture: &Fixture) -> Result<()> {
    let containers = fixture.options.data_dir.join("containers");
    let unfinished = containers.join(".unfinished-x");
    fs::create_dir_all(unfinished.join("overlay"))?;
    // A container whose files are gone but whose processes are not.
    let spec = fixture.script("stray", "exec sleep 1000");
    let init = fixture.start(&spec).await?;
    fs::remove_dir_all(containers.join("stray"))?;
    let namespaces = fixture.options.runtime_dir.join("ns/forgotten");
    fs::create_dir_all(&namespaces)?;
    fs::write(namespaces.join("net"), "")?;
    rustix::mount::mount_bind("/proc/self/ns/net", namespaces.join("net"))?;

    let reopened = container::Runtime::open(fixture.options.clone()).await?;
    assert_eq!(reopened.adopt().await?, []);
    ensure!(!unfinished.exists());
    ensure!(!namespaces.exists());
    wait_until("the end of the stray", || (!fs::exists(format!("/proc/{}", init.pid)).ok()?).then_some(())).await
}

async fn usage_is_reported(fixture: &Fixture) -> Result<()> {
    let spec = fixture.script("c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo done; exec sleep 1000");
    fixture.start(&spec).await?;
    fixture.wait_for_output(&spec, "done").await?;
    let stats = fixture.runtime.stats(&spec.id).await?;
    ensure!(stats.cpu.is_some_and(|cpu| cpu > Duration::from_millis(1)), "{stats:?}");
    ensure!(stats.memory_bytes.is_some_and(|bytes| bytes > 0 && bytes < 64 << 20), "{stats:?}");
    assert_eq!(stats.processes, Some(1));
    Ok(())
}

async fn a_lowered_oom_score_is_noted_where_it_is_not_allowed(fixture: &Fixture) -> Result<()> {
    let mut spec = fixture.script("c", "cat /proc/self/oom_score_adj");
    spec.process.oom_score_adj = Some(-500);
    let (output, _) = fixture.complete(&spec).await?;
    let listed = fixture.runtime.list().await?;
    if output == "-500\n" {
        assert_eq!(listed[0].notes, Vec::<String>::new());
    } else {
        ensure!(listed[0].notes[0].contains("needs CAP_SYS_RESOURCE"), "{listed:?}");
    }
    Ok(())
}

async fn waiters_that_give_up_do_not_disturb(fixture: &Fixture) -> Result<()> {
    let spec = fixture.script("c", "exec sleep 1000");
    fixture.start(&spec).await?;
    let shim = fixture.shim_of(&spec.id)?;
    let waiters = (0..10).map(|_| tokio::time::timeout(Duration::from_millis(30), fixture.runtime.wait(&spec.id)));
    for waiter in futures_util::future::join_all(waiters).await {
        ensure!(waiter.is_err(), "it does not end by itself");
    }
    fixture.runtime.signal(&spec.id, 9, Target::Init).await?;
    let exit = tokio::time::timeout(DEADLINE, fixture.runtime.wait(&spec.id)).await??;
    assert_eq!(exit.status, ExitStatus::Signal(9));
    assert_eq!(fixture.shim_of(&spec.id)?, shim, "it is still the first one");
    Ok(())
}

async fn realtime_signals_can_be_sent(fixture: &Fixture) -> Result<()> {
    // What system managers in images are stopped with.
    const SIGRTMIN_PLUS_3: i32 = 37;
    let spec = fixture.script("c", "trap 'exit 4' 37; echo ready; while :; do sleep 0.01; done");
    fixture.start(&spec).await?;
    fixture.wait_for_output(&spec, "ready").await?;
    fixture.runtime.signal(&spec.id, SIGRTMIN_PLUS_3, Target::Init).await?;
    let exit = tokio::time::timeout(DEADLINE, fixture.runtime.wait(&spec.id)).await??;
    assert_eq!(exit.status, ExitStatus::Code(4));
    let refused = fixture.runtime.signal(&spec.id, 65, Target::Init).await;
    ensure!(refused.is_err(), "{refused:?}");
    Ok(())
}
