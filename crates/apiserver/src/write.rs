//! Creating and changing objects: what is the same for all kinds.
//!
//! A change reads the current object, makes the next one from it, checks it and hands it to the store on condition that
//! nothing came in between. Where the client named no resource version, a lost race starts over. Start at [`create`] and
//! [`replace`].

mod admit;

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use machinery::patch;
use serde_json::{Value, json};
use store::{CommitError, Entry, Expect, Key, Transaction};

use crate::context::{Answer, Context, Written};
use crate::kinds;
use crate::negotiate::{BodyFormat, PatchFormat};
use crate::object::{Object, rfc3339};
use crate::resource::Resource;
use crate::server::Inner;
use crate::status::{Failure, Reason};

pub(crate) use admit::{Fields, Validation, decode_body};

/// A race is lost at most this often before the client hears of it; each loss means that another writer succeeded.
pub(crate) const MAX_ATTEMPTS: usize = 32;
/// Generated names collide once in millions; more collisions than this mean something else.
const MAX_GENERATED_NAMES: usize = 8;

/// Which part of an object a request may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// All but the status, where that is a sub-resource.
    Main,
    /// The status only.
    Status,
    /// `spec.finalizers` of a namespace only.
    Finalize,
}

/// POST of a new object.
///
/// # Errors
/// As the Kubernetes API has them: bad body, invalid object, missing or terminating namespace, name taken.
pub(crate) async fn create(ctx: &Context, body: &[u8]) -> Result<Answer, Failure> {
    let validation = Validation::of(&ctx.query)?;
    let decoded = decode_body(BodyFormat::of(&ctx.headers)?, body)?;
    let mut object = Object::from_value(decoded.value)?;
    admit::check_type(ctx, &object)?;
    let fields = Fields { validation, duplicates: decoded.duplicates };
    let warnings = admit::check_fields(ctx, &mut object, &fields)?;
    admit::adopt_namespace(ctx, &mut object)?;
    insert(ctx, object, warnings).await
}

/// Stores an object that is not there yet.
async fn insert(ctx: &Context, mut object: Object, mut warnings: Vec<String>) -> Result<Answer, Failure> {
    if !object.resource_version().is_empty() {
        return Err(Failure::bad_request("resourceVersion should not be set on objects to be created"));
    }
    let generated = object.name().is_empty() && !object.generate_name().is_empty();
    for _ in 0..if generated { MAX_GENERATED_NAMES } else { 1 } {
        if generated {
            let name = machinery::name::generate(object.generate_name(), Inner::randomness());
            object.set_metadata("name", Some(name.into()));
        }
        admit::prepare_new(ctx, &mut object);
        admit::check_new(ctx, &object)?;
        warnings.append(&mut ctx.resource.rules.warnings(&object));
        match commit_new(ctx, &object).await? {
            Some(written) => return Ok(Answer { code: StatusCode::CREATED, written, warnings }),
            None if generated => {}
            None => return Err(Failure::already_exists(ctx.resource.subject(object.name()))),
        }
    }
    let message = format!("no free name could be generated from \"{}\"; try again", object.generate_name());
    Err(Failure::new(Reason::AlreadyExists, message).about(ctx.resource.subject(object.name())).retry_after(1))
}

/// None when the name is taken.
async fn commit_new(ctx: &Context, object: &Object) -> Result<Option<Written>, Failure> {
    let key = ctx.resource.key(ctx.namespace(), object.name())?;
    for _ in 0..MAX_ATTEMPTS {
        let mut transaction = Transaction::new().require(key.clone(), Expect::Absent);
        if let Some((namespace, seen)) = namespace_guard(ctx, object)? {
            transaction = transaction.require(namespace, seen);
        }
        if ctx.dry_run()? {
            let taken = ctx.server.store.snapshot().get(&key).is_some();
            return Ok((!taken).then(|| Written::Rehearsed(object.clone())));
        }
        match ctx.server.store.commit(transaction.put(key.clone(), object.encode()?)).await {
            Ok(mut committed) => return Ok(committed.entries.pop().map(Written::Stored)),
            Err(CommitError::Conflict { key: conflicting, .. }) if conflicting == key => return Ok(None),
            // The namespace changed meanwhile; look at it again.
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(store_failure(&error)),
        }
    }
    Err(contention(ctx, object.name()))
}

