//! Events: what a controller tells people about an object.
//!
//! They are core/v1 Events, which every server has. The name of an event follows from what it says, so that a controller
//! that comes to the same finding again, also after a restart, writes nothing while the first event is kept. Counting
//! repetitions is left out for that reason.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::PostParams;
use stdx::Clock;

use crate::{Client, Error, Result};

/// The namespace of events about objects that have none.
const DEFAULT_NAMESPACE: &str = "default";

/// Writes events in the name of one component.
#[derive(Debug, Clone)]
pub struct Recorder {
    client: Client,
    component: &'static str,
    clock: Clock,
}

/// The object that an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// `group/version`, or the version alone.
    pub api_version: String,
    /// The kind.
    pub kind: String,
    /// None for cluster scope.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
    /// The uid.
    pub uid: String,
}

/// Whether an event tells of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It does not.
    Normal,
    /// It does.
    Warning,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whether it is trouble.
    pub severity: Severity,
    /// Why, as one word in upper camel case, for machines.
    pub reason: &'static str,
    /// What happened, for people.
    pub message: String,
}

impl Recorder {
    /// A recorder whose events come from `component`.
    pub fn new(client: Client, component: &'static str, clock: Clock) -> Self {
        Self { client, component, clock }
    }

    /// Writes an event, unless it is there already.
    ///
    /// # Errors
    /// When the API takes no event. The caller decides whether that matters; mostly it does not.
    pub async fn report(&self, subject: &Subject, report: &Report) -> Result<()> {
        let event = self.event(subject, report);
        let namespace = event.metadata.namespace.clone().unwrap_or_default();
        let created = self.client.namespaced::<Event>(&namespace).create(&PostParams::default(), &event).await;
        match created.map_err(Error::from) {
            Ok(_) => Ok(()),
            Err(error) if error.is_already_exists() => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn event(&self, subject: &Subject, report: &Report) -> Event {
        let now = Time(Timestamp::try_from(self.clock.now()).unwrap_or(Timestamp::MAX));
        let identity = [self.component, &subject.uid, report.reason, &report.message];
        Event {
            metadata: ObjectMeta {
                name: Some(format!("{}.{:016x}", subject.name, fingerprint(&identity))),
                namespace: Some(subject.namespace.clone().unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned())),
                ..ObjectMeta::default()
            },
            involved_object: ObjectReference {
                api_version: Some(subject.api_version.clone()),
                kind: Some(subject.kind.clone()),
                namespace: subject.namespace.clone(),
                name: Some(subject.name.clone()),
                uid: Some(subject.uid.clone()),
                ..ObjectReference::default()
            },
            type_: Some(match report.severity {
                Severity::Normal => "Normal".to_owned(),
                Severity::Warning => "Warning".to_owned(),
            }),
            reason: Some(report.reason.to_owned()),
            message: Some(report.message.clone()),
            source: Some(EventSource { component: Some(self.component.to_owned()), host: None }),
            reporting_component: Some(self.component.to_owned()),
            count: Some(1),
            first_timestamp: Some(now.clone()),
            last_timestamp: Some(now),
            ..Event::default()
        }
    }
}

/// FNV-1a over the parts and their borders: the same in every build, which the standard library's hashes do not promise.
fn fingerprint(parts: &[&str]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}
