//! Clusters and their endpoints as the data plane sees them: who can be chosen, who is, who is out of rotation.
//!
//! An [`Endpoint`] outlives snapshots: its connections, its load and its failures stay when only other things changed. It
//! is out of rotation for a while from the moment a connection to it fails, without asking the control plane. Connections
//! are in [`pool`].

pub(crate) mod pool;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use flow::ClusterProtocol;

use crate::random::Random;
use pool::Pool;

/// The first time out of rotation; a process that restarts takes about as long.
const OUT_FIRST: Duration = Duration::from_secs(1);
/// The longest time out of rotation. Longer would outlast most reasons for it.
const OUT_LONGEST: Duration = Duration::from_secs(15);

/// One server. Shared by all workers and by the snapshots that name it.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    pub(crate) cluster: String,
    /// One for each worker: a connection belongs to the runtime that drives it.
    pub(crate) pools: Box<[Pool]>,
    in_flight: AtomicUsize,
    /// Connections that failed in a row.
    failures: AtomicU32,
    /// Milliseconds after `epoch`; 0: in rotation.
    out_until: AtomicU64,
    epoch: Instant,
}

impl Endpoint {
    fn is_out(&self) -> bool {
        let until = self.out_until.load(Ordering::Relaxed);
        until != 0 && self.now() < until
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A connection failed: out of rotation, longer each time in a row.
    pub(crate) fn failed(&self) {
        let doublings = self.failures.fetch_add(1, Ordering::Relaxed).min(8);
        let pause = (OUT_FIRST * (1 << doublings)).min(OUT_LONGEST);
        let pause = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        self.out_until.store(self.now().saturating_add(pause).max(1), Ordering::Relaxed);
    }

    /// A connection succeeded.
    pub(crate) fn connected(&self) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
            self.out_until.store(0, Ordering::Relaxed);
        }
    }
}

/// Counts as load on its endpoint until dropped.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Endpoint>);

impl InFlight {
    pub(crate) fn new(endpoint: Arc<Endpoint>) -> Self {
        endpoint.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(endpoint)
    }

    pub(crate) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The ready endpoints of a cluster of one snapshot.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) name: String,
    pub(crate) protocol: ClusterProtocol,
    pub(crate) connect_timeout: Option<Duration>,
    members: Box<[Member]>,
    weights: Split,
}

#[derive(Debug)]
struct Member {
    endpoint: Arc<Endpoint>,
    weight: u32,
}

impl Cluster {
    /// The less loaded of two random endpoints that are in rotation and not in `tried`; if all others are out of rotation,
    /// one of those: being out is a guess, and a wrong guess must not fail a request. None if all were tried.
    pub(crate) fn choose(&self, random: &Random, tried: &[Arc<Endpoint>]) -> Option<Arc<Endpoint>> {
        let usable = |member: &&Member| !tried.iter().any(|endpoint| Arc::ptr_eq(endpoint, &member.endpoint));
        if let [only] = &*self.members {
            return usable(&only).then(|| only.endpoint.clone());
        }
        let draw = || self.weights.choose(random).map(|index| &self.members[index]);
        let good = |member: &&Member| usable(member) && !member.endpoint.is_out();
        match (draw().filter(good), draw().filter(good)) {
            (Some(a), Some(b)) => Some(if b.less_loaded_than(a) { b } else { a }),
            (Some(one), None) | (None, Some(one)) => Some(one),
            (None, None) => self.first(random, good).or_else(|| self.first(random, usable)),
        }
        .map(|member| member.endpoint.clone())
    }

    /// The first that is `wanted`, beginning anywhere.
    fn first(&self, random: &Random, wanted: impl Fn(&&Member) -> bool) -> Option<&Member> {
        let len = self.members.len();
        let start = usize::try_from(random.below(u64::try_from(len.max(1)).ok()?)).ok()?;
        self.members.iter().cycle().skip(start).take(len).find(wanted)
    }
}

impl Member {
    fn less_loaded_than(&self, other: &Member) -> bool {
        let load = |member: &Member| member.endpoint.in_flight.load(Ordering::Relaxed) as u64 + 1;
        // load / weight, compared without division.
        load(self) * u64::from(other.weight) < load(other) * u64::from(self.weight)
    }
}

/// Shares of a whole.
#[derive(Debug)]
pub(crate) struct Split {
    /// Sums of the weights up to and with each index.
    sums: Box<[u64]>,
}

impl Split {
    pub(crate) fn new(weights: impl Iterator<Item = u32>) -> Self {
        let sums = weights.scan(0_u64, |sum, weight| {
            *sum += u64::from(weight);
            Some(*sum)
        });
        Self { sums: sums.collect() }
    }

    /// A random index, each with the probability of its share. None if there is no weight at all.
    pub(crate) fn choose(&self, random: &Random) -> Option<usize> {
        let total = *self.sums.last()?;
        match self.sums.len() {
            _ if total == 0 => None,
            1 => Some(0),
            _ => {
                let point = random.below(total);
                Some(self.sums.partition_point(|sum| *sum <= point))
            }
        }
    }
}

/// All endpoints that a snapshot or a request still holds.
#[derive(Debug)]
pub(crate) struct Registry {
    known: Mutex<HashMap<Identity, Weak<Endpoint>>>,
    workers: usize,
    epoch: Instant,
}

type Identity = (String, ClusterProtocol, SocketAddr);

impl Registry {
    pub(crate) fn new(workers: usize) -> Self {
        Self { known: Mutex::default(), workers, epoch: Instant::now() }
    }

    /// The cluster with the endpoints that are known already, and new ones.
    pub(crate) fn cluster(&self, cluster: &flow::Cluster) -> Cluster {
        let ready = cluster.endpoints.iter().filter(|endpoint| endpoint.ready);
        let members: Box<[Member]> = ready
            .map(|endpoint| Member { endpoint: self.endpoint(cluster, endpoint.address), weight: endpoint.weight })
            .collect();
        Cluster {
            name: cluster.name.clone(),
            protocol: cluster.protocol,
            connect_timeout: cluster.connect_timeout,
            weights: Split::new(members.iter().map(|member| member.weight)),
            members,
        }
    }

    fn endpoint(&self, cluster: &flow::Cluster, address: SocketAddr) -> Arc<Endpoint> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = known.entry((cluster.name.clone(), cluster.protocol, address)).or_default();
        if let Some(endpoint) = slot.upgrade() {
            return endpoint;
        }
        let endpoint = Arc::new(Endpoint {
            address,
            cluster: cluster.name.clone(),
            pools: (0..self.workers).map(|_| Pool::default()).collect(),
            in_flight: AtomicUsize::new(0),
            failures: AtomicU32::new(0),
            out_until: AtomicU64::new(0),
            epoch: self.epoch,
        });
        *slot = Arc::downgrade(&endpoint);
        endpoint
    }

    /// Forgets endpoints that nothing holds any more.
    pub(crate) fn prune(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, endpoint| endpoint.strong_count() > 0);
    }

    /// The endpoints that something holds.
    pub(crate) fn endpoints(&self) -> Vec<Arc<Endpoint>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).values().filter_map(Weak::upgrade).collect()
    }
}

#[cfg(test)]
mod tests;
