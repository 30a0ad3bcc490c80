//! Pods that are deleted, or vanish.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::fixture::{DEADLINE, Fixture, SERVE, only, script, wait_until, with_spec};
use crate::tests;

tests![
    a_deleted_pod_gets_its_grace,
    a_container_that_does_not_listen_is_killed_after_its_grace,
    a_shorter_grace_takes_the_place_of_a_longer_one,
    a_pod_that_vanished_is_stopped,
    a_pod_that_vanished_while_no_agent_ran_is_removed,
    a_pod_of_the_same_name_is_another_one,
    a_pod_with_a_finalizer_stays_as_it_ended,
    all_containers_can_be_ended_and_run_again,
];

async fn a_deleted_pod_gets_its_grace(fixture: &mut Fixture) -> Result<()> {
    let script_text = "trap 'sleep 0.5; echo tidied; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
    let pod = fixture.run(script("p", script_text)).await?;
    fixture.wait_for_log("p", "ready").await?;
    let mut log = fixture.log_stream("p", "follow=true").await?;
    fixture.delete("p").await?;
    let mut text = String::new();
    while let Some(frame) = http_body_util::BodyExt::frame(log.body_mut()).await {
        let frame = frame.map_err(|error| anyhow::anyhow!("{error}"))?;
        text.push_str(&String::from_utf8_lossy(frame.data_ref().context("data")?));
    }
    assert_eq!(text, "ready\ntidied\n");
    fixture.wait_until_gone("p").await?;
    let uid = pod.metadata.uid.context("a uid")?;
    ensure!(!fixture.pod_directory(&uid).exists(), "its directory is left");
    ensure!(fixture.runtime.list().await?.is_empty(), "a container is left");
    ensure!(fixture.runtime.sandboxes().await?.is_empty(), "its sandbox is left");
    fixture.wait_for_event("p", "Killing").await?;
    Ok(())
}

async fn a_container_that_does_not_listen_is_killed_after_its_grace(fixture: &mut Fixture) -> Result<()> {
    let deaf = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
    fixture.run(with_spec(script("p", deaf), "terminationGracePeriodSeconds", 1.into())).await?;
    fixture.wait_for_log("p", "ready").await?;
    let began = Instant::now();
    fixture.delete("p").await?;
    fixture.wait_until_gone("p").await?;
    let took = began.elapsed();
    // The deletion's time has whole seconds.
    ensure!((Duration::from_millis(10)..Duration::from_secs(8)).contains(&took), "{took:?}");
    Ok(())
}

async fn a_shorter_grace_takes_the_place_of_a_longer_one(fixture: &mut Fixture) -> Result<()> {
    let deaf = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
    fixture.run(with_spec(script("p", deaf), "terminationGracePeriodSeconds", 300.into())).await?;
    fixture.wait_for_log("p", "ready").await?;
    fixture.delete("p").await?;
    fixture.wait_for_event("p", "Killing").await?;
    let params = client::DeleteParams { grace_period_seconds: Some(1), ..client::DeleteParams::default() };
    fixture.client.namespaced::<client::kinds::core::v1::Pod>("default").delete("p", &params).await?;
    fixture.wait_until_gone("p").await
}

async fn a_pod_that_vanished_is_stopped(fixture: &mut Fixture) -> Result<()> {
    let pod = fixture.run(script("p", SERVE)).await?;
    fixture.wait_until_ready("p").await?;
    let uid = pod.metadata.uid.context("a uid")?;
    let process = fixture.process(&uid).await?;
    fixture.delete_by_force("p").await?;
    wait_until("the end of the process", || {
        (!std::path::Path::new(&format!("/proc/{}", process.pid)).exists()).then_some(())
    })
    .await?;
    wait_until("the end of its directory", || (!fixture.pod_directory(&uid).exists()).then_some(())).await
}

async fn a_pod_that_vanished_while_no_agent_ran_is_removed(fixture: &mut Fixture) -> Result<()> {
    let pod = fixture.run(script("p", SERVE)).await?;
    fixture.wait_until_ready("p").await?;
    let uid = pod.metadata.uid.context("a uid")?;
    fixture.end_agent().await?;
    fixture.delete_by_force("p").await?;
    fixture.start_agent().await?;
    wait_until("the end of its directory", || (!fixture.pod_directory(&uid).exists()).then_some(())).await?;
    ensure!(fixture.runtime.list().await?.is_empty(), "a container is left");
    Ok(())
}

async fn a_pod_of_the_same_name_is_another_one(fixture: &mut Fixture) -> Result<()> {
    let slow = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
    let first = fixture.run(script("p", slow)).await?;
    fixture.wait_for_log("p", "ready").await?;
    fixture.delete_by_force("p").await?;
    let second = fixture.run(script("p", SERVE)).await?;
    let status = fixture.wait_until_ready("p").await?;
    ensure!(first.metadata.uid != second.metadata.uid);
    let uid = second.metadata.uid.context("a uid")?;
    let container = only(&status).context("a container")?;
    ensure!(container.container_id.as_ref().is_some_and(|id| id.contains(&uid)), "{container:?}");
    let old = first.metadata.uid.context("a uid")?;
    wait_until("the end of the first one", || (!fixture.pod_directory(&old).exists()).then_some(())).await?;
    fixture.process(&uid).await?;
    Ok(())
}

async fn a_pod_with_a_finalizer_stays_as_it_ended(fixture: &mut Fixture) -> Result<()> {
    let mut pod = script("p", SERVE);
    pod["metadata"]["finalizers"] = serde_json::json!(["example.com/hold"]);
    let pod = fixture.run(pod).await?;
    // Ready to be asked to end: the shell has set its trap.
    fixture.wait_for_log("p", "ready").await?;
    fixture.delete("p").await?;
    let uid = pod.metadata.uid.context("a uid")?;
    wait_until("the end of its directory", || (!fixture.pod_directory(&uid).exists()).then_some(())).await?;
    let status = fixture.wait_for_phase("p", "Succeeded").await?;
    let container = only(&status).context("a container")?;
    ensure!(container.state.as_ref().is_some_and(|state| state.terminated.is_some()), "{container:?}");
    fixture.patch("p", serde_json::json!({"metadata": {"finalizers": null}})).await?;
    fixture.wait_until_gone("p").await
}

async fn all_containers_can_be_ended_and_run_again(fixture: &mut Fixture) -> Result<()> {
    fixture.run(script("p", SERVE)).await?;
    fixture.wait_until_ready("p").await?;
    fixture.end_agent().await?;
    fixture.agent.stop_containers(DEADLINE).await;
    let listed = fixture.runtime.list().await?;
    ensure!(listed.iter().all(|listed| matches!(listed.status, container::Status::Exited { .. })), "{listed:?}");
    fixture.start_agent().await?;
    let again = |status: &client::kinds::core::v1::PodStatus| {
        let container = only(status)?;
        (container.restart_count == 1 && container.ready).then_some(())
    };
    fixture.wait("p", "that it runs again", again).await
}
