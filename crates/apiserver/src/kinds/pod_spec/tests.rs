use machinery::field::Path;
use serde_json::{Value, json};

use super::{Owner, apply_defaults, check, qos_class};
use crate::fixture::{pod, with};

fn spec(changes: &[(&str, Value)]) -> Value {
    with(pod("x")["spec"].clone(), changes)
}

fn defaulted(mut spec: Value, owner: Owner) -> Value {
    apply_defaults(&mut spec, owner);
    let once = spec.clone();
    apply_defaults(&mut spec, owner);
    assert_eq!(spec, once, "a second run changes nothing");
    spec
}

/// Changes a valid spec and compares what is then wrong with it.
#[track_caller]
fn wrong(changes: &[(&str, Value)], expected: &[&str]) {
    let spec = defaulted(spec(changes), Owner::Pod);
    let found: Vec<String> = check(&Path::new("spec"), &spec, Owner::Pod).iter().map(ToString::to_string).collect();
    assert_eq!(found, expected);
}

/// What a default is filled in for, and what it is.
#[track_caller]
fn filled(changes: &[(&str, Value)], at: &str, expected: Value) {
    let spec = defaulted(spec(changes), Owner::Pod);
    assert_eq!(spec.pointer(at).unwrap_or(&Value::Null), &expected, "{at} of {spec}");
}

#[test]
fn a_spec_that_says_nothing_gets_what_kubernetes_fills_in() {
    let expected = json!({
        "containers": [{
            "name": "main",
            "image": "shop/web:1",
            "imagePullPolicy": "IfNotPresent",
            "resources": {},
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
        }],
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    });
    assert_eq!(defaulted(spec(&[]), Owner::Template), expected);
    assert_eq!(defaulted(spec(&[]), Owner::Pod), with(expected, &[("/enableServiceLinks", json!(true))]));
}

#[test]
fn what_is_chosen_stays() {
    for (at, value) in [
        ("/dnsPolicy", json!("Default")),
        ("/restartPolicy", json!("Never")),
        ("/terminationGracePeriodSeconds", json!(0)),
        ("/enableServiceLinks", json!(false)),
        ("/containers/0/imagePullPolicy", json!("Never")),
        ("/containers/0/livenessProbe/periodSeconds", json!(1)),
        ("/volumes/0/secret/defaultMode", json!(256)),
    ] {
        filled(&[(at, value.clone())], at, value);
    }
}

#[test]
fn images_with_a_moving_tag_are_always_pulled() {
    for (image, policy) in [
        ("web", "Always"),
        ("web:latest", "Always"),
        ("registry:5000/shop/web", "Always"),
        ("registry:5000/shop/web:1", "IfNotPresent"),
        ("web@sha256:0000", "IfNotPresent"),
        ("web:latest@sha256:0000", "Always"),
        ("web:1", "IfNotPresent"),
    ] {
        filled(&[("/containers/0/image", json!(image))], "/containers/0/imagePullPolicy", json!(policy));
    }
}

#[test]
fn probes_ports_and_references_are_completed() {
    let probe = ("/containers/0/readinessProbe/httpGet/port", json!(80));
    let complete = json!({
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
    });
    filled(&[probe], "/containers/0/readinessProbe", complete);
    filled(&[("/containers/0/ports/0/containerPort", json!(80))], "/containers/0/ports/0/protocol", json!("TCP"));
    let reference = ("/containers/0/env/0/valueFrom/fieldRef/fieldPath", json!("metadata.name"));
    filled(&[reference], "/containers/0/env/0/valueFrom/fieldRef/apiVersion", json!("v1"));
    let hook = ("/containers/0/lifecycle/preStop/httpGet/port", json!(80));
    filled(&[hook], "/containers/0/lifecycle/preStop/httpGet/scheme", json!("HTTP"));
    filled(
        &[("/initContainers/0", json!({"name": "a", "image": "b"}))],
        "/initContainers/0/imagePullPolicy",
        json!("Always"),
    );
}

