//! Containers that end and are started again.

use anyhow::{Context, Result, ensure};
use client::kinds::core::v1::PodStatus;
use serde_json::json;

use crate::fixture::{Fixture, only, script, with, with_spec};
use crate::tests;

tests![
    a_container_that_keeps_failing_backs_off,
    a_container_that_succeeds_is_not_restarted_on_failure,
    a_command_that_is_not_there_is_a_failed_start,
    a_container_beyond_its_memory_is_killed,
    the_back_off_outlives_the_agent,
];

async fn a_container_that_keeps_failing_backs_off(fixture: &mut Fixture) -> Result<()> {
    let pod = fixture.run(script("p", "echo again; exit 3")).await?;
    let container = fixture.wait_for_reason("p", "CrashLoopBackOff").await?;
    let uid = pod.metadata.uid.context("a uid")?;
    let message = container.state.and_then(|state| state.waiting?.message).context("a message")?;
    ensure!(
        message.starts_with("back-off ") && message.contains("restarting failed container=c pod=p_default("),
        "{message}"
    );
    ensure!(message.ends_with(&format!("({uid})")), "{message}");
    let last = container.last_state.and_then(|state| state.terminated).context("the end before")?;
    assert_eq!(last.exit_code, 3);
    let three = |status: &PodStatus| only(status).filter(|container| container.restart_count >= 3).cloned();
    fixture.wait("p", "three restarts", three).await?;
    fixture.wait_for_event("p", "BackOff").await?;
    // No more than the last attempt and the one before it are kept.
    let kept = fixture.runtime.list().await?.len();
    ensure!(kept <= 3, "{kept} attempts are kept");
    Ok(())
}

async fn a_container_that_succeeds_is_not_restarted_on_failure(fixture: &mut Fixture) -> Result<()> {
    let once = "if [ -e /v/done ]; then exit 0; fi; touch /v/done; exit 1";
    let mut pod = with_spec(script("p", once), "restartPolicy", json!("OnFailure"));
    pod["spec"]["volumes"] = json!([{"name": "v", "emptyDir": {}}]);
    fixture.run(with(pod, "volumeMounts", json!([{"name": "v", "mountPath": "/v"}]))).await?;
    let status = fixture.wait_for_phase("p", "Succeeded").await?;
    assert_eq!(only(&status).context("a container")?.restart_count, 1);
    Ok(())
}

async fn a_command_that_is_not_there_is_a_failed_start(fixture: &mut Fixture) -> Result<()> {
    let pod = with(script("p", ""), "command", json!(["/no/such/command"]));
    fixture.run(with_spec(pod, "restartPolicy", json!("Never"))).await?;
    let status = fixture.wait_for_phase("p", "Failed").await?;
    let ended = only(&status).and_then(|container| container.state.as_ref()?.terminated.clone()).context("an end")?;
    assert_eq!((ended.exit_code, ended.reason.as_deref()), (128, Some("StartError")));
    ensure!(ended.message.as_ref().is_some_and(|message| message.contains("/no/such/command")), "{ended:?}");
    Ok(())
}

async fn a_container_beyond_its_memory_is_killed(fixture: &mut Fixture) -> Result<()> {
    let eat = "exec dd if=/dev/zero of=/tmp/fill bs=1M count=200";
    let pod = with(script("p", eat), "resources", json!({"limits": {"memory": "32Mi"}}));
    fixture.run(with_spec(pod, "restartPolicy", json!("Never"))).await?;
    let ended = |status: &PodStatus| only(status)?.state.as_ref()?.terminated.clone();
    let ended = fixture.wait("p", "its end", ended).await?;
    let (_, log) = fixture.log("p", "").await?;
    assert_eq!(ended.reason.as_deref(), Some("OOMKilled"), "{ended:?} {log}");
    Ok(())
}

async fn the_back_off_outlives_the_agent(fixture: &mut Fixture) -> Result<()> {
    fixture.run(script("p", "exit 1")).await?;
    // From the third restart on each wait is longer than the first one by far.
    let later = |status: &PodStatus| only(status).filter(|container| container.restart_count >= 3).cloned();
    let before = fixture.wait("p", "three restarts", later).await?;
    fixture.end_agent().await?;
    fixture.start_agent().await?;
    let more = |status: &PodStatus| {
        let container = only(status)?;
        let last = container.last_state.as_ref()?.terminated.clone()?;
        (container.restart_count > before.restart_count).then_some((container.clone(), last))
    };
    let (container, last) = fixture.wait("p", "another restart", more).await?;
    let started = container.state.as_ref().and_then(|state| {
        let ended = state.terminated.as_ref().and_then(|ended| ended.started_at.clone());
        ended.or_else(|| state.running.as_ref()?.started_at.clone())
    });
    let (started, ended) = (started.context("a start")?, last.finished_at.context("an end")?);
    // Statuses have whole seconds; the wait was 1.6 s.
    ensure!(started.0.duration_since(ended.0).as_secs() >= 1, "{ended:?} {started:?}");
    Ok(())
}
