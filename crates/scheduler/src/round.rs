//! One round: all waiting pods are looked at, bound or told why not.
//!
//! What was bound is remembered until the cache shows it, so that no room is given away twice. A round over unchanged state
//! writes nothing. Start reading at [`Scheduler::reconcile`].

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use client::kinds::core::v1::{Binding, Node, ObjectReference, Pod, PodCondition};
use client::meta::{ObjectMeta, Time};
use client::{
    Api, Cache, Client, KindExt, Next, Patch, PatchParams, PostParams, Reconcile, Recorder, Report, Severity, Subject,
};
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use serde_json::{Value, json};
use stdx::Clock;
use thiserror::Error;

use crate::demand::Demand;
use crate::node::NodeState;
use crate::plan::{Decision, Waiting, decide};
use crate::{NAME, bound_to, has_ended, is_waiting};

/// So many pods are written at the same time.
const PARALLEL: usize = 32;
const SCHEDULED: &str = "PodScheduled";

/// The one key of the queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Round;

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("all waiting pods")
    }
}

/// Schedules pods, round by round.
#[derive(Debug)]
pub(crate) struct Scheduler {
    client: Client,
    recorder: Recorder,
    clock: Clock,
    pods: Cache<Pod>,
    nodes: Cache<Node>,
    memory: Mutex<Memory>,
}

/// What is kept from round to round, by uid of pods.
#[derive(Debug, Default)]
struct Memory {
    /// The nodes of pods that are bound and not yet shown as bound.
    bound: HashMap<String, String>,
    /// What bound pods demand, read once. Before that, tolerations can still be added.
    demands: HashMap<String, Arc<Demand>>,
}

/// Why a pod could not be dealt with. Retry.
#[derive(Debug, Error)]
pub(crate) enum Error {
    #[error("cannot bind pod {pod} to node {node}")]
    Bind { pod: String, node: String, source: client::Error },
    #[error("cannot tell in the status of pod {pod} why it is not scheduled")]
    Status { pod: String, source: client::Error },
}

impl Reconcile<Round> for Scheduler {
    type Error = Error;

    async fn reconcile(&self, _: &Round) -> Result<Next, Error> {
        let (decided, waiting) = self.decide();
        let writes = stream::iter(decided).map(|(uid, decision)| {
            let pod = waiting.get(&uid).cloned();
            async move {
                match (pod, decision) {
                    (Some(pod), Decision::Bind(node)) => self.bind(&pod, node).await,
                    (Some(pod), Decision::Unschedulable(reason)) => self.refuse(&pod, reason).await,
                    (None, _) => Ok(()),
                }
            }
        });
        let written: Vec<Result<(), Error>> = writes.buffer_unordered(PARALLEL).collect().await;
        written.into_iter().collect::<Result<(), _>>()?;
        Ok(Next::OnChange)
    }
}

type Decided = Vec<(String, Decision)>;

impl Scheduler {
    pub(crate) fn new(client: Client, clock: Clock) -> Self {
        let recorder = Recorder::new(client.clone(), NAME, clock.clone());
        let (pods, nodes) = (client.cache(), client.cache());
        Self { client, recorder, clock, pods, nodes, memory: Mutex::default() }
    }

