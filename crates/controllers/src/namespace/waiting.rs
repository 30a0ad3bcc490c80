//! Which objects a namespace waits for, so that the last of them to go, and only that one, gives it another look.
//!
//! A look at a namespace takes a while, and objects go meanwhile: what goes during a look is kept until it is over. Pure.

use std::collections::{HashMap, HashSet};

/// The namespaces that wait for objects to go.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    namespaces: HashMap<String, Objects>,
}

/// Objects by their uids.
#[derive(Debug)]
enum Objects {
    /// A look is under way; these have gone since it began.
    Looking { gone: HashSet<String> },
    /// The look is over; these were left and are still there.
    Left(HashSet<String>),
}

impl Waiting {
    /// A look at a namespace begins.
    pub(super) fn look(&mut self, namespace: &str) {
        self.namespaces.insert(namespace.to_owned(), Objects::Looking { gone: HashSet::new() });
    }

    /// The look is over, and these objects were left. True when none of them is: another look is due at once.
    pub(super) fn left(&mut self, namespace: &str, mut left: HashSet<String>) -> bool {
        if let Some(Objects::Looking { gone }) = self.namespaces.get(namespace) {
            left.retain(|uid| !gone.contains(uid));
        }
        let none = left.is_empty();
        self.namespaces.insert(namespace.to_owned(), Objects::Left(left));
        none
    }

    /// A namespace no longer waits.
    pub(super) fn done(&mut self, namespace: &str) {
        self.namespaces.remove(namespace);
    }

    /// An object has gone. True when it was the last one that its namespace waited for.
    pub(super) fn gone(&mut self, namespace: &str, uid: &str) -> bool {
        match self.namespaces.get_mut(namespace) {
            None => false,
            Some(Objects::Looking { gone }) => {
                gone.insert(uid.to_owned());
                false
            }
            Some(Objects::Left(left)) => left.remove(uid) && left.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Waiting;

    fn uids(uids: &[&str]) -> HashSet<String> {
        uids.iter().map(|uid| (*uid).to_owned()).collect()
    }

    #[test]
    fn the_last_object_to_go_gives_another_look() {
        let mut waiting = Waiting::default();
        waiting.look("sea");
        assert!(!waiting.left("sea", uids(&["a", "b"])));
        assert!(!waiting.gone("sea", "a"));
        assert!(!waiting.gone("sea", "a"), "told twice");
        assert!(!waiting.gone("sea", "unknown"));
        assert!(waiting.gone("sea", "b"));
    }

    #[test]
    fn what_goes_during_the_look_is_not_waited_for() {
        let mut waiting = Waiting::default();
        waiting.look("sea");
        assert!(!waiting.gone("sea", "a"));
        assert!(!waiting.left("sea", uids(&["a", "b"])));
        assert!(waiting.gone("sea", "b"));
        waiting.look("sea");
        assert!(!waiting.gone("sea", "c"));
        assert!(waiting.left("sea", uids(&["c"])), "nothing that was left is still there");
    }

    #[test]
    fn other_namespaces_wait_for_nothing() {
        let mut waiting = Waiting::default();
        assert!(!waiting.gone("sea", "a"));
        waiting.look("sea");
        waiting.left("sea", uids(&["a"]));
        waiting.done("sea");
        assert!(!waiting.gone("sea", "a"));
    }
}
