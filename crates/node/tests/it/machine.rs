//! The node itself.

use anyhow::{Context, Result, ensure};
use client::kinds::coordination::v1::Lease;
use client::kinds::core::v1::Node;

use crate::fixture::{DEADLINE, Fixture, NODE};
use crate::tests;

tests![the_node_registers_and_lives, a_node_that_was_deleted_registers_again];

async fn node(fixture: &Fixture) -> Result<Node> {
    let deadline = std::time::Instant::now() + DEADLINE;
    loop {
        let found = fixture.client.all::<Node>().get_opt(NODE).await?;
        if let Some(node) = found.filter(|node| node.status.as_ref().is_some_and(|status| status.conditions.is_some()))
        {
            return Ok(node);
        }
        ensure!(std::time::Instant::now() < deadline, "the node is not registered");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

async fn the_node_registers_and_lives(fixture: &mut Fixture) -> Result<()> {
    let found = node(fixture).await?;
    let status = found.status.context("a status")?;
    let conditions = status.conditions.context("conditions")?;
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready").context("a condition")?;
    assert_eq!(ready.status, "True");
    for kind in ["MemoryPressure", "DiskPressure", "PIDPressure"] {
        ensure!(conditions.iter().any(|condition| condition.type_ == kind), "{kind}");
    }
    let capacity = status.capacity.context("a capacity")?;
    assert_eq!(capacity["cpu"].0, std::thread::available_parallelism()?.to_string());
    ensure!(capacity["memory"].0.ends_with("Ki") && capacity.contains_key("ephemeral-storage"), "{capacity:?}");
    assert_eq!(capacity["pods"].0, "110");
    ensure!(status.node_info.context("facts")?.container_runtime_version.starts_with("trireme://"));
    let labels = found.metadata.labels.context("labels")?;
    assert_eq!(labels["kubernetes.io/os"], "linux");
    let deadline = std::time::Instant::now() + DEADLINE;
    let lease = loop {
        if let Some(lease) = fixture.client.namespaced::<Lease>("kube-node-lease").get_opt(NODE).await? {
            break lease;
        }
        ensure!(std::time::Instant::now() < deadline, "there is no lease");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    };
    let spec = lease.spec.context("a specification")?;
    assert_eq!((spec.holder_identity.as_deref(), spec.lease_duration_seconds), (Some(NODE), Some(40)));
    let owner = lease.metadata.owner_references.and_then(|owners| owners.into_iter().next()).context("an owner")?;
    assert_eq!(Some(owner.uid), found.metadata.uid);
    Ok(())
}

async fn a_node_that_was_deleted_registers_again(fixture: &mut Fixture) -> Result<()> {
    let first = node(fixture).await?;
    fixture.end_agent().await?;
    fixture.client.cluster::<Node>().delete(NODE, &client::DeleteParams::default()).await?;
    fixture.start_agent().await?;
    let second = node(fixture).await?;
    ensure!(first.metadata.uid != second.metadata.uid);
    Ok(())
}
