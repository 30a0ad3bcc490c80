//! The first part of a turn: what has become of the pod on this machine.

use std::fs;
use std::io;

use container::{Error as RuntimeError, Exit, Status};

use super::{Error, Turn};
use crate::logs;
use crate::pod::identity::{Attempt, Directory};
use crate::pod::plan::container_of;
use crate::pod::record::Record;
use crate::pod::state::Sandbox;

/// Longest last words of a container in bytes, API reference of ContainerStateTerminated.
const MAX_MESSAGE: u64 = 4096;

impl Turn<'_> {
    /// Finds out what there is of the pod on this machine.
    pub(super) async fn load(&mut self) -> Result<(), Error> {
        let directory = self.directory();
        let record =
            task::blocking(move || Record::load(&directory)).await.map_err(self.file_error("read the record"))?;
        if let Some(record) = &record {
            self.agent.users.mark(record.first_user);
        }
        let listed = self.agent.runtime.list().await.map_err(self.runtime_error("list the containers"))?;
        let sandboxes = self.agent.runtime.sandboxes().await.map_err(self.runtime_error("list the sandbox"))?;
        self.state.record = record.or(self.state.record.take());
        let has_sandbox = sandboxes.iter().any(|sandbox| sandbox.id == *self.uid.sandbox());
        self.state.sandbox = match (has_sandbox, self.state.sandbox) {
            (false, _) => Sandbox::None,
            (true, Sandbox::Made) => Sandbox::Made,
            (true, _) => Sandbox::Listed,
        };
        let known = std::mem::take(&mut self.state.containers);
        for found in listed {
            let Some((uid, attempt)) = Attempt::parse(&found.id) else { continue };
            if uid == *self.uid {
                self.state.note(attempt, found.status);
            }
        }
        for (slot, attempts) in known {
            for before in attempts {
                let attempt = Attempt { slot, number: before.number };
                if let Some(seen) = self.state.seen_mut(attempt) {
                    seen.message = before.message;
                }
            }
        }
        for attempt in self.state.attempts() {
            self.read_message(attempt).await?;
        }
        self.state.is_loaded = true;
        Ok(())
    }

    /// Takes in what tasks have found out since the last turn.
    pub(super) async fn absorb(&mut self) -> Result<(), Error> {
        let (ends, health) = {
            let mut signals = self.entry.signals();
            (std::mem::take(&mut signals.ends), std::mem::take(&mut signals.health))
        };
        self.state.health.extend(health);
        for (attempt, exit) in ends {
            self.state.ended(attempt);
            match exit {
                Some(exit) => self.container_ended(attempt, exit).await?,
                None => self.load().await?,
            }
        }
        for attempt in self.state.running() {
            self.watch(attempt);
        }
        Ok(())
    }

    pub(super) async fn container_ended(&mut self, attempt: Attempt, exit: Exit) -> Result<(), Error> {
        let Some(seen) = self.state.seen_mut(attempt) else { return Ok(()) };
        if let Status::Running { init, started_at } = seen.status {
            tracing::info!(uid = %self.uid, container = %attempt.id(self.uid), code = exit.status.code(), "container ended");
            seen.status = Status::Exited { init, started_at, exit };
        }
        let released = self.agent.runtime.release(&attempt.id(self.uid)).await;
        match released {
            Ok(()) | Err(RuntimeError::NoContainer { .. }) => {}
            Err(error) => return Err(self.runtime_error("release a container")(error)),
        }
        self.read_message(attempt).await
    }

    /// Reads the last words of a container that has ended.
    pub(super) async fn read_message(&mut self, attempt: Attempt) -> Result<(), Error> {
        let Some(seen) = self.state.seen_mut(attempt) else { return Ok(()) };
        let Status::Exited { exit, .. } = &seen.status else { return Ok(()) };
        if seen.message.is_some() {
            return Ok(());
        }
        let has_failed = exit.status.code() != 0;
        let directory = self.directory();
        let pod = self.agent.pod(self.uid);
        let container = pod.as_ref().and_then(|pod| container_of(pod.spec.as_ref()?, attempt.slot));
        let policy = container.and_then(|container| container.termination_message_policy.as_deref());
        let falls_back = has_failed && policy == Some("FallbackToLogsOnError");
        let message = task::blocking(move || {
            let words = last_words(&directory, attempt)?;
            if words.is_empty() && falls_back { logs::last_lines(&directory.log(attempt)) } else { Ok(words) }
        });
        let message = message.await.map_err(self.file_error("read the last words"))?;
        if let Some(seen) = self.state.seen_mut(attempt) {
            seen.message = Some(message).filter(|message| !message.is_empty());
        }
        Ok(())
    }

    /// Makes sure that somebody waits for the end of a running container, and probes it.
    pub(super) fn watch(&mut self, attempt: Attempt) {
        let Some(Status::Running { started_at, .. }) = self.state.seen_mut(attempt).map(|seen| seen.status.clone())
        else {
            return;
        };
        if !self.state.watched.insert(attempt) {
            return;
        }
        let health = self.agent.watch(self.uid, (attempt, started_at));
        self.state.health.entry(attempt).or_insert(health);
    }
}

fn last_words(directory: &Directory, attempt: Attempt) -> io::Result<String> {
    let mut bytes = Vec::new();
    match fs::File::open(directory.message(attempt)) {
        Ok(file) => io::Read::read_to_end(&mut io::Read::take(file, MAX_MESSAGE), &mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(error),
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
