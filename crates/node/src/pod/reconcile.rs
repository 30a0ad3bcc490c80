//! One turn of a pod: look, plan, act, until nothing is left to do; then tell the API.
//!
//! A turn never waits for a container. Ends and findings of probes come in through signals and ask for the next turn, and what has to wait for a time asks to be woken. A turn may be dropped at any await: what it had begun is found
//! again. Start reading at [`Turn::take`].

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use client::kinds::core::v1::{Pod, PodSpec, PodStatus};
use client::{Next, Patch, PatchParams};
use container::Error as RuntimeError;

use super::admission;
use super::identity::{Directory, Uid};
use super::plan::{Plan, Step, plan};
use super::start;
use super::state::{Entry, State, View};
use super::status::{self, is_in_back_off};
use super::volumes;
use crate::agent::Inner;
use crate::event::Notice;
use crate::patch;

mod act;
mod end;
mod observe;

/// How often a turn plans anew. Each round acts on what the one before has found, so few are needed.
const MAX_ROUNDS: u32 = 8;
/// How often volumes with a limit are measured. Nothing tells when a directory grows, and quotas are for file systems.
const MEASURE_EVERY: Duration = Duration::from_secs(10);
/// Signals, signal(7).
const TERMINATE: i32 = 15;
const KILL: i32 = 9;

/// Why a turn failed. Retry: whatever was done is found again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot {action} of pod {uid}")]
    Api {
        action: &'static str,
        uid: Uid,
        #[source]
        source: client::Error,
    },
    #[error("cannot {action} of pod {uid}")]
    Runtime {
        action: &'static str,
        uid: Uid,
        #[source]
        source: RuntimeError,
    },
    #[error("cannot {action} of pod {uid}")]
    Files {
        action: &'static str,
        uid: Uid,
        #[source]
        source: io::Error,
    },
    #[error("cannot start container {container} of pod {uid}")]
    Start {
        container: String,
        uid: Uid,
        #[source]
        source: Box<start::Error>,
    },
    #[error("cannot make the volumes of pod {uid}")]
    Volumes {
        uid: Uid,
        #[source]
        source: Box<volumes::Error>,
    },
    #[error("there are more pods on this node than ranges of users")]
    Users,
}

/// One turn of one pod.
pub(crate) struct Turn<'a> {
    pub agent: &'a Arc<Inner>,
    pub uid: &'a Uid,
    pub entry: &'a Entry,
    pub state: &'a mut State,
}

/// The pod as the API has it.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    pod: &'a Pod,
    spec: &'a PodSpec,
}

