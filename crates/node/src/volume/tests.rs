use std::collections::BTreeMap;

use client::kinds::core::v1::{Pod, Volume};
use serde_json::{Value, from_value, json};

use super::{Facts, Files, VolumeError, files, is_secret, sources};
use crate::fields::Allocatable;
use crate::source::{Content, Reference};

fn check(volume: Value) -> Result<Files, VolumeError> {
    let mut volume = volume;
    volume["name"] = json!("v");
    let volume: Volume = from_value(volume).unwrap();
    let pod: Pod = from_value(json!({
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "resources": {"limits": {"memory": "64Mi"}}}]},
    }))
    .unwrap();
    let content = |pairs: &[(&str, &str)]| Content {
        data: pairs.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect(),
        version: "1".to_owned(),
    };
    let contents = BTreeMap::from([
        (Reference::config_map("settings"), content(&[("a", "1"), ("b", "2")])),
        (Reference::secret("keys"), content(&[("k", "3"), ("a", "4")])),
    ]);
    let allocatable = Allocatable { cpu_millis: 2000, memory_bytes: 1 << 30 };
    files(&sources(&volume), &contents, Facts { pod: &pod, host_ip: "10.0.0.1", allocatable })
}

/// Files as `path=content mode`.
fn shown(volume: Value) -> Vec<String> {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let files = check(volume).unwrap().into_iter();
    files.map(|(path, file)| format!("{}={} {:o}", path.display(), text(file.bytes), file.mode)).collect()
}

#[test]
fn all_keys_are_files_unless_items_are_named() {
    assert_eq!(shown(json!({"configMap": {"name": "settings"}})), ["a=1 644", "b=2 644"]);
    let items = json!([{"key": "b", "path": "x/y", "mode": 256}]);
    assert_eq!(shown(json!({"configMap": {"name": "settings", "items": items}})), ["x/y=2 400"]);
    assert_eq!(shown(json!({"secret": {"secretName": "keys", "defaultMode": 384}})), ["a=4 600", "k=3 600"]);
}

#[test]
fn a_later_source_takes_the_place_of_an_earlier_one() {
    let sources = json!([{"configMap": {"name": "settings"}}, {"secret": {"name": "keys"}}]);
    assert_eq!(shown(json!({"projected": {"sources": sources}})), ["a=4 644", "b=2 644", "k=3 644"]);
}

#[test]
fn the_pod_tells_of_itself() {
    let items = json!([
        {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}},
        {"path": "memory", "resourceFieldRef": {"containerName": "c", "resource": "limits.memory", "divisor": "1Mi"}},
    ]);
    assert_eq!(shown(json!({"downwardAPI": {"items": items}})), ["memory=64 644", "name=p 644"]);
}

#[test]
fn what_is_missing_is_named_unless_it_is_optional() {
    let missing = check(json!({"configMap": {"name": "absent"}})).unwrap_err();
    assert_eq!(missing.to_string(), "configmap \"absent\" not found");
    let items = json!([{"key": "no", "path": "x"}]);
    let key = check(json!({"secret": {"secretName": "keys", "items": items}})).unwrap_err();
    assert_eq!(key.to_string(), "references non-existent secret \"keys\" key: no");
    assert_eq!(shown(json!({"configMap": {"name": "absent", "optional": true}})), Vec::<String>::new());
    assert_eq!(
        shown(json!({"secret": {"secretName": "keys", "optional": true, "items": items}})),
        Vec::<String>::new()
    );
}

#[test]
fn no_path_leads_out_of_the_volume() {
    for path in ["../x", "/x", "..data", "a/../../x", "./x", ""] {
        let items = json!([{"key": "a", "path": path}]);
        let error = check(json!({"configMap": {"name": "settings", "items": items}})).unwrap_err();
        assert_eq!(error, VolumeError::Path(path.to_owned()));
    }
}

#[test]
fn only_what_holds_a_secret_is_kept_in_memory() {
    let of = |volume: Value| is_secret(&from_value::<Volume>(volume).unwrap());
    assert!(of(json!({"name": "v", "secret": {"secretName": "x"}})));
    assert!(of(
        json!({"name": "v", "projected": {"sources": [{"configMap": {"name": "x"}}, {"secret": {"name": "x"}}]}})
    ));
    assert!(!of(json!({"name": "v", "projected": {"sources": [{"configMap": {"name": "x"}}]}})));
    assert!(!of(json!({"name": "v", "emptyDir": {}})));
}
