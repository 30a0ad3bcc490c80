use client::kinds::core::v1::{Container, Pod, ResourceFieldSelector};
use serde_json::{from_value, json};

use super::{Allocatable, FieldError, field, resource};

fn pod() -> Pod {
    from_value(json!({
        "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"b": "2", "a": "say \"hi\"\n"},
                     "annotations": {"example.com/x": "y"}},
        "spec": {"nodeName": "node", "serviceAccountName": "sa", "containers": []}
    }))
    .unwrap()
}

#[test]
fn fields_have_the_values_of_the_pod() {
    for (path, expected) in [
        ("metadata.name", "p"),
        ("metadata.namespace", "n"),
        ("metadata.uid", "u"),
        ("metadata.labels['b']", "2"),
        ("metadata.labels['absent']", ""),
        ("metadata.annotations['example.com/x']", "y"),
        ("metadata.labels", "a=\"say \\\"hi\\\"\\n\"\nb=\"2\""),
        ("spec.nodeName", "node"),
        ("spec.serviceAccountName", "sa"),
        ("status.hostIP", "10.0.0.1"),
    ] {
        assert_eq!(field(&pod(), path, "10.0.0.1").as_deref(), Ok(expected), "{path}");
    }
}

#[test]
fn a_field_that_is_not_there_is_refused() {
    for path in ["spec.containers", "metadata", "metadata.labels['a'", "spec['a']"] {
        assert_eq!(field(&pod(), path, ""), Err(FieldError::Unknown(path.to_owned())));
    }
    assert_eq!(field(&pod(), "status.podIP", ""), Err(FieldError::NoAddress("status.podIP".to_owned())));
}

fn check(name: &str, divisor: Option<&str>) -> Result<String, FieldError> {
    let container: Container = from_value(json!({
        "name": "c",
        "resources": {"limits": {"cpu": "1500m"}, "requests": {"memory": "100Mi"}}
    }))
    .unwrap();
    let selector: ResourceFieldSelector = from_value(json!({"resource": name, "divisor": divisor})).unwrap();
    resource(&container, &selector, Allocatable { cpu_millis: 4000, memory_bytes: 1 << 30 })
}

#[test]
fn resources_are_rounded_up_to_the_divisor() {
    for (name, divisor, expected) in [
        ("limits.cpu", None, "2"),
        ("limits.cpu", Some("0"), "2"),
        ("limits.cpu", Some("1m"), "1500"),
        ("requests.memory", Some("1Mi"), "100"),
        ("requests.memory", Some("1Gi"), "1"),
        ("limits.memory", None, "1073741824"),
        ("requests.cpu", None, "0"),
    ] {
        assert_eq!(check(name, divisor).as_deref(), Ok(expected), "{name} {divisor:?}");
    }
}

#[test]
fn a_resource_that_is_not_counted_is_refused() {
    assert_eq!(check("limits.disk", None), Err(FieldError::Resource("limits.disk".to_owned())));
    assert_eq!(check("cpu", None), Err(FieldError::Resource("cpu".to_owned())));
    assert_eq!(check("limits.cpu", Some("-1")), Err(FieldError::Divisor("-1".to_owned())));
}
