//! Volumes: directories on the machine that the containers of a pod share.
//!
//! What has content (ConfigMaps, Secrets, the downward API) is worked out as a set of files by [`files`], which is pure, and
//! put on disk by `atomic`; a Secret only ever lives in memory. Start reading at [`sources`] and [`files`].

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use client::kinds::core::v1::{DownwardAPIVolumeFile, KeyToPath, Pod, Volume};

use crate::fields::{self, Allocatable, FieldError};
use crate::source::{Content, Reference};

pub(crate) mod atomic;
pub(crate) mod disk;

/// Permissions of files when a volume says nothing, API reference of the volume sources.
const DEFAULT_MODE: u32 = 0o644;
/// Bits of permissions that a volume may ask for.
const MODE_MASK: u32 = 0o777;

/// A file of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    pub bytes: Vec<u8>,
    pub mode: u32,
}

/// The files of a volume by their paths within it.
pub(crate) type Files = BTreeMap<PathBuf, File>;

/// Where the files of a volume come from.
#[derive(Debug)]
pub(crate) enum Source<'a> {
    Object { reference: Reference, items: &'a [KeyToPath], is_optional: bool, mode: u32 },
    Downward { items: &'a [DownwardAPIVolumeFile], mode: u32 },
}

impl Source<'_> {
    pub(crate) fn reference(&self) -> Option<Reference> {
        match self {
            Self::Object { reference, .. } => Some(reference.clone()),
            Self::Downward { .. } => None,
        }
    }
}

/// Why a volume cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VolumeError {
    #[error("{0} not found")]
    Missing(Reference),
    #[error("references non-existent {0} key: {1}")]
    Key(Reference, String),
    #[error("path {0:?} leads out of the volume")]
    Path(String),
    #[error(transparent)]
    Field(#[from] FieldError),
}

/// The sources of a volume, in their order; none for a volume without content of its own.
pub(crate) fn sources(volume: &Volume) -> Vec<Source<'_>> {
    if let Some(map) = &volume.config_map {
        let reference = Reference::config_map(&map.name);
        return vec![object(reference, map.items.as_deref(), map.optional, map.default_mode)];
    }
    if let Some(secret) = &volume.secret {
        let reference = Reference::secret(secret.secret_name.as_deref().unwrap_or_default());
        return vec![object(reference, secret.items.as_deref(), secret.optional, secret.default_mode)];
    }
    if let Some(downward) = &volume.downward_api {
        let items = downward.items.as_deref().unwrap_or_default();
        return vec![Source::Downward { items, mode: mode(downward.default_mode) }];
    }
    let Some(projected) = &volume.projected else { return Vec::new() };
    let mut found = Vec::new();
    for source in projected.sources.iter().flatten() {
        if let Some(map) = &source.config_map {
            let reference = Reference::config_map(&map.name);
            found.push(object(reference, map.items.as_deref(), map.optional, projected.default_mode));
        }
        if let Some(secret) = &source.secret {
            let reference = Reference::secret(&secret.name);
            found.push(object(reference, secret.items.as_deref(), secret.optional, projected.default_mode));
        }
        if let Some(downward) = &source.downward_api {
            let items = downward.items.as_deref().unwrap_or_default();
            found.push(Source::Downward { items, mode: mode(projected.default_mode) });
        }
    }
    found
}

fn object<'a>(
    reference: Reference,
    items: Option<&'a [KeyToPath]>,
    optional: Option<bool>,
    default_mode: Option<i32>,
) -> Source<'a> {
    let is_optional = optional == Some(true);
    Source::Object { reference, items: items.unwrap_or_default(), is_optional, mode: mode(default_mode) }
}

fn mode(given: Option<i32>) -> u32 {
    given.and_then(|mode| u32::try_from(mode).ok()).map_or(DEFAULT_MODE, |mode| mode & MODE_MASK)
}

/// Whether the files of a volume must not reach a disk.
pub(crate) fn is_secret(volume: &Volume) -> bool {
    sources(volume).iter().any(
        |source| matches!(source, Source::Object { reference, .. } if reference.kind == crate::source::Kind::Secret),
    )
}

/// What the downward API tells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub pod: &'a Pod,
    pub host_ip: &'a str,
    pub allocatable: Allocatable,
}

/// The files of a volume. `contents` has what its references have; a later source takes the place of an earlier one.
///
/// # Errors
/// What is missing and not optional, or cannot be told.
pub(crate) fn files(
    sources: &[Source<'_>],
    contents: &BTreeMap<Reference, Content>,
    facts: Facts<'_>,
) -> Result<Files, VolumeError> {
    let mut files = Files::new();
    for source in sources {
        match source {
            Source::Object { reference, items, is_optional, mode } => match contents.get(reference) {
                Some(content) if items.is_empty() => {
                    for (key, bytes) in &content.data {
                        files.insert(inside(key)?, File { bytes: bytes.clone(), mode: *mode });
                    }
                }
                Some(content) => {
                    for item in *items {
                        let Some(bytes) = content.data.get(&item.key) else {
                            if *is_optional {
                                continue;
                            }
                            return Err(VolumeError::Key(reference.clone(), item.key.clone()));
                        };
                        let mode = item.mode.map_or(*mode, |given| self::mode(Some(given)));
                        files.insert(inside(&item.path)?, File { bytes: bytes.clone(), mode });
                    }
                }
                None if *is_optional => {}
                None => return Err(VolumeError::Missing(reference.clone())),
            },
            Source::Downward { items, mode } => {
                for item in *items {
                    let mode = item.mode.map_or(*mode, |given| self::mode(Some(given)));
                    files.insert(inside(&item.path)?, File { bytes: told(item, facts)?.into_bytes(), mode });
                }
            }
        }
    }
    Ok(files)
}

fn told(item: &DownwardAPIVolumeFile, facts: Facts<'_>) -> Result<String, FieldError> {
    if let Some(selector) = &item.field_ref {
        return fields::field(facts.pod, &selector.field_path, facts.host_ip);
    }
    let Some(selector) = &item.resource_field_ref else { return Ok(String::new()) };
    let name = selector.container_name.as_deref().unwrap_or_default();
    let spec = facts.pod.spec.as_ref();
    let all = spec.into_iter().flat_map(|spec| spec.init_containers.iter().flatten().chain(&spec.containers));
    let container = all.into_iter().find(|container| container.name == name);
    let container = container.ok_or_else(|| FieldError::Container(name.to_owned()))?;
    fields::resource(container, selector, facts.allocatable)
}

/// A path within the volume, which cannot name anything that the volume keeps for itself.
fn inside(path: &str) -> Result<PathBuf, VolumeError> {
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    let found = Path::new(path);
    if path.is_empty() || path.starts_with("..") || !found.components().all(plain) {
        return Err(VolumeError::Path(path.to_owned()));
    }
    Ok(found.to_owned())
}

#[cfg(test)]
mod tests;
