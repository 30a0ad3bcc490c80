use std::path::{Path, PathBuf};

use client::kinds::core::v1::Pod;
use container::{Access, ContainerSpec, MountSource, Rootfs};
use serde_json::{Value, from_value, json};

use super::{Parts, SpecError, container_spec, hostname};
use crate::environment::Builder;
use crate::pod::identity::{Attempt, Directory, Slot, Uid};

fn check(pod: Value, container: Value) -> Result<ContainerSpec, SpecError> {
    let mut whole = json!({"name": "c", "command": ["run"]});
    whole.as_object_mut().unwrap().extend(container.as_object().unwrap().clone());
    let mut spec = pod;
    spec["containers"] = json!([whole]);
    let pod: Pod = from_value(json!({"metadata": {"name": "p"}, "spec": spec})).unwrap();
    let spec = pod.spec.as_ref().unwrap();
    let uid = Uid::new("u").unwrap();
    let mut variables = Builder::default();
    variables.set("A", "1");
    container_spec(Parts {
        pod: &pod,
        spec,
        container: &spec.containers[0],
        uid: &uid,
        attempt: Attempt { slot: Slot::main(0), number: 2 },
        directory: &Directory::new(Path::new("/data"), &uid),
        rootfs: Rootfs::Directory(PathBuf::from("/image")),
        variables,
        first_user: 0x7000_0000,
        machine_bytes: 1 << 30,
    })
}

#[test]
fn command_and_arguments_are_joined_and_expanded() {
    let spec = check(json!({}), json!({"command": ["run", "$(A)"], "args": ["$$(A)", "$(B)"]})).unwrap();
    assert_eq!(spec.process.args, ["run", "1", "$(A)", "$(B)"]);
    assert_eq!(check(json!({}), json!({"command": []})), Err(SpecError::NoCommand));
}

#[test]
fn the_container_says_who_it_runs_as_before_the_pod() {
    let pod = json!({"securityContext": {"runAsUser": 1, "runAsGroup": 2, "fsGroup": 3, "supplementalGroups": [4]}});
    let spec = check(pod.clone(), json!({"securityContext": {"runAsUser": 5}})).unwrap();
    let process = spec.process;
    assert_eq!((process.uid, process.gid, process.additional_gids), (5, 2, vec![4, 3]));
    let beyond = check(json!({}), json!({"securityContext": {"runAsUser": 65_536}}));
    assert_eq!(beyond, Err(SpecError::User { what: "user", id: 65_536 }));
    let root = json!({"securityContext": {"runAsNonRoot": true, "runAsUser": 0}});
    assert_eq!(check(pod, root), Err(SpecError::Root("c".to_owned())));
}

#[test]
fn capabilities_are_taken_away_and_given_back() {
    let of = |capabilities: Value| {
        check(json!({}), json!({"securityContext": {"capabilities": capabilities}})).unwrap().security.capabilities
    };
    assert_eq!(of(json!({"drop": ["ALL"]})), Vec::<String>::new());
    assert_eq!(of(json!({"drop": ["ALL"], "add": ["CAP_NET_BIND_SERVICE"]})), ["NET_BIND_SERVICE"]);
    let without = of(json!({"drop": ["KILL"]}));
    assert!(!without.contains(&"KILL".to_owned()) && without.contains(&"CHOWN".to_owned()));
}

#[test]
fn privileges_grow_only_if_the_container_says_so() {
    let of = |security: Value| check(json!({}), json!({"securityContext": security})).unwrap();
    assert!(of(json!({})).security.no_new_privileges);
    assert!(!of(json!({"allowPrivilegeEscalation": true})).security.no_new_privileges);
    assert!(of(json!({"readOnlyRootFilesystem": true})).read_only_root);
}

#[test]
fn what_the_agent_writes_is_read_only() {
    let pod = json!({"volumes": [{"name": "m", "configMap": {"name": "x"}}, {"name": "e", "emptyDir": {}}]});
    let mounts = json!({"volumeMounts": [
        {"name": "m", "mountPath": "/m"}, {"name": "e", "mountPath": "/e"},
        {"name": "e", "mountPath": "/r", "readOnly": true}, {"name": "e", "mountPath": "/s", "subPath": "./a/b/"},
    ]});
    let spec = check(pod.clone(), mounts).unwrap();
    let access: Vec<Access> = spec.mounts.iter().map(|mount| mount.access).collect();
    // The last one is the file for last words.
    let expected = [Access::ReadOnly, Access::ReadWrite, Access::ReadOnly, Access::ReadWrite, Access::ReadWrite];
    assert_eq!(access, expected);
    let below = MountSource::Below { root: "/data/pods/u/volumes/e".into(), path: "/a/b".into() };
    assert_eq!(spec.mounts[3].source, below);
    let sub = |path: &str| json!({"volumeMounts": [{"name": "e", "mountPath": "/e", "subPath": path}]});
    for path in ["../x", "/etc", "a/../../b"] {
        assert_eq!(check(pod.clone(), sub(path)), Err(SpecError::SubPath(path.to_owned())));
    }
    let unknown = json!({"volumeMounts": [{"name": "e", "mountPath": "/e", "subPathExpr": "$(B)"}]});
    assert_eq!(check(pod, unknown), Err(SpecError::SubPathExpression("$(B)".to_owned())));
}

#[test]
fn host_names_fit_the_kernel() {
    let of = |name: &str| {
        let pod: Pod = from_value(json!({"metadata": {"name": name}, "spec": {"containers": []}})).unwrap();
        hostname(&pod, pod.spec.as_ref().unwrap())
    };
    assert_eq!(of("web-1"), "web-1");
    assert_eq!(of(&format!("{}-{}", "a".repeat(62), "b")), "a".repeat(62));
}

#[test]
fn files_of_etc_say_what_the_pod_says() {
    let pod = json!({
        "hostAliases": [{"ip": "10.0.0.9", "hostnames": ["db", "cache"]}],
        "dnsConfig": {"nameservers": ["10.0.0.10"], "searches": ["a", "b"],
                      "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}]},
    });
    let etc = check(pod, json!({})).unwrap().etc;
    assert!(etc.hosts.unwrap().ends_with("127.0.0.1\tp\n10.0.0.9\tdb\tcache\n"));
    assert_eq!(etc.resolv_conf.unwrap(), "nameserver 10.0.0.10\nsearch a b\noptions ndots:2 edns0\n");
    assert_eq!(etc.hostname.unwrap(), "p\n");
}
