//! The resources that a definition makes the server offer, one for each served version.

use std::sync::Arc;

use api::apiextensions::v1::custom_resource_definition::ESTABLISHED_CONDITION;
use api::builtin::{Name, Update};
use machinery::jsonpath::JsonPath;
use machinery::schema::Schema;
use machinery::table::{self, ColumnType};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::plan::is_true_in;
use crate::kinds::custom::CustomKind;
use crate::kinds::custom_resource_definition::{has_key, member_path, storage_version, versions};
use crate::object::Object;
use crate::resource::{
    Column, Custom, ObjectSchema, Registry, Resource, ScalePaths, SelectableField, Subresource, api_version, collection,
};

const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const SUBRESOURCE_VERBS: [&str; 3] = ["get", "patch", "update"];
const CREATION_TIMESTAMP: &str =
    "CreationTimestamp is a timestamp representing the server time when this object was created.";

/// The custom resources of all established definitions. What did not change since `before` keeps its watches.
pub(super) fn build(definitions: &[&Object], statuses: &[Value], before: &Registry) -> Vec<Arc<Resource>> {
    let established = definitions.iter().zip(statuses).filter(|(_, status)| is_true_in(status, ESTABLISHED_CONDITION));
    established.flat_map(|(definition, _)| of_definition(definition, before)).collect()
}

/// Ends the watches of resources that are gone or have changed.
pub(super) fn end_replaced(before: &Registry, after: &Registry) {
    for resource in before.all() {
        let Some(custom) = &resource.custom else { continue };
        let successor = after.get(&resource.group, &resource.version, &resource.plural);
        let same =
            successor.and_then(|successor| successor.custom.as_ref()).is_some_and(|next| next.digest == custom.digest);
        if !same {
            custom.removed.cancel();
        }
    }
}

fn of_definition(definition: &Object, before: &Registry) -> Vec<Arc<Resource>> {
    let mut names: Vec<&str> = versions(definition).iter().filter_map(|version| version["name"].as_str()).collect();
    names.sort_by_key(|name| std::cmp::Reverse(version_rank(name)));
    versions(definition)
        .iter()
        .filter(|version| version["served"] == true)
        .filter_map(|version| {
            let priority = names.iter().position(|name| version["name"] == **name).unwrap_or_default();
            let resource = of_version(definition, version, before)?;
            Some(Arc::new(Resource { priority, ..resource }))
        })
        .collect()
}

/// How Kubernetes orders versions: stable before beta before alpha, then by number, then anything else by name.
fn version_rank(name: &str) -> (u8, u32, u32) {
    let rank = || -> Option<(u8, u32, u32)> {
        let rest = name.strip_prefix('v')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (major, level) = rest.split_at(digits);
        let major = major.parse().ok()?;
        match level {
            "" => Some((3, major, 0)),
            _ if level.starts_with("beta") => Some((2, major, level["beta".len()..].parse().ok()?)),
            _ if level.starts_with("alpha") => Some((1, major, level["alpha".len()..].parse().ok()?)),
            _ => None,
        }
    };
    rank().unwrap_or_default()
}

