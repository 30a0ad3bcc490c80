//! The data directory: one server at a time, and what it tells others in files.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// A locked data directory. The lock ends with the process.
#[derive(Debug)]
pub(crate) struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

/// Ports that were chosen for `:0` addresses.
const PORTS: &str = "ports.json";
/// Who answers where; there only while the server is ready.
const ENDPOINTS: &str = "endpoints.json";
/// The way in for kubectl; there only while the server is ready.
const KUBECONFIG: &str = "kubeconfig";

impl DataDirectory {
    /// Opens and locks a data directory, making it if it is not there. What an earlier server said is taken back.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("cannot make the data directory {}", path.display()))?;
        let path = path.canonicalize().with_context(|| format!("cannot find the data directory {}", path.display()))?;
        let lock_path = path.join("lock");
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_path)
            .with_context(|| format!("cannot open {}", lock_path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "another server runs on the data directory {}; stop it or name another directory with --data-dir",
                path.display()
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", lock_path.display()));
            }
        }
        let directory = Self { path, _lock: lock };
        directory.withdraw()?;
        Ok(directory)
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.join(KUBECONFIG)
    }

    /// The address to listen on: a port of 0 becomes the one that was chosen before, if there was one.
    pub(crate) fn settled(&self, name: &str, address: SocketAddr) -> Result<SocketAddr> {
        let known = self.ports()?.get(name).copied().filter(|_| address.port() == 0);
        Ok(known.map_or(address, |port| SocketAddr::new(address.ip(), port)))
    }

    /// Remembers the port that was chosen for a port of 0.
    pub(crate) fn remember_port(&self, name: &str, port: u16) -> Result<()> {
        let mut ports = self.ports()?;
        ports.insert(name.to_owned(), port);
        self.publish(PORTS, &serde_json::to_string(&ports)?)
    }

    fn ports(&self) -> Result<BTreeMap<String, u16>> {
        let path = self.join(PORTS);
        match fs::read_to_string(&path) {
            Ok(text) => {
                serde_json::from_str(&text).with_context(|| format!("{} is damaged; remove it", path.display()))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Says that the server is ready: the endpoints first, the kubeconfig last.
    pub(crate) fn announce(&self, endpoints: &str, kubeconfig: &str) -> Result<()> {
        self.publish(ENDPOINTS, endpoints)?;
        self.publish(KUBECONFIG, kubeconfig)
    }

    /// Takes back what [`DataDirectory::announce`] has said.
    pub(crate) fn withdraw(&self) -> Result<()> {
        for name in [KUBECONFIG, ENDPOINTS] {
            match fs::remove_file(self.join(name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot remove {}", self.join(name).display()));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Writes a file so that readers see all of it or nothing.
    fn publish(&self, name: &str, text: &str) -> Result<()> {
        let path = self.join(name);
        let temporary = self.join(&format!("{name}.tmp"));
        let write = || -> std::io::Result<()> {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, &path)
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }
}
