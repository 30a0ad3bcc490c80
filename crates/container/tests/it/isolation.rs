//! What a container cannot see and cannot do.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use container::{Identity, Network, Resources, SandboxId, SandboxSpec, Security, Users};

use crate::fixture::{FIRST_USER, Fixture};
use crate::tests;

tests![
    namespaces_are_distinct,
    containers_of_a_sandbox_share_network_and_host_name,
    a_given_network_namespace_is_used,
    the_command_is_process_one_and_sees_no_other,
    loopback_is_up,
    privileges_are_those_of_the_default_set,
    users_are_shifted,
    machine_users_have_no_device_nodes,
    kernel_settings_cannot_be_written,
    limits_are_in_force_and_visible,
];

/// The namespaces that a process sees itself in.
fn namespaces(text: &str) -> BTreeMap<String, String> {
    let pair = |line: &str| line.split_once(' ').map(|(name, id)| (name.to_owned(), id.to_owned()));
    text.lines().filter_map(pair).collect()
}

const SHOW_NAMESPACES: &str =
    "for name in cgroup ipc mnt net pid user uts; do echo $name $(readlink /proc/self/ns/$name); done";

fn own_namespace(name: &str) -> Result<String> {
    Ok(fs::read_link(format!("/proc/self/ns/{name}"))?.display().to_string())
}

async fn namespaces_are_distinct(fixture: &Fixture) -> Result<()> {
    let seen = namespaces(&fixture.output_of("c", SHOW_NAMESPACES).await?);
    assert_eq!(seen.len(), 7);
    for (name, id) in seen {
        ensure!(id != own_namespace(&name)?, "{name} is the machine's");
    }
    Ok(())
}

/// The namespace of a running process. Only while both run do two different ones have different names.
fn namespace_of(process: Identity, name: &str) -> Result<PathBuf> {
    Ok(fs::read_link(format!("/proc/{}/ns/{name}", process.pid))?)
}

async fn containers_of_a_sandbox_share_network_and_host_name(fixture: &Fixture) -> Result<()> {
    fixture.sandbox("other").await?;
    let first = fixture.start(&fixture.script("a", "exec sleep 1000")).await?;
    let second = fixture.start(&fixture.script("b", "exec sleep 1000")).await?;
    let mut spec = fixture.script("c", "exec sleep 1000");
    spec.sandbox = SandboxId::new("other")?;
    let stranger = fixture.start(&spec).await?;
    for name in ["net", "uts", "ipc"] {
        assert_eq!(namespace_of(first, name)?, namespace_of(second, name)?);
        assert_ne!(namespace_of(first, name)?, namespace_of(stranger, name)?);
    }
    for name in ["pid", "mnt", "user", "cgroup"] {
        assert_ne!(namespace_of(first, name)?, namespace_of(second, name)?);
    }
    assert_eq!(fixture.output_of("d", "hostname").await?, "pod-host\n");
    Ok(())
}

async fn a_given_network_namespace_is_used(fixture: &Fixture) -> Result<()> {
    // The network of the first sandbox stands for one that somebody else has made.
    let path = fixture.options.runtime_dir.join("ns/pod/net");
    let spec = SandboxSpec { id: SandboxId::new("guest")?, hostname: "guest".to_owned(), network: Network::Path(path) };
    fixture.runtime.create_sandbox(spec).await?;
    let owner = fixture.start(&fixture.script("a", "exec sleep 1000")).await?;
    let mut spec = fixture.script("b", "exec sleep 1000");
    spec.sandbox = SandboxId::new("guest")?;
    let guest = fixture.start(&spec).await?;
    assert_eq!(namespace_of(owner, "net")?, namespace_of(guest, "net")?);
    assert_ne!(namespace_of(owner, "uts")?, namespace_of(guest, "uts")?);
    Ok(())
}

async fn the_command_is_process_one_and_sees_no_other(fixture: &Fixture) -> Result<()> {
    assert_eq!(fixture.output_of("c", "echo $$; echo /proc/[0-9]*").await?, "1\n/proc/1\n");
    Ok(())
}