/// None for a schema that cannot be enforced; such definitions are refused when they are written.
fn of_version(definition: &Object, version: &Value, before: &Registry) -> Option<Resource> {
    let text = |path: &[&str]| definition.text(path).to_owned();
    let texts = |path: &[&str]| strings(definition.at(path));
    let (group, plural) = (text(&["spec", "group"]), text(&["spec", "names", "plural"]));
    let name = version["name"].as_str()?.to_owned();
    let openapi = version.pointer("/schema/openAPIV3Schema")?.clone();
    let schema = Schema::parse_crd(&openapi).ok()?;
    let scale = version.pointer("/subresources/scale").and_then(scale_paths);
    let digest = format!("{:x}", Sha256::digest(definition.at(&["spec"]).to_string().as_bytes()));
    let previous = before.get(&group, &name, &plural).and_then(|resource| resource.custom.as_ref());
    let removed = previous.filter(|previous| previous.digest == digest).map(|previous| previous.removed.clone());
    let (columns, cells) = columns(version);
    let kind = text(&["spec", "names", "kind"]);
    Some(Resource {
        list_kind: text(&["spec", "names", "listKind"]),
        singular: text(&["spec", "names", "singular"]),
        short_names: texts(&["spec", "names", "shortNames"]),
        categories: texts(&["spec", "names", "categories"]),
        namespaced: definition.text(&["spec", "scope"]) == "Namespaced",
        verbs: VERBS.to_vec(),
        subresources: subresources(version, Address { group: &group, version: &name, kind: &kind }),
        collection: collection(&group, &plural),
        storage_version: storage_version(definition)?.to_owned(),
        priority: 0,
        schema: ObjectSchema::Custom(schema),
        names: Name::Subdomain,
        update: Update { unconditional: false, creates: false },
        selectable_fields: selectable_fields(version),
        columns,
        rules: Box::new(CustomKind { columns: cells }),
        scale,
        custom: Some(Custom {
            definition: definition.name().to_owned(),
            digest,
            terminating: definition.is_terminating(),
            removed: removed.unwrap_or_default(),
            beginning: format!(r#"{{"apiVersion":"{}""#, api_version(&group, &name)),
            defaults: has_key(&openapi, "default"),
            openapi,
        }),
        group,
        version: name,
        kind,
        plural,
    })
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

struct Address<'a> {
    group: &'a str,
    version: &'a str,
    kind: &'a str,
}

fn subresources(version: &Value, address: Address<'_>) -> Vec<Subresource> {
    let declared = &version["subresources"];
    let mut found = Vec::new();
    if declared["scale"].is_object() {
        found.push(Subresource {
            name: "scale".to_owned(),
            group: "autoscaling".to_owned(),
            version: "v1".to_owned(),
            kind: "Scale".to_owned(),
            verbs: SUBRESOURCE_VERBS.to_vec(),
        });
    }
    if declared["status"].is_object() {
        found.push(Subresource {
            name: "status".to_owned(),
            group: address.group.to_owned(),
            version: address.version.to_owned(),
            kind: address.kind.to_owned(),
            verbs: SUBRESOURCE_VERBS.to_vec(),
        });
    }
    found
}

fn scale_paths(scale: &Value) -> Option<ScalePaths> {
    let path = |field: &str| scale[field].as_str().and_then(member_path);
    Some(ScalePaths {
        spec_replicas: path("specReplicasPath")?,
        status_replicas: path("statusReplicasPath")?,
        label_selector: path("labelSelectorPath"),
    })
}

fn selectable_fields(version: &Value) -> Vec<SelectableField> {
    let declared = version["selectableFields"].as_array().into_iter().flatten();
    declared
        .filter_map(|field| {
            let path = member_path(field["jsonPath"].as_str()?)?;
            Some(SelectableField { name: path.join("."), paths: vec![path], absent: "" })
        })
        .collect()
}

/// The columns as clients see them, the name first, and how the cells of the others are found.
fn columns(version: &Value) -> (Vec<Column>, Vec<table::Column>) {
    let name = Column {
        name: "Name".to_owned(),
        r#type: "string".to_owned(),
        format: "name".to_owned(),
        description: "Name must be unique within a namespace.".to_owned(),
        priority: 0,
    };
    let mut shown = vec![name];
    let mut cells = Vec::new();
    for column in version["additionalPrinterColumns"].as_array().into_iter().flatten() {
        let text = |field: &str| column[field].as_str().unwrap_or_default();
        let (Some(kind), Ok(path)) = (ColumnType::parse(text("type")), JsonPath::parse(text("jsonPath"))) else {
            continue;
        };
        cells.push(table::Column { path, kind });
        shown.push(Column {
            name: text("name").to_owned(),
            r#type: text("type").to_owned(),
            format: text("format").to_owned(),
            description: match text("description") {
                "" => format!("Custom resource definition column (in JSONPath format): {}", text("jsonPath")),
                description => description.to_owned(),
            },
            priority: column["priority"].as_i64().and_then(|priority| priority.try_into().ok()).unwrap_or_default(),
        });
    }
    if cells.is_empty() {
        shown.push(Column {
            name: "Age".to_owned(),
            r#type: "string".to_owned(),
            format: String::new(),
            description: CREATION_TIMESTAMP.to_owned(),
            priority: 0,
        });
    }
    (shown, cells)
}

#[cfg(test)]
mod tests {
    use super::version_rank;

    #[test]
    fn versions_are_ordered_as_kubernetes_orders_them() {
        let mut names = ["v1beta1", "v10", "foo", "v1", "v2alpha1", "v1beta2", "v2"];
        names.sort_by_key(|name| std::cmp::Reverse(version_rank(name)));
        assert_eq!(names, ["v10", "v2", "v1", "v1beta2", "v1beta1", "v2alpha1", "foo"]);
    }
}
