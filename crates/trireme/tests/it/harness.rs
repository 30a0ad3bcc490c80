//! What the black-box tests stand on: a real server process, and the ways in that real clients use.
//!
//! It knows nothing of the product's code: a [`Server`] is a process with a data directory, and everything else goes
//! through its kubeconfig. No test of this binary sleeps; what takes time is waited for with [`eventually`]. Start reading
//! at [`Server`].

mod api;
mod credentials;
mod definition;
mod kubectl;
mod message;
mod objects;
mod process;
mod server;
mod stream;
mod watch;
mod wire;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub(crate) use api::Api;
pub(crate) use credentials::Credentials;
pub(crate) use definition::{DEFINITIONS, Definition, condition, version};
pub(crate) use kubectl::{Kubectl, kubectl_program};
pub(crate) use message::{Request, Response, escape};
pub(crate) use objects::{config_map, config_maps, names, revision};
pub(crate) use process::{Ran, run, run_with_input};
pub(crate) use server::{Server, trireme};
pub(crate) use stream::Stream;
pub(crate) use watch::{Event, Watch};

/// How long a test waits for what must come: far above what it takes, because the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks at a condition that cannot be waited for.
const POLL: Duration = Duration::from_millis(10);

/// Looks until `probe` finds something, and returns it.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: did not happen within {PATIENCE:?}");
        std::thread::park_timeout(POLL);
    }
}

/// A name that no other test of this run has.
pub(crate) fn unique(stem: &str) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("{stem}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Names the tests of a module that share one server. A test that is written but not named is dead code, which is an
/// error.
macro_rules! on_shared_server {
    ($($name:ident),+ $(,)?) => {
        pub(crate) fn trials(server: &std::sync::Arc<$crate::harness::Server>) -> Vec<libtest_mimic::Trial> {
            vec![$($crate::harness::shared(concat!(module_path!(), "::", stringify!($name)), server, $name)),+]
        }
    };
}

/// Names the tests of a module that start their own servers, or none.
macro_rules! on_own_server {
    ($($name:ident),+ $(,)?) => {
        pub(crate) fn trials() -> Vec<libtest_mimic::Trial> {
            vec![$($crate::harness::own(concat!(module_path!(), "::", stringify!($name)), $name)),+]
        }
    };
}

pub(crate) use {on_own_server, on_shared_server};

/// A test on the shared server; if it fails, it shows what the server said meanwhile.
pub(crate) fn shared(name: &str, server: &std::sync::Arc<Server>, test: fn(&Server)) -> libtest_mimic::Trial {
    let server = server.clone();
    libtest_mimic::Trial::test(short(name), move || {
        let _log = server.log_on_failure();
        test(&server);
        Ok(())
    })
}

/// A test that starts what it needs.
pub(crate) fn own(name: &str, test: fn()) -> libtest_mimic::Trial {
    libtest_mimic::Trial::test(short(name), move || {
        test();
        Ok(())
    })
}

fn short(name: &str) -> String {
    name.strip_prefix("it::").unwrap_or(name).to_owned()
}
