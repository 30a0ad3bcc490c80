//! The kubeconfig of a data directory: how kubectl finds and trusts this server, and who it is to it.

use serde_json::{Value, json};

/// The name of cluster, user and context, so that merging with other kubeconfigs goes well.
const NAME: &str = "trireme";

/// A kubeconfig for the API at `server`, as YAML.
pub(crate) fn render(server: &str, authority: &str, client: &pki::Pair) -> anyhow::Result<String> {
    let document: Value = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NAME, "cluster": {
            "server": server,
            "certificate-authority-data": base64(authority),
        }}],
        "users": [{"name": NAME, "user": {
            "client-certificate-data": base64(&client.certificate),
            "client-key-data": base64(&client.key),
        }}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME, "namespace": "default"}}],
        "current-context": NAME,
    });
    Ok(serde_saphyr::to_string(&document)?)
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}
