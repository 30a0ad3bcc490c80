//! A kind that the tests invent at run time.

use serde_json::{Value, json};

use super::{Server, eventually, unique};

/// A CustomResourceDefinition of a group of its own: namespaced `Widget`s with a size, a colour and a note, a status and
/// a scale. Tests change [`Definition::manifest`] before they install it.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    pub(crate) group: String,
    pub(crate) manifest: Value,
}

impl Definition {
    pub(crate) fn new(stem: &str) -> Self {
        let group = format!("{}.example.com", unique(stem));
        let manifest = json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("widgets.{group}")},
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": ["wdg"]},
                "versions": [version("v1")],
            },
        });
        Self { group, manifest }
    }

    /// The name of the definition.
    pub(crate) fn name(&self) -> String {
        format!("widgets.{}", self.group)
    }

    /// The path of all objects in a namespace, in version `v1`.
    pub(crate) fn path(&self, namespace: &str) -> String {
        format!("/apis/{}/v1/namespaces/{namespace}/widgets", self.group)
    }

    /// The path of one object.
    pub(crate) fn object_path(&self, namespace: &str, name: &str) -> String {
        format!("{}/{name}", self.path(namespace))
    }

    /// A widget with `spec`.
    pub(crate) fn widget(&self, name: &str, spec: &Value) -> Value {
        let api_version = format!("{}/v1", self.group);
        json!({"apiVersion": api_version, "kind": "Widget", "metadata": {"name": name}, "spec": spec})
    }

    /// Creates the definition and waits until its objects are served.
    #[track_caller]
    pub(crate) fn install(&self, server: &Server) {
        let mut api = server.api();
        api.post(DEFINITIONS, &self.manifest).expect(201);
        let path = format!("{DEFINITIONS}/{}", self.name());
        eventually("the definition is established", || {
            let definition = api.get(&path).expect(200);
            condition(&definition, "Established").filter(|established| established == "True")
        });
    }
}

pub(crate) const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// The status of a condition.
pub(crate) fn condition(object: &Value, kind: &str) -> Option<String> {
    let conditions = object["status"]["conditions"].as_array()?;
    let found = conditions.iter().find(|condition| condition["type"] == kind)?;
    found["status"].as_str().map(str::to_owned)
}

/// A served version of the definition, stored too.
pub(crate) fn version(name: &str) -> Value {
    json!({
        "name": name,
        "served": true,
        "storage": true,
        "schema": {"openAPIV3Schema": {
            "type": "object",
            "description": "A thing that tests make.",
            "properties": {
                "spec": {
                    "type": "object",
                    "required": ["size"],
                    "properties": {
                        "size": {"type": "integer", "minimum": 0, "maximum": 100, "description": "How large it is."},
                        "color": {"type": "string", "enum": ["red", "green"], "default": "red"},
                        "note": {"type": "string", "maxLength": 20},
                        "parts": {"type": "array", "items": {
                            "type": "object",
                            "required": ["name"],
                            "properties": {"name": {"type": "string"}, "count": {"type": "integer", "default": 1}},
                        }},
                        "anything": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                        "port": {"x-kubernetes-int-or-string": true},
                    },
                },
                "status": {"type": "object", "properties": {
                    "phase": {"type": "string"},
                    "size": {"type": "integer"},
                    "selector": {"type": "string"},
                }},
            },
        }},
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.size",
                "statusReplicasPath": ".status.size",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": [
            {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
            {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
            {"name": "Color", "type": "string", "jsonPath": ".spec.color", "priority": 1},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ],
    })
}
