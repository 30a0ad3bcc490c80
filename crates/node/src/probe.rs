//! Probes: asking a container whether it has started, lives, and takes traffic.
//!
//! [`Probes::of`] and [`Tally`] are pure; [`run`] asks, from inside the pod's network, for as long as its future is polled.
//! It changes nothing: what follows from a finding is for the plan. Start reading at [`run`].

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use client::kinds::core::v1::{Container, Probe};
use container::{Runtime, SandboxId};
use http::{HeaderName, HeaderValue};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::pod::plan::{Failing, Health};

mod ask;

/// What Kubernetes takes when a probe does not say, API reference of Probe.
const DEFAULT_PERIOD_SECONDS: u64 = 10;
const DEFAULT_TIMEOUT_SECONDS: u64 = 1;
const DEFAULT_FAILURES: u32 = 3;
const DEFAULT_SUCCESSES: u32 = 1;

/// The probes of a container.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Probes {
    pub startup: Option<Check>,
    pub readiness: Option<Check>,
    pub liveness: Option<Check>,
}

/// One probe.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Check {
    pub action: Action,
    pub initial_delay: Duration,
    pub period: Duration,
    pub timeout: Duration,
    pub successes: u32,
    pub failures: u32,
    /// How long the container may end when this probe has given up on it.
    pub grace: Option<Duration>,
}

/// What a probe does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    Http {
        port: u16,
        path: String,
        headers: Vec<(HeaderName, HeaderValue)>,
    },
    Tcp {
        port: u16,
    },
    /// It never succeeds, for this reason: a port name that the container does not have, for instance.
    Impossible(String),
}

impl Probes {
    /// The probes of a container as the API has them. Handlers that the node does not know are refused by admission.
    pub(crate) fn of(container: &Container) -> Self {
        let check = |probe: &Option<Probe>| probe.as_ref().map(|probe| Check::of(probe, container));
        Self {
            startup: check(&container.startup_probe),
            readiness: check(&container.readiness_probe),
            liveness: check(&container.liveness_probe),
        }
    }

    /// What holds before anything has been asked: whatever is not probed is well, and nothing is ready unasked.
    pub(crate) fn initial(&self) -> Health {
        let started = self.startup.is_none();
        Health { started, ready: started && self.readiness.is_none(), failing: None }
    }
}

impl Check {
    fn of(probe: &Probe, container: &Container) -> Self {
        let seconds = |given: Option<i32>, otherwise: u64| {
            Duration::from_secs(
                given.and_then(|value| u64::try_from(value).ok()).filter(|value| *value > 0).unwrap_or(otherwise),
            )
        };
        let count = |given: Option<i32>, otherwise: u32| {
            given.and_then(|value| u32::try_from(value).ok()).filter(|value| *value > 0).unwrap_or(otherwise)
        };
        let grace = probe.termination_grace_period_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        Self {
            action: Action::of(probe, container),
            initial_delay: seconds(probe.initial_delay_seconds, 0),
            period: seconds(probe.period_seconds, DEFAULT_PERIOD_SECONDS),
            timeout: seconds(probe.timeout_seconds, DEFAULT_TIMEOUT_SECONDS),
            successes: count(probe.success_threshold, DEFAULT_SUCCESSES),
            failures: count(probe.failure_threshold, DEFAULT_FAILURES),
            grace: grace.map(Duration::from_secs),
        }
    }
}

impl Action {
    fn of(probe: &Probe, container: &Container) -> Self {
        if let Some(http) = &probe.http_get {
            let port = match port_of(&http.port, container) {
                Ok(port) => port,
                Err(why) => return Self::Impossible(why),
            };
            let path = http.path.as_deref().filter(|path| !path.is_empty()).unwrap_or("/");
            let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
            let header = |name: &str, value: &str| {
                Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
            };
            let given = http.http_headers.iter().flatten();
            match given.map(|given| header(&given.name, &given.value)).collect() {
                Some(headers) => Self::Http { port, path, headers },
                None => Self::Impossible("a header of the probe is no HTTP header".to_owned()),
            }
        } else if let Some(tcp) = &probe.tcp_socket {
            port_of(&tcp.port, container).map_or_else(Self::Impossible, |port| Self::Tcp { port })
        } else {
            Self::Impossible("the probe has no handler that this node knows".to_owned())
        }
    }
}

/// A port by number, or by the name that the container gives it. `port` is a number or a string in JSON.
fn port_of(port: &impl serde::Serialize, container: &Container) -> Result<u16, String> {
    let value = serde_json::to_value(port).unwrap_or_default();
    let number = |number: i64| u16::try_from(number).map_err(|_beyond| format!("{number} is no port"));
    if let Some(given) = value.as_i64() {
        return number(given);
    }
    let name = value.as_str().unwrap_or_default();
    if let Ok(given) = name.parse() {
        return number(given);
    }
    let named = container.ports.iter().flatten().find(|port| port.name.as_deref() == Some(name));
    named.map_or_else(|| Err(format!("couldn't find port: {name:?}")), |port| number(port.container_port.into()))
}

