//! What is in force: listeners with their routes, and the sockets that belong to them.
//!
//! A snapshot is compiled aside and put in force listener by listener with one pointer each; requests never wait for it
//! and finish on the routes they began with. A listener is served when a snapshot names it and its socket is there, in
//! whichever order these come. Start at [`Table::apply`].

use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use flow::event::Key;
use flow::wire::{ListenerCondition, ListenerState};
use flow::{Action, HeaderEdit, ListenerProtocol, Purpose, Redirect, Rewrite, Rule, Snapshot, Timeout, Version};
use task::CancellationToken;
use tokio::sync::{Semaphore, watch};

use crate::matcher::Matcher;
use crate::stats::{Series, Stats};
use crate::upstream::{Cluster, Registry, Split};

/// What is in force.
#[derive(Debug)]
pub(crate) struct Table {
    stats: Arc<Stats>,
    registry: Registry,
    connections_limit: usize,
    /// Cancelled when the process takes no more traffic.
    stop: CancellationToken,
    current: Mutex<Current>,
    serving: watch::Sender<Arc<[Serving]>>,
}

#[derive(Debug, Default)]
struct Current {
    version: Option<Version>,
    listeners: HashMap<String, Arc<Listener>>,
    sockets: HashMap<String, Arc<TcpListener>>,
    /// Why a listener that has its socket cannot be served.
    failures: HashMap<String, String>,
}

/// A listener that is named by the snapshot in force and has its socket.
#[derive(Debug, Clone)]
pub(crate) struct Serving {
    pub(crate) listener: Arc<Listener>,
    pub(crate) socket: Arc<TcpListener>,
}

/// A listener of the snapshot in force. Stays the same over snapshots that name it.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) id: String,
    pub(crate) routes: ArcSwap<Routes>,
    /// Room for further connections.
    pub(crate) room: Arc<Semaphore>,
    /// Cancelled when the snapshot in force does not name the listener any more, and when the process stops.
    pub(crate) gone: CancellationToken,
}

/// The rules of one listener, compiled.
#[derive(Debug)]
pub(crate) struct Routes {
    pub(crate) protocol: ListenerProtocol,
    pub(crate) purpose: Purpose,
    matcher: Matcher,
    routes: Box<[Arc<Route>]>,
    /// Counts what no rule matches.
    pub(crate) unmatched: Arc<Series>,
}

/// One rule, resolved.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) prefix_length: usize,
    pub(crate) request_headers: HeaderEdit,
    pub(crate) response_headers: HeaderEdit,
    pub(crate) target: Target,
    /// Counts what is answered without a backend.
    pub(crate) series: Arc<Series>,
}

#[derive(Debug)]
pub(crate) enum Target {
    Forward(Forwarding),
    Redirect(Redirect),
    Drop,
}

#[derive(Debug)]
pub(crate) struct Forwarding {
    split: Split,
    backends: Box<[Backend]>,
    pub(crate) rewrite: Rewrite,
    pub(crate) request_timeout: Timeout,
    pub(crate) backend_timeout: Timeout,
}

#[derive(Debug)]
pub(crate) struct Backend {
    /// None: an invalid reference.
    pub(crate) cluster: Option<Arc<Cluster>>,
    pub(crate) series: Arc<Series>,
    pub(crate) request_headers: HeaderEdit,
    pub(crate) response_headers: HeaderEdit,
}

impl Table {
    /// Listeners are gone, at the latest, when `stop` is cancelled.
    pub(crate) fn new(stats: Arc<Stats>, options: &crate::Options, stop: CancellationToken) -> Self {
        Self {
            stop,
            stats,
            registry: Registry::new(options.workers.max(1)),
            connections_limit: options.connections_limit.clamp(1, Semaphore::MAX_PERMITS),
            current: Mutex::default(),
            serving: watch::Sender::new(Arc::default()),
        }
    }

