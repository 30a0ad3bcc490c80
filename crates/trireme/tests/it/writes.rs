//! Creating, changing and deleting objects: what is refused, what is kept, what is counted.
//!
//! What kubectl makes of all this is in `kubectl`; what happens to dependents in `collection`.

pub(crate) mod changes;
pub(crate) mod deletion;
pub(crate) mod kinds;
pub(crate) mod patches;

use serde_json::{Value, json};

use crate::harness::{Api, Server, config_map, config_maps};

/// A ConfigMap in a namespace of its own: its path and its first state.
fn first_config_map(server: &Server, api: &mut Api) -> (String, Value) {
    let path = config_maps(&server.namespace("writes"));
    let created = api.post(&path, &config_map("first", &json!({"a": "1"}))).expect(201);
    (format!("{path}/first"), created)
}
