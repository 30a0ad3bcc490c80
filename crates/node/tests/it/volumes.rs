//! Volumes and what is in them.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::fixture::{Fixture, SERVE, script, wait_until, with, with_spec};
use crate::tests;

tests![
    a_change_of_a_config_map_reaches_its_file,
    a_secret_is_in_memory_only,
    volumes_show_what_their_sources_say,
    containers_share_an_empty_directory,
    memory_has_its_limit,
    a_disk_beyond_its_limit_evicts,
    a_sub_path_shows_a_part_of_a_volume,
    a_link_in_a_volume_leads_nowhere_outside,
    a_volume_whose_source_is_missing_is_waited_for,
];

/// A pod that mounts one volume at /v, and runs until it is asked to end.
fn mounted(name: &str, command: &str, volume: Value) -> Value {
    let mut volume = volume;
    volume["name"] = json!("v");
    let pod = with_spec(script(name, command), "volumes", json!([volume]));
    with(pod, "volumeMounts", json!([{"name": "v", "mountPath": "/v"}]))
}

fn once(pod: Value) -> Value {
    with_spec(pod, "restartPolicy", json!("Never"))
}

async fn a_change_of_a_config_map_reaches_its_file(fixture: &mut Fixture) -> Result<()> {
    fixture.config_map("settings", json!({"color": "red", "gone": "soon"})).await?;
    let pod = fixture.run(mounted("p", SERVE, json!({"configMap": {"name": "settings"}}))).await?;
    fixture.wait_until_ready("p").await?;
    let process = fixture.process(pod.metadata.uid.as_deref().context("a uid")?).await?;
    let inside = format!("/proc/{}/root/v", process.pid);
    assert_eq!(std::fs::read_to_string(format!("{inside}/color"))?, "red");
    fixture.change_config_map("settings", json!({"color": "blue", "gone": null})).await?;
    wait_until("the change in the file", || {
        std::fs::read_to_string(format!("{inside}/color")).ok().filter(|color| color == "blue")
    })
    .await?;
    wait_until("the end of the other file", || {
        (!std::path::Path::new(&format!("{inside}/gone")).exists()).then_some(())
    })
    .await
}

async fn a_secret_is_in_memory_only(fixture: &mut Fixture) -> Result<()> {
    fixture.secret("keys", json!({"password": "hunter2"})).await?;
    let look =
        "stat -f -c %T /v/; cat /v/password; stat -L -c ' %a %u' /v/password; touch /v/x 2>/dev/null || echo refused";
    let volume = json!({"secret": {"secretName": "keys", "defaultMode": 256}});
    let pod = fixture.run(once(mounted("p", look, volume))).await?;
    fixture.wait_for_phase("p", "Succeeded").await?;
    assert_eq!(fixture.log("p", "").await?.1, "tmpfs\nhunter2 400 0\nrefused\n");
    let volumes = fixture.pod_directory(pod.metadata.uid.as_deref().context("a uid")?).join("volumes");
    wait_until("the end of the secret on this machine", || (!volumes.exists()).then_some(())).await
}

