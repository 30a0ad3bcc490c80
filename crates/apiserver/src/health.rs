//! Liveness and readiness, as Kubernetes has them: named checks, each reachable by itself.

use http::{Response, StatusCode};

use crate::body::{self, ResponseBody};
use crate::request::Query;
use crate::server::Inner;

/// One named check of this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// The name in paths and reports.
    pub name: &'static str,
    /// What is wrong; None while all is well.
    pub problem: Option<Problem>,
}

/// What a failed check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// The store takes no writes; its log has the reason.
    Store,
    /// The server is stopping.
    Stopping,
}

impl Problem {
    /// The problem in words.
    pub fn text(self) -> &'static str {
        match self {
            Problem::Store => "the store takes no writes",
            Problem::Stopping => "the server is stopping",
        }
    }
}

/// The checks of an endpoint: being about to stop is no reason to be killed, but one to get no more requests.
pub(crate) fn checks(server: &Inner, endpoint: &str) -> Vec<Check> {
    let store = server.store.health().err().map(|_error| Problem::Store);
    let mut checks = vec![Check { name: "ping", problem: None }, Check { name: "store", problem: store }];
    if endpoint == "readyz" {
        let stopping = server.stop.is_cancelled().then_some(Problem::Stopping);
        checks.push(Check { name: "shutdown", problem: stopping });
    }
    checks
}

/// Answers `/livez`, `/readyz`, `/healthz` with `?verbose` and `?exclude=`, and single checks below them.
pub(crate) fn answer(server: &Inner, endpoint: &str, check: Option<&str>, query: &Query) -> Response<ResponseBody> {
    let mut checks = checks(server, endpoint);
    if let Some(name) = check {
        checks.retain(|check| check.name == name);
        if checks.is_empty() {
            return body::text(StatusCode::NOT_FOUND, "404 page not found\n");
        }
    }
    let excluded: Vec<&str> = query.all("exclude").collect();
    let (excluded_checks, checks): (Vec<_>, Vec<_>) =
        checks.into_iter().partition(|check| excluded.contains(&check.name));
    let healthy = checks.iter().all(|check| check.problem.is_none());
    if healthy && (check.is_some() || !query.contains("verbose")) {
        return body::text(StatusCode::OK, "ok");
    }
    let mut report = String::new();
    for check in &checks {
        match check.problem {
            None => report.push_str(&format!("[+]{} ok\n", check.name)),
            Some(problem) => report.push_str(&format!("[-]{} failed: {}\n", check.name, problem.text())),
        }
    }
    for check in &excluded_checks {
        report.push_str(&format!("[+]{} excluded: ok\n", check.name));
    }
    let verdict = if healthy { "passed" } else { "failed" };
    report.push_str(&format!("{endpoint} check {verdict}\n"));
    let code = if healthy { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
    body::text(code, report)
}
