//! What libcontainer is told.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Machine, config, environment, resources};
use crate::spec::Resources;
use crate::spec::tests::valid;

fn machine() -> Machine<'static> {
    Machine { rootfs: Path::new("/run/t/rootfs"), cgroup: "t/c", visible_cgroups: vec![], user_namespace: None }
}

#[test]
fn the_last_value_of_a_variable_wins_and_defaults_give_way() {
    let mut spec = valid();
    spec.process.uid = 7;
    spec.process.env =
        [("A", "1"), ("PATH", "/app"), ("A", "2")].map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let expected = [("PATH", "/app"), ("HOME", "/"), ("A", "2")];
    assert_eq!(environment(&spec), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn no_limit_is_not_a_limit_of_zero() {
    assert_eq!(resources(&Resources::default()), json!({"devices": [{"allow": false, "access": "rwm"}]}));
}

#[test]
fn half_a_processor_is_half_of_each_period() {
    let limits = resources(&Resources { cpu_millis: Some(500), ..Resources::default() });
    assert_eq!(limits["cpu"], json!({"period": 100_000, "quota": 50_000}));
}

#[test]
fn version_1_groups_get_a_directory_that_version_2_does_not_need() {
    let destinations = |visible: Vec<(PathBuf, &'static str)>| -> Vec<String> {
        let config = config(&valid(), &Machine { visible_cgroups: visible, ..machine() });
        let mounts = config["mounts"].as_array().unwrap().iter();
        mounts.map(|mount| format!("{} {}", mount["type"].as_str().unwrap(), mount["destination"])).skip(2).collect()
    };
    assert_eq!(
        destinations(vec![(PathBuf::from("/sys/fs/cgroup/memory/t/c"), "memory")]),
        [r#"tmpfs "/sys/fs/cgroup""#, r#"bind "/sys/fs/cgroup/memory""#]
    );
    assert_eq!(destinations(vec![(PathBuf::from("/sys/fs/cgroup/t/c"), "")]), [r#"bind "/sys/fs/cgroup""#]);
}

#[test]
fn a_user_namespace_is_named_only_where_there_is_one() {
    let kinds = |machine: &Machine<'_>| -> Vec<String> {
        let config = config(&valid(), machine);
        let namespaces = config["linux"]["namespaces"].as_array().unwrap().iter();
        namespaces.map(|namespace| namespace["type"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds(&machine()), ["pid", "mount", "cgroup"]);
    let shifted = Machine { user_namespace: Some("/proc/self/fd/9".to_owned()), ..machine() };
    assert_eq!(kinds(&shifted), ["pid", "mount", "cgroup", "user"]);
}