/// Counts outcomes in a row until they settle the matter.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    successes: u32,
    failures: u32,
    streak: Option<(Outcome, u32)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    Failure,
}

impl Tally {
    pub(crate) fn new(check: &Check) -> Self {
        Self { successes: check.successes, failures: check.failures, streak: None }
    }

    /// Adds an outcome. It comes back once there have been enough of it in a row.
    pub(crate) fn add(&mut self, outcome: Outcome) -> Option<Outcome> {
        let before = self.streak.filter(|(last, _)| *last == outcome).map_or(0, |(_, count)| count);
        let count = before.saturating_add(1);
        self.streak = Some((outcome, count));
        let enough = match outcome {
            Outcome::Success => self.successes,
            Outcome::Failure => self.failures,
        };
        (count >= enough).then_some(outcome)
    }
}

/// What probing has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The state of the container is this.
    Health(Health),
    /// One question was answered badly.
    Unhealthy { probe: &'static str, message: String },
}

/// A container that is probed.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub runtime: &'a Runtime,
    pub sandbox: &'a SandboxId,
    /// How long it has run.
    pub age: Duration,
    /// What is known of it, from before a restart of the server.
    pub health: Health,
}

/// Probes a container and reports what changes; returns only when it need not be asked any more.
pub(crate) async fn run(target: Target<'_>, probes: &Probes, report: impl Fn(Finding) + Sync) {
    let began = Instant::now().checked_sub(target.age).unwrap_or_else(Instant::now);
    let health = std::sync::Mutex::new(target.health.clone());
    let change = |change: &dyn Fn(&mut Health)| {
        let mut health = health.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let before = health.clone();
        change(&mut health);
        if *health != before {
            report(Finding::Health(health.clone()));
        }
    };
    let round = |name: &'static str, check: Check| Round { name, check, began, target: &target, report: &report };
    if let Some(check) = probes.startup.clone().filter(|_| !target.health.started) {
        let grace = check.grace;
        let started = round("startup", check).settle(&[Outcome::Success, Outcome::Failure]).await;
        match started {
            Outcome::Success => change(&|health| {
                health.started = true;
                health.ready = probes.readiness.is_none();
            }),
            Outcome::Failure => return change(&|health| health.failing = Some(Failing { probe: "startup", grace })),
        }
    }
    let liveness = async {
        let Some(check) = probes.liveness.clone() else { return };
        let grace = check.grace;
        round("liveness", check).settle(&[Outcome::Failure]).await;
        change(&|health| health.failing = Some(Failing { probe: "liveness", grace }));
    };
    let readiness = async {
        let Some(check) = probes.readiness.clone() else { return };
        round("readiness", check).each(|outcome| change(&|health| health.ready = outcome == Outcome::Success)).await;
    };
    tokio::join!(liveness, readiness);
}

/// One probe that is asked again and again.
struct Round<'a, R> {
    name: &'static str,
    check: Check,
    began: Instant,
    target: &'a Target<'a>,
    report: &'a R,
}

impl<R: Fn(Finding) + Sync> Round<'_, R> {
    /// Asks until the matter is settled in one of these ways.
    async fn settle(&self, wanted: &[Outcome]) -> Outcome {
        let (mut asked, mut tally) = (self.times(), Tally::new(&self.check));
        loop {
            asked.tick().await;
            if let Some(settled) = tally.add(self.ask().await).filter(|settled| wanted.contains(settled)) {
                return settled;
            }
        }
    }

    /// Asks for ever.
    async fn each(&self, settled: impl Fn(Outcome)) {
        let (mut asked, mut tally) = (self.times(), Tally::new(&self.check));
        loop {
            asked.tick().await;
            if let Some(outcome) = tally.add(self.ask().await) {
                settled(outcome);
            }
        }
    }

    fn times(&self) -> tokio::time::Interval {
        let mut times = interval_at((self.began + self.check.initial_delay).max(Instant::now()), self.check.period);
        times.set_missed_tick_behavior(MissedTickBehavior::Delay);
        times
    }

    async fn ask(&self) -> Outcome {
        let question = self.question();
        let answer = match timeout(self.check.timeout, question).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(format!("no answer within {} s", self.check.timeout.as_secs())),
        };
        match answer {
            Ok(()) => Outcome::Success,
            Err(message) => {
                let mut name = self.name.to_owned();
                name[..1].make_ascii_uppercase();
                let message = format!("{name} probe failed: {message}");
                (self.report)(Finding::Unhealthy { probe: self.name, message });
                Outcome::Failure
            }
        }
    }

    async fn question(&self) -> Result<(), String> {
        let open = |port: u16| {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            async move {
                let connected = self.target.runtime.connect_tcp(self.target.sandbox, address).await;
                connected.map_err(|error| format!("cannot connect to port {port}: {error}"))
            }
        };
        match &self.check.action {
            Action::Tcp { port } => open(*port).await.map(drop),
            Action::Http { port, path, headers } => {
                let question = ask::Get { port: *port, path, headers };
                ask::http(open(*port).await?, &question).await
            }
            Action::Impossible(why) => Err(why.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
