//! Reading many objects: lists, watches, and going on where one was.

pub(crate) mod lists;
pub(crate) mod resumption;
pub(crate) mod watches;

use serde_json::{Value, json};

use crate::harness::{Api, Server, config_map, config_maps};

/// What kubectl accepts when it prints a table.
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// A namespace with ConfigMaps of these names: the path of their collection.
fn filled(server: &Server, api: &mut Api, names: &[&str]) -> String {
    let path = config_maps(&server.namespace("lists"));
    for name in names {
        api.post(&path, &config_map(name, &json!({}))).expect(201);
    }
    path
}

/// A ConfigMap with labels.
fn labelled(name: &str, labels: &Value) -> Value {
    let mut object = config_map(name, &json!({}));
    object["metadata"]["labels"] = labels.clone();
    object
}
