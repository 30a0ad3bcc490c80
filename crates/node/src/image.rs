//! Images: which file system a container starts with.
//!
//! There is one, the pseudo-image `host`: the machine's own programs, read-only. Others cannot be pulled yet, and say so.
//! What `host` shows beyond the machine's own programs is found by [`toolchains`].

use container::{HostRootfs, Rootfs};

pub(crate) mod toolchains;

/// The name of the pseudo-image.
pub(crate) const HOST: &str = "host";
/// What a status shows as the identity of an image that has no digest.
pub(crate) const HOST_ID: &str = "host";
/// Reason of a container that waits because its image could not be pulled.
pub(crate) const PULL_FAILED: &str = "ErrImagePull";
/// The same after a while.
pub(crate) const PULL_BACK_OFF: &str = "ImagePullBackOff";
/// Reason of a container whose image may not be pulled and is not there.
pub(crate) const NEVER_PULL: &str = "ErrImageNeverPull";

/// Writable storage of a container on `host`, in bytes. It is memory of the container; without a memory limit this is
/// what bounds it.
const SCRATCH_BYTES: u64 = 1 << 30;

/// An image that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unavailable {
    /// For the status of the container.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// The root file system that an image stands for. `toolchains` are shown in `host`.
///
/// # Errors
/// [`Unavailable`] for every image but `host`.
pub(crate) fn root(
    image: &str,
    pull_policy: Option<&str>,
    toolchains: &[std::path::PathBuf],
) -> Result<Rootfs, Unavailable> {
    if image == HOST {
        return Ok(Rootfs::Host(HostRootfs { toolchains: toolchains.to_vec(), scratch_bytes: SCRATCH_BYTES }));
    }
    if pull_policy == Some("Never") {
        let message = format!("Container image \"{image}\" is not present with pull policy of Never");
        return Err(Unavailable { reason: NEVER_PULL, message });
    }
    let message =
        format!("cannot pull image \"{image}\": images cannot be pulled yet; only the image \"{HOST}\" is there");
    Err(Unavailable { reason: PULL_FAILED, message })
}