    /// Puts a snapshot in force. Blocks for as long as compiling takes: about 10 µs a rule.
    pub(crate) fn apply(&self, snapshot: &Snapshot) {
        let clusters: HashMap<&str, Arc<Cluster>> = snapshot
            .clusters
            .iter()
            .map(|cluster| (cluster.name.as_str(), Arc::new(self.registry.cluster(cluster))))
            .collect();
        let compile = |listener| (self.compile(listener, &snapshot.rules, &clusters), listener);
        let compiled: Vec<_> = snapshot.listeners.iter().map(compile).collect();
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut current.listeners);
        for (routes, listener) in compiled {
            let kept = before.remove(&listener.id);
            let entry = match kept {
                Some(kept) => {
                    kept.routes.store(Arc::new(routes));
                    kept
                }
                None => Arc::new(Listener {
                    id: listener.id.clone(),
                    routes: ArcSwap::from_pointee(routes),
                    room: Arc::new(Semaphore::new(self.connections_limit)),
                    gone: self.stop.child_token(),
                }),
            };
            current.listeners.insert(listener.id.clone(), entry);
        }
        before.values().for_each(|listener| listener.gone.cancel());
        current.version = Some(snapshot.version.clone());
        self.publish(&current);
        drop(current);
        self.registry.prune();
    }

    fn compile(&self, listener: &flow::Listener, rules: &[Rule], clusters: &HashMap<&str, Arc<Cluster>>) -> Routes {
        let applies = |rule: &&Rule| {
            (rule.listeners.is_empty() || rule.listeners.contains(&listener.id))
                && (listener.protocol == ListenerProtocol::Http || !rule.needs_http())
        };
        let rules: Vec<&Rule> = rules.iter().filter(applies).collect();
        Routes {
            protocol: listener.protocol,
            purpose: listener.purpose,
            matcher: Matcher::new(&rules),
            routes: rules.iter().map(|rule| Arc::new(self.route(listener, rule, clusters))).collect(),
            unmatched: self.series(listener, "", ""),
        }
    }

    fn route(&self, listener: &flow::Listener, rule: &Rule, clusters: &HashMap<&str, Arc<Cluster>>) -> Route {
        let target = match &rule.action {
            Action::Drop => Target::Drop,
            Action::Redirect(redirect) => Target::Redirect(redirect.clone()),
            Action::Forward(forward) => Target::Forward(Forwarding {
                split: Split::new(forward.backends.iter().map(|backend| backend.weight)),
                backends: forward
                    .backends
                    .iter()
                    .map(|backend| Backend {
                        cluster: match backend.invalid {
                            Some(_) => None,
                            None => clusters.get(backend.cluster.as_str()).cloned(),
                        },
                        series: self.series(listener, &rule.id, &backend.cluster),
                        request_headers: backend.request_headers.clone(),
                        response_headers: backend.response_headers.clone(),
                    })
                    .collect(),
                rewrite: forward.rewrite.clone(),
                request_timeout: forward.request_timeout,
                backend_timeout: forward.backend_timeout,
            }),
        };
        let prefix_length = match &rule.criteria.path {
            Some(flow::PathMatch::Prefix(prefix)) => prefix.len(),
            Some(flow::PathMatch::Exact(_) | flow::PathMatch::Regex(_)) | None => 0,
        };
        Route {
            prefix_length,
            request_headers: rule.request_headers.clone(),
            response_headers: rule.response_headers.clone(),
            target,
            series: self.series(listener, &rule.id, ""),
        }
    }

    fn series(&self, listener: &flow::Listener, rule: &str, cluster: &str) -> Arc<Series> {
        let key = Key { listener: listener.id.clone(), rule: rule.to_owned(), cluster: cluster.to_owned() };
        self.stats.series(key)
    }

    /// Takes the socket of a listener, in place of the one that it had.
    pub(crate) fn put_socket(&self, id: String, socket: TcpListener) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.failures.remove(&id);
        current.sockets.insert(id, Arc::new(socket));
        self.publish(&current);
    }

    /// Closes the socket of a listener, as far as this process holds it.
    pub(crate) fn close_socket(&self, id: &str) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.failures.remove(id);
        if current.sockets.remove(id).is_some() {
            self.publish(&current);
        }
    }

    /// Notes that the socket of a listener cannot be used.
    pub(crate) fn socket_failed(&self, id: &str, reason: &std::io::Error) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.failures.insert(id.to_owned(), reason.to_string());
    }

    /// The sockets that are held, by listener.
    pub(crate) fn sockets(&self) -> HashMap<String, Arc<TcpListener>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).sockets.clone()
    }

    pub(crate) fn version(&self) -> Option<Version> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).version.clone()
    }

    /// How each listener of the snapshot in force is doing.
    pub(crate) fn listener_states(&self) -> Vec<ListenerState> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let state = |id: &String| {
            let failure = current.failures.get(id);
            let condition = match failure {
                Some(_) => ListenerCondition::Failed,
                None if current.sockets.contains_key(id) => ListenerCondition::Serving,
                None => ListenerCondition::Waiting,
            };
            ListenerState { id: id.clone(), condition: condition.into(), reason: failure.cloned().unwrap_or_default() }
        };
        let mut states: Vec<_> = current.listeners.keys().map(state).collect();
        states.sort_by(|a, b| a.id.cmp(&b.id));
        states
    }

    /// What is to be served, and when that changes.
    pub(crate) fn serving(&self) -> watch::Receiver<Arc<[Serving]>> {
        self.serving.subscribe()
    }

    /// Closes connections to endpoints that one worker has kept idle too long.
    pub(crate) fn expire_idle(&self, worker: usize) {
        for endpoint in self.registry.endpoints() {
            endpoint.pools[worker].expire();
        }
    }

    fn publish(&self, current: &Current) {
        let serving = current.listeners.iter().filter_map(|(id, listener)| {
            let socket = current.sockets.get(id)?;
            Some(Serving { listener: listener.clone(), socket: socket.clone() })
        });
        self.serving.send_replace(serving.collect());
    }
}

impl Routes {
    /// The route of a request, or without `head` of a connection.
    pub(crate) fn find(
        &self,
        ends: crate::matcher::Ends,
        head: Option<&crate::matcher::Head<'_>>,
    ) -> Option<&Arc<Route>> {
        self.matcher.find(ends, head).map(|index| &self.routes[index])
    }

    /// The route that drops the connection whatever it will carry, if that is what its rule says.
    pub(crate) fn find_drop(&self, ends: crate::matcher::Ends) -> Option<&Arc<Route>> {
        let index = self.matcher.find_before_request(ends, flow::Transport::Http)?;
        Some(&self.routes[index]).filter(|route| matches!(route.target, Target::Drop))
    }
}

impl Forwarding {
    /// One of the backends, each with the probability of its weight. None if no backend has weight.
    pub(crate) fn choose(&self, random: &crate::random::Random) -> Option<&Backend> {
        self.split.choose(random).map(|index| &self.backends[index])
    }
}

/// When something that began at `start` has taken too long, if a rule says so.
pub(crate) fn deadline(start: tokio::time::Instant, timeout: Timeout) -> Option<tokio::time::Instant> {
    match timeout {
        Timeout::Unset | Timeout::Disabled => None,
        Timeout::After(limit) => Some(start + limit),
    }
}

#[cfg(test)]
mod tests;
