//! What the status of a pod says, as the controllers read it.
//!
//! Pure. The meanings are those of the pod life cycle in the Kubernetes documentation. Start reading at [`is_active`].

use std::time::Duration;

use client::kinds::core::v1::{Pod, PodCondition};
use jiff::{SignedDuration, Timestamp};

/// Whether the pod counts as a replica: it has not ended and is not being deleted.
pub(crate) fn is_active(pod: &Pod) -> bool {
    !has_ended(pod) && pod.metadata.deletion_timestamp.is_none()
}

/// Whether all containers have ended for good.
pub(crate) fn has_ended(pod: &Pod) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

/// `status.phase`, empty before the first status.
pub(crate) fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

/// The node that the pod is bound to.
pub(crate) fn node(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).filter(|node| !node.is_empty())
}

/// Since when the pod is ready, if it is. The inner value is None when the pod does not tell.
pub(crate) fn ready(pod: &Pod) -> Option<Option<Timestamp>> {
    let condition = condition(pod, "Ready").filter(|condition| condition.status == "True")?;
    Some(condition.last_transition_time.as_ref().map(|time| time.0))
}

/// A condition of the pod.
pub(crate) fn condition<'a>(pod: &'a Pod, name: &str) -> Option<&'a PodCondition> {
    pod.status.as_ref()?.conditions.as_ref()?.iter().find(|condition| condition.type_ == name)
}

/// Whether a pod can be relied upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Availability {
    /// It has been ready for long enough.
    Available,
    /// It is ready and will be available after this time, if it stays so.
    In(Duration),
    /// It is not ready.
    No,
}

/// The availability of a pod that must be ready for `min_ready` to be relied upon.
pub(crate) fn availability(pod: &Pod, min_ready: SignedDuration, now: Timestamp) -> Availability {
    match ready(pod) {
        None => Availability::No,
        Some(_) if min_ready <= SignedDuration::ZERO => Availability::Available,
        Some(None) => Availability::No,
        Some(Some(since)) => match Duration::try_from(min_ready - now.duration_since(since)) {
            Ok(Duration::ZERO) | Err(_) => Availability::Available,
            Ok(left) => Availability::In(left),
        },
    }
}

/// The highest number of restarts among the pod's containers, and among its side-cars: init containers that go on running.
pub(crate) fn restarts(pod: &Pod) -> (i32, i32) {
    let status = pod.status.as_ref();
    let containers = status.and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
    let init = status.and_then(|status| status.init_container_statuses.as_deref()).unwrap_or_default();
    let sidecars: Vec<&str> = pod
        .spec
        .iter()
        .flat_map(|spec| spec.init_containers.as_deref().unwrap_or_default())
        .filter(|container| container.restart_policy.as_deref() == Some("Always"))
        .map(|container| container.name.as_str())
        .collect();
    let most = |counts: &mut dyn Iterator<Item = i32>| counts.max().unwrap_or(0);
    (
        most(&mut containers.iter().map(|status| status.restart_count)),
        most(
            &mut init
                .iter()
                .filter(|status| sidecars.contains(&status.name.as_str()))
                .map(|status| status.restart_count),
        ),
    )
}
