//! Standing beside a running container: waiting for its end, and probing it.

use std::sync::Arc;
use std::time::Duration;

use client::kinds::core::v1::Pod;
use container::{ContainerId, Error as RuntimeError, Exit};
use jiff::Timestamp;
use task::Class;

use super::Inner;
use crate::event::Notice;
use crate::pod::identity::{Attempt, Uid};
use crate::pod::plan::{Health, container_of};
use crate::probe::{self, Finding, Probes};

/// How long to wait before a shim that could not be reached is tried again.
const WAIT_RETRY: Duration = Duration::from_secs(1);

impl Inner {
    /// Waits for the end of a running container, and probes it meanwhile, in a task of its own. Returns what is known of
    /// its health.
    pub(crate) fn watch(self: &Arc<Self>, uid: &Uid, (attempt, started_at): (Attempt, Timestamp)) -> Health {
        let pod = self.pod(uid);
        let spec = pod.as_ref().and_then(|pod| pod.spec.as_ref());
        let probes = spec.and_then(|spec| container_of(spec, attempt.slot)).map(Probes::of).unwrap_or_default();
        let known = pod.as_ref().and_then(|pod| known_health(pod, &attempt.id(uid)));
        let health = known.unwrap_or_else(|| probes.initial());
        let (inner, uid, told) = (self.clone(), uid.clone(), health.clone());
        self.tasks.spawn(Class::Controller, "container", |stop| async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = inner.watch_until_end(&uid, (attempt, started_at), (probes, told)) => inner.queue.add(uid),
            }
        });
        health
    }

    async fn watch_until_end(
        &self,
        uid: &Uid,
        (attempt, started_at): (Attempt, Timestamp),
        (probes, health): (Probes, Health),
    ) {
        let id = attempt.id(uid);
        let probing = async {
            let age = Duration::try_from(self.now().duration_since(started_at)).unwrap_or_default();
            let target = probe::Target { runtime: &self.runtime, sandbox: uid.sandbox(), age, health };
            probe::run(target, &probes, |finding| self.found(uid, attempt, finding)).await;
            std::future::pending::<std::convert::Infallible>().await
        };
        let end = tokio::select! {
            end = self.end_of(&id) => end,
            never = probing => match never {},
        };
        self.entry(uid).signals().ends.insert(attempt, end);
    }

    /// The end of a container; none if the runtime knows no such running container.
    async fn end_of(&self, id: &ContainerId) -> Option<Exit> {
        loop {
            match self.runtime.wait(id).await {
                Ok(exit) => return Some(exit),
                Err(RuntimeError::NotRunning { .. } | RuntimeError::NoContainer { .. }) => return None,
                Err(error) => {
                    let error = stdx::error_chain(&error).to_string();
                    tracing::warn!(container = %id, error, "cannot wait for the end of a container; trying again");
                    tokio::time::sleep(WAIT_RETRY).await;
                }
            }
        }
    }

    fn found(&self, uid: &Uid, attempt: Attempt, finding: Finding) {
        match finding {
            Finding::Health(health) => {
                self.entry(uid).signals().health.insert(attempt, health);
                self.queue.add(uid.clone());
            }
            Finding::Unhealthy { probe, message } => {
                tracing::debug!(%uid, probe, message, "a probe has failed");
                if let Some(pod) = self.pod(uid) {
                    self.notices.send(&pod, Notice::warning("Unhealthy", message));
                }
            }
        }
    }
}

/// What a server before this one had found out about a container.
fn known_health(pod: &Pod, id: &ContainerId) -> Option<Health> {
    let status = pod.status.as_ref()?;
    let mut all = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    let id = format!("{}{id}", crate::RUNTIME_SCHEME);
    let known = all.find(|known| known.container_id.as_deref() == Some(&id))?;
    Some(Health { started: known.started == Some(true), ready: known.ready, failing: None })
}
