//! What the standard library lacks and every crate needs. Names no noun of the domain.

use std::error::Error;
use std::fmt::{self, Display};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// An error with all of its causes, outermost first, joined by `: `.
///
/// Our errors tell only their own level in `Display`, so a chain must be printed, once, where it is handled.
pub fn error_chain<'a>(error: &'a (dyn Error + 'static)) -> impl Display + 'a {
    ErrorChain(error)
}

struct ErrorChain<'a>(&'a (dyn Error + 'static));

impl Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

/// Where the time of day comes from: the system, or a hand that tests turn.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// None: the system's clock.
    hand: Option<Arc<Mutex<SystemTime>>>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self { hand: None }
    }

    /// A clock that stands at `start` until [`Clock::advance`] moves it. Clones share the hand.
    pub fn stopped_at(start: SystemTime) -> Self {
        Self { hand: Some(Arc::new(Mutex::new(start))) }
    }

    /// The time of day.
    pub fn now(&self) -> SystemTime {
        match &self.hand {
            Some(hand) => *hand.lock().unwrap_or_else(PoisonError::into_inner),
            #[expect(clippy::disallowed_methods, reason = "this is the clock that everyone else is given")]
            None => SystemTime::now(),
        }
    }

    /// Moves a stopped clock forward; the system's clock cannot be moved and stays as it is.
    pub fn advance(&self, by: Duration) {
        if let Some(hand) = &self.hand {
            *hand.lock().unwrap_or_else(PoisonError::into_inner) += by;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::{Duration, SystemTime};

    use super::Clock;

    #[test]
    fn a_stopped_clock_moves_only_by_hand() {
        let clock = Clock::stopped_at(SystemTime::UNIX_EPOCH);
        clock.clone().advance(Duration::from_secs(5));
        assert_eq!(clock.now(), SystemTime::UNIX_EPOCH + Duration::from_secs(5));
    }

    #[derive(Debug)]
    struct Outer(io::Error);

    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("cannot open the store")
        }
    }

    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn a_chain_names_each_level_once() {
        let error = Outer(io::Error::new(io::ErrorKind::NotFound, "no such file"));
        assert_eq!(super::error_chain(&error).to_string(), "cannot open the store: no such file");
    }
}
