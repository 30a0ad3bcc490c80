//! Pods that run to their end.

use anyhow::{Context, Result, ensure};
use client::kinds::core::v1::PodStatus;
use serde_json::json;

use crate::fixture::{Fixture, SERVE, condition, only, script, with_spec};
use crate::tests;

tests![
    a_pod_runs_to_completion,
    a_failed_pod_says_its_exit_code,
    init_containers_run_one_after_another_before_the_others,
    a_failed_init_container_fails_a_pod_that_never_restarts,
    a_running_pod_tells_everything_about_itself,
    last_words_are_told,
    a_deadline_ends_a_pod,
    twenty_pods_run_at_the_same_time,
    nothing_is_written_while_nothing_changes,
];

async fn a_pod_runs_to_completion(fixture: &mut Fixture) -> Result<()> {
    fixture.run(with_spec(script("p", "echo hello"), "restartPolicy", json!("Never"))).await?;
    let status = fixture.wait_for_phase("p", "Succeeded").await?;
    let container = only(&status).context("a container")?;
    let ended = container.state.as_ref().and_then(|state| state.terminated.as_ref()).context("an end")?;
    assert_eq!((ended.exit_code, ended.reason.as_deref()), (0, Some("Completed")));
    assert_eq!(container.restart_count, 0);
    assert_eq!(condition(&status, "Ready"), "False");
    assert_eq!(condition(&status, "Initialized"), "True");
    assert_eq!(fixture.log("p", "").await?, (200, "hello\n".to_owned()));
    Ok(())
}

async fn a_failed_pod_says_its_exit_code(fixture: &mut Fixture) -> Result<()> {
    fixture.run(with_spec(script("p", "exit 7"), "restartPolicy", json!("Never"))).await?;
    let status = fixture.wait_for_phase("p", "Failed").await?;
    let ended = only(&status).and_then(|container| container.state.as_ref()?.terminated.clone()).context("an end")?;
    assert_eq!((ended.exit_code, ended.reason.as_deref()), (7, Some("Error")));
    Ok(())
}

async fn init_containers_run_one_after_another_before_the_others(fixture: &mut Fixture) -> Result<()> {
    let mount = json!([{"name": "v", "mountPath": "/v"}]);
    let init = |name: &str, script: &str| json!({"name": name, "image": "host", "command": ["/bin/sh", "-c", script], "volumeMounts": mount});
    let mut pod = script("p", "cat /v/log; echo main");
    pod["spec"]["restartPolicy"] = json!("Never");
    pod["spec"]["volumes"] = json!([{"name": "v", "emptyDir": {}}]);
    pod["spec"]["containers"][0]["volumeMounts"] = mount.clone();
    pod["spec"]["initContainers"] =
        json!([init("a", "sleep 0.3; echo first >> /v/log"), init("b", "echo second >> /v/log")]);
    fixture.run(pod).await?;
    let status = fixture.wait_for_phase("p", "Succeeded").await?;
    assert_eq!(fixture.log("p", "container=c").await?, (200, "first\nsecond\nmain\n".to_owned()));
    let init = status.init_container_statuses.context("statuses of init containers")?;
    ensure!(init.iter().all(|status| status.ready), "{init:?}");
    Ok(())
}

async fn a_failed_init_container_fails_a_pod_that_never_restarts(fixture: &mut Fixture) -> Result<()> {
    let mut pod = script("p", "echo never");
    pod["spec"]["restartPolicy"] = json!("Never");
    pod["spec"]["initContainers"] = json!([{"name": "i", "image": "host", "command": ["/bin/false"]}]);
    fixture.run(pod).await?;
    let status = fixture.wait_for_phase("p", "Failed").await?;
    assert_eq!(condition(&status, "Initialized"), "False");
    let container = only(&status).context("a container")?;
    ensure!(container.container_id.is_none(), "{container:?}");
    Ok(())
}

