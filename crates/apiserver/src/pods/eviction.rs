//! `pods/eviction`: the deletion of a pod that says why. `kubectl drain` asks for it.
//!
//! No PodDisruptionBudgets are served, so nothing can speak against it.

use api::core::v1::pod::DISRUPTION_TARGET_CONDITION;
use http::Response;
use serde_json::json;

use super::{Sent, done, set_condition};
use crate::body::ResponseBody;
use crate::context::Context;
use crate::delete;
use crate::status::Failure;
use crate::write::{MAX_ATTEMPTS, contention, overwrite, timestamp};

const EVICTION: Sent = Sent { group: "policy", kind: "Eviction", definition: "io.k8s.api.policy.v1.Eviction" };

/// POST of an Eviction.
///
/// # Errors
/// As for the deletion that it is.
pub(crate) async fn evict(ctx: &Context, body: &[u8]) -> Result<Response<ResponseBody>, Failure> {
    let eviction = EVICTION.read(ctx, body)?;
    let options = delete::Options::of_eviction(ctx, eviction.at(&["deleteOptions"]))?;
    if !options.is_dry_run() {
        tell_why(ctx, &options).await?;
    }
    delete::by_options(ctx, &options).await?;
    Ok(done())
}

/// Says in the pod's status that the deletion to come is an eviction (KEP-3329).
async fn tell_why(ctx: &Context, options: &delete::Options) -> Result<(), Failure> {
    for _ in 0..MAX_ATTEMPTS {
        let entry = ctx.entry()?;
        let mut pod = ctx.resource.restore(&entry.value)?;
        delete::check_preconditions(ctx, options, &pod)?;
        // A second write would break a precondition that names the version; then the deletion itself must do.
        if pod.is_terminating() || options.names_version() {
            return Ok(());
        }
        let condition = json!({
            "type": DISRUPTION_TARGET_CONDITION,
            "status": "True",
            "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting",
        });
        set_condition(&mut pod, condition, timestamp(ctx));
        if overwrite(&ctx.server, &ctx.resource, &entry, &pod).await?.is_some() {
            return Ok(());
        }
    }
    Err(contention(ctx, ctx.name()))
}