async fn volumes_show_what_their_sources_say(fixture: &mut Fixture) -> Result<()> {
    fixture.config_map("settings", json!({"a": "1", "b": "2"})).await?;
    fixture.secret("keys", json!({"k": "3"})).await?;
    let items = json!([{"key": "a", "path": "deep/down/a", "mode": 384}]);
    let fields = json!([{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
                        {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]);
    let volume = json!({"projected": {"sources": [
        {"configMap": {"name": "settings", "items": items}},
        {"secret": {"name": "keys"}},
        {"secret": {"name": "absent", "optional": true}},
        {"downwardAPI": {"items": fields}},
    ]}});
    let look = "cd /v; ls; cat deep/down/a k labels name; stat -L -c ' %a' deep/down/a";
    let mut pod = once(mounted("p", look, volume));
    pod["metadata"]["labels"] = json!({"app": "web"});
    fixture.run(pod).await?;
    fixture.wait_for_phase("p", "Succeeded").await?;
    assert_eq!(fixture.log("p", "").await?.1, "deep\nk\nlabels\nname\n13app=\"web\"p 600\n");
    Ok(())
}

async fn containers_share_an_empty_directory(fixture: &mut Fixture) -> Result<()> {
    let mount = json!([{"name": "v", "mountPath": "/v"}]);
    let container = |name: &str, user: u32, script: &str| {
        json!({"name": name, "image": "host", "command": ["/bin/sh", "-c", script], "volumeMounts": mount,
               "securityContext": {"runAsUser": user}})
    };
    let mut pod = once(script("p", ""));
    pod["spec"]["volumes"] = json!([{"name": "v", "emptyDir": {}}]);
    pod["spec"]["securityContext"] = json!({"fsGroup": 4000});
    pod["spec"]["containers"] = json!([
        container("writer", 1000, "echo $(id -G) > /v/next; mv /v/next /v/file"),
        container("reader", 2000, "while [ ! -e /v/file ]; do sleep 0.02; done; cat /v/file; stat -c %g /v/file"),
    ]);
    fixture.run(pod).await?;
    fixture.wait_for_phase("p", "Succeeded").await?;
    assert_eq!(fixture.log("p", "container=reader").await?.1, "0 4000\n4000\n");
    Ok(())
}

async fn memory_has_its_limit(fixture: &mut Fixture) -> Result<()> {
    let look = "stat -f -c %T /v; dd if=/dev/zero of=/v/fill bs=1M count=8 2>/dev/null || echo full";
    let volume = json!({"emptyDir": {"medium": "Memory", "sizeLimit": "2Mi"}});
    fixture.run(once(mounted("p", look, volume))).await?;
    fixture.wait_for_phase("p", "Succeeded").await?;
    assert_eq!(fixture.log("p", "").await?.1, "tmpfs\nfull\n");
    Ok(())
}

async fn a_disk_beyond_its_limit_evicts(fixture: &mut Fixture) -> Result<()> {
    let fill = "dd if=/dev/zero of=/v/fill bs=1M count=3; trap 'exit 0' TERM; while :; do sleep 0.05; done";
    fixture.run(mounted("p", fill, json!({"emptyDir": {"sizeLimit": "1Mi"}}))).await?;
    let status = fixture.wait_for_phase("p", "Failed").await?;
    assert_eq!(status.reason.as_deref(), Some("Evicted"));
    assert_eq!(status.message.as_deref(), Some("Usage of EmptyDir volume \"v\" exceeds the limit \"1Mi\"."));
    Ok(())
}

async fn a_sub_path_shows_a_part_of_a_volume(fixture: &mut Fixture) -> Result<()> {
    fixture.config_map("settings", json!({"a": "1", "b": "2"})).await?;
    let mut pod = once(mounted("p", "cat /etc/app.conf; echo x > /data/file; ls /v/sub", json!({"emptyDir": {}})));
    pod["spec"]["volumes"] = json!([{"name": "v", "emptyDir": {}}, {"name": "c", "configMap": {"name": "settings"}}]);
    pod["spec"]["containers"][0]["env"] = json!([{"name": "PART", "value": "sub"}]);
    pod["spec"]["containers"][0]["volumeMounts"] = json!([
        {"name": "v", "mountPath": "/v"},
        {"name": "v", "mountPath": "/data", "subPathExpr": "$(PART)/./"},
        {"name": "c", "mountPath": "/etc/app.conf", "subPath": "b"},
    ]);
    fixture.run(pod).await?;
    fixture.wait_for_phase("p", "Succeeded").await?;
    assert_eq!(fixture.log("p", "").await?.1, "2file\n");
    Ok(())
}

async fn a_link_in_a_volume_leads_nowhere_outside(fixture: &mut Fixture) -> Result<()> {
    // The init container plants links to the machine's root; what the other one gets is inside the volume.
    let plant = "mkdir /v/root; echo mine > /v/root/file; ln -s /root /v/absolute; ln -s ../../../../root /v/relative";
    let mut pod = once(mounted("p", "cat /got/file /too/file", json!({"emptyDir": {}})));
    pod["spec"]["initContainers"] = json!([{"name": "i", "image": "host", "command": ["/bin/sh", "-c", plant],
                                            "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]);
    pod["spec"]["containers"][0]["volumeMounts"] = json!([
        {"name": "v", "mountPath": "/got", "subPath": "absolute"},
        {"name": "v", "mountPath": "/too", "subPath": "relative"},
    ]);
    fixture.run(pod).await?;
    fixture.wait_for_phase("p", "Succeeded").await?;
    assert_eq!(fixture.log("p", "container=c").await?.1, "mine\nmine\n");
    Ok(())
}

async fn a_volume_whose_source_is_missing_is_waited_for(fixture: &mut Fixture) -> Result<()> {
    fixture.run(once(mounted("p", "cat /v/a", json!({"configMap": {"name": "late"}})))).await?;
    let message = fixture.wait_for_event("p", "FailedMount").await?;
    assert_eq!(message, "MountVolume.SetUp failed for volume \"v\" : configmap \"late\" not found");
    fixture.wait_for_reason("p", "ContainerCreating").await?;
    fixture.config_map("late", json!({"a": "1"})).await?;
    fixture.wait_for_phase("p", "Succeeded").await?;
    assert_eq!(fixture.log("p", "").await?.1, "1");
    Ok(())
}