async fn a_running_pod_tells_everything_about_itself(fixture: &mut Fixture) -> Result<()> {
    let pod = fixture.run(script("p", SERVE)).await?;
    let status = fixture.wait_until_ready("p").await?;
    assert_eq!(status.phase.as_deref(), Some("Running"));
    assert_eq!(status.host_ip.as_deref(), Some("127.0.0.1"));
    assert_eq!(status.pod_ip, None);
    assert_eq!(status.qos_class.as_deref(), Some("BestEffort"));
    ensure!(status.start_time.is_some());
    for kind in ["PodScheduled", "PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready"] {
        assert_eq!(condition(&status, kind), "True", "{kind}");
    }
    let container = only(&status).context("a container")?;
    let uid = pod.metadata.uid.context("a uid")?;
    assert_eq!(container.container_id.as_deref(), Some(&*format!("trireme://{uid}.c0.0")));
    assert_eq!((container.image.as_str(), container.image_id.as_str()), ("host", "host"));
    assert_eq!(container.started, Some(true));
    for reason in ["Pulled", "Created", "Started"] {
        fixture.wait_for_event("p", reason).await?;
    }
    Ok(())
}

async fn last_words_are_told(fixture: &mut Fixture) -> Result<()> {
    let message = |status: &PodStatus| {
        only(status).and_then(|container| container.state.as_ref()?.terminated.as_ref()?.message.clone())
    };
    let words = "echo -n farewell > /dev/termination-log";
    fixture.run(with_spec(script("words", words), "restartPolicy", json!("Never"))).await?;
    assert_eq!(message(&fixture.wait_for_phase("words", "Succeeded").await?).as_deref(), Some("farewell"));
    let mut pod = with_spec(script("log", "echo a; echo b; exit 1"), "restartPolicy", json!("Never"));
    pod["spec"]["containers"][0]["terminationMessagePolicy"] = json!("FallbackToLogsOnError");
    fixture.run(pod).await?;
    assert_eq!(message(&fixture.wait_for_phase("log", "Failed").await?).as_deref(), Some("a\nb\n"));
    Ok(())
}

async fn a_deadline_ends_a_pod(fixture: &mut Fixture) -> Result<()> {
    fixture.run(with_spec(script("p", SERVE), "activeDeadlineSeconds", json!(1))).await?;
    let status = fixture.wait_for_phase("p", "Failed").await?;
    assert_eq!(status.reason.as_deref(), Some("DeadlineExceeded"));
    let ended = |status: &PodStatus| only(status)?.state.as_ref()?.terminated.clone();
    fixture.wait("p", "the end of its container", ended).await?;
    Ok(())
}

async fn twenty_pods_run_at_the_same_time(fixture: &mut Fixture) -> Result<()> {
    for number in 0..20 {
        fixture.run(script(&format!("p{number}"), SERVE)).await?;
    }
    for number in 0..20 {
        fixture.wait_until_ready(&format!("p{number}")).await?;
    }
    Ok(())
}

async fn nothing_is_written_while_nothing_changes(fixture: &mut Fixture) -> Result<()> {
    fixture.run(script("p", SERVE)).await?;
    fixture.run(with_spec(script("q", "true"), "restartPolicy", json!("Never"))).await?;
    fixture.wait_until_ready("p").await?;
    fixture.wait_for_phase("q", "Succeeded").await?;
    let version = |pod: client::kinds::core::v1::Pod| pod.metadata.resource_version;
    let before = (fixture.pod("p").await?.and_then(version), fixture.pod("q").await?.and_then(version));
    // An agent that starts anew reconciles every pod; a third pod that has run through shows that it has come that far.
    fixture.end_agent().await?;
    fixture.start_agent().await?;
    fixture.run(with_spec(script("r", "true"), "restartPolicy", json!("Never"))).await?;
    fixture.wait_for_phase("r", "Succeeded").await?;
    let after = (fixture.pod("p").await?.and_then(version), fixture.pod("q").await?.and_then(version));
    assert_eq!(before, after);
    Ok(())
}
