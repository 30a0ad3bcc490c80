//! One request: who, what, which handler, which answer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::FutureExt;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use serde_json::json;

use super::Inner;
use crate::auth::User;
use crate::body::{self, BoxError, ResponseBody};
use crate::context::Context;
use crate::metrics::{self, RequestLabels};
use crate::negotiate::{View, accepts_gzip};
use crate::request::{Query, ResourcePath, Target, Verb};
use crate::resource::Resource;
use crate::status::{Failure, Reason};
use crate::write::{self, Part};
use crate::{definitions, delete, discovery, health, openapi, pods, read, scale, watch};

/// Headers that ask to act as someone else. Ignoring them would do as the administrator what was to be tried as another.
const IMPERSONATION: &str = "impersonate-";
const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

/// Answers a request; failures become Status objects here and nowhere else.
pub(super) async fn handle<B>(server: &Arc<Inner>, request: Request<B>) -> Response<ResponseBody>
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<BoxError>,
{
    let (parts, request_body) = request.into_parts();
    let gzip = accepts_gzip(&parts.headers);
    let audit_id = parts.headers.get(&AUDIT_ID).cloned();
    // A defect in one handler must not take the connection, or the process, from all others.
    let answer = match AssertUnwindSafe(route(server, parts, request_body)).catch_unwind().await {
        Ok(Ok(answer)) => answer,
        Ok(Err(failure)) => body::failure(&failure),
        Err(_panic) => body::failure(&Failure::internal("the server failed on this request; its log has the reason")),
    };
    let mut answer = if gzip { body::gzip(answer).await } else { answer };
    let audit_id = audit_id.or_else(|| HeaderValue::from_str(&Inner::uid()).ok());
    if let Some(audit_id) = audit_id {
        answer.headers_mut().insert(AUDIT_ID, audit_id);
    }
    answer
}

async fn route<B>(server: &Arc<Inner>, parts: Parts, request_body: B) -> Result<Response<ResponseBody>, Failure>
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<BoxError>,
{
    let target = Target::parse(parts.uri.path())?;
    let query = Query::parse(parts.uri.query());
    if let Target::Health { endpoint, check } = &target {
        return Ok(health::answer(server, endpoint, check.as_deref(), &query));
    }
    if User::of(&parts.extensions).is_none() {
        return Err(Failure::unauthorized());
    }
    if parts.headers.keys().any(|name| name.as_str().starts_with(IMPERSONATION)) {
        return Err(Failure::new(Reason::Forbidden, "impersonation is not supported; send the request as yourself"));
    }
    match target {
        Target::Resource(path) => resource(server, Asked { parts, path, query }, request_body).await,
        document => {
            if parts.method != Method::GET {
                return Err(Failure::method_not_allowed());
            }
            self::document(server, &document, &parts, &query)
        }
    }
}

/// Everything that describes the server rather than an object.
fn document(
    server: &Arc<Inner>,
    target: &Target,
    parts: &Parts,
    query: &Query,
) -> Result<Response<ResponseBody>, Failure> {
    let registry = server.registry();
    let found = match target {
        Target::Version => Some(version()),
        Target::Root => Some(
            json!({"paths": ["/api", "/apis", "/healthz", "/livez", "/metrics", "/openapi/v3", "/readyz", "/version"]}),
        ),
        Target::CoreVersions => Some(discovery::core_versions(&registry)),
        Target::Groups => Some(discovery::groups(&registry)),
        Target::Group(group) => discovery::group(&registry, group),
        Target::GroupVersion { group, version } => discovery::resources(&registry, group, version),
        Target::OpenApiIndex => Some(registry.openapi().index()),
        Target::OpenApiDocument { group, version } => {
            let path = openapi::root(group, version);
            return registry.openapi().answer(&path, parts, query).ok_or_else(Failure::no_such_resource);
        }
        Target::Metrics => {
            let text = server.metrics.render(server);
            return Ok(body::whole(StatusCode::OK, metrics::CONTENT_TYPE, text.into()));
        }
        Target::Health { .. } | Target::Resource(_) | Target::Unknown => None,
    };
    let found = found.ok_or_else(Failure::no_such_resource)?;
    Ok(body::json_value(StatusCode::OK, &found))
}

