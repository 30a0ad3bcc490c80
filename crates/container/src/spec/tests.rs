//! Which specifications are refused.

use std::path::PathBuf;

use super::{
    Access, ContainerId, ContainerSpec, EtcFiles, LogOptions, Mount, MountSource, Process, Resources, Rootfs,
    SandboxId, Security, Users,
};
use crate::error::SpecError;

pub(crate) fn valid() -> ContainerSpec {
    ContainerSpec {
        id: ContainerId::new("web-1").unwrap(),
        sandbox: SandboxId::new("pod-1").unwrap(),
        rootfs: Rootfs::Directory(PathBuf::from("/images/web")),
        read_only_root: false,
        process: Process {
            args: vec!["sh".to_owned()],
            env: vec![("A".to_owned(), "b=c".to_owned())],
            working_dir: PathBuf::from("/"),
            uid: 0,
            gid: 0,
            additional_gids: vec![],
            oom_score_adj: None,
            stop_signal: 15,
        },
        mounts: vec![],
        etc: EtcFiles::default(),
        resources: Resources::default(),
        security: Security::default(),
        log: LogOptions { path: PathBuf::from("/logs/0.log"), max_size: 1 << 20, max_files: 2 },
    }
}

#[track_caller]
fn check_refused(change: impl FnOnce(&mut ContainerSpec), message: &str) {
    let mut spec = valid();
    assert_eq!(spec.check(), Ok(()));
    change(&mut spec);
    assert_eq!(spec.check().unwrap_err().to_string(), message);
}

#[test]
fn an_id_that_could_leave_its_directory_is_refused() {
    for id in ["", "..", ".hidden", "a/b", "A", "ä", "_shims", &"x".repeat(65)] {
        assert_eq!(ContainerId::new(id), Err(SpecError::Id { id: id.to_owned() }));
    }
    assert!(ContainerId::new("x".repeat(64)).is_ok());
}

#[test]
fn an_empty_command_is_refused() {
    check_refused(|spec| spec.process.args.clear(), "there is no command");
    check_refused(|spec| spec.process.args = vec![String::new()], "there is no command");
}

#[test]
fn what_execve_cannot_take_is_refused() {
    check_refused(|spec| spec.process.args.push("a\0b".to_owned()), r#""a\\u{0}b" contains a NUL byte"#);
    check_refused(
        |spec| spec.process.env = vec![("A=B".to_owned(), String::new())],
        r#""A=B" is no name of an environment variable"#,
    );
}

#[test]
fn a_path_that_leads_upwards_is_refused() {
    check_refused(
        |spec| {
            spec.mounts.push(Mount {
                destination: PathBuf::from("/data/../../etc"),
                source: MountSource::Tmpfs { size: None },
                access: Access::ReadWrite,
            });
        },
        r#"mount destination "/data/../../etc" is not an absolute path without .."#,
    );
    check_refused(
        |spec| spec.process.working_dir = PathBuf::from("app"),
        r#"working directory "app" is not an absolute path without .."#,
    );
}

#[test]
fn numbers_out_of_bounds_are_refused() {
    for number in [0, 33, 65] {
        check_refused(|spec| spec.process.stop_signal = number, &format!("{number} is no signal that can be sent"));
    }
    check_refused(|spec| spec.log.max_files = 0, "kept log files 0 is not between 1 and 1000");
    check_refused(|spec| spec.resources.cpu_millis = Some(1), "cpu limit 1 is not between 10 and 1000000");
}

#[test]
fn a_user_namespace_cannot_reach_the_machines_own_users() {
    check_refused(
        |spec| spec.security.users = Users::Shifted { first: 1000 },
        "first user id 1000 is not between 65536 and 4294901759",
    );
    check_refused(
        |spec| {
            spec.security.users = Users::Shifted { first: 100_000 };
            spec.process.uid = 70_000;
        },
        "user or group id 70000 is not between 0 and 65535",
    );
}
