//! From a request body to an object that may be stored: type, fields, defaults, metadata, rules of the kind.

use machinery::decode::{self, Decoded};
use machinery::field::{ErrorKind, FieldError, Path};
use machinery::{defaulting, meta, name, unknown, validate};
use serde_json::Value;

use super::{Part, timestamp};
use crate::context::Context;
use crate::negotiate::BodyFormat;
use crate::object::Object;
use crate::request::Query;
use crate::server::Inner;
use crate::status::Failure;

/// What to do about fields that are unknown or there twice (`fieldValidation`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Validation {
    Ignore,
    Warn,
    Strict,
}

impl Validation {
    /// The choice of a request; warnings are the default.
    ///
    /// # Errors
    /// 400 for an unknown value.
    pub(crate) fn of(query: &Query) -> Result<Self, Failure> {
        match query.get("fieldValidation") {
            None | Some("Warn") => Ok(Self::Warn),
            Some("Ignore") => Ok(Self::Ignore),
            Some("Strict") => Ok(Self::Strict),
            Some(other) => Err(Failure::bad_request(format!(
                "fieldValidation: Unsupported value: \"{other}\": supported values: \"Ignore\", \"Strict\", \"Warn\""
            ))),
        }
    }
}

/// How the fields of a body are taken.
pub(crate) struct Fields {
    pub(crate) validation: Validation,
    /// Fields that the body has twice.
    pub(crate) duplicates: Vec<String>,
}

/// Decodes a body in the format that it declares.
pub(crate) fn decode_body(format: BodyFormat, body: &[u8]) -> Result<Decoded, Failure> {
    let decoded = match format {
        BodyFormat::Json => decode::json(body),
        BodyFormat::Yaml => decode::yaml(body),
    };
    decoded.map_err(|error| Failure::bad_request(stdx::error_chain(&error).to_string()))
}

/// The body must be of the kind that the path serves.
pub(super) fn check_type(ctx: &Context, object: &Object) -> Result<(), Failure> {
    let expected = ctx.resource.api_version();
    if object.api_version() != expected {
        return Err(Failure::bad_request(format!(
            "the API version in the data ({}) does not match the expected API version ({expected})",
            object.api_version()
        )));
    }
    if object.kind() != ctx.resource.kind {
        return Err(Failure::bad_request(format!(
            "the kind in the data ({}) does not match the expected kind ({})",
            object.kind(),
            ctx.resource.kind
        )));
    }
    Ok(())
}

/// Takes out fields that the kind does not know, telling the client as it asked, and fills in defaults. The answer is
/// what to warn of.
pub(super) fn check_fields(ctx: &Context, object: &mut Object, sent: &Fields) -> Result<Vec<String>, Failure> {
    let node = ctx.resource.schema.node();
    let mut unknown = unknown::prune(&Path::ROOT, node, object.as_value_mut());
    unknown.extend(prune_metadata(ctx, object)?);
    let complaints: Vec<String> = unknown
        .iter()
        .map(|path| unknown::unknown_message(path))
        .chain(sent.duplicates.iter().map(|path| unknown::duplicate_message(path)))
        .collect();
    let warnings = match sent.validation {
        Validation::Ignore => Vec::new(),
        Validation::Warn => complaints,
        Validation::Strict if complaints.is_empty() => Vec::new(),
        Validation::Strict => return Err(strict_failure(ctx, &complaints)),
    };
    defaulting::apply(node, object.as_value_mut());
    check_types(ctx, object)?;
    ctx.resource.rules.apply_defaults(object);
    Ok(warnings)
}

/// The metadata of custom resources is not in their own schema: it is that of all kinds.
fn prune_metadata(ctx: &Context, object: &mut Object) -> Result<Vec<String>, Failure> {
    let Some(node) = ctx.server.definitions.get(OBJECT_META).filter(|_| ctx.resource.is_custom()) else {
        return Ok(Vec::new());
    };
    let path = Path::new("metadata");
    let Some(metadata) = object.as_value_mut().get_mut("metadata") else { return Ok(Vec::new()) };
    let unknown = unknown::prune(&path, node, metadata);
    let errors = validate::check(&path, node, metadata);
    match errors.iter().find(|error| error.kind == ErrorKind::TypeInvalid) {
        Some(error) => Err(Failure::bad_request(error.to_string())),
        None => Ok(unknown),
    }
}

fn strict_failure(ctx: &Context, complaints: &[String]) -> Failure {
    Failure::bad_request(format!("{}strict decoding error: {}", decoding_prefix(ctx), complaints.join(", ")))
}

/// Built-in kinds are decoded into types upstream, so that a wrong JSON type is a bad request, not an invalid object.
fn check_types(ctx: &Context, object: &Object) -> Result<(), Failure> {
    if ctx.resource.is_custom() {
        return Ok(());
    }
    let errors = validate::check(&Path::ROOT, ctx.resource.schema.node(), object.as_value());
    match errors.iter().find(|error| error.kind == ErrorKind::TypeInvalid) {
        Some(error) => Err(Failure::bad_request(format!("{}{error}", decoding_prefix(ctx)))),
        None => Ok(()),
    }
}

fn decoding_prefix(ctx: &Context) -> String {
    let kind = &ctx.resource.kind;
    format!("{kind} in version \"{}\" cannot be handled as a {kind}: ", ctx.resource.version)
}

/// An object without a namespace gets that of the path; another one is an error.
pub(super) fn adopt_namespace(ctx: &Context, object: &mut Object) -> Result<(), Failure> {
    match ctx.namespace() {
        Some(namespace) if object.namespace().is_empty() => {
            object.set_metadata("namespace", Some(namespace.into()));
            Ok(())
        }
        Some(namespace) if object.namespace() == namespace => Ok(()),
        None if object.namespace().is_empty() => Ok(()),
        Some(_) | None => Err(Failure::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        )),
    }
}

