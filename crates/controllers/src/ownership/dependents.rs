//! The dependents of one owner, for one turn of its controller: as they are after its own writes, adopted and released.
//!
//! It does what an owner's selector asks for and no more. Start reading at [`Dependents::claimed`].

use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use client::{Api, Kind, KindExt, ListParams, Patch, PatchParams};
use machinery::selector::LabelSelector;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

use super::claim::{Candidate, Claim, claim, release_patch, take_patch};
use super::{Ledger, Owned, Owner, controller};

/// The dependents of an owner.
pub(crate) struct Dependents<'a, K> {
    /// The objects in the owner's namespace.
    pub(crate) api: Api<K>,
    /// Where the cached ones are found.
    pub(crate) owned: &'a Owned<K>,
    /// The owner's own writes.
    pub(crate) ledger: &'a Mutex<Ledger<K>>,
    /// The owner.
    pub(crate) owner: Owner,
    /// What belongs to it.
    pub(crate) selector: LabelSelector,
}

/// Why it is not known which objects belong to an owner. Retry.
#[derive(Debug, Error)]
pub(crate) enum ClaimError {
    /// The API did not say what there is.
    #[error("cannot read dependents from the API")]
    Read(#[source] client::Error),
    /// The API did not say whether the owner is still there.
    #[error("cannot look at the owner before it adopts {name}")]
    Owner {
        /// What was to be adopted.
        name: String,
        /// Why.
        source: client::Error,
    },
    /// An object could not be adopted.
    #[error("cannot adopt {name}")]
    Adopt {
        /// Its name.
        name: String,
        /// Why.
        source: client::Error,
    },
    /// An object could not be released.
    #[error("cannot release {name}")]
    Release {
        /// Its name.
        name: String,
        /// Why.
        source: client::Error,
    },
}

impl<K> Dependents<'_, K>
where
    K: Kind<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    /// The objects that belong to the owner, after adopting those that nobody owns and releasing those that the selector
    /// no longer matches. `owners` is where the owner itself is found: it adopts nothing if it is gone or going.
    ///
    /// # Errors
    /// See [`ClaimError`].
    pub(crate) async fn claimed<O>(&self, owners: &Api<O>) -> Result<Vec<Arc<K>>, ClaimError>
    where
        O: Kind<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        self.settle().await?;
        let mut claimed = Vec::new();
        let mut adopts = None;
        for object in self.candidates() {
            match claim(&self.owner, self.candidate(&object)) {
                Claim::Keep => claimed.push(object),
                Claim::Ignore => {}
                Claim::Release => self.release(&object).await?,
                Claim::Adopt => {
                    let adopts = match adopts {
                        Some(known) => known,
                        None => *adopts.insert(self.owner_stays(owners, &object).await?),
                    };
                    if adopts {
                        claimed.extend(self.adopt(&object).await?);
                    }
                }
            }
        }
        Ok(claimed)
    }

    /// The objects that the owner has, without asking or changing anything.
    pub(crate) fn present(&self) -> Vec<Arc<K>> {
        let mut objects = self.candidates();
        objects.retain(|object| claim(&self.owner, self.candidate(object)) == Claim::Keep);
        objects
    }

    /// The own writes.
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger<K>> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn candidates(&self) -> Vec<Arc<K>> {
        let mut cached = self.owned.of_controller(&self.owner.uid);
        cached.extend(
            self.owned.orphans(self.owner.namespace.as_deref()).into_iter().filter(|orphan| self.matches(orphan)),
        );
        self.ledger().view(cached)
    }

    fn candidate<'o>(&self, object: &'o K) -> Candidate<'o> {
        Candidate {
            controller: controller(object),
            matches: self.matches(object),
            terminating: object.meta().deletion_timestamp.is_some(),
        }
    }

    fn matches(&self, object: &K) -> bool {
        let labels = object.labels();
        self.selector.matches_by(|key| labels.get(key).map(String::as_str))
    }

    /// Finds out what the ledger does not know for certain.
    async fn settle(&self) -> Result<(), ClaimError> {
        if self.ledger().is_open() {
            let list = self.api.list(&ListParams::default()).await;
            let list = list.map_err(|error| ClaimError::Read(error.into()))?;
            let mut ledger = self.ledger();
            let mine = |object: &K| controller(object) == Some(&self.owner.uid);
            list.items.into_iter().filter(mine).for_each(|object| ledger.note(Arc::new(object)));
            ledger.close();
        }
        let overdue = self.ledger().overdue();
        for (name, uid) in overdue {
            let found = self.api.get_opt(&name).await.map_err(|error| ClaimError::Read(error.into()))?;
            match found.filter(|object| object.uid().as_deref() == Some(&uid)) {
                Some(object) => self.ledger().note(Arc::new(object)),
                None => self.ledger().forget(&uid),
            }
        }
        Ok(())
    }

    /// Whether the owner is there and not being deleted, according to the API and not to a cache: an owner that is being
    /// deleted with its dependents orphaned would take them back otherwise.
    async fn owner_stays<O>(&self, owners: &Api<O>, object: &K) -> Result<bool, ClaimError>
    where
        O: Kind<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let found = owners.get_opt(&self.owner.name).await;
        let found = found.map_err(|error| ClaimError::Owner { name: object.name_any(), source: error.into() })?;
        Ok(found.is_some_and(|owner| {
            owner.meta().uid.as_deref() == Some(&self.owner.uid) && owner.meta().deletion_timestamp.is_none()
        }))
    }

    async fn adopt(&self, object: &K) -> Result<Option<Arc<K>>, ClaimError> {
        let name = object.name_any();
        let patch = take_patch(&self.owner, &object.uid().unwrap_or_default());
        match self.patch(&name, patch).await {
            Ok(adopted) => Ok(Some(adopted)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(source) => Err(ClaimError::Adopt { name, source }),
        }
    }

    async fn release(&self, object: &K) -> Result<(), ClaimError> {
        let name = object.name_any();
        let patch = release_patch(&self.owner, &object.uid().unwrap_or_default());
        match self.patch(&name, patch).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(source) => Err(ClaimError::Release { name, source }),
        }
    }

    async fn patch(&self, name: &str, patch: Value) -> Result<Arc<K>, client::Error> {
        let patched = self.api.patch(name, &PatchParams::default(), &Patch::Strategic(patch)).await?;
        let patched = Arc::new(patched);
        self.ledger().note(patched.clone());
        Ok(patched)
    }
}
