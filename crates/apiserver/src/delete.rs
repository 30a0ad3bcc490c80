//! Deletion: preconditions, finalizers, propagation, and what a deletion answers.
//!
//! An object with finalizers, or one whose kind holds it back, is only marked; whoever removes the last finalizer makes
//! the deletion happen. One whose kind grants it time is marked, too, until whoever runs it confirms with no time left. What dependents are done to is the garbage collector's work, which reads the finalizers set here.

mod grace;

use std::sync::Arc;

use api::meta::{FOREGROUND_DELETION_FINALIZER as FOREGROUND, ORPHAN_FINALIZER as ORPHAN};
use futures_util::{StreamExt, TryStreamExt};
use http::{Response, StatusCode};
use serde_json::Value;
use store::{CommitError, Entry, Expect, Transaction};

use crate::body::{self, ResponseBody};
use crate::context::Context;
use crate::filter::Filter;
use crate::kinds::namespace;
use crate::negotiate::BodyFormat;
use crate::object::{Object, rfc3339};
use crate::status::{self, Failure};
use crate::view;
use crate::write::{decode_body, store_failure};
use grace::{Grace, Period};

/// How many objects of a collection are deleted at the same time: enough that they share commits.
const PARALLEL_DELETIONS: usize = 64;
/// A race is lost at most this often; each loss means that another writer succeeded.
const MAX_ATTEMPTS: usize = 32;

/// `DeleteOptions`, from the body or the query.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    propagation: Option<Propagation>,
    uid: Option<String>,
    resource_version: Option<String>,
    grace_seconds: Option<i64>,
    dry_run: bool,
}

/// What becomes of dependents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Propagation {
    Background,
    Foreground,
    Orphan,
}

impl Propagation {
    fn parse(text: &str) -> Result<Self, Failure> {
        match text {
            "Background" => Ok(Self::Background),
            "Foreground" => Ok(Self::Foreground),
            "Orphan" => Ok(Self::Orphan),
            other => Err(Failure::bad_request(format!(
                "propagationPolicy: Unsupported value: \"{other}\": supported values: \"Background\", \"Foreground\", \
                 \"Orphan\""
            ))),
        }
    }
}

impl Options {
    fn parse(ctx: &Context, body: &[u8]) -> Result<Self, Failure> {
        let mut options = Self { dry_run: ctx.dry_run()?, ..Self::default() };
        if let Some(policy) = ctx.query.get("propagationPolicy") {
            options.propagation = Some(Propagation::parse(policy)?);
        } else if ctx.query.contains("orphanDependents") {
            let orphan = ctx.query.flag("orphanDependents")?;
            options.propagation = Some(if orphan { Propagation::Orphan } else { Propagation::Background });
        }
        let seconds = ctx.query.number("gracePeriodSeconds")?;
        options.grace_seconds = seconds.map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX));
        if !body.is_empty() {
            options.read_body(&decode_body(BodyFormat::of(&ctx.headers)?, body)?.value)?;
        }
        Ok(options)
    }

    /// The options that an Eviction carries; the request may ask for a rehearsal as well.
    ///
    /// # Errors
    /// 400 for options that cannot be read.
    pub(crate) fn of_eviction(ctx: &Context, sent: &Value) -> Result<Self, Failure> {
        let mut options = Self { dry_run: ctx.dry_run()?, ..Self::default() };
        if !sent.is_null() {
            options.read_body(sent)?;
        }
        Ok(options)
    }

    pub(crate) fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// Whether only one version of the object may be deleted.
    pub(crate) fn names_version(&self) -> bool {
        self.resource_version.is_some()
    }

    fn read_body(&mut self, body: &Value) -> Result<(), Failure> {
        let kind = body.get("kind").and_then(Value::as_str).unwrap_or("DeleteOptions");
        if !body.is_object() || kind != "DeleteOptions" {
            return Err(Failure::bad_request(format!("the body of a deletion must be DeleteOptions, not {kind}")));
        }
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        if let Some(policy) = body.get("propagationPolicy").and_then(Value::as_str) {
            self.propagation = Some(Propagation::parse(policy)?);
        } else if let Some(orphan) = body.get("orphanDependents").and_then(Value::as_bool) {
            self.propagation = Some(if orphan { Propagation::Orphan } else { Propagation::Background });
        }
        if let Some(seconds) = body.get("gracePeriodSeconds").and_then(Value::as_i64) {
            // Kubernetes has always taken a negative time for the shortest one.
            self.grace_seconds = Some(if seconds < 0 { 1 } else { seconds });
        }
        let preconditions = body.get("preconditions");
        self.uid = text(preconditions.and_then(|preconditions| preconditions.get("uid")));
        self.resource_version = text(preconditions.and_then(|preconditions| preconditions.get("resourceVersion")));
        for value in body.get("dryRun").and_then(Value::as_array).into_iter().flatten() {
            if value != "All" {
                return Err(Failure::bad_request(format!(
                    "dryRun: Unsupported value: {value}: supported values: \"All\""
                )));
            }
            self.dry_run = true;
        }
        Ok(())
    }
}

