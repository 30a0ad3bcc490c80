//! What the things of a pod are called below: sandbox, containers, directories.
//!
//! A container id says which pod, which of its containers, and which attempt it is, so that what is found on the machine
//! tells its owner without any other record: `UID.c0.3` is the fourth attempt of the pod's first container.

use std::fmt;
use std::path::PathBuf;

use container::{ContainerId, SandboxId, SpecError};

/// The uid of a pod, checked to be a name that the machine takes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Uid(SandboxId);

impl Uid {
    /// Longest uid. What is appended has to fit into a container id: `.c` and two numbers of at most ten digits.
    const MAX_LENGTH: usize = container::MAX_ID_LENGTH - 23;

    pub(crate) fn new(text: &str) -> Result<Self, SpecError> {
        let id = SandboxId::new(text)?;
        if text.len() > Self::MAX_LENGTH || text.contains('.') {
            return Err(SpecError::Id { id: text.to_owned() });
        }
        Ok(Self(id))
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(crate) fn sandbox(&self) -> &SandboxId {
        &self.0
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// In which list of the pod a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Stage {
    Init,
    Main,
}

/// One of the containers of a pod, by its place in the specification, which never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Slot {
    pub stage: Stage,
    pub index: usize,
}

impl Slot {
    pub(crate) fn init(index: usize) -> Self {
        Self { stage: Stage::Init, index }
    }

    pub(crate) fn main(index: usize) -> Self {
        Self { stage: Stage::Main, index }
    }
}

/// `i` or `c` and the place.
impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.stage {
            Stage::Init => 'i',
            Stage::Main => 'c',
        };
        write!(f, "{letter}{}", self.index)
    }
}

/// One attempt to run a container. Its number is the container's restart count while it is the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Attempt {
    pub slot: Slot,
    pub number: u32,
}

impl Attempt {
    pub(crate) fn id(self, uid: &Uid) -> ContainerId {
        ContainerId::new(format!("{uid}.{}.{}", self.slot, self.number)).expect("a uid leaves room for what follows it")
    }

    /// The pod and the attempt that a container belongs to; none if this agent did not name it.
    pub(crate) fn parse(id: &ContainerId) -> Option<(Uid, Self)> {
        let mut parts = id.as_str().split('.');
        let (uid, slot, number) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let stage = match slot.as_bytes().first()? {
            b'i' => Stage::Init,
            b'c' => Stage::Main,
            _ => return None,
        };
        let slot = Slot { stage, index: slot.get(1..)?.parse().ok()? };
        Some((Uid::new(uid).ok()?, Self { slot, number: number.parse().ok()? }))
    }
}

/// The directory of everything that the agent keeps about one pod.
#[derive(Debug, Clone)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new(data: &std::path::Path, uid: &Uid) -> Self {
        Self(data.join("pods").join(uid.as_str()))
    }

    pub(crate) fn root(&self) -> &std::path::Path {
        &self.0
    }

    /// What the agent has to remember; see `pod::record`.
    pub(crate) fn record(&self) -> PathBuf {
        self.0.join("pod.json")
    }

    pub(crate) fn volumes(&self) -> PathBuf {
        self.0.join("volumes")
    }

    pub(crate) fn volume(&self, name: &str) -> PathBuf {
        self.volumes().join(name)
    }

    /// Logs and last words of one container.
    pub(crate) fn container(&self, slot: Slot) -> PathBuf {
        self.0.join(slot.to_string())
    }

    pub(crate) fn log(&self, attempt: Attempt) -> PathBuf {
        self.container(attempt.slot).join(format!("{}.log", attempt.number))
    }

    /// The file that a container may leave its last words in.
    pub(crate) fn message(&self, attempt: Attempt) -> PathBuf {
        self.container(attempt.slot).join(format!("{}.message", attempt.number))
    }
}
