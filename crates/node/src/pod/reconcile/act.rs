//! The second part of a turn: doing what is planned.
//!
//! Each step can be done again. What a step finds out is noted in the state, where the next plan sees it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use container::{Error as RuntimeError, Network, SandboxSpec, Status, Target};
use futures_util::future::join_all;

use super::{Error, KILL, MEASURE_EVERY, TERMINATE, Turn, Wanted};
use crate::event::Notice;
use crate::logs;
use crate::pod::back_off::{Delay, after};
use crate::pod::identity::{Attempt, Slot};
use crate::pod::plan::{Step, Stopping, Trouble, container_of, ending};
use crate::pod::record::Record;
use crate::pod::spec::hostname;
use crate::pod::start::{self, Order, Outcome};
use crate::pod::state::{Contents, Sandbox};
use crate::pod::volumes::{self, Volumes};
use crate::volume::disk;

impl Turn<'_> {
    /// Does all steps, even if one fails; starts are made at the same time.
    pub(super) async fn perform(&mut self, wanted: Wanted<'_>, steps: &[Step]) -> Result<(), Error> {
        let mut result = Ok(());
        let mut starts = Vec::new();
        for step in steps {
            let done = match step {
                Step::Start { attempt } => {
                    starts.push(*attempt);
                    Ok(())
                }
                Step::Prepare => self.prepare(wanted).await,
                Step::Stop { attempt, deadline, reason } => {
                    self.notice(wanted, Notice::normal("Killing", reason.clone()));
                    let asked = self.signal(*attempt, TERMINATE).await;
                    if asked.is_ok() {
                        self.state.stopping.insert(*attempt, Stopping { deadline: *deadline, killed: false });
                    }
                    asked
                }
                Step::Kill { attempt } => self.signal(*attempt, KILL).await,
                Step::Remove { attempt } => self.remove(*attempt).await,
                Step::Unmount => self.unmount().await,
            };
            result = result.and(done);
        }
        result.and(self.start_all(wanted, starts).await)
    }

    pub(super) async fn signal(&mut self, attempt: Attempt, number: i32) -> Result<(), Error> {
        let target = if number == KILL { Target::All } else { Target::Init };
        match self.agent.runtime.signal(&attempt.id(self.uid), number, target).await {
            // It has ended, which will be told.
            Ok(()) | Err(RuntimeError::NotRunning { .. }) => {}
            Err(error) => return Err(self.runtime_error("signal a container")(error)),
        }
        if let (KILL, Some(stopping)) = (number, self.state.stopping.get_mut(&attempt)) {
            stopping.killed = true;
        }
        Ok(())
    }

    pub(super) async fn remove(&mut self, attempt: Attempt) -> Result<(), Error> {
        let removed = self.agent.runtime.remove(&attempt.id(self.uid)).await;
        removed.map_err(self.runtime_error("remove a container"))?;
        let directory = self.directory();
        let removed = task::blocking(move || {
            remove_file(&directory.message(attempt))?;
            logs::remove(&directory.log(attempt))
        });
        removed.await.map_err(self.file_error("remove the log"))?;
        self.state.forget(attempt);
        Ok(())
    }

    pub(super) async fn unmount(&mut self) -> Result<(), Error> {
        let directory = self.directory();
        let removed = task::blocking(move || disk::remove_volumes(&directory)).await;
        removed.map_err(self.file_error("remove the volumes"))?;
        self.state.volumes = None;
        Ok(())
    }

    pub(super) async fn prepare(&mut self, wanted: Wanted<'_>) -> Result<(), Error> {
        let directory = self.directory();
        if self.state.record.is_none() {
            let first_user = self.agent.users.take().ok_or(Error::Users)?;
            let record = Record { first_user, delays: BTreeMap::new() };
            if let Err(error) = self.save(&record).await {
                self.agent.users.release(first_user);
                return Err(error);
            }
            self.state.record = Some(record);
        }
        if self.state.sandbox != Sandbox::Made {
            let hostname = hostname(wanted.pod, wanted.spec);
            let spec = SandboxSpec { id: self.uid.sandbox().clone(), hostname, network: Network::NewNamespace };
            if let Err(error) = self.agent.runtime.create_sandbox(spec).await {
                let message = format!("Failed to create pod sandbox: {}", stdx::error_chain(&error));
                self.notice(wanted, Notice::warning("FailedCreatePodSandBox", message));
                return Err(self.runtime_error("make the sandbox")(error));
            }
            self.state.sandbox = Sandbox::Made;
        }
        let Wanted { pod, spec } = wanted;
        let made = Volumes { agent: self.agent, pod, spec, directory: &directory }.make().await;
        self.volumes_made(wanted, made)
    }

    pub(super) fn volumes_made(
        &mut self,
        wanted: Wanted<'_>,
        made: Result<Contents, volumes::Error>,
    ) -> Result<(), Error> {
        match made {
            Ok(contents) => {
                self.state.contents = contents;
                self.state.volumes = Some(Ok(()));
                Ok(())
            }
            Err(error @ volumes::Error::Content { .. }) => {
                self.notice(wanted, Notice::warning("FailedMount", error.to_string()));
                // Volumes that have been made once stay as they are.
                if !matches!(self.state.volumes, Some(Ok(()))) {
                    self.state.volumes = Some(Err(error.to_string()));
                }
                Ok(())
            }
            Err(error) => Err(Error::Volumes { uid: self.uid.clone(), source: Box::new(error) }),
        }
    }

    /// Brings the volumes of a running pod up to date.
    pub(super) async fn refresh(&mut self, wanted: Wanted<'_>) -> Result<(), Error> {
        let directory = self.directory();
        let Wanted { pod, spec } = wanted;
        let volumes = Volumes { agent: self.agent, pod, spec, directory: &directory };
        let is_made = matches!(self.state.volumes, Some(Ok(())));
        if !is_made || self.state.running().is_empty() || !volumes.are_stale(self.state) {
            return Ok(());
        }
        let made = volumes.make().await;
        self.volumes_made(wanted, made)
    }

    /// Measures the volumes that have a limit, if it is time.
    pub(super) async fn measure(&mut self, wanted: Wanted<'_>) -> Result<(), Error> {
        let now = self.agent.now();
        let is_due = self.state.measured_at.is_none_or(|at| after(at, MEASURE_EVERY) <= now);
        let has_limits = volumes::limits(wanted.spec).next().is_some();
        if !has_limits || !is_due || self.state.running().is_empty() {
            return Ok(());
        }
        let directory = self.directory();
        let Wanted { pod, spec } = wanted;
        let measured = Volumes { agent: self.agent, pod, spec, directory: &directory }.overfull().await;
        let uid = self.uid.clone();
        self.state.overfull = measured.map_err(|error| Error::Volumes { uid, source: Box::new(error) })?;
        self.state.measured_at = Some(now);
        if let Some(message) = self.state.overfull.clone() {
            self.notice(wanted, Notice::warning("Evicted", message));
        }
        Ok(())
    }

    pub(super) async fn save(&self, record: &Record) -> Result<(), Error> {
        let (record, directory) = (record.clone(), self.directory());
        task::blocking(move || record.save(&directory)).await.map_err(self.file_error("write the record"))
    }

    pub(super) async fn start_all(&mut self, wanted: Wanted<'_>, attempts: Vec<Attempt>) -> Result<(), Error> {
        if attempts.is_empty() {
            return Ok(());
        }
        let mut delays = self.delays_after(&attempts);
        let first_user = self.state.record.as_ref().map_or(0, |record| record.first_user);
        let directory = self.directory();
        let order = |attempt: &Attempt| {
            let container = container_of(wanted.spec, attempt.slot)?;
            let (agent, uid, directory) = (self.agent, self.uid, &directory);
            let Wanted { pod, spec } = wanted;
            Some(Order { agent, pod, spec, uid, container, attempt: *attempt, directory, first_user })
        };
        let orders: Vec<Order<'_>> = attempts.iter().filter_map(order).collect();
        let outcomes = join_all(orders.iter().map(|order| start::start(*order))).await;
        let mut result = Ok(());
        for (order, outcome) in orders.iter().zip(outcomes) {
            let name = order.container.name.clone();
            if !matches!(outcome, Ok(Outcome::Status(_))) {
                delays.remove(&order.attempt.slot);
            }
            match outcome {
                Ok(outcome) => self.started(wanted, (order.attempt, &name), outcome),
                Err(error) => {
                    let source = Box::new(error);
                    result = result.and(Err(Error::Start { container: name, uid: self.uid.clone(), source }));
                }
            }
        }
        result.and(self.note_delays(delays).await)
    }

    /// The delays that hold once these attempts run: of those that are restarts.
    pub(super) fn delays_after(&self, attempts: &[Attempt]) -> BTreeMap<Slot, Delay> {
        let (now, rule, delays) = (self.agent.now(), self.agent.back_off, self.state.delays());
        let mut found = BTreeMap::new();
        for attempt in attempts {
            let latest = self.state.containers.get(&attempt.slot).and_then(|attempts| attempts.last());
            let Some(latest) = latest.filter(|latest| latest.number < attempt.number) else { continue };
            let ended_at = ending(&latest.status).map_or(now, |(_, at)| at);
            found.insert(attempt.slot, rule.restarted(delays.get(&attempt.slot).copied(), ended_at, now));
        }
        found
    }

    /// Writes down the delays of the restarts that were made.
    pub(super) async fn note_delays(&mut self, made: BTreeMap<Slot, Delay>) -> Result<(), Error> {
        let Some(record) = self.state.record.as_mut().filter(|_| !made.is_empty()) else { return Ok(()) };
        record.delays.extend(made.into_iter().map(|(slot, delay)| (slot.to_string(), delay)));
        let record = record.clone();
        self.save(&record).await
    }

    pub(super) fn started(&mut self, wanted: Wanted<'_>, (attempt, name): (Attempt, &str), outcome: Outcome) {
        match outcome {
            Outcome::Status(status) => {
                self.state.troubles.remove(&attempt.slot);
                if let Status::StartFailed { error, .. } = &status {
                    tracing::info!(container = %attempt.id(self.uid), %error, "container did not start");
                    self.notice(wanted, Notice::warning("Failed", format!("Error: {error}")));
                } else {
                    tracing::info!(container = %attempt.id(self.uid), "container started");
                    let image = crate::image::HOST;
                    let present = format!("Container image \"{image}\" already present on machine");
                    self.notice(wanted, Notice::normal("Pulled", present));
                    self.notice(wanted, Notice::normal("Created", format!("Created container: {name}")));
                    self.notice(wanted, Notice::normal("Started", format!("Started container {name}")));
                }
                let runs = matches!(status, Status::Running { .. });
                self.state.note(attempt, status);
                if runs {
                    self.watch(attempt);
                }
            }
            Outcome::Trouble { reason, message } => {
                self.notice(wanted, Notice::warning("Failed", format!("Error: {message}")));
                let before = self.state.troubles.get(&attempt.slot);
                let same = before.filter(|before| before.reason == reason && before.message == message);
                let since = same.map_or_else(|| self.agent.now(), |same| same.since);
                self.state.troubles.insert(attempt.slot, Trouble { reason, message, since });
            }
        }
    }
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