/// What a deletion came to.
enum Deleted {
    /// The object is gone; this was its last state.
    Gone(Object),
    /// The object waits for its finalizers.
    Marked(Object),
}

/// DELETE of one object.
///
/// # Errors
/// 404, failed preconditions, a namespace that cannot be deleted.
pub(crate) async fn one(ctx: &Context, body: &[u8]) -> Result<Response<ResponseBody>, Failure> {
    let options = Options::parse(ctx, body)?;
    let entry = ctx.entry()?;
    match delete(ctx, &options, entry, ctx.name()).await? {
        Deleted::Gone(last) if !ctx.resource.rules.answers_deletion_with_object() => {
            Ok(body::json_value(StatusCode::OK, &status::success(&ctx.resource.subject(ctx.name()), last.uid())))
        }
        Deleted::Gone(object) | Deleted::Marked(object) => {
            let bytes = view::one(ctx, &crate::write::bytes_of(&object))?;
            Ok(body::json(StatusCode::OK, bytes))
        }
    }
}

/// The deletion of the object at the path by someone who has read the options from elsewhere.
///
/// # Errors
/// As for [`one`].
pub(crate) async fn by_options(ctx: &Context, options: &Options) -> Result<(), Failure> {
    let entry = ctx.entry()?;
    delete(ctx, options, entry, ctx.name()).await.map(drop)
}

/// DELETE of all objects that a selector chooses. The answer is the list of them.
///
/// # Errors
/// As for one; objects that are gone already are none.
pub(crate) async fn collection(ctx: &Context, body: &[u8]) -> Result<Response<ResponseBody>, Failure> {
    let options = &Options::parse(ctx, body)?;
    let filter = Filter::parse(ctx)?;
    let snapshot = ctx.server.store.snapshot();
    let prefix = ctx.resource.prefix(ctx.namespace());
    let mut chosen = Vec::new();
    for entry in snapshot.scan(&ctx.resource.collection, &prefix, None) {
        if filter.matches(ctx, &entry.value)? {
            chosen.push(entry.clone());
        }
    }
    let deletions = futures_util::stream::iter(chosen).map(|entry| async move {
        let name = Object::decode(&entry.value)?.name().to_owned();
        match delete(ctx, options, entry, &name).await {
            Ok(Deleted::Gone(object) | Deleted::Marked(object)) => Ok(Some(object)),
            Err(failure) if failure.code() == StatusCode::NOT_FOUND => Ok(None),
            Err(failure) => Err(failure),
        }
    });
    let deleted: Vec<Option<Object>> = deletions.buffered(PARALLEL_DELETIONS).try_collect().await?;
    let items: Vec<_> = deleted.iter().flatten().map(crate::write::bytes_of).collect();
    let revision = ctx.server.store.snapshot().revision();
    Ok(body::json(StatusCode::OK, view::list(ctx, &items, &view::ListMeta::at(revision.to_string()))?))
}

async fn delete(ctx: &Context, options: &Options, mut entry: Arc<Entry>, name: &str) -> Result<Deleted, Failure> {
    let subject = || ctx.resource.subject(name);
    if ctx.resource.group.is_empty() && ctx.resource.kind == "Namespace" && !namespace::is_deletable(name) {
        return Err(Failure::forbidden(subject(), "this namespace may not be deleted"));
    }
    for _ in 0..MAX_ATTEMPTS {
        let old = ctx.resource.restore(&entry.value)?;
        check_preconditions(ctx, options, &old)?;
        let next = next(ctx, options, &old);
        if options.dry_run || matches!(&next, Deleted::Marked(object) if object.same_content(&old)) {
            return Ok(next);
        }
        if let Some(deleted) = commit(ctx, &entry, next).await? {
            return Ok(deleted);
        }
        let snapshot = ctx.server.store.snapshot();
        entry = snapshot.get(&entry.key).cloned().ok_or_else(|| Failure::not_found(subject()))?;
    }
    Err(Failure::conflict(subject(), "too many writers at once; please try again").retry_after(1))
}

