//! Root file systems and what is mounted into them.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use container::{Access, ContainerSpec, ExitStatus, HostRootfs, Mount, MountSource, Rootfs, Users};

use crate::fixture::{FIRST_USER, Fixture};
use crate::tests;

tests![
    the_machine_shows_no_secrets,
    the_machine_cannot_be_written_to,
    toolchains_are_shown,
    scratch_storage_is_writable_and_limited,
    an_image_is_not_written_to,
    an_image_works_with_shifted_users,
    a_link_in_an_image_does_not_lead_out,
    a_read_only_root_refuses_writes,
    binds_keep_their_access_and_owners,
    a_tmpfs_has_its_size,
    etc_files_are_written_for_the_container,
    output_files_can_be_opened_by_name,
];

pub(crate) fn read_only_bind(source: &Path, destination: &str) -> Mount {
    bind(source, destination, Access::ReadOnly)
}

fn bind(source: &Path, destination: &str, access: Access) -> Mount {
    Mount { destination: PathBuf::from(destination), source: MountSource::Bind(source.to_owned()), access }
}

/// The smallest image with a shell: the machine's, with the libraries it names.
fn make_image(fixture: &Fixture) -> Result<PathBuf> {
    let image = fixture.path("image");
    let shell = fs::canonicalize("/bin/sh")?;
    let libraries = std::process::Command::new("ldd").arg(&shell).output()?.stdout;
    let libraries = String::from_utf8(libraries)?;
    let names = libraries.split_ascii_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from);
    for source in names.chain([PathBuf::from("/bin/sh"), PathBuf::from("/bin/cat")]) {
        let place = image.join(source.strip_prefix("/")?);
        fs::create_dir_all(place.parent().context("it has one")?)?;
        fs::copy(fs::canonicalize(&source)?, place)?;
    }
    fs::create_dir_all(image.join("data"))?;
    fs::write(image.join("data/old"), "image\n")?;
    Ok(image)
}

fn on_image(mut spec: ContainerSpec, image: &Path) -> ContainerSpec {
    spec.rootfs = Rootfs::Directory(image.to_owned());
    spec
}

async fn the_machine_shows_no_secrets(fixture: &Fixture) -> Result<()> {
    let script = "for path in /root/.ssh /root/.cargo /work /etc/shadow /etc/ssh /etc/ssl/private /home/* /var/lib/dpkg /boot /mnt/* /srv
        do [ -e $path ] && echo sees $path; done; ls -A /root /home; ls -d /usr /etc/passwd";
    assert_eq!(fixture.output_of("c", script).await?, "/home:\n\n/root:\n/etc/passwd\n/usr\n");
    Ok(())
}

async fn the_machine_cannot_be_written_to(fixture: &Fixture) -> Result<()> {
    for (name, users) in [("a", Users::Machine), ("b", Users::Shifted { first: FIRST_USER })] {
        let mut spec = fixture.script(
            name,
            "for path in /usr /bin /lib /opt /etc/passwd /etc/ssl/certs; do
                [ -d $path ] && path=$path/trireme-it; (echo >> $path) 2>/dev/null && echo wrote $path; done
             mount -o remount,rw /usr 2>/dev/null && echo remounted; umount /usr 2>/dev/null && echo unmounted; echo end",
        );
        spec.security.users = users;
        assert_eq!(fixture.complete(&spec).await?.0, "end\n");
    }
    Ok(())
}

