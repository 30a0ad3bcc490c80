//! Events about pods, written beside the turns that they come from.
//!
//! An event is worth less than a pod: when the API does not keep up, events are dropped and turns go on. Start reading at
//! [`Notices`].

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use client::kinds::core::v1::Pod;
use client::{Recorder, Report, Severity, Subject};
use task::{Class, Group};
use tokio::sync::mpsc::{self, Receiver, Sender};

/// Events that wait to be written.
const QUEUE: usize = 256;
/// Events that are known to have been written already, so that the API is not asked again.
const REMEMBERED: usize = 4096;

/// Something worth telling about a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub severity: Severity,
    pub reason: &'static str,
    pub message: String,
}

impl Notice {
    pub(crate) fn normal(reason: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Normal, reason, message: message.into() }
    }

    pub(crate) fn warning(reason: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, reason, message: message.into() }
    }
}

/// Takes notices and writes them as events.
#[derive(Debug, Clone)]
pub(crate) struct Notices {
    sender: Sender<(Subject, Notice)>,
}

impl Notices {
    /// Writes with `recorder` in a task of its own.
    pub(crate) fn start(recorder: Recorder, tasks: &Group) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tasks.spawn(Class::Controller, "node events", |stop| async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = write(receiver, &recorder) => {}
            }
        });
        Self { sender }
    }

    /// Has a notice written, some time.
    pub(crate) fn send(&self, pod: &Pod, notice: Notice) {
        let metadata = &pod.metadata;
        let subject = Subject {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            namespace: metadata.namespace.clone(),
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone().unwrap_or_default(),
        };
        if self.sender.try_send((subject, notice)).is_err() {
            tracing::debug!("an event is dropped, because too many wait to be written");
        }
    }
}

async fn write(mut receiver: Receiver<(Subject, Notice)>, recorder: &Recorder) {
    let (hasher, mut written) = (RandomState::new(), HashSet::new());
    while let Some((subject, notice)) = receiver.recv().await {
        let Notice { severity, reason, message } = notice;
        let mark = hasher.hash_one((&subject.uid, reason, &message));
        if written.len() >= REMEMBERED {
            written.clear();
        }
        if !written.insert(mark) {
            continue;
        }
        if let Err(error) = recorder.report(&subject, &Report { severity, reason, message }).await {
            written.remove(&mark);
            // The namespace may be going, which takes no events.
            tracing::debug!(error = %stdx::error_chain(&error), reason, "an event is not written");
        }
    }
}