#[test]
fn a_volume_without_a_source_is_an_empty_folder_and_files_have_a_mode() {
    filled(&[("/volumes/0/name", json!("v"))], "/volumes/0", json!({"name": "v", "emptyDir": {}}));
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        let at = format!("/volumes/0/{source}");
        filled(&[(&at, json!({}))], &format!("{at}/defaultMode"), json!(0o644));
    }
    let token = ("/volumes/0/projected/sources/0/serviceAccountToken/path", json!("token"));
    filled(&[token], "/volumes/0/projected/sources/0/serviceAccountToken/expirationSeconds", json!(3600));
}

#[test]
fn limits_are_requested_in_pods_and_not_in_templates() {
    let limited = spec(&[(
        "/containers/0/resources",
        json!({"limits": {"cpu": 2, "memory": "1Gi"}, "requests": {"cpu": "0.5"}}),
    )]);
    let pod = defaulted(limited.clone(), Owner::Pod);
    assert_eq!(pod["containers"][0]["resources"]["requests"], json!({"cpu": "500m", "memory": "1Gi"}));
    let template = defaulted(limited, Owner::Template);
    assert_eq!(template["containers"][0]["resources"]["requests"], json!({"cpu": "500m"}));
    assert_eq!(template["containers"][0]["resources"]["limits"]["cpu"], "2");
}

#[test]
fn quantities_are_stored_one_way_and_no_finer_than_a_thousandth() {
    for (written, stored) in [("1000m", "1"), ("0.0001", "1m"), ("1024Mi", "1Gi"), ("1e3", "1e3"), ("100u", "1m")] {
        let at = "/containers/0/resources/requests/cpu";
        filled(&[(at, json!(written))], at, json!(stored));
    }
}

#[test]
fn zero_values_that_mean_nothing_are_not_a_second_form() {
    let verbose = spec(&[
        ("/volumes", json!([])),
        ("/nodeName", json!("")),
        ("/hostNetwork", json!(false)),
        ("/nodeSelector", json!({})),
        ("/containers/0/env", json!([])),
        ("/containers/0/tty", json!(false)),
        ("/containers/0/resources", json!({"limits": {}})),
    ]);
    assert_eq!(defaulted(verbose, Owner::Pod), defaulted(spec(&[]), Owner::Pod));
}

#[test]
fn the_older_name_of_the_account_follows_the_newer() {
    filled(&[("/serviceAccount", json!("old"))], "/serviceAccountName", json!("old"));
    let both = [("/serviceAccount", json!("old")), ("/serviceAccountName", json!("new"))];
    filled(&both, "/serviceAccount", json!("new"));
}

#[test]
fn ports_of_the_host_network_are_those_of_the_container() {
    let changes = [("/hostNetwork", json!(true)), ("/containers/0/ports/0/containerPort", json!(80))];
    filled(&changes, "/containers/0/ports/0/hostPort", json!(80));
    let other =
        [("/hostNetwork", json!(true)), ("/containers/0/ports/0", json!({"containerPort": 80, "hostPort": 81}))];
    let why = "spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true";
    wrong(&other, &[why]);
}

