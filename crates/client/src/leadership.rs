//! Who may write. Every replica watches and serves; only the leader reconciles.

use tokio::sync::watch;

/// Whether this process leads. Reconcilers run only while it does.
#[derive(Debug, Clone)]
pub struct Leadership {
    /// None: there is nobody else.
    leads: Option<watch::Receiver<bool>>,
}

impl Leadership {
    /// The leadership of a process that has no rivals: one that holds the API server itself.
    pub fn always() -> Self {
        Self { leads: None }
    }

    /// The leadership that an election reports. Without a word from it (its sender is gone) nobody leads.
    pub fn following(leads: watch::Receiver<bool>) -> Self {
        Self { leads: Some(leads) }
    }

    /// Resolves while this process leads. Cancel safe.
    pub(crate) async fn held(&mut self) {
        let Some(leads) = &mut self.leads else { return };
        if leads.wait_for(|leads| *leads).await.is_err() {
            std::future::pending().await
        }
    }

    /// Resolves while this process does not lead. Cancel safe.
    pub(crate) async fn lost(&mut self) {
        let Some(leads) = &mut self.leads else { return std::future::pending().await };
        // An election without a sender is over: nobody leads.
        drop(leads.wait_for(|leads| !*leads).await);
    }
}
