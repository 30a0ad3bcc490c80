//! Registers the node and keeps telling that it lives.
//!
//! One task for the object and its status, one for the Lease, so that a slow write of one does not keep the other. Start
//! reading at [`start`].

use std::path::PathBuf;
use std::time::Duration;

use client::kinds::coordination::v1::Lease;
use client::kinds::core::v1::{Node, NodeStatus};
use client::{Client, Error, Patch, PatchParams, PostParams};
use jiff::Timestamp;
use serde_json::json;
use stdx::Clock;
use task::Class;

use super::machine::{Load, Machine};
use super::plan::{self, Facts};
use crate::agent::Options;
use crate::patch;

/// Namespace of the Leases of nodes.
const LEASE_NAMESPACE: &str = "kube-node-lease";
/// How long a node counts as alive after it has renewed its Lease, and how often it does, as a kubelet.
const LEASE_SECONDS: u32 = 40;
const RENEW_EVERY: Duration = Duration::from_secs(10);
/// How often the machine is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The pause after a failure.
const RETRY: Duration = Duration::from_millis(500);

/// Why the node could not be written. Retry.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error("the API does not take it")]
    Api(#[from] Error),
    #[error("the machine does not say how it is")]
    Machine(#[source] std::io::Error),
    #[error("the node cannot be put into words")]
    Words(#[from] serde_json::Error),
}

/// Starts what keeps the node registered and alive.
pub(crate) fn start(options: &Options, machine: Machine) {
    let reporter = Reporter {
        client: options.client.clone(),
        name: options.name.clone(),
        address: options.address,
        version: options.version.clone(),
        directory: options.data_dir.clone(),
        clock: options.clock.clone(),
        machine,
    };
    let lease = reporter.clone();
    options.tasks.spawn(Class::Controller, "node status", |stop| async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = reporter.report_for_ever() => {}
        }
    });
    options.tasks.spawn(Class::Controller, "node lease", |stop| async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = lease.renew_for_ever() => {}
        }
    });
}

#[derive(Debug, Clone)]
struct Reporter {
    client: Client,
    name: String,
    address: std::net::IpAddr,
    version: String,
    directory: PathBuf,
    clock: Clock,
    machine: Machine,
}

impl Reporter {
    fn now(&self) -> Timestamp {
        Timestamp::try_from(self.clock.now()).unwrap_or(Timestamp::MAX)
    }

    async fn report_for_ever(&self) {
        loop {
            let result = self.report().await;
            pause("write the node", result.map_err(|error| Box::new(error) as _), LOOK_EVERY).await;
        }
    }

    async fn renew_for_ever(&self) {
        loop {
            let result = self.renew().await;
            pause("renew the lease of the node", result.map_err(|error| Box::new(error) as _), RENEW_EVERY).await;
        }
    }

    /// Registers the node if it is not, and writes of its status what has changed.
    async fn report(&self) -> Result<(), WriteError> {
        let directory = self.directory.clone();
        let load = task::blocking(move || Load::look(directory)).await.map_err(WriteError::Machine)?;
        let facts = Facts {
            name: &self.name,
            address: self.address,
            version: &self.version,
            machine: &self.machine,
            load,
            now: self.now(),
        };
        let nodes = self.client.cluster::<Node>();
        let known = match nodes.get_opt(&self.name).await.map_err(Error::from)? {
            Some(known) => known,
            None => nodes.create(&PostParams::default(), &plan::node(&facts)?).await.map_err(Error::from)?,
        };
        let labels = plan::labels(&facts);
        let current = serde_json::to_value(&known.metadata.labels)?;
        let labelled =
            labels.as_object().is_some_and(|labels| labels.iter().all(|(key, value)| current[key] == *value));
        if !labelled {
            let body = json!({"metadata": {"labels": labels}});
            nodes.patch(&self.name, &PatchParams::default(), &Patch::Merge(body)).await.map_err(Error::from)?;
        }
        let before = known.status.unwrap_or_default();
        let told = plan::status(&facts, &before)?;
        // What others keep in the status is not the node's to remove.
        let told = NodeStatus {
            images: before.images.clone(),
            volumes_attached: before.volumes_attached.clone(),
            daemon_endpoints: before.daemon_endpoints.clone(),
            ..told
        };
        if let Some(status) = patch::between(&before, &told) {
            let body = Patch::Strategic(json!({"status": status}));
            nodes.patch_status(&self.name, &PatchParams::default(), &body).await.map_err(Error::from)?;
        }
        Ok(())
    }

    async fn renew(&self) -> Result<(), WriteError> {
        let leases = self.client.namespaced::<Lease>(LEASE_NAMESPACE);
        let spec = json!({
            "holderIdentity": self.name,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": format!("{:.6}", self.now()),
        });
        let body = Patch::Merge(json!({"spec": spec}));
        match leases.patch(&self.name, &PatchParams::default(), &body).await.map_err(Error::from) {
            Ok(_) => return Ok(()),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
        // It goes with the node.
        let node = self.client.cluster::<Node>().get(&self.name).await.map_err(Error::from)?;
        let owner = json!({"apiVersion": "v1", "kind": "Node", "name": self.name, "uid": node.metadata.uid});
        let lease: Lease = serde_json::from_value(json!({
            "metadata": {"name": self.name, "namespace": LEASE_NAMESPACE, "ownerReferences": [owner]},
            "spec": spec,
        }))?;
        leases.create(&PostParams::default(), &lease).await.map_err(Error::from)?;
        Ok(())
    }
}

/// Waits for the next time, which after a failure is soon.
async fn pause(
    action: &'static str,
    result: Result<(), Box<dyn std::error::Error + Send + Sync>>,
    otherwise: Duration,
) {
    match result {
        Ok(()) => tokio::time::sleep(otherwise).await,
        Err(error) => {
            // The node may not be registered yet when its lease is first asked for.
            tracing::debug!(action, error = %stdx::error_chain(&*error), "the node is not up to date; trying again");
            tokio::time::sleep(RETRY).await;
        }
    }
}