#[test]
fn a_valid_spec_has_nothing_wrong() {
    wrong(&[], &[]);
    wrong(
        &[
            (
                "/volumes/0",
                json!({"name": "config", "configMap": {"name": "web", "items": [{"key": "a", "path": "b/c"}]}}),
            ),
            ("/containers/0/volumeMounts/0", json!({"name": "config", "mountPath": "/etc/web", "subPath": "b"})),
            (
                "/containers/0/env",
                json!([
                    {"name": "A.b-c d", "value": "x"},
                    {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
                    {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
                ]),
            ),
            ("/containers/0/envFrom", json!([{"prefix": "P_", "secretRef": {"name": "s"}}])),
            ("/containers/0/resources", json!({"limits": {"cpu": "1", "nvidia.com/gpu": 1}, "requests": {"cpu": "1"}})),
            ("/containers/0/startupProbe", json!({"grpc": {"port": 9}})),
            (
                "/initContainers",
                json!([{"name": "side", "image": "i", "restartPolicy": "Always", "livenessProbe": {"exec": {"command": ["x"]}}}]),
            ),
            (
                "/tolerations",
                json!([{"operator": "Exists"}, {"key": "a/b", "effect": "NoExecute", "tolerationSeconds": 1}]),
            ),
        ],
        &[],
    );
}

#[test]
fn containers_have_unique_names_and_an_image() {
    wrong(&[("/containers", json!([]))], &["spec.containers: Required value"]);
    wrong(
        &[
            ("/containers/1", json!({"name": "main", "image": ""})),
            ("/initContainers/0", json!({"name": "main", "image": "i"})),
        ],
        &[
            "spec.containers[1].image: Required value",
            "spec.containers[1].name: Duplicate value: \"main\"",
            "spec.initContainers[0].name: Duplicate value: \"main\"",
        ],
    );
    wrong(
        &[("/containers/0/name", json!("Web_1"))],
        &["spec.containers[0].name: Invalid value: \"Web_1\": a lowercase RFC 1123 label must consist of lower case \
           alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or \
           '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"],
    );
}

#[test]
fn ports_are_in_range_and_given_away_once() {
    let ports = json!([
        {"containerPort": 0, "name": "web"},
        {"containerPort": 70000, "name": "web"},
        {"containerPort": 80, "hostPort": 80, "name": "UPPER", "protocol": "tcp"},
        {"containerPort": 81, "hostPort": 82},
        {"containerPort": 83, "hostPort": 82},
    ]);
    wrong(
        &[("/containers/0/ports", ports)],
        &[
            "spec.containers[0].ports[0].containerPort: Required value",
            "spec.containers[0].ports[1].name: Duplicate value: \"web\"",
            "spec.containers[0].ports[1].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
            "spec.containers[0].ports[2].name: Invalid value: \"UPPER\": must contain only alpha-numeric characters \
             (a-z, 0-9), and hyphens (-)",
            "spec.containers[0].ports[2].name: Invalid value: \"UPPER\": must contain at least one letter (a-z)",
            "spec.containers[0].ports[2].protocol: Unsupported value: \"tcp\": supported values: \"SCTP\", \"TCP\", \"UDP\"",
            "spec.containers[0].ports[4].hostPort: Duplicate value: \"TCP//82\"",
        ],
    );
}

#[test]
fn variables_have_names_and_one_source() {
    let sources = json!({"secretKeyRef": {"name": "s", "key": "k"}, "configMapKeyRef": {"name": "c", "key": ""}});
    let environment = json!([
        {"name": ""},
        {"name": "A=B"},
        {"name": "A", "valueFrom": {}},
        {"name": "A", "valueFrom": sources},
        {"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.containers"}}},
        {"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.gpu"}}},
    ]);
    wrong(
        &[("/containers/0/env", environment)],
        &[
            "spec.containers[0].env[0].name: Required value",
            "spec.containers[0].env[1].name: Invalid value: \"A=B\": a valid environment variable name must consist only \
             of printable ASCII characters other than '='",
            "spec.containers[0].env[2].valueFrom: Invalid value: \"\": must specify one of: `fieldRef`, \
             `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
            "spec.containers[0].env[3].valueFrom.configMapKeyRef.key: Required value",
            "spec.containers[0].env[3].valueFrom: Invalid value: \"\": may not have more than one field specified at a time",
            "spec.containers[0].env[4].valueFrom: Invalid value: \"\": may not be specified when `value` is not empty",
            "spec.containers[0].env[5].valueFrom.fieldRef.fieldPath: Unsupported value: \"spec.containers\": supported \
             values: \"metadata.name\", \"metadata.namespace\", \"metadata.uid\", \"spec.nodeName\", \
             \"spec.serviceAccountName\", \"status.hostIP\", \"status.hostIPs\", \"status.podIP\", \"status.podIPs\"",
            "spec.containers[0].env[6].valueFrom.resourceFieldRef.resource: Unsupported value: \"limits.gpu\": supported \
             values: \"limits.cpu\", \"limits.ephemeral-storage\", \"limits.memory\", \"requests.cpu\", \
             \"requests.ephemeral-storage\", \"requests.memory\"",
        ],
    );
    let many = json!([{}, {"configMapRef": {"name": ""}}, {"configMapRef": {"name": "a"}, "secretRef": {"name": "a"}}]);
    wrong(
        &[("/containers/0/envFrom", many)],
        &[
            "spec.containers[0].envFrom: Invalid value: \"\": must specify one of: `configMapRef` or `secretRef`",
            "spec.containers[0].envFrom[1].configMapRef.name: Required value",
            "spec.containers[0].envFrom: Invalid value: \"\": may not have more than one field specified at a time",
        ],
    );
}