/// The namespace that must still be as it is when an object is put into it.
fn namespace_guard(ctx: &Context, object: &Object) -> Result<Option<(Key, Expect)>, Failure> {
    let Some(name) = ctx.namespace() else { return Ok(None) };
    let registry = ctx.server.registry();
    let namespaces = registry.get("", "v1", "namespaces").ok_or_else(Failure::no_such_resource)?;
    let key = namespaces.key(None, name)?;
    let snapshot = ctx.server.store.snapshot();
    let entry = snapshot.get(&key).ok_or_else(|| Failure::not_found(namespaces.subject(name)))?;
    if kinds::namespace::is_terminating(&Object::decode(&entry.value)?) {
        let why = format!("unable to create new content in namespace {name} because it is being terminated");
        let failure = Failure::forbidden(ctx.resource.subject(object.name()), &why);
        return Err(failure.caused_by(json!({
            "reason": "NamespaceTerminating",
            "message": format!("namespace {name} is being terminated"),
            "field": "metadata.namespace",
        })));
    }
    Ok(Some((key, Expect::At(entry.revision))))
}

/// PUT of an object, or of a part of it.
///
/// # Errors
/// As for [`create`], and conflicts with other writers.
pub(crate) async fn update(ctx: &Context, part: Part, body: &[u8]) -> Result<Answer, Failure> {
    let validation = Validation::of(&ctx.query)?;
    let decoded = decode_body(BodyFormat::of(&ctx.headers)?, body)?;
    let sent = Object::from_value(decoded.value)?;
    admit::check_type(ctx, &sent)?;
    let unconditional = sent.resource_version().is_empty();
    if unconditional && !ctx.resource.update.unconditional && part == Part::Main && ctx.entry().is_ok() {
        let path = machinery::field::Path::new("metadata");
        let error =
            machinery::field::FieldError::invalid(&path.field("resourceVersion"), 0, "must be specified for an update");
        return Err(Failure::invalid(ctx.resource.kind_subject(ctx.name()), &[error]));
    }
    let change = Change { part, fields: Fields { validation, duplicates: decoded.duplicates } };
    if ctx.entry().is_err() && ctx.resource.update.creates && part == Part::Main {
        return create_by_update(ctx, sent, &change).await;
    }
    replace(ctx, &change, |_current| Ok(sent.clone())).await
}

async fn create_by_update(ctx: &Context, mut sent: Object, change: &Change) -> Result<Answer, Failure> {
    if !sent.uid().is_empty() || !sent.resource_version().is_empty() {
        // The client updates something that it has seen, and which is gone.
        return Err(Failure::not_found(ctx.resource.subject(ctx.name())));
    }
    admit::check_name(ctx, &sent)?;
    let warnings = admit::check_fields(ctx, &mut sent, &change.fields)?;
    admit::adopt_namespace(ctx, &mut sent)?;
    insert(ctx, sent, warnings).await
}

/// PATCH of an object, or of a part of it.
///
/// # Errors
/// As for [`update`], and a patch that does not fit.
pub(crate) async fn patch(ctx: &Context, part: Part, body: &[u8]) -> Result<Answer, Failure> {
    let format = PatchFormat::of(&ctx.headers)?;
    if format == PatchFormat::Strategic && ctx.resource.is_custom() {
        return Err(Failure::new(
            Reason::UnsupportedMediaType,
            "the body of the request was in an unknown format - accepted media types include: \
             application/json-patch+json, application/merge-patch+json",
        ));
    }
    let decoded = decode_body(BodyFormat::Json, body)?;
    let document = decoded.value;
    let fields = Fields { validation: Validation::of(&ctx.query)?, duplicates: decoded.duplicates };
    let change = Change { part, fields };
    let json_patch = match format {
        PatchFormat::Json => Some(patch::JsonPatch::parse(&document).map_err(|error| bad_patch(&error))?),
        PatchFormat::Merge | PatchFormat::Strategic if !document.is_object() => {
            return Err(Failure::bad_request("the patch is not a JSON object"));
        }
        PatchFormat::Merge | PatchFormat::Strategic => None,
    };
    replace(ctx, &change, |current| {
        let target = current.as_value();
        let patched = match (&json_patch, format) {
            (Some(operations), _) => operations.apply(target).map_err(|error| unfit_patch(ctx, &error))?,
            (None, PatchFormat::Strategic) => patch::strategic(ctx.resource.schema.node(), target, &document)
                .map_err(|error| unfit_patch(ctx, &error))?,
            (None, _) => {
                let mut target = target.clone();
                patch::merge(&mut target, &document);
                target
            }
        };
        Object::from_value(patched)
    })
    .await
}

fn bad_patch(error: &patch::PatchError) -> Failure {
    Failure::bad_request(stdx::error_chain(error).to_string())
}

fn unfit_patch(ctx: &Context, error: &patch::PatchError) -> Failure {
    let message = stdx::error_chain(error).to_string();
    Failure::new(Reason::Invalid, message).about(ctx.resource.subject(ctx.name()))
}

/// What a change may touch, and how strictly its fields are taken.
pub(crate) struct Change {
    pub(crate) part: Part,
    pub(crate) fields: Fields,
}