impl Turn<'_> {
    /// Does what is to be done now.
    ///
    /// # Errors
    /// [`Error`]; the status has been written as far as that was possible.
    pub(crate) async fn take(mut self) -> Result<Next, Error> {
        let result = self.attempt().await;
        if result.is_err() {
            // Whatever failed may have happened nevertheless.
            self.state.is_loaded = false;
        }
        result
    }

    async fn attempt(&mut self) -> Result<Next, Error> {
        if !self.state.is_loaded {
            self.load().await?;
        }
        self.absorb().await?;
        match self.agent.pod(self.uid) {
            Some(pod) => {
                let spec = pod.spec.clone().unwrap_or_default();
                self.converge(Wanted { pod: &pod, spec: &spec }).await
            }
            None => self.sweep().await,
        }
    }

    fn directory(&self) -> Directory {
        self.agent.directory(self.uid)
    }

    fn runtime_error(&self, action: &'static str) -> impl FnOnce(RuntimeError) -> Error + use<> {
        let uid = self.uid.clone();
        move |source| Error::Runtime { action, uid, source }
    }

    fn file_error(&self, action: &'static str) -> impl FnOnce(io::Error) -> Error + use<> {
        let uid = self.uid.clone();
        move |source| Error::Files { action, uid, source }
    }

    async fn converge(&mut self, wanted: Wanted<'_>) -> Result<Next, Error> {
        let is_leaving = wanted.pod.metadata.deletion_timestamp.is_some();
        let has_begun = self.state.record.is_some() || !self.state.containers.is_empty();
        let status = self.state.status(wanted.pod);
        let is_over = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
        if !has_begun && is_over {
            // Nothing is left of it here. With finalizers the API keeps it on, and its status stays as it was told.
            if is_leaving {
                self.confirm(wanted).await?;
            }
            return Ok(Next::OnChange);
        }
        if !has_begun
            && !is_leaving
            && let Err(refusal) = admission::check(wanted.spec)
        {
            let message = refusal.message();
            self.notice(wanted, Notice::warning(admission::REASON, message.clone()));
            let refused = status::refused(&status, admission::REASON, message);
            self.write_status(wanted, refused).await?;
            return Ok(Next::OnChange);
        }
        let mut failure = None;
        let measured = self.measure(wanted).await;
        let plan = self.act(wanted, &mut failure).await;
        let refreshed = self.refresh(wanted).await;
        self.report(wanted).await?;
        if plan.is_over && failure.is_none() {
            self.clean_up().await?;
            self.confirm(wanted).await?;
            return Ok(Next::OnChange);
        }
        failure.map_or(Ok(()), Err)?;
        refreshed?;
        measured?;
        Ok(self.next(plan))
    }

    fn next(&self, plan: Plan) -> Next {
        let now = self.agent.now();
        let soon = self.state.troubles.values().map(|trouble| {
            // A failed pull gets another name after a while.
            trouble.since.checked_add(status::PULL_BACK_OFF_AFTER).unwrap_or(now)
        });
        let measure = self.state.measured_at.and_then(|at| at.checked_add(MEASURE_EVERY).ok());
        let measure = measure.filter(|_| !self.state.running().is_empty());
        let at = plan.wake_at.into_iter().chain(measure).chain(soon.filter(|at| *at > now)).min();
        at.map_or(Next::OnChange, |at| {
            // A millisecond more, so that the moment has come when the turn does.
            let pause = Duration::try_from(at.duration_since(now)).unwrap_or_default();
            Next::After(pause + Duration::from_millis(1))
        })
    }

    /// Plans and acts until nothing is left to do. Returns the last plan; `failure` is the first thing that failed.
    async fn act(&mut self, wanted: Wanted<'_>, failure: &mut Option<Error>) -> Plan {
        let mut tried = BTreeSet::new();
        let mut last = Plan::default();
        for _ in 0..MAX_ROUNDS {
            last = self.plan(wanted, &tried);
            if last.steps.is_empty() {
                break;
            }
            tried.extend(last.steps.iter().cloned());
            if let Err(error) = self.perform(wanted, &last.steps).await {
                failure.get_or_insert(error);
            }
        }
        last
    }

    fn plan(&self, wanted: Wanted<'_>, tried: &BTreeSet<Step>) -> Plan {
        let (status, delays) = (self.state.status(wanted.pod), self.state.delays());
        plan(&self.state.world(View {
            pod: wanted.pod,
            spec: wanted.spec,
            status: &status,
            uid: self.uid,
            now: self.agent.now(),
            back_off: &self.agent.back_off,
            delays: &delays,
            tried,
        }))
    }

    /// Writes the status if it is not what the API has.
    async fn report(&mut self, wanted: Wanted<'_>) -> Result<(), Error> {
        let (status, delays, tried) = (self.state.status(wanted.pod), self.state.delays(), BTreeSet::new());
        let world = self.state.world(View {
            pod: wanted.pod,
            spec: wanted.spec,
            status: &status,
            uid: self.uid,
            now: self.agent.now(),
            back_off: &self.agent.back_off,
            delays: &delays,
            tried: &tried,
        });
        let told = status::status(&world, &self.agent.host_ip);
        let all = told.init_container_statuses.iter().chain(&told.container_statuses).flatten();
        for container in all.filter(|container| is_in_back_off(container)) {
            let metadata = &wanted.pod.metadata;
            let (name, namespace) = (metadata.name.as_deref(), metadata.namespace.as_deref());
            let pod = format!("{}_{}({})", name.unwrap_or_default(), namespace.unwrap_or_default(), self.uid);
            let message = format!("Back-off restarting failed container {} in pod {pod}", container.name);
            self.notice(wanted, Notice::warning("BackOff", message));
        }
        self.write_status(wanted, told).await
    }

    async fn write_status(&mut self, wanted: Wanted<'_>, told: PodStatus) -> Result<(), Error> {
        let current = self.state.status(wanted.pod);
        let Some(status) = patch::between(&current, &told) else { return Ok(()) };
        let metadata = &wanted.pod.metadata;
        let (namespace, name) = (metadata.namespace.as_deref(), metadata.name.as_deref());
        // The uid keeps the patch from another pod of the same name.
        let body = serde_json::json!({"metadata": {"uid": self.uid.as_str()}, "status": status});
        let pods = self.agent.client.namespaced::<Pod>(namespace.unwrap_or_default());
        let name = name.unwrap_or_default();
        let written = pods.patch_status(name, &PatchParams::default(), &Patch::Strategic(body)).await;
        match written.map_err(client::Error::from) {
            Ok(pod) => {
                let version = pod.metadata.resource_version.as_deref().and_then(|version| version.parse().ok());
                self.state.written = Some((pod.status.unwrap_or(told), version.unwrap_or(0)));
                Ok(())
            }
            // It is gone, which the watch will tell.
            Err(error) if error.is_not_found() => Ok(()),
            Err(source) => Err(Error::Api { action: "write the status", uid: self.uid.clone(), source }),
        }
    }

    fn notice(&self, wanted: Wanted<'_>, notice: Notice) {
        self.agent.notices.send(wanted.pod, notice);
    }
}
