//! Creates the service account `default` where it is missing.

use api::core::v1::service_account::DEFAULT_NAME;
use client::kinds::core::v1::{Namespace, ServiceAccount};
use client::meta::ObjectMeta;
use client::{Cache, Client, Controller, Key, Leadership, Next, PartialObjectMeta, PostParams, Queue, Reconcile};
use task::CancellationToken;
use thiserror::Error;

use super::plan;

/// How many namespaces are dealt with at the same time.
const CONCURRENCY: usize = 4;

/// Why the account of a namespace could not be made. All are retried.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// The namespace could not be read.
    #[error("cannot read the namespace")]
    Namespace(#[source] client::Error),
    /// The account could not be created.
    #[error("cannot create the service account \"{DEFAULT_NAME}\"")]
    Create(#[source] client::Error),
}

/// The service account controller. Its keys are namespaces.
pub(crate) struct Accounts {
    client: Client,
    namespaces: Cache<Namespace>,
    accounts: Cache<PartialObjectMeta<ServiceAccount>>,
}

impl Accounts {
    pub(crate) fn new(client: &Client) -> Self {
        Self { client: client.clone(), namespaces: client.cache(), accounts: client.metadata_cache() }
    }

    /// Runs until told to stop.
    pub(crate) async fn run(self, leadership: Leadership, stop: CancellationToken) {
        // Without this, every account would look missing at the start.
        if stop.run_until_cancelled(self.accounts.complete()).await.is_none() {
            return;
        }
        let queue = Queue::new();
        let (namespaces, keys) = (self.namespaces.clone(), queue.clone());
        let _namespaces = self.namespaces.subscribe(move |namespace: &Namespace| {
            let key = Key::of(namespace);
            if namespaces.get(&key).is_some() { keys.add(key) } else { keys.remove(&key) }
        });
        let accounts = queue.clone();
        let _accounts = self.accounts.subscribe(move |account: &PartialObjectMeta<ServiceAccount>| {
            if account.metadata.name.as_deref() == Some(DEFAULT_NAME)
                && let Some(namespace) = &account.metadata.namespace
            {
                accounts.add(Key::cluster(namespace));
            }
        });
        Controller { name: "service-account", concurrency: CONCURRENCY, queue, leadership }.run(&self, stop).await;
    }
}

impl Reconcile<Key> for Accounts {
    type Error = Failure;

    async fn reconcile(&self, key: &Key) -> Result<Next, Failure> {
        let active = self.namespaces.get(key).is_some_and(|namespace| plan::is_active(&namespace));
        if !active || self.accounts.get(&Key::namespaced(&key.name, DEFAULT_NAME)).is_some() {
            return Ok(Next::OnChange);
        }
        let account = ServiceAccount {
            metadata: ObjectMeta { name: Some(DEFAULT_NAME.to_owned()), ..ObjectMeta::default() },
            ..ServiceAccount::default()
        };
        let api = self.client.namespaced::<ServiceAccount>(&key.name);
        match api.create(&PostParams::default(), &account).await.map_err(client::Error::from) {
            Ok(_) => Ok(Next::OnChange),
            // The cache is a moment behind.
            Err(error) if error.is_already_exists() => Ok(Next::OnChange),
            // Refused, or not there: the namespace has been deleted meanwhile.
            Err(error) if self.is_gone(key).await? => {
                tracing::debug!(error = %stdx::error_chain(&error), "the namespace is going");
                Ok(Next::OnChange)
            }
            Err(error) => Err(Failure::Create(error)),
        }
    }
}

impl Accounts {
    async fn is_gone(&self, key: &Key) -> Result<bool, Failure> {
        let found = self.client.cluster::<Namespace>().get_opt(&key.name).await;
        let found = found.map_err(|error| Failure::Namespace(error.into()))?;
        Ok(!found.is_some_and(|namespace| plan::is_active(&namespace)))
    }
}
