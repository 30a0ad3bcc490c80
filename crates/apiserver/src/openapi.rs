//! OpenAPI v3: one document per group and version, made from the schemas that validate the objects.
//!
//! Clients read the schemas (`kubectl explain`, merge keys of `kubectl apply`) and look whether PATCH offers
//! `fieldValidation`; the documents say so and leave out what nobody reads, such as one operation per response code.
//! Documents are addressed by a hash of their content, so that clients may keep them for good.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use api::builtin::table;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::body::{self, ResponseBody};
use crate::request::Query;
use crate::resource::{ObjectSchema, Registry, Resource, Subresource, api_version};

const REFERENCE_PREFIX: &str = "#/components/schemas/";
const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
const PATCH: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";
const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";

/// The documents of everything that is served at one moment, by path below `/openapi/v3`.
pub(crate) struct Documents(BTreeMap<String, Addressed>);

struct Addressed {
    hash: String,
    document: Bytes,
}

impl Documents {
    pub(crate) fn of(registry: &Registry) -> Self {
        let versions = registry.groups().iter().flat_map(|(group, versions)| versions.iter().map(move |v| (group, v)));
        let documents = versions.filter_map(|(group, version)| {
            let document = document(&registry.of_version(group, version)?);
            Some((root(group, version), Addressed { hash: hash(&document), document: document.into() }))
        });
        Self(documents.collect())
    }

    /// `/openapi/v3`: where each document is.
    pub(crate) fn index(&self) -> Value {
        let paths: Map<String, Value> = self
            .0
            .iter()
            .map(|(path, addressed)| {
                let url = format!("/openapi/v3/{path}?hash={}", addressed.hash);
                (path.clone(), json!({"serverRelativeURL": url}))
            })
            .collect();
        json!({"paths": paths})
    }

    /// The answer with the document of one version; None if it is not served. One that was asked for by its hash never
    /// changes, so clients may keep it for good.
    pub(crate) fn answer(&self, path: &str, parts: &Parts, query: &Query) -> Option<Response<ResponseBody>> {
        let Addressed { hash, document } = self.0.get(path)?;
        let etag = format!("\"{hash}\"");
        let known = parts.headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes());
        let mut answer = match known {
            true => body::json(StatusCode::NOT_MODIFIED, ""),
            false => body::json(StatusCode::OK, document.clone()),
        };
        if let Ok(etag) = HeaderValue::from_str(&etag) {
            answer.headers_mut().insert(ETAG, etag);
        }
        if query.get("hash") == Some(hash) {
            answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, immutable"));
        }
        Some(answer)
    }
}

/// The document of one version.
fn document(resources: &[&Arc<Resource>]) -> String {
    let mut document = Document::default();
    for resource in resources {
        document.add(resource);
    }
    let schemas = document.schemas.into_iter().collect::<Map<_, _>>();
    let whole = json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": format!("v{}", table().version)},
        "paths": document.paths,
        "components": {"schemas": schemas},
    });
    whole.to_string()
}

/// The hash that addresses a document.
fn hash(document: &str) -> String {
    Sha256::digest(document.as_bytes()).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02X}").expect("writing to a String");
        text
    })
}

/// The path of a version, below `/openapi/v3` and in the API.
pub(crate) fn root(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{}", api_version(group, version)) }
}

#[derive(Default)]
struct Document {
    schemas: BTreeMap<String, Value>,
    paths: Map<String, Value>,
}

impl Document {
    fn add(&mut self, resource: &Arc<Resource>) {
        let (object, list) = match &resource.schema {
            ObjectSchema::Builtin { name, .. } => (name.clone(), format!("{name}List")),
            ObjectSchema::Custom(_) => self.add_custom(resource),
        };
        for name in [&object, &list, DELETE_OPTIONS, PATCH, STATUS] {
            self.include(name);
        }
        let names = Names { object: &object, list: &list };
        let root = root(&resource.group, &resource.version);
        let base = match resource.namespaced {
            true => format!("/{root}/namespaces/{{namespace}}/{}", resource.plural),
            false => format!("/{root}/{}", resource.plural),
        };
        if resource.namespaced {
            let all = json!({"get": operation(resource, "list", &[("200", names.list)])});
            self.paths.insert(format!("/{root}/{}", resource.plural), all);
        }
        self.paths.insert(base.clone(), collection_path(resource, names));
        self.paths.insert(format!("{base}/{{name}}"), object_path(resource, &object));
        for subresource in resource.subresources.iter().filter(|subresource| is_view(resource, subresource)) {
            self.paths.insert(format!("{base}/{{name}}/{}", subresource.name), object_path(resource, &object));
        }
    }