/// Replaces the object at the path by what `make` makes of it.
///
/// # Errors
/// What `make` refuses, what the rules of the kind refuse, and conflicts.
pub(crate) async fn replace(
    ctx: &Context,
    change: &Change,
    make: impl Fn(&Object) -> Result<Object, Failure>,
) -> Result<Answer, Failure> {
    for _ in 0..MAX_ATTEMPTS {
        let entry = ctx.entry()?;
        // Clients see, and so patch, the version of the path.
        let old = ctx.resource.restore(&entry.value)?;
        let mut new = make(&old)?;
        admit::check_identity(ctx, &new, &old)?;
        let mut warnings = admit::check_fields(ctx, &mut new, &change.fields)?;
        admit::prepare_change(ctx, change.part, &mut new, &old);
        admit::check_change(ctx, &new, &old)?;
        warnings.append(&mut ctx.resource.rules.warnings(&new));
        if let Some(written) = commit_change(ctx, &entry, Pair { old: &old, new: &new }).await? {
            return Ok(Answer { code: StatusCode::OK, written, warnings });
        }
        // Another writer came first. If the client named the version that it replaces, the next round says so.
    }
    Err(contention(ctx, ctx.name()))
}

/// An object before and after a change.
#[derive(Clone, Copy)]
struct Pair<'a> {
    old: &'a Object,
    new: &'a Object,
}

/// None when another writer came first.
async fn commit_change(ctx: &Context, entry: &Arc<Entry>, pair: Pair<'_>) -> Result<Option<Written>, Failure> {
    let Pair { old, new } = pair;
    if ctx.dry_run()? {
        return Ok(Some(Written::Rehearsed(new.clone())));
    }
    let released = old.is_terminating()
        && old.deletion_grace_seconds() == 0
        && new.finalizers().is_empty()
        && !ctx.resource.rules.holds_deletion(new);
    // An object that is stored in an older version is written even if nothing else changes: that is how it moves on.
    let current = Object::decode(&entry.value)?.api_version() == ctx.resource.storage_api_version();
    if !released && new.same_content(old) && current {
        return Ok(Some(Written::Unchanged(entry.clone())));
    }
    let template = ctx.server.store_version(&ctx.resource, new).encode()?;
    let transaction = Transaction::new().require(entry.key.clone(), Expect::At(entry.revision));
    let transaction = match released {
        true => transaction.delete(entry.key.clone(), template),
        false => transaction.put(entry.key.clone(), template),
    };
    match ctx.server.store.commit(transaction).await {
        Ok(mut committed) => Ok(committed.entries.pop().map(Written::Stored)),
        Err(CommitError::Conflict { .. }) => Ok(None),
        Err(error) => Err(store_failure(&error)),
    }
}

/// Too many other writers came first.
pub(crate) fn contention(ctx: &Context, name: &str) -> Failure {
    Failure::conflict(ctx.resource.subject(name), "too many writers at once; please try again").retry_after(1)
}

/// The answer to a write that the store did not take.
pub(crate) fn store_failure(error: &CommitError) -> Failure {
    match error {
        CommitError::StorageFull { .. } => {
            tracing::error!(error = %stdx::error_chain(error), "write refused");
            Failure::new(
                Reason::InsufficientStorage,
                "the disk of the server is full: reads go on, writes resume when there is room",
            )
            .retry_after(5)
        }
        CommitError::Closed => Failure::new(Reason::ServiceUnavailable, "the server is shutting down").retry_after(1),
        CommitError::Conflict { .. }
        | CommitError::WrittenTwice { .. }
        | CommitError::TooManyWrites { .. }
        | CommitError::Failed { .. } => {
            tracing::error!(error = %stdx::error_chain(error), "write failed");
            Failure::internal("the store could not take the write; the server's log has the reason")
        }
    }
}

/// What the store keeps for an object that `ctx` has not read itself: used for writes that the server makes by itself.
pub(crate) async fn overwrite(
    server: &Inner,
    resource: &Resource,
    entry: &Arc<Entry>,
    object: &Object,
) -> Result<Option<Arc<Entry>>, Failure> {
    let template = server.store_version(resource, object).encode()?;
    let transaction =
        Transaction::new().require(entry.key.clone(), Expect::At(entry.revision)).put(entry.key.clone(), template);
    match server.store.commit(transaction).await {
        Ok(mut committed) => Ok(committed.entries.pop()),
        Err(CommitError::Conflict { .. }) => Ok(None),
        Err(error) => Err(store_failure(&error)),
    }
}

/// The time of now as objects carry it.
pub(crate) fn timestamp(ctx: &Context) -> Value {
    rfc3339(ctx.now()).into()
}

/// A decoded object's bytes, for answers.
pub(crate) fn bytes_of(object: &Object) -> Bytes {
    object.as_value().to_string().into()
}
