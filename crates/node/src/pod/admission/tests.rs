use serde_json::{Value, from_value, json};

use super::check;

/// The field that a pod is refused for.
fn refused(spec: Value) -> Option<String> {
    check(&from_value(spec).unwrap()).err().map(|refusal| refusal.field)
}

fn container(fields: Value) -> Value {
    let mut container = json!({"name": "c", "image": "host"});
    container.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"containers": [container]})
}

fn pod(fields: Value) -> Value {
    let mut pod = container(json!({}));
    pod.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    pod
}

#[test]
fn fields_of_a_pod_that_cannot_be_honoured_are_named() {
    for (fields, expected) in [
        (json!({"hostNetwork": true}), "spec.hostNetwork"),
        (json!({"hostPID": true}), "spec.hostPID"),
        (json!({"hostIPC": true}), "spec.hostIPC"),
        (json!({"hostUsers": true}), "spec.hostUsers"),
        (json!({"shareProcessNamespace": true}), "spec.shareProcessNamespace"),
        (json!({"runtimeClassName": "x"}), "spec.runtimeClassName"),
        (json!({"os": {"name": "windows"}}), "spec.os.name"),
        (json!({"securityContext": {"sysctls": [{"name": "a", "value": "b"}]}}), "spec.securityContext.sysctls"),
        (
            json!({"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}),
            "spec.securityContext.seccompProfile",
        ),
        (json!({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}), "spec.volumes[v].hostPath"),
        (json!({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "x"}}]}), "spec.volumes[v]"),
        (json!({"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "much"}}]}), "spec.volumes[v].emptyDir.sizeLimit"),
        (json!({"volumes": [{"name": "v", "emptyDir": {"medium": "HugePages"}}]}), "spec.volumes[v].emptyDir.medium"),
        (
            json!({"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]}),
            "spec.volumes[v].projected",
        ),
        (json!({"initContainers": [{"name": "i", "restartPolicy": "Always"}]}), "spec.initContainers[0].restartPolicy"),
    ] {
        assert_eq!(refused(pod(fields.clone())).as_deref(), Some(expected), "{fields}");
    }
}

#[test]
fn fields_of_a_container_that_cannot_be_honoured_are_named() {
    for (fields, expected) in [
        (json!({"tty": true}), "tty"),
        (json!({"stdin": true}), "stdin"),
        (json!({"volumeDevices": [{"name": "v", "devicePath": "/dev/x"}]}), "volumeDevices"),
        (json!({"ports": [{"containerPort": 80, "hostPort": 80}]}), "ports.hostPort"),
        (json!({"lifecycle": {"preStop": {"sleep": {"seconds": 1}}}}), "lifecycle.preStop"),
        (json!({"resources": {"limits": {"example.com/gpu": "1"}}}), "resources[example.com/gpu]"),
        (json!({"resources": {"limits": {"ephemeral-storage": "1Gi"}}}), "resources.limits[ephemeral-storage]"),
        (json!({"securityContext": {"privileged": true}}), "securityContext.privileged"),
        (json!({"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}), "securityContext.capabilities.add"),
        (json!({"livenessProbe": {"exec": {"command": ["x"]}}}), "livenessProbe.exec"),
        (json!({"startupProbe": {"grpc": {"port": 1}}}), "startupProbe.grpc"),
        (json!({"readinessProbe": {"httpGet": {"port": 1, "scheme": "HTTPS"}}}), "readinessProbe.httpGet.scheme"),
        (json!({"readinessProbe": {"httpGet": {"port": 1, "host": "x"}}}), "readinessProbe.httpGet.host"),
        (
            json!({"volumeMounts": [{"name": "v", "mountPath": "/v", "mountPropagation": "Bidirectional"}]}),
            "volumeMounts.mountPropagation",
        ),
    ] {
        let expected = format!("spec.containers[0].{expected}");
        assert_eq!(refused(container(fields.clone())), Some(expected), "{fields}");
    }
}

#[test]
fn what_can_be_honoured_is_not_refused() {
    for spec in [
        pod(json!({"securityContext": {"runAsUser": 1, "fsGroup": 2, "seccompProfile": {"type": "Unconfined"}},
                   "hostUsers": false, "os": {"name": "linux"}, "hostNetwork": false})),
        pod(
            json!({"volumes": [{"name": "a", "emptyDir": {}}, {"name": "b", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
                               {"name": "c", "configMap": {"name": "x"}}, {"name": "d", "secret": {"secretName": "x"}},
                               {"name": "e", "downwardAPI": {}},
                               {"name": "f", "projected": {"sources": [{"configMap": {"name": "x"}}]}}]}),
        ),
        container(json!({"securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                                             "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}},
                         "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
                         "ports": [{"containerPort": 80}],
                         "livenessProbe": {"httpGet": {"port": "web", "scheme": "HTTP"}},
                         "readinessProbe": {"tcpSocket": {"port": 80}}})),
    ] {
        assert_eq!(refused(spec.clone()), None, "{spec}");
    }
}
