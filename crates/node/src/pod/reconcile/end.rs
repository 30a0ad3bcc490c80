//! The end of a pod: stopping what nobody wants any more, removing what is left, and telling the API.

use std::time::Duration;

use client::kinds::core::v1::Pod;
use client::{DeleteParams, Next, Preconditions};

use super::{Error, KILL, TERMINATE, Turn, Wanted};
use crate::pod::back_off::after;
use crate::pod::plan::{Plan, Stopping};
use crate::pod::state::Sandbox;
use crate::volume;

/// How long the containers of a pod may end that the API does not know any more. Nobody is left to say a grace period.
const VANISHED_GRACE: Duration = Duration::from_secs(2);

impl Turn<'_> {
    /// Ends what runs of a pod that the API does not know, and removes it.
    pub(super) async fn sweep(&mut self) -> Result<Next, Error> {
        let now = self.agent.now();
        let mut wake_at = None;
        for attempt in self.state.running() {
            let latest = after(now, VANISHED_GRACE);
            let known = self.state.stopping.get(&attempt).copied();
            let before = known.unwrap_or(Stopping { deadline: latest, killed: false });
            let stopping = Stopping { deadline: before.deadline.min(latest), ..before };
            if known.is_none() {
                self.signal(attempt, TERMINATE).await?;
            }
            self.state.stopping.insert(attempt, stopping);
            if stopping.killed {
            } else if stopping.deadline <= now {
                self.signal(attempt, KILL).await?;
            } else {
                wake_at = wake_at.into_iter().chain([stopping.deadline]).min();
            }
        }
        if self.state.running().is_empty() {
            self.clean_up().await?;
            self.agent.forget(self.uid);
            return Ok(Next::OnChange);
        }
        Ok(self.next(Plan { wake_at, ..Plan::default() }))
    }

    /// Removes everything of the pod from this machine. Nothing of it runs.
    pub(super) async fn clean_up(&mut self) -> Result<(), Error> {
        for attempt in self.state.attempts() {
            let removed = self.agent.runtime.remove(&attempt.id(self.uid)).await;
            removed.map_err(self.runtime_error("remove a container"))?;
            self.state.forget(attempt);
        }
        let removed = self.agent.runtime.remove_sandbox(self.uid.sandbox()).await;
        removed.map_err(self.runtime_error("remove the sandbox"))?;
        let directory = self.directory();
        let removed = task::blocking(move || volume::disk::remove(&directory)).await;
        removed.map_err(self.file_error("remove the files"))?;
        if let Some(record) = self.state.record.take() {
            self.agent.users.release(record.first_user);
        }
        self.state.sandbox = Sandbox::None;
        self.state.volumes = None;
        Ok(())
    }

    /// Tells the API that nothing is left, upon which it forgets the pod.
    pub(super) async fn confirm(&self, wanted: Wanted<'_>) -> Result<(), Error> {
        let metadata = &wanted.pod.metadata;
        let preconditions = Preconditions { uid: Some(self.uid.as_str().to_owned()), resource_version: None };
        let params = DeleteParams {
            grace_period_seconds: Some(0),
            preconditions: Some(preconditions),
            ..DeleteParams::default()
        };
        let pods = self.agent.client.namespaced::<Pod>(metadata.namespace.as_deref().unwrap_or_default());
        match pods.delete(metadata.name.as_deref().unwrap_or_default(), &params).await.map_err(client::Error::from) {
            Ok(_) => Ok(()),
            // It is gone, or another pod has its name already.
            Err(error) if error.is_not_found() || error.is_conflict() => Ok(()),
            Err(source) => Err(Error::Api { action: "confirm the end", uid: self.uid.clone(), source }),
        }
    }
}