#[test]
fn volumes_and_mounts_fit_together() {
    wrong(
        &[
            (
                "/volumes",
                json!([
                    {"name": "a", "emptyDir": {}},
                    {"name": "a", "emptyDir": {}},
                    {"name": "b", "emptyDir": {}, "secret": {"secretName": "s"}},
                    {"name": "c", "secret": {"items": [{"key": "k", "path": "../up", "mode": 512}]}},
                    {"name": "", "hostPath": {"path": "/a/../b", "type": "Pipe"}},
                ]),
            ),
            (
                "/containers/0/volumeMounts",
                json!([
                    {"name": "a", "mountPath": "/x"},
                    {"name": "missing", "mountPath": "/x"},
                    {"name": "a", "mountPath": "", "subPath": "/y"},
                ]),
            ),
        ],
        &[
            "spec.volumes[1].name: Duplicate value: \"a\"",
            "spec.volumes[2].secret: Forbidden: may not specify more than 1 volume type",
            "spec.volumes[3].secret.secretName: Required value",
            "spec.volumes[3].secret.items[0].path: Invalid value: \"../up\": must not contain '..'",
            "spec.volumes[3].secret.items[0].mode: Invalid value: 512: must be a number between 0 and 0777 (octal), both \
             inclusive",
            "spec.volumes[4].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'",
            "spec.volumes[4].hostPath.type: Unsupported value: \"Pipe\": supported values: \"\", \"BlockDevice\", \
             \"CharDevice\", \"Directory\", \"DirectoryOrCreate\", \"File\", \"FileOrCreate\", \"Socket\"",
            "spec.volumes[4].name: Required value",
            "spec.containers[0].volumeMounts[1].name: Not found: \"missing\"",
            "spec.containers[0].volumeMounts[1].mountPath: Invalid value: \"/x\": must be unique",
            "spec.containers[0].volumeMounts[2].mountPath: Required value",
            "spec.containers[0].volumeMounts.subPath: Invalid value: \"/y\": must be a relative path",
        ],
    );
}

#[test]
fn probes_have_one_handler_and_sensible_numbers() {
    wrong(
        &[
            ("/containers/0/livenessProbe", json!({"successThreshold": 2, "periodSeconds": -1})),
            (
                "/containers/0/readinessProbe",
                json!({"exec": {}, "tcpSocket": {"port": "x"}, "terminationGracePeriodSeconds": 1}),
            ),
            ("/containers/0/startupProbe", json!({"httpGet": {"port": "--", "scheme": "FTP"}})),
            ("/containers/0/lifecycle/preStop/sleep/seconds", json!(31)),
            ("/initContainers/0", json!({"name": "i", "image": "i", "livenessProbe": {"exec": {"command": ["x"]}}})),
        ],
        &[
            "spec.containers[0].lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than \
             terminationGracePeriodSeconds (30)",
            "spec.containers[0].livenessProbe: Required value: must specify a handler type",
            "spec.containers[0].livenessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0",
            "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
            "spec.containers[0].readinessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
            "spec.containers[0].readinessProbe.exec.command: Required value",
            "spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: must not be set for \
             readinessProbes",
            "spec.containers[0].startupProbe.httpGet.port: Invalid value: \"--\": must contain at least one letter (a-z)",
            "spec.containers[0].startupProbe.httpGet.port: Invalid value: \"--\": must not contain consecutive hyphens",
            "spec.containers[0].startupProbe.httpGet.port: Invalid value: \"--\": must not begin or end with a hyphen",
            "spec.containers[0].startupProbe.httpGet.scheme: Unsupported value: \"FTP\": supported values: \"HTTP\", \"HTTPS\"",
            "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always",
        ],
    );
}

