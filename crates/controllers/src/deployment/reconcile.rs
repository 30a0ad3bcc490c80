//! Does what the plan says for one deployment: creates, sizes, marks and removes replica sets, writes the status.
//!
//! One turn takes one step; what it writes wakes the next turn. Replica sets are counted with the writes of this controller,
//! see `ownership::ledger`, so that a cache that is behind leads to no second step of the same kind. Start reading at
//! [`Turn::run`].

mod turn;

use client::kinds::apps::v1::{Deployment, ReplicaSet};
use client::kinds::core::v1::Pod;
use client::{Cache, Client, Key, Next, Reconcile, Recorder};
use stdx::Clock;
use thiserror::Error;

use crate::ownership::{ClaimError, Dependents, Ledgers, Owned, Owner};
use turn::Turn;

/// Brings the replica sets of deployments in line.
#[derive(Debug)]
pub(super) struct Reconciler {
    client: Client,
    recorder: Recorder,
    clock: Clock,
    deployments: Cache<Deployment>,
    sets: Owned<ReplicaSet>,
    pods: Cache<Pod>,
    ledgers: Ledgers<Deployment, ReplicaSet>,
}

/// Why a turn failed. Retry.
#[derive(Debug, Error)]
pub(super) enum Error {
    #[error("cannot tell which replica sets belong to the deployment")]
    Claim(#[source] ClaimError),
    #[error("cannot create replica set {name}")]
    Create { name: String, source: client::Error },
    #[error("cannot change replica set {name}")]
    Change { name: String, source: client::Error },
    #[error("cannot remove replica set {name}")]
    Remove { name: String, source: client::Error },
    #[error("cannot write the revision")]
    Revision(#[source] client::Error),
    #[error("cannot write the status")]
    Status(#[source] client::Error),
}

impl Reconciler {
    pub(super) fn new(client: Client, clock: Clock, sets: Owned<ReplicaSet>) -> Self {
        let recorder = Recorder::new(client.clone(), "deployment-controller", clock.clone());
        let (deployments, pods) = (client.cache(), client.cache());
        Self { client, recorder, clock, deployments, sets, pods, ledgers: Ledgers::default() }
    }
}

impl Reconcile<Key> for Reconciler {
    type Error = Error;

    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(cached) = self.deployments.get(key) else {
            self.ledgers.forget(key);
            return Ok(Next::OnChange);
        };
        let (deployment, ledger) = self.ledgers.account(key, cached);
        let Some(selector) = deployment.spec.as_ref().and_then(|spec| crate::selector::parse(&spec.selector)) else {
            return turn::refuse_selector(self, key, &deployment).await;
        };
        let dependents = Dependents {
            api: self.client.namespaced(key.namespace.as_deref().unwrap_or_default()),
            owned: &self.sets,
            ledger: &ledger,
            owner: Owner::of(&*deployment, "apps/v1", "Deployment"),
            selector,
        };
        Turn::new(self, key, &deployment, dependents).run().await
    }
}
