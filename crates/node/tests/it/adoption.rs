//! Containers go on while the server is gone, and belong to the next one.

use anyhow::{Context, Result, ensure};
use client::kinds::core::v1::PodStatus;
use serde_json::json;

use crate::fixture::{Fixture, SERVE, only, script, wait_until, with, with_spec};
use crate::tests;

tests![
    a_restarted_server_adopts_the_same_process,
    an_exit_while_nobody_served_is_told_by_the_next_server,
    readiness_survives_a_restart,
    a_pod_deleted_while_no_agent_ran_ends,
    a_pod_that_is_ending_goes_on_ending,
];

/// Pid, start time and restart count of a pod's container.
async fn identity(fixture: &Fixture, name: &str) -> Result<(container::Identity, i32)> {
    let pod = fixture.pod(name).await?.context("the pod")?;
    let process = fixture.process(pod.metadata.uid.as_deref().context("a uid")?).await?;
    let status = pod.status.context("a status")?;
    Ok((process, only(&status).context("a container")?.restart_count))
}

async fn a_restarted_server_adopts_the_same_process(fixture: &mut Fixture) -> Result<()> {
    fixture.run(script("p", SERVE)).await?;
    let before_status = fixture.wait_until_ready("p").await?;
    let before = identity(fixture, "p").await?;
    fixture.restart().await?;
    // Something that the new agent has to do shows that it has taken over.
    fixture.run(with_spec(script("q", "true"), "restartPolicy", json!("Never"))).await?;
    fixture.wait_for_phase("q", "Succeeded").await?;
    assert_eq!(identity(fixture, "p").await?, before);
    assert_eq!(fixture.wait_until_ready("p").await?, before_status);
    fixture.delete("p").await?;
    fixture.wait_until_gone("p").await
}

async fn an_exit_while_nobody_served_is_told_by_the_next_server(fixture: &mut Fixture) -> Result<()> {
    let script_text = "echo ready; while [ ! -e /tmp/go ]; do sleep 0.02; done; exit 5";
    fixture.run(with_spec(script("p", script_text), "restartPolicy", json!("Never"))).await?;
    fixture.wait_until_ready("p").await?;
    let (process, _) = identity(fixture, "p").await?;
    fixture.end_agent().await?;
    std::fs::write(format!("/proc/{}/root/tmp/go", process.pid), "")?;
    wait_until("the end of the process", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.pid)).unwrap_or_default();
        (stat.is_empty() || stat.contains(") Z ")).then_some(())
    })
    .await?;
    fixture.start_agent().await?;
    let status = fixture.wait_for_phase("p", "Failed").await?;
    let ended = only(&status).and_then(|container| container.state.as_ref()?.terminated.clone()).context("an end")?;
    assert_eq!(ended.exit_code, 5);
    Ok(())
}

async fn readiness_survives_a_restart(fixture: &mut Fixture) -> Result<()> {
    let serve = "python3 -m http.server 8080 --bind 127.0.0.1";
    let probe = json!({"httpGet": {"port": 8080}, "periodSeconds": 1});
    fixture.run(with(script("p", serve), "readinessProbe", probe)).await?;
    fixture.wait_until_ready("p").await?;
    let version = |pod: client::kinds::core::v1::Pod| pod.metadata.resource_version;
    let before = fixture.pod("p").await?.and_then(version);
    fixture.end_agent().await?;
    fixture.start_agent().await?;
    fixture.run(with_spec(script("q", "sleep 2"), "restartPolicy", json!("Never"))).await?;
    fixture.wait_for_phase("q", "Succeeded").await?;
    assert_eq!(fixture.pod("p").await?.and_then(version), before, "it was taken out of rotation");
    Ok(())
}

async fn a_pod_deleted_while_no_agent_ran_ends(fixture: &mut Fixture) -> Result<()> {
    fixture.run(script("p", SERVE)).await?;
    fixture.wait_until_ready("p").await?;
    fixture.end_agent().await?;
    fixture.delete("p").await?;
    let pod = fixture.pod("p").await?.context("the node has not confirmed")?;
    ensure!(pod.metadata.deletion_timestamp.is_some());
    fixture.start_agent().await?;
    fixture.wait_until_gone("p").await
}

async fn a_pod_that_is_ending_goes_on_ending(fixture: &mut Fixture) -> Result<()> {
    let deaf = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
    fixture.run(with_spec(script("p", deaf), "terminationGracePeriodSeconds", json!(3))).await?;
    fixture.wait_for_log("p", "ready").await?;
    fixture.delete("p").await?;
    fixture.wait_for_event("p", "Killing").await?;
    let running = |status: &PodStatus| only(status)?.state.as_ref()?.running.clone();
    fixture.wait("p", "that it still runs", running).await?;
    fixture.end_agent().await?;
    fixture.start_agent().await?;
    fixture.wait_until_gone("p").await
}
