//! What a caller reaches and shares: the network of a sandbox, parts of directories, memory.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use container::memory::{self, Memory};
use container::{Access, ExitStatus, Mount, MountSource, SandboxId};

use crate::fixture::Fixture;
use crate::tests;

tests![
    a_connection_is_made_inside_the_sandbox,
    a_connection_into_no_sandbox_is_refused,
    a_part_of_a_directory_is_shown,
    a_part_that_is_missing_is_made,
    a_link_below_a_directory_does_not_lead_out,
    memory_is_mounted_once_and_let_go,
];

async fn a_connection_is_made_inside_the_sandbox(fixture: &Fixture) -> Result<()> {
    let serve = "exec python3 -m http.server 8080 --bind 127.0.0.1";
    fixture.start(&fixture.script("c", serve)).await?;
    fixture.sandbox("other").await?;
    let (own, other) = (SandboxId::new("pod")?, SandboxId::new("other")?);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
    let mut refused = None;
    for _ in 0..1000 {
        match fixture.runtime.connect_tcp(&own, address).await {
            Ok(_) => {
                let elsewhere = fixture.runtime.connect_tcp(&other, address).await;
                ensure!(elsewhere.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused));
                return Ok(());
            }
            Err(error) => refused = Some(error),
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    anyhow::bail!("{refused:?}")
}

async fn a_connection_into_no_sandbox_is_refused(fixture: &Fixture) -> Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
    let refused = fixture.runtime.connect_tcp(&SandboxId::new("absent")?, address).await;
    ensure!(refused.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound), "{refused:?}");
    Ok(())
}

fn below(root: &Path, path: &str) -> Mount {
    let source = MountSource::Below { root: root.to_owned(), path: PathBuf::from(path) };
    Mount { destination: PathBuf::from("/shown"), source, access: Access::ReadWrite }
}

async fn a_part_of_a_directory_is_shown(fixture: &Fixture) -> Result<()> {
    let root = fixture.path("volume");
    fs::create_dir_all(root.join("a/b"))?;
    fs::write(root.join("a/b/file"), "content")?;
    for (name, path, look) in [("c", "/a/b", "cat /shown/file"), ("d", "/a/b/file", "cat /shown")] {
        let mut spec = fixture.script(name, look);
        spec.mounts = vec![below(&root, path)];
        let (output, exit) = fixture.complete(&spec).await?;
        assert_eq!((output.as_str(), exit.status), ("content", ExitStatus::Code(0)));
    }
    Ok(())
}

async fn a_part_that_is_missing_is_made(fixture: &Fixture) -> Result<()> {
    let root = fixture.path("volume");
    fs::create_dir(&root)?;
    let mut spec = fixture.script("c", "touch /shown/file");
    spec.mounts = vec![below(&root, "/a/b")];
    let (output, exit) = fixture.complete(&spec).await?;
    assert_eq!((output.as_str(), exit.status), ("", ExitStatus::Code(0)));
    ensure!(root.join("a/b/file").exists());
    Ok(())
}

async fn a_link_below_a_directory_does_not_lead_out(fixture: &Fixture) -> Result<()> {
    let (root, outside) = (fixture.path("volume"), fixture.path("outside"));
    fs::create_dir(&root)?;
    fs::create_dir(&outside)?;
    fs::write(outside.join("secret"), "")?;
    symlink(&outside, root.join("absolute"))?;
    symlink("../outside", root.join("relative"))?;
    for (name, path) in [("c", "/absolute"), ("d", "/relative")] {
        let mut spec = fixture.script(name, "ls /shown");
        spec.mounts = vec![below(&root, path)];
        fixture.runtime.create_container(spec.clone()).await?;
        // The links lead to places inside that do not exist.
        let started = fixture.runtime.start(&spec.id).await;
        ensure!(matches!(started, Err(container::Error::Start { .. })), "{started:?}");
    }
    Ok(())
}

async fn memory_is_mounted_once_and_let_go(fixture: &Fixture) -> Result<()> {
    let place = fixture.path("memory");
    let wanted = Memory { size: Some(1 << 20), mode: 0o2770, group: 4000 };
    memory::mount(&place, &wanted)?;
    let found = fs::metadata(&place)?;
    assert_eq!((found.mode() & 0o7777, found.gid()), (0o2770, 4000));
    fs::write(place.join("file"), "kept")?;
    memory::mount(&place, &wanted)?;
    assert_eq!(fs::read_to_string(place.join("file"))?, "kept");
    let full = fs::write(place.join("fill"), vec![0; 2 << 20]);
    ensure!(full.is_err_and(|error| error.kind() == io::ErrorKind::StorageFull));
    memory::unmount(&place)?;
    memory::unmount(&place)?;
    memory::unmount(&fixture.path("absent"))?;
    ensure!(fs::read_dir(&place)?.next().is_none());
    Ok(())
}
