//! Which users of the machine the users of pods are: a range for each pod, so that no pod can reach another one's files or
//! processes even if it breaks out.
//!
//! Ranges are taken from high ids that no distribution hands out, and given back when the pod is gone.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Users of one pod: what a 16-bit file system can name.
const RANGE: u32 = 65_536;
/// The first range begins here: above everything that `/etc/subuid` and systemd allot (systemd.io/UIDS-GIDS).
const FIRST: u32 = 0x7000_0000;
/// So many ranges there are; a node runs far fewer pods.
const RANGES: u32 = 4096;

/// The ranges that are in use.
#[derive(Debug, Default)]
pub(crate) struct Ranges {
    taken: Mutex<BTreeSet<u32>>,
}

impl Ranges {
    /// Takes a free range; none if there is none left.
    pub(crate) fn take(&self) -> Option<u32> {
        let mut taken = self.lock();
        let free = (0..RANGES).map(|number| FIRST + number * RANGE).find(|first| !taken.contains(first))?;
        taken.insert(free);
        Some(free)
    }

    /// Notes that a range is in use already.
    pub(crate) fn mark(&self, first: u32) {
        self.lock().insert(first);
    }

    /// Gives a range back.
    pub(crate) fn release(&self, first: u32) {
        self.lock().remove(&first);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<u32>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Ranges;

    #[test]
    fn no_range_is_given_twice() {
        let ranges = Ranges::default();
        let first = ranges.take().unwrap();
        let second = ranges.take().unwrap();
        assert_ne!(first, second);
        ranges.release(first);
        assert_eq!(ranges.take(), Some(first));
        ranges.mark(second + 65_536);
        assert_eq!(ranges.take(), Some(second + 2 * 65_536));
    }
}
