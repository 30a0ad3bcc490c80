//! Makes the volumes of a pod, and brings them up to date when what they show has changed.

use std::collections::BTreeMap;

use client::kinds::core::v1::{Pod, PodSpec, Volume};

use super::identity::Directory;
use super::resources;
use super::spec::volume_group;
use super::state::{Contents, State};
use crate::agent::Inner;
use crate::source::{Content, Reader, Reference};
use crate::volume::disk::{self, Medium};
use crate::volume::{self, Facts, Files, VolumeError, atomic};

/// Why the volumes of a pod are not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Told in the status of the pod; it changes when somebody changes something.
    #[error("MountVolume.SetUp failed for volume {volume:?} : {source}")]
    Content { volume: String, source: VolumeError },
    #[error("cannot read what the volumes show")]
    Api(#[source] client::Error),
    #[error("cannot make volume {volume:?}")]
    Disk {
        volume: String,
        #[source]
        source: std::io::Error,
    },
}

/// A pod whose volumes are made.
#[derive(Clone, Copy)]
pub(crate) struct Volumes<'a> {
    pub agent: &'a Inner,
    pub pod: &'a Pod,
    pub spec: &'a PodSpec,
    pub directory: &'a Directory,
}

impl Volumes<'_> {
    /// Makes what is missing and brings up to date what is there. Returns what the volumes now show.
    ///
    /// # Errors
    /// The first volume that cannot be made. Those before it are.
    pub(crate) async fn make(&self) -> Result<Contents, Error> {
        let namespace = self.pod.metadata.namespace.as_deref().unwrap_or_default();
        let mut reader = Reader::new(&self.agent.client, namespace);
        let mut shown = Contents {
            versions: BTreeMap::new(),
            labels: self.pod.metadata.labels.clone(),
            annotations: self.pod.metadata.annotations.clone(),
        };
        for volume in self.spec.volumes.iter().flatten() {
            let sources = volume::sources(volume);
            let mut contents: BTreeMap<Reference, Content> = BTreeMap::new();
            for reference in sources.iter().filter_map(volume::Source::reference) {
                let content = reader.read(&reference).await.map_err(Error::Api)?;
                shown.versions.insert(reference.clone(), content.as_ref().map(|content| content.version.clone()));
                contents.extend(content.map(|content| (reference, content)));
            }
            let facts = Facts { pod: self.pod, host_ip: &self.agent.host_ip, allocatable: self.agent.allocatable };
            let files = volume::files(&sources, &contents, facts);
            let files = files.map_err(|source| Error::Content { volume: volume.name.clone(), source })?;
            self.put(volume, files).await?;
        }
        Ok(shown)
    }

    async fn put(&self, volume: &Volume, files: Files) -> Result<(), Error> {
        let (path, group) = (self.directory.volume(&volume.name), volume_group(self.spec));
        let (volume, now) = (volume.clone(), self.agent.now());
        task::blocking(move || {
            let failed = |source| Error::Disk { volume: volume.name.clone(), source };
            if let Some(source) = &volume.empty_dir {
                return disk::make_empty(&path, source, group).map_err(failed);
            }
            let medium = if volume::is_secret(&volume) { Medium::Memory } else { Medium::Disk };
            disk::make_filled(&path, medium).map_err(failed)?;
            atomic::write(&path, &files, group, now).map_err(failed)
        })
        .await
    }

    /// Why the pod has to go, if one of its volumes has more on disk than it may. Storage in memory is limited by the kernel.
    ///
    /// # Errors
    /// [`Error::Disk`].
    pub(crate) async fn overfull(&self) -> Result<Option<String>, Error> {
        for (volume, limit) in limits(self.spec) {
            let path = self.directory.volume(&volume.name);
            let used = task::blocking(move || disk::usage(&path)).await;
            let used = used.map_err(|source| Error::Disk { volume: volume.name.clone(), source })?;
            if resources::bytes(limit).is_some_and(|allowed| used > allowed) {
                let name = &volume.name;
                return Ok(Some(format!("Usage of EmptyDir volume {name:?} exceeds the limit {limit:?}.")));
            }
        }
        Ok(None)
    }

    /// Whether what the volumes show may have changed, as far as the agent's caches know.
    pub(crate) fn are_stale(&self, state: &State) -> bool {
        let mut volumes = self.spec.volumes.iter().flatten();
        let namespace = self.pod.metadata.namespace.as_deref().unwrap_or_default();
        let shown = &state.contents;
        let metadata = &self.pod.metadata;
        let tells_of_pod = (&shown.labels, &shown.annotations) != (&metadata.labels, &metadata.annotations);
        volumes.any(|volume| {
            volume::sources(volume).iter().any(|source| match source.reference() {
                Some(reference) => {
                    let cached = self.agent.cached_version(namespace, &reference);
                    shown.versions.get(&reference).is_none_or(|shown| *shown != cached)
                }
                None => tells_of_pod,
            })
        })
    }
}

/// The volumes on disk that have a limit.
pub(crate) fn limits(spec: &PodSpec) -> impl Iterator<Item = (&Volume, &str)> {
    spec.volumes.iter().flatten().filter_map(|volume| {
        let source = volume.empty_dir.as_ref().filter(|source| source.medium.as_deref() != Some("Memory"))?;
        Some((volume, source.size_limit.as_ref()?.0.as_str()))
    })
}
