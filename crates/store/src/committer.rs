//! The way of a write: the one thread that changes anything.
//!
//! It takes all transactions that wait, plans them one after the other on top of the published state, makes the plan
//! durable in one transaction of the database, publishes the new state, sends the events, then answers. One sync of the
//! disk serves all of a group, which is what decides how many writes a second there are.
//!
//! A database that has failed refuses everything until it is opened again. So after a failure the committer opens it
//! again, and if that fails too, tries once more with each group that comes. What the file then contains is the truth:
//! it may have the group that was answered as failed, because a disk can take everything and fail only to confirm. That
//! group is then published like any other. (Taking it back was considered; a crash at that moment would show it anyway,
//! so callers must expect it in any case.)

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use crate::disk::{Batch, Meta};
use crate::plan::Plan;
use crate::store::{Health, Shared};
use crate::{CommitError, Committed, DiskError, Transaction};

/// Transactions that may wait. More would not make larger groups, only longer waits.
const QUEUE: usize = 1024;

/// A group takes at most this many transactions: enough to spread the sync, few enough to be done in milliseconds.
const GROUP_TRANSACTIONS: usize = 512;

/// A group ends once its values hold this many bytes. All of it is in memory until it is on disk.
const GROUP_BYTES: usize = 8 * 1024 * 1024;

type Answer = Result<Committed, CommitError>;

/// A transaction and who waits for it.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) transaction: Transaction,
    pub(crate) reply: oneshot::Sender<Answer>,
}

/// Starts the thread. It ends, and closes the file, when all senders are gone and the queue is empty.
pub(crate) fn start(shared: Arc<Shared>) -> std::io::Result<(mpsc::Sender<Job>, JoinHandle<()>)> {
    let (sender, jobs) = mpsc::channel(QUEUE);
    let ending = Ending { shared: shared.clone() };
    let committer = Committer { shared, jobs, unsettled: None };
    let thread = task::thread("store-committer", move || {
        let _ending = ending;
        committer.run();
    })?;
    Ok((sender, thread))
}

struct Committer {
    shared: Arc<Shared>,
    jobs: mpsc::Receiver<Job>,
    /// The plan that was being written when the database failed.
    unsettled: Option<Plan>,
}

impl Committer {
    fn run(mut self) {
        while let Some(job) = self.jobs.blocking_recv() {
            let group = self.gather(job);
            self.commit(group);
        }
    }

    /// Everything that waits, up to the limits of a group.
    fn gather(&mut self, first: Job) -> Vec<Job> {
        let mut bytes = first.transaction.value_bytes();
        let mut group = vec![first];
        while group.len() < GROUP_TRANSACTIONS && bytes < GROUP_BYTES {
            let Ok(job) = self.jobs.try_recv() else { break };
            bytes += job.transaction.value_bytes();
            group.push(job);
        }
        group
    }

    fn commit(&mut self, group: Vec<Job>) {
        if !self.shared.disk.is_open()
            && let Err(error) = self.recover()
        {
            return self.fail(group.into_iter().map(|job| job.reply).collect(), error);
        }
        let mut plan = Plan::new((*self.shared.state()).clone());
        // Refusals wait with the rest: they may rest on writes of the same group, which are not durable yet.
        let (replies, answers): (Vec<_>, Vec<_>) =
            group.into_iter().map(|job| (job.reply, plan.add(job.transaction))).unzip();
        if let Err(error) = self.write(plan) {
            return self.fail(replies, error);
        }
        for (reply, answer) in replies.into_iter().zip(answers) {
            // Who no longer waits is told nothing.
            drop(reply.send(answer));
        }
    }

    /// Makes a plan durable and visible.
    fn write(&mut self, mut plan: Plan) -> Result<(), DiskError> {
        if plan.events.is_empty() {
            return Ok(());
        }
        let batch = Batch { events: &plan.events, published: self.shared.state().revision };
        match self.shared.disk.append(batch) {
            Ok(compacted) => {
                plan.state.compacted = compacted;
                self.publish(plan);
                self.shared.set_health(Health::Good);
                Ok(())
            }
            Err(error) => {
                self.unsettled = Some(plan);
                if let Err(error) = self.recover() {
                    tracing::warn!(error = %stdx::error_chain(&error), "cannot open the store's database again");
                }
                Err(error)
            }
        }
    }

    /// Opens the database again and settles what it has of the plan that failed.
    fn recover(&mut self) -> Result<(), DiskError> {
        let Meta { head, compacted, .. } = self.shared.disk.reopen()?;
        let published = self.shared.state().revision;
        match self.unsettled.take() {
            _ if head == published => Ok(()),
            Some(mut plan) if head == plan.state.revision => {
                plan.state.compacted = compacted;
                tracing::warn!(revision = %head, "writes that had failed turned out to be on disk");
                self.publish(plan);
                Ok(())
            }
            plan => {
                self.unsettled = plan;
                self.shared.disk.close();
                Err(DiskError::went_back(head, published))
            }
        }
    }

    /// First the state, then the events, then how far they were sent: watches rely on this order.
    fn publish(&self, plan: Plan) {
        let revision = plan.state.revision;
        self.shared.publish(plan.state);
        self.shared.feeds.send(plan.events);
        self.shared.set_sent(revision);
        self.shared.held.trim(revision);
    }

    fn fail(&self, replies: Vec<oneshot::Sender<Answer>>, source: DiskError) {
        tracing::error!(error = %stdx::error_chain(&source), writers = replies.len(), "cannot write to the store");
        self.shared.set_health(Health::Failing(source.clone()));
        let refusal =
            if source.is_full() { CommitError::StorageFull { source } } else { CommitError::Failed { source } };
        for reply in replies {
            drop(reply.send(Err(refusal.clone())));
        }
    }
}

/// Ends what depends on the committer, however the committer ends.
struct Ending {
    shared: Arc<Shared>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.shared.set_health(Health::Ended);
        self.shared.feeds.close();
        self.shared.disk.close();
        self.shared.closed.cancel();
    }
}

#[cfg(test)]
mod tests;
