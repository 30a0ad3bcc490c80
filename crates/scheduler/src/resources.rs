//! Amounts of resources: what pods request and nodes have.
//!
//! Pure. Amounts are exact billionths of the unit, see [`machinery::quantity::Quantity`]. Start reading at [`Amounts`].

use std::collections::BTreeMap;

use client::kinds::core::v1::{Container, PodSpec};
use machinery::quantity::Quantity;

/// Processor time, in cores.
pub(crate) const CPU: &str = "cpu";
/// Memory, in bytes.
pub(crate) const MEMORY: &str = "memory";
/// The number of pods.
pub(crate) const PODS: &str = "pods";

/// One unit.
const UNIT: i128 = 1_000_000_000;
/// What a pod that requests no processor time is taken to use when nodes are compared: a tenth of a core, as upstream.
const ASSUMED_CPU: i128 = UNIT / 10;
/// Likewise for memory: 200 MiB, as upstream.
const ASSUMED_MEMORY: i128 = 200 * 1024 * 1024 * UNIT;

/// Amounts by resource name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Amounts(BTreeMap<String, i128>);

impl Amounts {
    /// Reads what `written` says; entries that are no quantities, which validation keeps out, count as nothing.
    pub(crate) fn read<'a>(written: impl IntoIterator<Item = (&'a String, &'a str)>) -> Self {
        let amount = |text: &str| text.parse::<Quantity>().map_or(0, Quantity::nanos);
        Self(written.into_iter().map(|(name, text)| (name.clone(), amount(text))).collect())
    }

    /// The amount of a resource in billionths, 0 if it is not named.
    pub(crate) fn get(&self, name: &str) -> i128 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// The names and amounts, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, i128)> {
        self.0.iter().map(|(name, amount)| (name.as_str(), *amount))
    }

    /// Adds the amounts of `other`.
    pub(crate) fn add(&mut self, other: &Self) {
        for (name, amount) in other.iter() {
            *self.0.entry(name.to_owned()).or_default() += amount;
        }
    }

    fn raise_to(&mut self, other: &Self) {
        for (name, amount) in other.iter() {
            let own = self.0.entry(name.to_owned()).or_default();
            *own = amount.max(*own);
        }
    }

    fn replace(&mut self, other: &Self) {
        self.0.extend(other.0.clone());
    }

    /// The amounts that nodes are compared by: pods that request nothing are not free of charge.
    pub(crate) fn assumed(&self) -> Assumed {
        let or = |amount: i128, assumed: i128| if amount == 0 { assumed } else { amount };
        Assumed { cpu: or(self.get(CPU), ASSUMED_CPU), memory: or(self.get(MEMORY), ASSUMED_MEMORY) }
    }
}

/// See [`Amounts::assumed`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Assumed {
    /// In billionths of a core.
    pub(crate) cpu: i128,
    /// In billionths of a byte.
    pub(crate) memory: i128,
}

/// What a pod requests: containers and side-cars run together; other init containers run one after the other beside the
/// side-cars that come before them (KEP-753). Requests of the pod as a whole replace that sum (KEP-2837); the overhead of its
/// runtime comes on top.
pub(crate) fn requests(spec: &PodSpec) -> Amounts {
    let mut running = Amounts::default();
    spec.containers.iter().for_each(|container| running.add(&of_container(container)));
    let (mut sidecars, mut starting) = (Amounts::default(), Amounts::default());
    for container in spec.init_containers.iter().flatten() {
        let own = of_container(container);
        if container.restart_policy.as_deref() == Some("Always") {
            sidecars.add(&own);
            starting.raise_to(&sidecars);
        } else {
            let mut step = sidecars.clone();
            step.add(&own);
            starting.raise_to(&step);
        }
    }
    running.add(&sidecars);
    running.raise_to(&starting);
    let whole = spec.resources.iter().flat_map(|resources| resources.requests.iter().flatten());
    running.replace(&Amounts::read(whole.map(|(name, amount)| (name, amount.0.as_str()))));
    let overhead = spec.overhead.iter().flatten();
    running.add(&Amounts::read(overhead.map(|(name, amount)| (name, amount.0.as_str()))));
    running
}

fn of_container(container: &Container) -> Amounts {
    let requests = container.resources.iter().flat_map(|resources| resources.requests.iter().flatten());
    Amounts::read(requests.map(|(name, amount)| (name, amount.0.as_str())))
}

#[cfg(test)]
mod tests;
