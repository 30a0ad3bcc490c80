//! Environment and command line.

use anyhow::{Context, Result};
use serde_json::json;

use crate::fixture::{Fixture, script, with, with_spec};
use crate::tests;

tests![variables_come_from_everywhere, a_missing_config_map_is_waited_for, a_missing_key_is_named,];

async fn variables_come_from_everywhere(fixture: &mut Fixture) -> Result<()> {
    fixture.config_map("settings", json!({"COLOR": "red", "SIZE": "1"})).await?;
    fixture.secret("keys", json!({"password": "hunter2"})).await?;
    let mut pod = script("p", "");
    pod["metadata"]["labels"] = json!({"app": "web"});
    pod["spec"]["restartPolicy"] = json!("Never");
    pod["spec"]["hostname"] = json!("box");
    let container = &mut pod["spec"]["containers"][0];
    container["command"] =
        json!(["/bin/sh", "-c", "echo $(GREETING) $COLOR $SIZE $PASSWORD $APP $CPU $POD_COLOR $HOSTNAME $ABSENT."]);
    container["resources"] = json!({"limits": {"cpu": "1500m"}});
    container["envFrom"] = json!([{"configMapRef": {"name": "settings"}}, {"prefix": "POD_", "configMapRef": {"name": "settings"}},
               {"secretRef": {"name": "absent", "optional": true}}]);
    container["env"] = json!([
        {"name": "SIZE", "value": "2"},
        {"name": "GREETING", "value": "hello-$(SIZE)"},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "password"}}},
        {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}},
        {"name": "ABSENT", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "no", "optional": true}}},
    ]);
    fixture.run(pod).await?;
    fixture.wait_for_phase("p", "Succeeded").await?;
    let (_, log) = fixture.log("p", "").await?;
    assert_eq!(log, "hello-2 red 2 hunter2 web 1500 red box .\n");

    Ok(())
}

async fn a_missing_config_map_is_waited_for(fixture: &mut Fixture) -> Result<()> {
    let pod = with(script("p", "echo $COLOR"), "envFrom", json!([{"configMapRef": {"name": "late"}}]));
    fixture.run(with_spec(pod, "restartPolicy", json!("Never"))).await?;
    let container = fixture.wait_for_reason("p", "CreateContainerConfigError").await?;
    let message = container.state.and_then(|state| state.waiting?.message).context("a message")?;
    assert_eq!(message, "configmap \"late\" not found");
    fixture.config_map("late", json!({"COLOR": "green"})).await?;
    fixture.wait_for_phase("p", "Succeeded").await?;
    assert_eq!(fixture.log("p", "").await?.1, "green\n");
    Ok(())
}

async fn a_missing_key_is_named(fixture: &mut Fixture) -> Result<()> {
    fixture.secret("keys", json!({"a": "1"})).await?;
    let env = json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "b"}}}]);
    fixture.run(with(script("p", "true"), "env", env)).await?;
    let container = fixture.wait_for_reason("p", "CreateContainerConfigError").await?;
    let message = container.state.and_then(|state| state.waiting?.message).context("a message")?;
    assert_eq!(message, "couldn't find key b in Secret default/keys");
    Ok(())
}
