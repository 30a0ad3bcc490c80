//! What wakes pods up: their own changes, and those of what they refer to.

use std::sync::Arc;

use client::kinds::core::v1::Pod;
use client::{Key, Subscription};

use super::Inner;
use crate::pod::identity::Uid;
use crate::source::{Reference, references};

impl Inner {
    /// Has pods reconciled when they, or what they refer to, change.
    pub(super) fn subscribe(self: &Arc<Self>) -> [Subscription; 3] {
        let (pods, maps, secrets) = (self.clone(), self.clone(), self.clone());
        [
            self.pods.subscribe(move |pod| pods.pod_changed(pod)),
            self.config_maps.subscribe(move |map| {
                let name = map.metadata.name.as_deref().unwrap_or_default();
                maps.source_changed(map.metadata.namespace.as_deref(), &Reference::config_map(name));
            }),
            self.secrets.subscribe(move |secret| {
                let name = secret.metadata.name.as_deref().unwrap_or_default();
                secrets.source_changed(secret.metadata.namespace.as_deref(), &Reference::secret(name));
            }),
        ]
    }

    fn pod_changed(&self, pod: &Pod) {
        if !self.is_mine(pod) {
            return;
        }
        let Ok(uid) = Uid::new(pod.metadata.uid.as_deref().unwrap_or_default()) else {
            tracing::warn!(uid = pod.metadata.uid, "a pod has a uid that cannot name a sandbox; it is not run");
            return;
        };
        self.names().insert(uid.clone(), Key::of(pod));
        self.queue.add(uid);
    }

    fn source_changed(&self, namespace: Option<&str>, reference: &Reference) {
        let here: Vec<(Uid, Key)> = {
            let names = self.names();
            let near = names.iter().filter(|(_, key)| key.namespace.as_deref() == namespace);
            near.map(|(uid, key)| (uid.clone(), key.clone())).collect()
        };
        for (uid, key) in here {
            let pod = self.pods.get(&key);
            if pod.is_some_and(|pod| pod.spec.as_ref().is_some_and(|spec| references(spec).contains(reference))) {
                self.queue.add(uid);
            }
        }
    }
}
