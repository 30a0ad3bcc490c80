//! What a container without an image sees of a machine.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::{Entry, HostRootfs, plan};

fn machine() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let at = |path: &str| root.path().join(path);
    for directory in ["usr/local/go", "etc/ssl/private", "etc/ssl/certs", "etc/ssh", "root/.ssh", "root/.cargo/bin"] {
        fs::create_dir_all(at(directory)).unwrap();
    }
    for file in ["etc/passwd", "etc/shadow", "root/.cargo/credentials.toml", "root/.cargo/bin/cargo"] {
        fs::write(at(file), "x").unwrap();
    }
    fs::create_dir(at("etc/java-17-openjdk")).unwrap();
    symlink("usr/bin", at("bin")).unwrap();
    root
}

fn seen(root: &Path, toolchains: &[&str]) -> Result<Vec<Entry>, String> {
    let host = HostRootfs { toolchains: toolchains.iter().map(PathBuf::from).collect(), scratch_bytes: 1 << 20 };
    host.check().map_err(|error| error.to_string())?;
    plan(&host, root).map_err(|error| error.to_string())
}

fn bind(path: &str) -> Entry {
    Entry::Bind(PathBuf::from(path))
}

#[test]
fn only_listed_files_are_seen_and_links_stay_links() {
    let machine = machine();
    let expected = [
        bind("/usr"),
        Entry::Link { path: PathBuf::from("/bin"), target: PathBuf::from("usr/bin") },
        bind("/etc/passwd"),
        bind("/etc/ssl/certs"),
        bind("/etc/java-17-openjdk"),
    ];
    assert_eq!(seen(machine.path(), &[]).unwrap(), expected);
}

#[test]
fn a_toolchain_is_added_unless_it_is_seen_already() {
    let machine = machine();
    let entries = seen(machine.path(), &["/usr/local/go", "/root/.cargo/bin"]).unwrap();
    assert!(entries.contains(&bind("/root/.cargo/bin")));
    assert!(!entries.contains(&bind("/usr/local/go")));
}

#[test]
fn a_toolchain_with_credentials_is_refused() {
    let machine = machine();
    assert_eq!(
        seen(machine.path(), &["/root/.cargo"]).unwrap_err(),
        r#""/root/.cargo" cannot be shown to containers: it contains credentials.toml"#
    );
    assert_eq!(
        seen(machine.path(), &["/root/.ssh/go"]).unwrap_err(),
        r#""/root/.ssh/go" cannot be shown to containers: it is a place for credentials"#
    );
}

#[test]
fn a_home_directory_is_no_toolchain() {
    let machine = machine();
    for path in ["/root", "/root/", "/home", "/home/ann", "/", "/etc"] {
        let refused = seen(machine.path(), &[path]).unwrap_err();
        assert!(refused.ends_with("it is not a toolchain but a whole part of the machine"), "{refused}");
    }
}

#[test]
fn a_toolchain_that_is_not_there_is_an_error() {
    let machine = machine();
    let refused = seen(machine.path(), &["/root/.rustup/toolchains"]).unwrap_err();
    assert!(refused.contains("No such file"), "{refused}");
}
