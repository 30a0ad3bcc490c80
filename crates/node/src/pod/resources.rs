//! What the containers of a pod ask for and may use, in the machine's own numbers.
//!
//! Pure. The conversions are those of Kubernetes on Linux: thousandths of a processor to shares of 1024, and the quality
//! of service that follows from requests and limits (documentation of Pod Quality of Service Classes).

use client::kinds::core::v1::{Container, PodSpec};

const NANOS_PER_UNIT: i128 = 1_000_000_000;
const NANOS_PER_MILLI: i128 = 1_000_000;
/// Shares of a container that asks for nothing, and the kernel's bounds.
const LEAST_SHARES: u64 = 2;
const MOST_SHARES: u64 = 262_144;
/// The kernel takes no quota below one millisecond in 100.
const LEAST_CPU_MILLIS: u64 = 10;
/// Scores of a container by its class, as upstream has them; a guaranteed one is left at 0, because lowering a score
/// takes a privilege that a server need not have.
const BEST_EFFORT_SCORE: i32 = 1000;
const BURSTABLE_SCORES: std::ops::RangeInclusive<i64> = 3..=999;

/// One list of a container's resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    Requests,
    Limits,
}

/// A quantity of a container in whole units, rounded up; none if it is absent or no quantity.
pub(crate) fn units(container: &Container, list: List, name: &str) -> Option<u64> {
    nanos(container, list, name).map(|nanos| whole(nanos, NANOS_PER_UNIT))
}

/// A quantity of a container in thousandths, rounded up.
pub(crate) fn millis(container: &Container, list: List, name: &str) -> Option<u64> {
    nanos(container, list, name).map(|nanos| whole(nanos, NANOS_PER_MILLI))
}

fn whole(nanos: i128, unit: i128) -> u64 {
    u64::try_from(nanos.max(0).div_euclid(unit) + i128::from(nanos.rem_euclid(unit) > 0)).unwrap_or(u64::MAX)
}

fn nanos(container: &Container, list: List, name: &str) -> Option<i128> {
    let resources = container.resources.as_ref()?;
    let quantities = match list {
        List::Requests => resources.requests.as_ref()?,
        List::Limits => resources.limits.as_ref()?,
    };
    let quantity: machinery::quantity::Quantity = quantities.get(name)?.0.parse().ok()?;
    Some(quantity.nanos())
}

/// The bytes that a quantity such as a size limit means.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let quantity: machinery::quantity::Quantity = text.parse().ok()?;
    Some(whole(quantity.nanos(), NANOS_PER_UNIT))
}

/// The limits of a container for the machine.
pub(crate) fn limits(container: &Container) -> container::Resources {
    container::Resources {
        memory: units(container, List::Limits, "memory").filter(|bytes| *bytes > 0),
        cpu_millis: millis(container, List::Limits, "cpu")
            .filter(|millis| *millis > 0)
            .map(|millis| millis.max(LEAST_CPU_MILLIS)),
        cpu_shares: Some(shares(millis(container, List::Requests, "cpu").unwrap_or(0))),
        pids: None,
    }
}

fn shares(millis: u64) -> u64 {
    (millis.saturating_mul(1024) / 1000).clamp(LEAST_SHARES, MOST_SHARES)
}

/// The quality of service class of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quality {
    Guaranteed,
    Burstable,
    BestEffort,
}

impl Quality {
    pub(crate) fn of(spec: &PodSpec) -> Self {
        let all = || spec.init_containers.iter().flatten().chain(&spec.containers);
        let asks = |container: &Container| {
            let lists = [List::Requests, List::Limits];
            lists.iter().any(|list| ["cpu", "memory"].iter().any(|name| positive(container, *list, name)))
        };
        let exact = |container: &Container| {
            ["cpu", "memory"].iter().all(|name| {
                let limit = nanos(container, List::Limits, name).filter(|nanos| *nanos > 0);
                limit.is_some() && nanos(container, List::Requests, name).is_none_or(|nanos| Some(nanos) == limit)
            })
        };
        if !all().any(asks) {
            Self::BestEffort
        } else if all().all(exact) {
            Self::Guaranteed
        } else {
            Self::Burstable
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }

    /// How willing the kernel is to end the container when memory is short; none leaves it as it is.
    pub(crate) fn out_of_memory_score(self, container: &Container, machine_bytes: u64) -> Option<i32> {
        match self {
            Self::Guaranteed => None,
            Self::BestEffort => Some(BEST_EFFORT_SCORE),
            Self::Burstable => {
                let asked = units(container, List::Requests, "memory").unwrap_or(0);
                let part = u128::from(asked) * 1000 / u128::from(machine_bytes.max(1));
                let score = 1000 - i64::try_from(part).unwrap_or(1000);
                i32::try_from(score.clamp(*BURSTABLE_SCORES.start(), *BURSTABLE_SCORES.end())).ok()
            }
        }
    }
}

fn positive(container: &Container, list: List, name: &str) -> bool {
    nanos(container, list, name).is_some_and(|nanos| nanos > 0)
}

#[cfg(test)]
mod tests;