async fn toolchains_are_shown(fixture: &Fixture) -> Result<()> {
    let toolchain = fixture.path("tools/bin");
    fs::create_dir_all(&toolchain)?;
    fs::write(toolchain.join("hello"), "#!/bin/sh\necho hello\n")?;
    fs::set_permissions(toolchain.join("hello"), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    // The directory above is closed to others, as a home directory is.
    fs::set_permissions(fixture.path("tools"), std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    let mut spec = fixture.script("c", "");
    spec.process.args = vec![toolchain.join("hello").display().to_string()];
    spec.rootfs = Rootfs::Host(HostRootfs { toolchains: vec![toolchain.clone()], scratch_bytes: 1 << 20 });
    assert_eq!(fixture.complete(&spec).await?.0, "hello\n");

    fs::write(toolchain.join("credentials"), "secret")?;
    spec.id = container::ContainerId::new("d")?;
    fixture.runtime.create_container(spec.clone()).await?;
    let error = fixture.runtime.start(&spec.id).await.err().context("there are credentials")?;
    ensure!(stdx::error_chain(&error).to_string().contains("it contains credentials"), "{error:?}");
    Ok(())
}

async fn scratch_storage_is_writable_and_limited(fixture: &Fixture) -> Result<()> {
    let mut spec = fixture.script(
        "c",
        "for path in /tmp /var/tmp /run /root /home; do echo x > $path/file || exit 1; done
         head -c 2000000 /dev/zero > /tmp/big 2>/dev/null || echo full; ls -ld /tmp | cut -c1-10",
    );
    spec.rootfs = Rootfs::Host(HostRootfs { toolchains: vec![], scratch_bytes: 1 << 20 });
    assert_eq!(fixture.complete(&spec).await?.0, "full\ndrwxrwxrwt\n");
    Ok(())
}

async fn an_image_is_not_written_to(fixture: &Fixture) -> Result<()> {
    let image = make_image(fixture)?;
    let mut spec =
        on_image(fixture.script("c", "echo new > /data/old; echo more > /file; cat /data/old /file"), &image);
    spec.security.users = Users::Machine;
    assert_eq!(fixture.complete(&spec).await?.0, "new\nmore\n");
    assert_eq!(fs::read_to_string(image.join("data/old"))?, "image\n");
    ensure!(!image.join("file").exists());
    Ok(())
}

async fn an_image_works_with_shifted_users(fixture: &Fixture) -> Result<()> {
    let image = make_image(fixture)?;
    let script = "echo new > /data/old && echo more > /file && while read line; do echo $line; done < /data/old";
    let (output, exit) = fixture.complete(&on_image(fixture.script("c", script), &image)).await?;
    assert_eq!((output.as_str(), exit.status), ("new\n", ExitStatus::Code(0)));
    let written = fixture.options.data_dir.join("containers/c/overlay/store/upper/file");
    assert_eq!(fs::metadata(written)?.uid(), 0, "on disk the owner is the container's root, not shifted");
    Ok(())
}

async fn a_link_in_an_image_does_not_lead_out(fixture: &Fixture) -> Result<()> {
    let image = make_image(fixture)?;
    let outside = fixture.path("outside");
    fs::create_dir(&outside)?;
    symlink(&outside, image.join("link"))?;
    symlink("../../../../../../../..", image.join("up"))?;
    let source = fixture.path("source");
    fs::write(&source, "mounted\n")?;
    for (name, users) in [("a", Users::Machine), ("b", Users::Shifted { first: FIRST_USER })] {
        let mut spec = on_image(fixture.script(name, "cat /link/file /up/file2"), &image);
        spec.mounts = vec![read_only_bind(&source, "/link/file"), read_only_bind(&source, "/up/file2")];
        spec.security.users = users;
        // The link points to a place that the image does not have; it is refused or made inside, never outside.
        let result = fixture.complete(&spec).await;
        ensure!(result.is_err() || result.is_ok_and(|(output, _)| output == "mounted\nmounted\n"));
        assert_eq!(fs::read_dir(&outside)?.count(), 0);
        ensure!(!fs::exists("/file2")?);
    }
    Ok(())
}

async fn a_read_only_root_refuses_writes(fixture: &Fixture) -> Result<()> {
    let image = make_image(fixture)?;
    for (name, rootfs) in [("a", Rootfs::Directory(image)), ("b", fixture.script("x", "").rootfs)] {
        let mut spec =
            fixture.script(name, "(echo x > /file) 2>/dev/null || echo refused; echo x > /scratch/file && echo ok");
        spec.rootfs = rootfs;
        spec.read_only_root = true;
        spec.mounts = vec![Mount {
            destination: PathBuf::from("/scratch"),
            source: MountSource::Tmpfs { size: Some(1 << 20) },
            access: Access::ReadWrite,
        }];
        assert_eq!(fixture.complete(&spec).await?.0, "refused\nok\n");
    }
    Ok(())
}

async fn binds_keep_their_access_and_owners(fixture: &Fixture) -> Result<()> {
    let (shared, fixed) = (fixture.path("shared"), fixture.path("fixed"));
    fs::create_dir(&shared)?;
    fs::create_dir(&fixed)?;
    fs::write(fixed.join("secret"), "for root\n")?;
    fs::set_permissions(fixed.join("secret"), std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    let script = "cat /fixed/secret; (echo x > /fixed/new) 2>/dev/null || echo refused; echo x > /shared/new; stat -c %u /shared/new";
    let mut spec = fixture.script("c", script);
    spec.mounts = vec![bind(&shared, "/shared", Access::ReadWrite), bind(&fixed, "/fixed", Access::ReadOnly)];
    assert_eq!(fixture.complete(&spec).await?.0, "for root\nrefused\n0\n");
    assert_eq!(fs::metadata(shared.join("new"))?.uid(), 0);
    Ok(())
}

async fn a_tmpfs_has_its_size(fixture: &Fixture) -> Result<()> {
    let mut spec = fixture.script("c", "head -c 2000000 /dev/zero > /cache/big 2>/dev/null || echo full");
    spec.mounts = vec![Mount {
        destination: PathBuf::from("/cache"),
        source: MountSource::Tmpfs { size: Some(1 << 20) },
        access: Access::ReadWrite,
    }];
    assert_eq!(fixture.complete(&spec).await?.0, "full\n");
    Ok(())
}

async fn etc_files_are_written_for_the_container(fixture: &Fixture) -> Result<()> {
    let mut spec = fixture
        .script("c", "cat /etc/hosts /etc/resolv.conf /etc/hostname; echo more >> /etc/hosts && tail -n1 /etc/hosts");
    spec.etc.hosts = Some("127.0.0.1 localhost\n".to_owned());
    spec.etc.resolv_conf = Some("nameserver 10.0.0.1\n".to_owned());
    spec.etc.hostname = Some("web\n".to_owned());
    assert_eq!(fixture.complete(&spec).await?.0, "127.0.0.1 localhost\nnameserver 10.0.0.1\nweb\nmore\n");
    Ok(())
}

async fn output_files_can_be_opened_by_name(fixture: &Fixture) -> Result<()> {
    let mut spec = fixture.script("c", "echo out > /dev/stdout; echo err > /dev/stderr; id -u");
    (spec.process.uid, spec.process.gid) = (1000, 1000);
    let (output, exit) = fixture.complete(&spec).await?;
    assert_eq!(exit.status, ExitStatus::Code(0));
    ensure!(output.contains("out\n") && output.contains("err\n") && output.contains("1000\n"), "{output}");
    Ok(())
}