#[test]
fn requests_stay_within_limits_and_resources_have_known_names() {
    wrong(
        &[(
            "/containers/0/resources",
            json!({"limits": {"cpu": "1", "memory": "-1", "gpu": "1", "pods": "1"}, "requests": {"cpu": "1500m", "x.io/y": "1"}}),
        )],
        &[
            "spec.containers[0].resources.limits[gpu]: Invalid value: \"gpu\": must be a standard resource type or fully \
             qualified",
            "spec.containers[0].resources.limits[gpu]: Invalid value: \"gpu\": must be a standard resource for containers",
            "spec.containers[0].resources.limits[memory]: Invalid value: \"-1\": must be greater than or equal to 0",
            "spec.containers[0].resources.limits[pods]: Invalid value: \"pods\": must be a standard resource for containers",
            "spec.containers[0].resources.requests[gpu]: Invalid value: \"gpu\": must be a standard resource type or \
             fully qualified",
            "spec.containers[0].resources.requests[gpu]: Invalid value: \"gpu\": must be a standard resource for containers",
            "spec.containers[0].resources.requests[memory]: Invalid value: \"-1\": must be greater than or equal to 0",
            "spec.containers[0].resources.requests[pods]: Invalid value: \"pods\": must be a standard resource for containers",
            "spec.containers[0].resources.requests: Invalid value: \"1500m\": must be less than or equal to cpu limit of 1",
            "spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources",
        ],
    );
}

#[test]
fn words_addresses_and_tolerations_are_checked() {
    wrong(
        &[
            ("/restartPolicy", json!("Sometimes")),
            ("/dnsPolicy", json!("None")),
            ("/hostname", json!("a.b")),
            ("/activeDeadlineSeconds", json!(0)),
            ("/hostAliases/0/ip", json!("nowhere")),
            (
                "/tolerations",
                json!([{"operator": "Equal"}, {"key": "a", "tolerationSeconds": 1}, {"key": "a", "operator": "Exists", "value": "b"}]),
            ),
        ],
        &[
            "spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"OnFailure\", \"Never\"",
            "spec.hostname: Invalid value: \"a.b\": must not contain dots",
            "spec.tolerations[0].operator: Invalid value: \"Equal\": operator must be Exists when `key` is empty, which \
             means \"match all values and all keys\"",
            "spec.tolerations[1].effect: Invalid value: \"\": effect must be 'NoExecute' when `tolerationSeconds` is set",
            "spec.tolerations[2].operator: Invalid value: \"b\": value must be empty when `operator` is 'Exists'",
            "spec.hostAliases[0].ip: Invalid value: \"nowhere\": must be a valid IP address, (e.g. 10.9.8.7 or \
             2001:db8::ffff)",
            "spec.dnsConfig.nameservers: Required value: must provide at least one DNS nameserver when `dnsPolicy` is None",
            "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive",
        ],
    );
}

#[test]
fn the_class_of_service_follows_from_requests_and_limits() {
    for (resources, class) in [
        (json!({}), "BestEffort"),
        (json!({"requests": {"x.io/y": 1}, "limits": {"x.io/y": 1}}), "BestEffort"),
        (json!({"requests": {"cpu": "0"}}), "BestEffort"),
        (json!({"requests": {"cpu": "1"}}), "Burstable"),
        (json!({"limits": {"cpu": "1"}}), "Burstable"),
        (json!({"limits": {"cpu": "1", "memory": "1Gi"}}), "Guaranteed"),
        (
            json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1024Mi"}}),
            "Guaranteed",
        ),
        (json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}), "Burstable"),
    ] {
        let spec = defaulted(spec(&[("/containers/0/resources", resources)]), Owner::Pod);
        assert_eq!(qos_class(&spec), class, "{spec}");
    }
    let full = json!({"limits": {"cpu": "1", "memory": "1Gi"}});
    let two = spec(&[("/containers/0/resources", full), ("/initContainers/0", json!({"name": "i", "image": "i"}))]);
    assert_eq!(qos_class(&defaulted(two, Owner::Pod)), "Burstable");
}