    /// Decides about the waiting pods, which are returned by uid.
    fn decide(&self) -> (Decided, HashMap<String, Arc<Pod>>) {
        // Pods before nodes: a pod that is bound may be on a node that is not known yet, which does no harm.
        let pods = self.pods.all();
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.keep_only(&pods);
        let waiting: HashMap<String, Arc<Pod>> = pods
            .iter()
            .filter(|pod| is_waiting(pod) && !is_gated(pod))
            .filter_map(|pod| Some((pod.uid()?, pod.clone())))
            .filter(|(uid, _)| !memory.bound.contains_key(uid))
            .collect();
        if waiting.is_empty() {
            return (Vec::new(), waiting);
        }
        let mut nodes: Vec<NodeState> = self.nodes.all().iter().map(|node| NodeState::of(node)).collect();
        let index: HashMap<String, usize> =
            nodes.iter().enumerate().map(|(at, node)| (node.name.clone(), at)).collect();
        for pod in pods.iter().filter(|pod| !has_ended(pod)) {
            let node = pod.uid().and_then(|uid| memory.bound.get(&uid).cloned());
            let node = node.or_else(|| bound_to(pod).map(str::to_owned));
            if let Some(at) = node.and_then(|node| index.get(&node)) {
                nodes[*at].place(&memory.demand(pod));
            }
        }
        let asking = waiting.iter().map(|(uid, pod)| Waiting {
            uid: uid.clone(),
            created: pod.metadata.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second()),
            demand: Arc::new(Demand::of(pod)),
        });
        let asking = asking.collect();
        (decide(&mut nodes, asking), waiting)
    }

    async fn bind(&self, pod: &Pod, node: String) -> Result<(), Error> {
        let (name, uid) = (pod.name_any(), pod.uid().unwrap_or_default());
        let namespace = pod.namespace().unwrap_or_default();
        let binding = Binding {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                namespace: Some(namespace.clone()),
                uid: Some(uid.clone()),
                ..ObjectMeta::default()
            },
            target: ObjectReference {
                kind: Some("Node".to_owned()),
                name: Some(node.clone()),
                ..ObjectReference::default()
            },
        };
        let pods: Api<Pod> = self.client.namespaced(&namespace);
        let bound = pods.create_subresource::<_, Value>("binding", &name, &PostParams::default(), &binding).await;
        match bound.map_err(client::Error::from) {
            Ok(_) => {}
            // Gone, going, or bound by another: the cache is about to show it.
            Err(error) if error.is_not_found() || error.is_conflict() => return Ok(()),
            Err(source) => return Err(Error::Bind { pod: format!("{namespace}/{name}"), node, source }),
        }
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).bound.insert(uid, node.clone());
        let message = format!("Successfully assigned {namespace}/{name} to {node}");
        self.tell(pod, &Report { severity: Severity::Normal, reason: "Scheduled", message }).await;
        Ok(())
    }

    /// Says why the pod is not scheduled, if it is not said already.
    async fn refuse(&self, pod: &Pod, message: String) -> Result<(), Error> {
        let known = condition(pod);
        if known.is_some_and(|known| known.status == "False" && known.message.as_deref() == Some(&message)) {
            return Ok(());
        }
        let since = known.filter(|known| known.status == "False").and_then(|known| known.last_transition_time.clone());
        let condition = json!({
            "type": SCHEDULED,
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "observedGeneration": pod.metadata.generation,
            "lastTransitionTime": since.unwrap_or_else(|| self.now()),
        });
        let patch = Patch::Strategic(json!({"metadata": {"uid": pod.uid()}, "status": {"conditions": [condition]}}));
        let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
        let pods: Api<Pod> = self.client.namespaced(&namespace);
        match pods.patch_status(&name, &PatchParams::default(), &patch).await.map_err(client::Error::from) {
            Ok(_) => {}
            Err(error) if error.is_not_found() || error.is_conflict() => return Ok(()),
            Err(source) => return Err(Error::Status { pod: format!("{namespace}/{name}"), source }),
        }
        self.tell(pod, &Report { severity: Severity::Warning, reason: "FailedScheduling", message }).await;
        Ok(())
    }

    /// In whole seconds, as times in the API are.
    fn now(&self) -> Time {
        let now = Timestamp::try_from(self.clock.now()).unwrap_or(Timestamp::MAX);
        Time(Timestamp::from_second(now.as_second()).unwrap_or(now))
    }

    /// Events that cannot be written are lost.
    async fn tell(&self, pod: &Pod, report: &Report) {
        let subject = Subject {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            namespace: pod.namespace(),
            name: pod.name_any(),
            uid: pod.uid().unwrap_or_default(),
        };
        if let Err(error) = self.recorder.report(&subject, report).await {
            tracing::debug!(error = %stdx::error_chain(&error), "event not written");
        }
    }
}

impl Memory {
    /// Forgets pods that are gone, and bindings that are shown.
    fn keep_only(&mut self, pods: &[Arc<Pod>]) {
        let there: HashSet<&str> = pods.iter().filter_map(|pod| pod.metadata.uid.as_deref()).collect();
        let unbound: HashSet<&str> =
            pods.iter().filter(|pod| bound_to(pod).is_none()).filter_map(|pod| pod.metadata.uid.as_deref()).collect();
        self.demands.retain(|uid, _| there.contains(uid.as_str()));
        self.bound.retain(|uid, _| unbound.contains(uid.as_str()));
    }

    fn demand(&mut self, pod: &Pod) -> Arc<Demand> {
        let uid = pod.uid().unwrap_or_default();
        self.demands.entry(uid).or_insert_with(|| Arc::new(Demand::of(pod))).clone()
    }
}

/// Whether somebody holds the pod back (`spec.schedulingGates`). The API server says so in its status.
fn is_gated(pod: &Pod) -> bool {
    let gates = pod.spec.as_ref().and_then(|spec| spec.scheduling_gates.as_ref());
    gates.is_some_and(|gates| !gates.is_empty())
}

fn condition(pod: &Pod) -> Option<&PodCondition> {
    pod.status.as_ref()?.conditions.as_ref()?.iter().find(|condition| condition.type_ == SCHEDULED)
}
