//! A file system that is really full: a small tmpfs in a mount namespace of its own, which ends with the child process
//! that uses it.

use std::path::Path;
use std::process::Command;

use super::{Home, key, names};
use crate::{CommitError, Options, Store, Template, Transaction};

const MOUNT: &str = "STORE_TEST_FULL_MOUNT";
const TEST: &str = "tests::full::a_full_file_system_refuses_writes_until_there_is_room";

/// Half of the file system.
const BALLAST_BYTES: usize = 2 << 20;

async fn fill_and_make_room(folder: &Path) {
    let ballast = folder.join("ballast");
    std::fs::write(&ballast, vec![0; BALLAST_BYTES]).unwrap();
    let path = folder.join("store.redb");
    let store = Store::open(Options::new(&path)).unwrap();
    let put = |n: usize| {
        let value = Template::new(vec![b'x'; 64 * 1024], 0).unwrap();
        store.commit(Transaction::new().put(key(&format!("n-{n:03}")), value))
    };
    let mut written = 0;
    let refused = loop {
        match put(written).await {
            Ok(_) => written += 1,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, CommitError::StorageFull { .. }), "{refused:?}");
    for _ in 0..3 {
        let refused = put(written).await.unwrap_err();
        assert!(matches!(refused, CommitError::StorageFull { .. }), "{refused:?}");
        assert!(store.health().is_err());
        assert_eq!(names(&store).len(), written);
    }
    std::fs::remove_file(&ballast).unwrap();
    for more in 0..4 {
        put(written + more).await.unwrap();
    }
    assert!(store.health().is_ok());
    store.close().await;
    drop(store);
    assert_eq!(names(&Store::open(Options::new(&path)).unwrap()).len(), written + 4);
}

#[test]
fn a_full_file_system_refuses_writes_until_there_is_room() {
    if let Some(folder) = std::env::var_os(MOUNT) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        return runtime.block_on(fill_and_make_room(Path::new(&folder)));
    }
    let home = Home::new();
    // Without root, a user namespace gives the right to mount.
    let script = r#"mount -t tmpfs -o size=4m tmpfs "$STORE_TEST_FULL_MOUNT" && exec "$0" --exact "$1" --nocapture"#;
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .arg(TEST)
        .env(MOUNT, home.path().parent().unwrap())
        .output()
        .unwrap();
    let told = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
}
