//! What the node does not do, it says.

use anyhow::{Context, Result, ensure};
use client::kinds::core::v1::PodStatus;
use serde_json::json;

use crate::fixture::{Fixture, SERVE, only, script, with, with_spec};
use crate::tests;

tests![
    an_image_that_is_not_there_is_named,
    a_field_that_cannot_be_honoured_fails_the_pod,
    a_container_that_would_run_as_root_against_its_word_is_refused,
    an_image_that_changes_takes_effect,
];

async fn an_image_that_is_not_there_is_named(fixture: &mut Fixture) -> Result<()> {
    fixture.run(with(script("p", ""), "image", json!("example.com/app:1"))).await?;
    let container = fixture.wait_for_reason("p", "ErrImagePull").await?;
    let message = container.state.and_then(|state| state.waiting?.message).context("a message")?;
    ensure!(message.contains("example.com/app:1") && message.contains("cannot be pulled yet"), "{message}");
    let status = fixture.wait_for_phase("p", "Pending").await?;
    ensure!(only(&status).is_some_and(|container| container.container_id.is_none()));
    fixture.wait_for_reason("p", "ImagePullBackOff").await?;
    fixture.run(with(with(script("q", ""), "image", json!("a")), "imagePullPolicy", json!("Never"))).await?;
    fixture.wait_for_reason("q", "ErrImageNeverPull").await?;
    fixture.delete("p").await?;
    fixture.wait_until_gone("p").await
}

async fn a_field_that_cannot_be_honoured_fails_the_pod(fixture: &mut Fixture) -> Result<()> {
    let volume = json!([{"name": "v", "hostPath": {"path": "/etc"}}]);
    let exec = json!({"exec": {"command": ["true"]}});
    for (name, pod, field) in [
        ("network", with_spec(script("network", "true"), "hostNetwork", json!(true)), "spec.hostNetwork"),
        ("path", with_spec(script("path", "true"), "volumes", volume), "spec.volumes[v].hostPath"),
        (
            "privileged",
            with(script("privileged", "true"), "securityContext", json!({"privileged": true})),
            "spec.containers[0].securityContext.privileged",
        ),
        ("exec", with(script("exec", "true"), "livenessProbe", exec), "spec.containers[0].livenessProbe.exec"),
    ] {
        fixture.run(pod).await?;
        let status = fixture.wait_for_phase(name, "Failed").await?;
        assert_eq!(status.reason.as_deref(), Some("NodeAdmissionRejected"));
        ensure!(status.message.as_ref().is_some_and(|message| message.contains(field)), "{:?}", status.message);
        fixture.wait_for_event(name, "NodeAdmissionRejected").await?;
        fixture.delete(name).await?;
        fixture.wait_until_gone(name).await?;
    }
    Ok(())
}

async fn a_container_that_would_run_as_root_against_its_word_is_refused(fixture: &mut Fixture) -> Result<()> {
    fixture.run(with(script("p", "true"), "securityContext", json!({"runAsNonRoot": true}))).await?;
    fixture.wait_for_reason("p", "CreateContainerConfigError").await?;
    let user = json!({"runAsNonRoot": true, "runAsUser": 1000, "runAsGroup": 1000});
    let pod = with(script("q", "id -u; id -g"), "securityContext", user);
    fixture.run(with_spec(pod, "restartPolicy", json!("Never"))).await?;
    fixture.wait_for_phase("q", "Succeeded").await?;
    assert_eq!(fixture.log("q", "").await?.1, "1000\n1000\n");
    let gone = |status: &PodStatus| (status.phase.as_deref() == Some("Pending")).then_some(());
    fixture.wait("p", "that it still waits", gone).await
}

async fn an_image_that_changes_takes_effect(fixture: &mut Fixture) -> Result<()> {
    fixture.run(script("p", SERVE)).await?;
    fixture.wait_until_ready("p").await?;
    let image = |image: &str| json!({"spec": {"containers": [{"name": "c", "image": image}]}});
    fixture.patch_by_name("p", image("other")).await?;
    fixture.wait_for_reason("p", "ErrImagePull").await?;
    fixture.patch_by_name("p", image("host")).await?;
    fixture.wait_until_ready("p").await?;
    Ok(())
}