/// `/version`: the version of Kubernetes whose API is served, as the pure numbers that clients compare.
fn version() -> serde_json::Value {
    let kubernetes = &api::builtin::table().version;
    let mut numbers = kubernetes.split('.');
    json!({
        "major": numbers.next().unwrap_or_default(),
        "minor": numbers.next().unwrap_or_default(),
        "gitVersion": format!("v{kubernetes}+trireme.{}", env!("CARGO_PKG_VERSION")),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, go_architecture()),
    })
}

/// The name that Go has for this machine's architecture.
fn go_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// A request for a resource, taken apart.
struct Asked {
    parts: Parts,
    path: ResourcePath,
    query: Query,
}

async fn resource<B>(server: &Arc<Inner>, asked: Asked, request_body: B) -> Result<Response<ResponseBody>, Failure>
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<BoxError>,
{
    let Asked { parts, path, query } = asked;
    let registry = server.registry();
    let resource = registry.find(&path)?.clone();
    let verb = Verb::of(&parts, &path, &query)?;
    let labels = RequestLabels {
        verb: verb.metric(),
        group: path.group.clone(),
        version: path.version.clone(),
        resource: path.plural.clone(),
        subresource: path.subresource.clone().filter(|name| resource.subresource(name).is_some()).unwrap_or_default(),
        scope: scope(&path),
    };
    let began = Instant::now();
    let view = match path.subresource.as_deref() {
        // A log is text, whatever representation of objects the client would like.
        Some("log") => View::Object,
        Some(_) | None => View::negotiate(&parts.headers)?,
    };
    let body = body::read(request_body).await?;
    let ctx = Context { server: server.clone(), resource, path, query, headers: parts.headers, view };
    let answer = match perform(ctx, verb, &body).await {
        Ok(answer) => answer,
        Err(failure) => body::failure(&failure),
    };
    server.metrics.answered(&labels, answer.status(), began.elapsed());
    Ok(answer)
}

fn scope(path: &ResourcePath) -> &'static str {
    match (&path.name, &path.namespace) {
        (Some(_), _) => "resource",
        (None, Some(_)) => "namespace",
        (None, None) => "cluster",
    }
}

async fn perform(ctx: Context, verb: Verb, body: &[u8]) -> Result<Response<ResponseBody>, Failure> {
    let resource = ctx.resource.clone();
    let server = ctx.server.clone();
    let part = match ctx.path.subresource.as_deref() {
        None => Part::Main,
        Some(name) => {
            let subresource = resource.subresource(name).ok_or_else(Failure::no_such_resource)?;
            if !subresource.verbs.contains(&verb.as_str()) {
                return Err(Failure::method_not_allowed());
            }
            match name {
                "status" => Part::Status,
                "finalize" => Part::Finalize,
                "scale" => return scale::serve(&ctx, verb, body).await,
                "binding" => return pods::bind(&ctx, body).await,
                "eviction" => return pods::evict(&ctx, body).await,
                "log" => return pods::log(&ctx).await,
                _ => return Err(Failure::no_such_resource()),
            }
        }
    };
    if part == Part::Main && !resource.verbs.contains(&verb.as_str()) {
        return Err(Failure::method_not_allowed());
    }
    let answer = match verb {
        Verb::Get => read::get(&ctx)?,
        Verb::List => read::list(&ctx)?,
        Verb::Watch => watch::watch(ctx)?,
        Verb::Create => {
            refuse_while_terminating(&resource, &ctx)?;
            write::create(&ctx, body).await?.into_response(&ctx)?
        }
        Verb::Update => write::update(&ctx, part, body).await?.into_response(&ctx)?,
        Verb::Patch => write::patch(&ctx, part, body).await?.into_response(&ctx)?,
        Verb::Delete => delete::one(&ctx, body).await?,
        Verb::DeleteCollection => delete::collection(&ctx, body).await?,
    };
    let changes = !matches!(verb, Verb::Get | Verb::List | Verb::Watch);
    if changes && definitions::is_definition(&resource) {
        definitions::refresh(&server).await?;
    }
    Ok(answer)
}

fn refuse_while_terminating(resource: &Resource, ctx: &Context) -> Result<(), Failure> {
    if ctx.path.name.is_some() {
        return Err(Failure::method_not_allowed());
    }
    if ctx.resource.namespaced && ctx.namespace().is_none() {
        return Err(Failure::method_not_allowed());
    }
    match &resource.custom {
        Some(custom) if custom.terminating => {
            let why =
                format!("create not allowed while custom resource definition {} is terminating", custom.definition);
            Err(Failure::new(Reason::MethodNotAllowed, why))
        }
        Some(_) | None => Ok(()),
    }
}