/// The object must be the one that was meant.
///
/// # Errors
/// 409 when it is not.
pub(crate) fn check_preconditions(ctx: &Context, options: &Options, old: &Object) -> Result<(), Failure> {
    let check = |what: &str, expected: &Option<String>, actual: &str| match expected {
        Some(expected) if expected != actual => {
            let why =
                format!("Precondition failed: {what} in precondition: {expected}, {what} in object meta: {actual}");
            Err(Failure::conflict(ctx.resource.subject(old.name()), &why))
        }
        Some(_) | None => Ok(()),
    };
    check("UID", &options.uid, old.uid())?;
    check("ResourceVersion", &options.resource_version, old.resource_version())
}

/// The object as the deletion leaves it.
fn next(ctx: &Context, options: &Options, old: &Object) -> Deleted {
    let rules = &ctx.resource.rules;
    let asked = grace::Asked { now: ctx.now(), seconds: options.grace_seconds };
    let grace = match old.is_terminating() {
        false => {
            rules.grace_seconds(old, options.grace_seconds).map_or(Grace::Over, |period| grace::begin(asked, period))
        }
        true => grace::go_on(asked, old),
    };
    if grace == Grace::Unchanged {
        return Deleted::Marked(old.clone());
    }
    let mut object = old.clone();
    object.set_finalizers(&finalizers(ctx, options, old));
    let held = !object.finalizers().is_empty() || rules.holds_deletion(&object);
    match grace {
        Grace::Runs(period) => mark(ctx, &mut object, period),
        Grace::Over | Grace::Unchanged if held && !old.is_terminating() => {
            mark(ctx, &mut object, Period::none(ctx.now()))
        }
        Grace::Over | Grace::Unchanged => {}
    }
    let waits = matches!(grace, Grace::Runs(period) if period.seconds > 0);
    if held || waits { Deleted::Marked(object) } else { Deleted::Gone(object) }
}

/// The finalizers of an object, with those that the deletion itself asks for.
fn finalizers(ctx: &Context, options: &Options, old: &Object) -> Vec<String> {
    let mut finalizers: Vec<String> = old.finalizers().into_iter().map(str::to_owned).collect();
    let wanted = match options.propagation {
        Some(Propagation::Foreground) => Some(FOREGROUND),
        Some(Propagation::Orphan) => Some(ORPHAN),
        Some(Propagation::Background) | None => None,
    };
    if options.propagation.is_some() {
        finalizers.retain(|finalizer| finalizer != FOREGROUND && finalizer != ORPHAN);
    }
    let own = ctx.resource.rules.finalizers_on_delete().iter().copied().filter(|_| !old.is_terminating());
    for finalizer in wanted.into_iter().chain(own) {
        if !finalizers.iter().any(|present| present == finalizer) {
            finalizers.push(finalizer.to_owned());
        }
    }
    finalizers
}

/// Says on the object until when it should be gone.
fn mark(ctx: &Context, object: &mut Object, period: Period) {
    let first = !object.is_terminating();
    object.set_metadata("deletionTimestamp", Some(rfc3339(period.until).into()));
    object.set_metadata("deletionGracePeriodSeconds", Some(period.seconds.into()));
    if !first {
        return;
    }
    if object.generation() > 0 {
        object.set_metadata("generation", Some((object.generation() + 1).into()));
    }
    ctx.resource.rules.prepare_delete(object);
}

/// The object as it was written; None when another writer came first.
async fn commit(ctx: &Context, entry: &Arc<Entry>, next: Deleted) -> Result<Option<Deleted>, Failure> {
    let encode = |object| ctx.server.store_version(&ctx.resource, object).encode();
    let transaction = Transaction::new().require(entry.key.clone(), Expect::At(entry.revision));
    let transaction = match &next {
        Deleted::Gone(object) => transaction.delete(entry.key.clone(), encode(object)?),
        Deleted::Marked(object) => transaction.put(entry.key.clone(), encode(object)?),
    };
    let committed = match ctx.server.store.commit(transaction).await {
        Ok(committed) => committed,
        Err(CommitError::Conflict { .. }) => return Ok(None),
        Err(error) => return Err(store_failure(&error)),
    };
    let Some(written) = committed.entries.first() else { return Ok(Some(next)) };
    let object = ctx.resource.restore(&written.value)?;
    Ok(Some(match next {
        Deleted::Gone(_) => Deleted::Gone(object),
        Deleted::Marked(_) => Deleted::Marked(object),
    }))
}
