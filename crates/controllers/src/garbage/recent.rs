//! What was seen lately, up to a number.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;

/// A set that forgets what came in first.
#[derive(Debug)]
pub(super) struct Recent<T> {
    members: HashSet<T>,
    order: VecDeque<T>,
    most: usize,
}

impl<T: Clone + Eq + Hash> Recent<T> {
    pub(super) fn new(most: usize) -> Self {
        Self { members: HashSet::new(), order: VecDeque::new(), most }
    }

    pub(super) fn insert(&mut self, member: T) {
        if self.members.insert(member.clone()) {
            self.order.push_back(member);
        }
        if self.order.len() > self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.members.remove(&oldest);
        }
    }

    pub(super) fn contains(&self, member: &T) -> bool {
        self.members.contains(member)
    }
}

#[cfg(test)]
mod tests {
    use super::Recent;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut recent = Recent::new(2);
        for member in [1, 2, 1, 3] {
            recent.insert(member);
        }
        assert_eq!([1, 2, 3].map(|member| recent.contains(&member)), [false, true, true]);
    }
}