/// The body's name must be that of the path.
pub(super) fn check_name(ctx: &Context, object: &Object) -> Result<(), Failure> {
    if object.name() == ctx.name() {
        return Ok(());
    }
    Err(Failure::bad_request(format!(
        "the name of the object ({}) does not match the name on the URL ({})",
        object.name(),
        ctx.name()
    )))
}

/// The schema of the metadata of all kinds.
const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
/// Metadata that only the server writes.
const SERVER_METADATA: [&str; 6] =
    ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink"];

/// Fills in what the server decides about a new object whose name is known.
pub(super) fn prepare_new(ctx: &Context, object: &mut Object) {
    for field in SERVER_METADATA {
        object.set_metadata(field, None);
    }
    // Field ownership is recorded by server-side apply, which is refused with 415.
    object.set_metadata("managedFields", None);
    object.set_metadata("uid", Some(Inner::uid().into()));
    object.set_metadata("creationTimestamp", Some(timestamp(ctx)));
    if ctx.resource.rules.counts_generations() {
        object.set_metadata("generation", Some(1.into()));
    }
    if ctx.resource.has_status() && !ctx.resource.rules.keeps_status_on_create() {
        object.set("status", None);
    }
    ctx.resource.rules.prepare_create(object);
}

/// Everything that is wrong with a new object.
pub(super) fn check_new(ctx: &Context, object: &Object) -> Result<(), Failure> {
    let requirements = meta::Requirements { scope: scope(ctx), rule: name_rule(ctx) };
    let mut errors = meta::check(&Path::new("metadata"), object.at(&["metadata"]), requirements);
    errors.extend(check_content(ctx, object, None));
    refuse(ctx, object, &errors)
}

fn scope(ctx: &Context) -> meta::Scope {
    if ctx.resource.namespaced { meta::Scope::Namespaced } else { meta::Scope::Cluster }
}

fn name_rule(ctx: &Context) -> name::Rule {
    match ctx.resource.names {
        api::builtin::Name::Label => name::Rule::Label,
        // The kind's own rules compare the name with what it must be made of.
        api::builtin::Name::Subdomain | api::builtin::Name::PluralAndGroup => name::Rule::Subdomain,
        api::builtin::Name::PathSegment => name::Rule::PathSegment,
    }
}

fn check_content(ctx: &Context, object: &Object, old: Option<&Object>) -> Vec<FieldError> {
    let mut errors = validate::check(&Path::ROOT, ctx.resource.schema.node(), object.as_value());
    for error in ctx.resource.rules.validate(object, old) {
        // What a schema requires, the rules of the kind may require as well.
        if !errors.contains(&error) {
            errors.push(error);
        }
    }
    errors
}

fn refuse(ctx: &Context, object: &Object, errors: &[FieldError]) -> Result<(), Failure> {
    if errors.is_empty() {
        return Ok(());
    }
    let name = if object.name().is_empty() { object.generate_name() } else { object.name() };
    Err(Failure::invalid(ctx.resource.kind_subject(name), errors))
}

/// `new` must be meant to replace `old`: same type, name and uid, and the version that the client saw, if it named one.
pub(super) fn check_identity(ctx: &Context, new: &Object, old: &Object) -> Result<(), Failure> {
    check_type(ctx, new)?;
    check_name(ctx, new)?;
    if !new.namespace().is_empty() && new.namespace() != old.namespace() {
        return Err(Failure::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    if !new.uid().is_empty() && new.uid() != old.uid() {
        let why = format!("Precondition failed: UID in precondition: {}, UID in object meta: {}", new.uid(), old.uid());
        return Err(Failure::conflict(ctx.resource.subject(ctx.name()), &why));
    }
    let sent = new.resource_version();
    if !sent.is_empty() && sent != old.resource_version() {
        return Err(Failure::modified(ctx.resource.subject(ctx.name())));
    }
    Ok(())
}

/// Puts back what a change may not touch, and fills in what follows from it.
pub(super) fn prepare_change(ctx: &Context, part: Part, new: &mut Object, old: &Object) {
    match part {
        Part::Main => {
            if ctx.resource.has_status() {
                new.set("status", old.fields().get("status").cloned());
            }
            new.keep_metadata(old, &SERVER_METADATA);
            new.keep_metadata(old, &["resourceVersion", "name", "namespace", "generateName"]);
            new.set_metadata("managedFields", None);
            ctx.resource.rules.prepare_update(new, old);
        }
        Part::Status => {
            let status = new.fields_mut().remove("status");
            *new = old.clone();
            new.set("status", status);
            ctx.resource.rules.prepare_status(new, old);
        }
        Part::Finalize => {
            let finalizers = new.at(&["spec", "finalizers"]).clone();
            *new = old.clone();
            let spec = match finalizers {
                Value::Null => serde_json::json!({}),
                finalizers => serde_json::json!({"finalizers": finalizers}),
            };
            new.set("spec", Some(spec));
        }
    }
    if ctx.resource.rules.counts_generations() && meta::spec_changed(old.as_value(), new.as_value()) {
        new.set_metadata("generation", Some((old.generation() + 1).into()));
    }
}

/// Everything that is wrong with a change.
pub(super) fn check_change(ctx: &Context, new: &Object, old: &Object) -> Result<(), Failure> {
    let mut errors = meta::check_update(&Path::new("metadata"), new.at(&["metadata"]), old.at(&["metadata"]));
    errors.extend(check_content(ctx, new, Some(old)));
    refuse(ctx, new, &errors)
}
