//! The http port: health of the whole. It has a thread and runtime of its own, so that load elsewhere cannot starve it.

use std::net::TcpListener;

use anyhow::{Context, Result};
use apiserver::ApiServer;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use task::CancellationToken;

/// Serves until `stop`. The thread ends with its runtime.
pub(crate) fn serve(listener: TcpListener, server: ApiServer, stop: CancellationToken) -> Result<()> {
    listener.set_nonblocking(true).context("cannot prepare the http port")?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start a runtime")?;
    let router = Router::new().route("/health", get(health)).with_state(server);
    let serve = async move {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        axum::serve(listener, router).with_graceful_shutdown(async move { stop.cancelled().await }).await
    };
    task::thread("http", move || {
        if let Err(error) = runtime.block_on(serve) {
            tracing::error!(%error, "the http port ended");
        }
    })
    .context("cannot start the http thread")?;
    Ok(())
}

/// `{"status": "UP", "components": {…}}` as Spring's actuator has it; 503 and DOWN when a component is down.
async fn health(State(server): State<ApiServer>) -> (StatusCode, Json<Value>) {
    let mut components = Map::new();
    let mut up = true;
    for check in server.checks().into_iter().filter(|check| check.name != "ping") {
        let component = match check.problem {
            None => json!({"status": "UP"}),
            Some(problem) => json!({"status": "DOWN", "details": {"error": problem.text()}}),
        };
        up &= check.problem.is_none();
        components.insert(check.name.to_owned(), component);
    }
    let (code, status) = if up { (StatusCode::OK, "UP") } else { (StatusCode::SERVICE_UNAVAILABLE, "DOWN") };
    (code, Json(json!({"status": status, "components": components})))
}