    /// The schemas of a custom resource and its list, as upstream names them: reversed group, version, kind.
    fn add_custom(&mut self, resource: &Resource) -> (String, String) {
        let reversed: Vec<&str> = resource.group.split('.').rev().collect();
        let prefix = format!("{}.{}", reversed.join("."), resource.version);
        let (object, list) = (format!("{prefix}.{}", resource.kind), format!("{prefix}.{}", resource.list_kind));
        let mut schema = resource.custom.as_ref().map(|custom| custom.openapi.clone()).unwrap_or_default();
        if !schema.is_object() {
            schema = json!({"type": "object"});
        }
        let text = |text: &str| json!({"type": "string", "description": text});
        let api_version_field = text("The version of the schema of this object.");
        let kind_field = text("The kind of this object.");
        let properties = schema.as_object_mut().map(|map| map.entry("properties").or_insert_with(|| json!({})));
        if let Some(Value::Object(properties)) = properties {
            properties.insert("apiVersion".to_owned(), api_version_field.clone());
            properties.insert("kind".to_owned(), kind_field.clone());
            properties.insert("metadata".to_owned(), json!({"allOf": [reference(OBJECT_META)], "default": {}}));
        }
        schema["x-kubernetes-group-version-kind"] = json!([gvk(resource, &resource.kind)]);
        self.include(OBJECT_META);
        self.include(LIST_META);
        let list_schema = json!({
            "type": "object",
            "description": format!("{} is a list of {}", resource.list_kind, resource.kind),
            "required": ["items"],
            "properties": {
                "apiVersion": api_version_field,
                "kind": kind_field,
                "metadata": {"allOf": [reference(LIST_META)], "default": {}},
                "items": {"type": "array", "items": reference(&object)},
            },
            "x-kubernetes-group-version-kind": [gvk(resource, &resource.list_kind)],
        });
        self.schemas.insert(object.clone(), schema);
        self.schemas.insert(list.clone(), list_schema);
        (object, list)
    }

    /// Takes a definition of the table into the document, with all that it refers to.
    fn include(&mut self, name: &str) {
        let mut wanted = BTreeSet::from([name.to_owned()]);
        while let Some(name) = wanted.pop_first() {
            if self.schemas.contains_key(&name) {
                continue;
            }
            let Some(text) = table().definitions.get(name.as_str()) else { continue };
            let schema: Value = serde_json::from_str(text.get()).unwrap_or_default();
            references(&schema, &mut wanted);
            self.schemas.insert(name, schema);
        }
    }
}

/// Whether a sub-resource is read and written as the object itself; others have no schema that clients look for.
fn is_view(resource: &Resource, subresource: &Subresource) -> bool {
    subresource.kind == resource.kind && subresource.verbs.contains(&"patch")
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            if let Some(name) = map.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix(REFERENCE_PREFIX)) {
                found.insert(name.to_owned());
            }
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[derive(Clone, Copy)]
struct Names<'a> {
    object: &'a str,
    list: &'a str,
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("{REFERENCE_PREFIX}{name}")})
}

fn gvk(resource: &Resource, kind: &str) -> Value {
    json!({"group": resource.group, "version": resource.version, "kind": kind})
}

fn collection_path(resource: &Resource, names: Names<'_>) -> Value {
    let mut create = operation(resource, "post", &[("200", names.object), ("201", names.object)]);
    create["parameters"] = parameters(&["dryRun", "fieldManager", "fieldValidation"]);
    create["requestBody"] = request_body(&["application/json", "application/yaml"], names.object);
    json!({
        "get": operation(resource, "list", &[("200", names.list)]),
        "post": create,
        "delete": operation(resource, "deletecollection", &[("200", STATUS)]),
    })
}

fn object_path(resource: &Resource, object: &str) -> Value {
    let mut put = operation(resource, "put", &[("200", object), ("201", object)]);
    put["parameters"] = parameters(&["dryRun", "fieldManager", "fieldValidation"]);
    put["requestBody"] = request_body(&["application/json", "application/yaml"], object);
    let mut patch = operation(resource, "patch", &[("200", object), ("201", object)]);
    patch["parameters"] = parameters(&["dryRun", "fieldManager", "fieldValidation", "force"]);
    let formats = match resource.is_custom() {
        true => &["application/json-patch+json", "application/merge-patch+json"][..],
        false => {
            &["application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json"][..]
        }
    };
    patch["requestBody"] = request_body(formats, PATCH);
    let mut delete = operation(resource, "delete", &[("200", STATUS), ("202", STATUS)]);
    delete["parameters"] = parameters(&["dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy"]);
    delete["requestBody"] = request_body(&["application/json", "application/yaml"], DELETE_OPTIONS);
    json!({"get": operation(resource, "get", &[("200", object)]), "put": put, "patch": patch, "delete": delete})
}

fn operation(resource: &Resource, action: &str, responses: &[(&str, &str)]) -> Value {
    let mut answers = Map::new();
    for (code, schema) in responses {
        let content = json!({"application/json": {"schema": reference(schema)}});
        answers.insert((*code).to_owned(), json!({"description": "OK", "content": content}));
    }
    json!({
        "responses": answers,
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": gvk(resource, &resource.kind),
    })
}

fn parameters(names: &[&str]) -> Value {
    let parameter = |name: &&str| {
        let kind = match *name {
            "force" | "orphanDependents" => "boolean",
            "gracePeriodSeconds" => "integer",
            _ => "string",
        };
        json!({"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": true}})
    };
    names.iter().map(parameter).collect()
}

fn request_body(formats: &[&str], schema: &str) -> Value {
    let content: Map<String, Value> =
        formats.iter().map(|format| ((*format).to_owned(), json!({"schema": reference(schema)}))).collect();
    json!({"content": content, "required": true})
}
