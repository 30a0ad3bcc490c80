//! The parts of a kubeconfig as files, for clients that take them one by one.

use std::path::{Path, PathBuf};

use base64::Engine;
use serde_json::Value;

/// Where a server is, whom it trusts and who the user is.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    /// As in a URL: `127.0.0.1:6443`.
    pub(crate) address: String,
    pub(crate) authority: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Credentials {
    /// Takes a kubeconfig apart; the files go into `directory`.
    pub(crate) fn of(kubeconfig: &Path, directory: &Path) -> Self {
        let text = std::fs::read_to_string(kubeconfig).expect("the kubeconfig is readable");
        let config: Value = serde_saphyr::from_str(&text).expect("the kubeconfig is YAML");
        let cluster = &config["clusters"][0]["cluster"];
        let user = &config["users"][0]["user"];
        let file = |name: &str, value: &Value| {
            let path = directory.join(name);
            let encoded = value.as_str().expect("a kubeconfig carries its credentials");
            let decoded = base64::engine::general_purpose::STANDARD.decode(encoded).expect("credentials are base64");
            std::fs::write(&path, decoded).expect("the test's directory is writable");
            path
        };
        let url = cluster["server"].as_str().expect("a kubeconfig names its server");
        Self {
            address: url.strip_prefix("https://").expect("the API is served over TLS").to_owned(),
            authority: file("ca.crt", &cluster["certificate-authority-data"]),
            certificate: file("admin.crt", &user["client-certificate-data"]),
            key: file("admin.key", &user["client-key-data"]),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }
}
