//! The real kubectl, as `cargo xtask tools` fetches it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Ran, Stream, run, run_with_input};

/// Where kubectl is.
///
/// # Errors
/// What to do when it is not there.
pub(crate) fn kubectl_program() -> Result<PathBuf, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/kubectl");
    path.canonicalize()
        .map_err(|error| format!("there is no {} ({error}); run `cargo xtask tools` to fetch it", path.display()))
}

/// kubectl with a kubeconfig and a namespace.
#[derive(Debug, Clone)]
pub(crate) struct Kubectl {
    kubeconfig: PathBuf,
    home: PathBuf,
    namespace: String,
}

impl Kubectl {
    pub(super) fn new(kubeconfig: &Path, home: &Path, namespace: &str) -> Self {
        Self { kubeconfig: kubeconfig.to_owned(), home: home.to_owned(), namespace: namespace.to_owned() }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let program = kubectl_program().expect("main has looked for it");
        let mut command = Command::new(program);
        // Its caches and what it edits and compares go where the server's other files go.
        command.env("KUBECONFIG", &self.kubeconfig).env("HOME", &self.home).env("TMPDIR", &self.home);
        command.args(["--namespace", &self.namespace]).args(arguments);
        command
    }

    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(&self.command(arguments))
    }

    /// kubectl with something to read, for `-f -`.
    #[track_caller]
    pub(crate) fn read(&self, arguments: &[&str], input: &str) -> Ran {
        run_with_input(&self.command(arguments), input)
    }

    /// `kubectl apply -f -`.
    #[track_caller]
    pub(crate) fn apply(&self, manifest: &str) -> Ran {
        self.read(&["apply", "-f", "-"], manifest)
    }

    /// What `kubectl get -o jsonpath=` prints.
    #[track_caller]
    pub(crate) fn field(&self, object: &str, path: &str) -> String {
        self.run(&["get", object, "-o", &format!("jsonpath={path}")]).ok()
    }

    /// kubectl that goes on printing.
    pub(crate) fn stream(&self, arguments: &[&str]) -> Stream {
        Stream::start(&self.command(arguments))
    }
}