async fn loopback_is_up(fixture: &Fixture) -> Result<()> {
    let script = "cat /sys/class/net/lo/flags; ls /sys/class/net; cat /proc/sys/net/ipv4/ip_unprivileged_port_start";
    let output = fixture.output_of("c", script).await?;
    let lines: Vec<&str> = output.lines().collect();
    let flags = u32::from_str_radix(lines[0].trim_start_matches("0x"), 16)?;
    ensure!(flags & 1 == 1, "{output}");
    ensure!(lines.contains(&"lo") && !lines.contains(&"eth0"), "{output}");
    assert_eq!(lines.last(), Some(&"0"));
    Ok(())
}

async fn privileges_are_those_of_the_default_set(fixture: &Fixture) -> Result<()> {
    let show = "grep -E 'CapEff|CapBnd|CapAmb|NoNewPrivs' /proc/self/status";
    let status = namespaces(&fixture.output_of("c", show).await?.replace(":\t", " "));
    // CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW SYS_CHROOT AUDIT_WRITE SETFCAP
    let default = "00000000a00425fb";
    assert_eq!(status["CapEff"], default);
    assert_eq!(status["CapBnd"], default);
    assert_eq!(status["CapAmb"], "0000000000000000");
    assert_eq!(status["NoNewPrivs"], "1");

    let mut spec = fixture.script("d", show);
    (spec.process.uid, spec.process.gid) = (1000, 1000);
    let status = namespaces(&fixture.complete(&spec).await?.0.replace(":\t", " "));
    assert_eq!(status["CapEff"], "0000000000000000", "a user without root's id has none in force");
    Ok(())
}

async fn users_are_shifted(fixture: &Fixture) -> Result<()> {
    let spec = fixture.script("c", "id -u; echo ready; exec sleep 1000");
    let init = fixture.start(&spec).await?;
    assert_eq!(fixture.wait_for_output(&spec, "ready").await?, "0\nready\n");
    let status = fs::read_to_string(format!("/proc/{}/status", init.pid))?;
    let user = format!("Uid:\t{FIRST_USER}\t{FIRST_USER}\t{FIRST_USER}\t{FIRST_USER}\n");
    ensure!(status.contains(&user), "{status}");
    Ok(())
}

async fn machine_users_have_no_device_nodes(fixture: &Fixture) -> Result<()> {
    let mut spec =
        fixture.script("c", "mknod /tmp/disk b 254 0 || echo refused; ls /dev | grep -v kcore | tr '\\n' ' '");
    spec.security = Security { users: Users::Machine, ..Security::default() };
    let (output, _) = fixture.complete(&spec).await?;
    ensure!(output.contains("refused"), "{output}");
    let devices = "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero";
    ensure!(output.contains(devices), "{output}");
    Ok(())
}

async fn kernel_settings_cannot_be_written(fixture: &Fixture) -> Result<()> {
    for (name, users) in [("a", Users::Machine), ("b", Users::Shifted { first: FIRST_USER })] {
        let script = "for file in /proc/sys/kernel/panic /proc/sysrq-trigger /sys/kernel/mm/ksm/run /sys/fs/cgroup/memory/memory.limit_in_bytes
            do (echo 1 > $file) 2>/dev/null && echo wrote $file; done; cat /proc/kcore 2>/dev/null | head -c 1 | wc -c";
        let mut spec = fixture.script(name, script);
        spec.security.users = users;
        let (output, _) = fixture.complete(&spec).await?;
        assert_eq!(output.lines().last(), Some("0"), "{output}");
        ensure!(!output.contains("wrote"), "{output}");
    }
    Ok(())
}

async fn limits_are_in_force_and_visible(fixture: &Fixture) -> Result<()> {
    let script = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null
        cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null
        cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cut -d' ' -f1 /sys/fs/cgroup/cpu.max
        cat /sys/fs/cgroup/cpu/cpu.shares 2>/dev/null || echo 512
        grep -v ':/$' /proc/self/cgroup | grep -c trireme-it";
    let mut spec = fixture.script("c", script);
    spec.resources = Resources { memory: Some(64 << 20), cpu_millis: Some(500), cpu_shares: Some(512), pids: Some(40) };
    let (output, _) = fixture.complete(&spec).await?;
    let expected = ["67108864", "40", "50000", "512", "0"];
    assert_eq!(output.lines().collect::<Vec<_>>(), expected);
    Ok(())
}
