//! Probes: readiness gates traffic, liveness restarts, startup holds both back.

use anyhow::{Context, Result, ensure};
use client::kinds::core::v1::PodStatus;
use serde_json::json;

use crate::fixture::{Fixture, condition, only, script, with};
use crate::tests;

tests![
    a_pod_is_ready_while_its_probe_says_so,
    a_container_that_fails_its_liveness_is_restarted,
    a_container_that_never_starts_is_restarted,
    a_tcp_probe_finds_a_listener,
    a_probe_of_an_unknown_port_never_succeeds,
];

/// Serves the directory /tmp/www; what is there can be changed from outside.
const SERVE: &str = "mkdir -p /tmp/www; cd /tmp/www; echo ready; exec python3 -m http.server 8080 --bind 127.0.0.1";

async fn a_pod_is_ready_while_its_probe_says_so(fixture: &mut Fixture) -> Result<()> {
    let probe = json!({"httpGet": {"path": "/healthy", "port": "web"}, "periodSeconds": 1, "failureThreshold": 1});
    let pod = with(script("p", SERVE), "ports", json!([{"name": "web", "containerPort": 8080}]));
    let pod = fixture.run(with(pod, "readinessProbe", probe)).await?;
    let message = fixture.wait_for_event("p", "Unhealthy").await?;
    ensure!(message.starts_with("Readiness probe failed: "), "{message}");
    let status = fixture.wait_for_phase("p", "Running").await?;
    assert_eq!(condition(&status, "Ready"), "False");
    let process = fixture.process(pod.metadata.uid.as_deref().context("a uid")?).await?;
    let file = format!("/proc/{}/root/tmp/www/healthy", process.pid);
    fixture.wait_for_log("p", "ready").await?;
    std::fs::write(&file, "")?;
    fixture.wait_until_ready("p").await?;
    std::fs::remove_file(&file)?;
    let not_ready = |status: &PodStatus| (condition(status, "Ready") == "False").then_some(());
    fixture.wait("p", "the loss of readiness", not_ready).await?;
    let status = fixture.wait_for_phase("p", "Running").await?;
    assert_eq!(only(&status).context("a container")?.restart_count, 0);
    Ok(())
}

async fn a_container_that_fails_its_liveness_is_restarted(fixture: &mut Fixture) -> Result<()> {
    let probe = json!({"httpGet": {"path": "/gone", "port": 8080}, "periodSeconds": 1, "failureThreshold": 2,
                       "terminationGracePeriodSeconds": 1});
    fixture.run(with(script("p", SERVE), "livenessProbe", probe)).await?;
    let restarted = |status: &PodStatus| only(status).filter(|container| container.restart_count >= 1).cloned();
    let container = fixture.wait("p", "a restart", restarted).await?;
    let last = container.last_state.and_then(|state| state.terminated).context("the end before")?;
    ensure!([137, 143].contains(&last.exit_code), "{last:?}");
    let message = fixture.wait_for_event("p", "Killing").await?;
    assert_eq!(message, "Container c failed liveness probe, will be restarted");
    Ok(())
}

async fn a_container_that_never_starts_is_restarted(fixture: &mut Fixture) -> Result<()> {
    let startup = json!({"tcpSocket": {"port": 9}, "periodSeconds": 1, "failureThreshold": 1,
                         "terminationGracePeriodSeconds": 1});
    fixture.run(with(script("p", SERVE), "startupProbe", startup)).await?;
    let restarted = |status: &PodStatus| only(status).filter(|container| container.restart_count >= 1).cloned();
    fixture.wait("p", "a restart", restarted).await?;
    assert_eq!(fixture.wait_for_event("p", "Killing").await?, "Container c failed startup probe, will be restarted");
    Ok(())
}

async fn a_tcp_probe_finds_a_listener(fixture: &mut Fixture) -> Result<()> {
    let probe = json!({"tcpSocket": {"port": 8080}, "periodSeconds": 1});
    let pod = with(script("p", SERVE), "readinessProbe", probe.clone());
    fixture.run(with(pod, "startupProbe", probe)).await?;
    let status = fixture.wait_until_ready("p").await?;
    assert_eq!(only(&status).context("a container")?.started, Some(true));
    Ok(())
}

async fn a_probe_of_an_unknown_port_never_succeeds(fixture: &mut Fixture) -> Result<()> {
    let probe = json!({"tcpSocket": {"port": "absent"}, "periodSeconds": 1});
    fixture.run(with(script("p", SERVE), "readinessProbe", probe)).await?;
    let message = fixture.wait_for_event("p", "Unhealthy").await?;
    ensure!(message.contains("absent"), "{message}");
    assert_eq!(condition(&fixture.wait_for_phase("p", "Running").await?, "Ready"), "False");
    Ok(())
}
