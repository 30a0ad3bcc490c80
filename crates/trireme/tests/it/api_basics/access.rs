//! TLS, who may ask, health, version, metrics.

use serde_json::Value;

use crate::harness::{Ran, Request, Server, on_shared_server, run};

on_shared_server![
    a_request_without_certificate_is_unauthorized,
    a_certificate_of_another_authority_is_refused,
    health_is_open_to_everyone,
    http2_and_http1_are_negotiated,
    plain_http_is_not_answered,
    the_version_is_made_of_whole_numbers,
    readiness_lists_its_checks,
    readiness_leaves_out_what_is_excluded,
    single_checks_have_paths,
    metrics_have_the_names_that_dashboards_expect,
    each_answer_has_an_audit_id,
];

/// One that nobody but a test would hold: valid, and signed by an authority of its own.
fn stranger(server: &Server) -> (String, String) {
    let directory = server.scratch().join("stranger");
    std::fs::create_dir_all(&directory).expect("the test's directory is writable");
    let path = |name: &str| directory.join(name).to_string_lossy().into_owned();
    let (key, certificate) = (path("key.pem"), path("crt.pem"));
    let mut openssl = std::process::Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
    openssl.args(["-subj", "/O=system:masters/CN=kubernetes-admin", "-keyout", &key, "-out", &certificate]);
    run(&openssl).ok();
    (certificate, key)
}

fn a_request_without_certificate_is_unauthorized(server: &Server) {
    let closed = ["/", "/api", "/apis", "/version", "/metrics", "/openapi/v3", "/api/v1/secrets", "/nothing"];
    for path in closed {
        let mut curl = server.curl_without_certificate(path);
        curl.args(["--write-out", "\n%{http_code}"]);
        let answer = run(&curl).ok();
        let (body, code) = answer.rsplit_once('\n').expect("the code is on a line of its own");
        assert_eq!(code, "401", "{path}");
        let status: Value = serde_json::from_str(body).expect("a refusal is JSON");
        assert_eq!(status["kind"], "Status", "{path}");
        assert_eq!(status["reason"], "Unauthorized", "{path}");
        assert_eq!(status["message"], "Unauthorized", "{path}");
    }
}

fn a_certificate_of_another_authority_is_refused(server: &Server) {
    let (certificate, key) = stranger(server);
    let mut curl = server.curl_without_certificate("/api/v1/namespaces");
    curl.args(["--cert", &certificate, "--key", &key, "--write-out", "%{http_code}"]);
    let Ran { stdout, .. } = run(&curl);
    // Either the handshake ends, or the answer is 401; nothing is given away.
    assert!(stdout.ends_with("401") || stdout == "000", "{stdout}");
    assert!(!stdout.contains("NamespaceList"), "{stdout}");
}

fn health_is_open_to_everyone(server: &Server) {
    for path in ["/livez", "/readyz", "/healthz"] {
        assert_eq!(run(&server.curl_without_certificate(path)).ok(), "ok", "{path}");
    }
}

fn http2_and_http1_are_negotiated(server: &Server) {
    for (flag, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let mut curl = server.curl("/version");
        curl.args([flag, "--output", "/dev/null", "--write-out", "%{http_version} %{http_code}"]);
        assert_eq!(run(&curl).ok(), format!("{version} 200"));
    }
    let mut openssl = std::process::Command::new("openssl");
    openssl.args(["s_client", "-alpn", "h2,http/1.1", "-connect", &server.credentials().address]);
    let shown = run(&openssl).stdout;
    assert!(shown.contains("ALPN protocol: h2"), "{shown}");
}

fn plain_http_is_not_answered(server: &Server) {
    let mut curl = std::process::Command::new("curl");
    curl.args(["--silent", &format!("http://{}/livez", server.credentials().address)]);
    let ran = run(&curl);
    assert_ne!(ran.stdout, "ok");
    ran.fails();
}

fn the_version_is_made_of_whole_numbers(server: &Server) {
    let version = server.api().get("/version").expect(200);
    for part in ["major", "minor"] {
        let text = version[part].as_str().expect("a string");
        assert!(!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()), "{part}: {text}");
    }
    let expected = format!("v{}.{}.", version["major"].as_str().unwrap_or(""), version["minor"].as_str().unwrap_or(""));
    let git = version["gitVersion"].as_str().expect("a string");
    assert!(git.starts_with(&expected), "{git}");
    for field in ["gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform"] {
        assert!(version[field].is_string(), "{field}");
    }
    let shown = server.kubectl("default").run(&["version"]).ok();
    assert!(shown.contains(&format!("Server Version: {git}")), "{shown}");
}

fn readiness_lists_its_checks(server: &Server) {
    let mut api = server.api();
    let report = api.get("/readyz?verbose").text();
    assert!(report.contains("[+]ping ok\n"), "{report}");
    assert!(report.contains("[+]store ok\n"), "{report}");
    assert!(report.ends_with("readyz check passed\n"), "{report}");
    let shown = server.kubectl("default").run(&["get", "--raw", "/livez?verbose"]).ok();
    assert!(shown.ends_with("livez check passed\n"), "{shown}");
}

fn readiness_leaves_out_what_is_excluded(server: &Server) {
    let report = server.api().get("/readyz?verbose&exclude=store&exclude=ping").text();
    assert!(report.contains("[+]store excluded: ok\n"), "{report}");
    assert!(report.contains("[+]ping excluded: ok\n"), "{report}");
    assert!(!report.contains("[+]store ok"), "{report}");
}

fn single_checks_have_paths(server: &Server) {
    let mut api = server.api();
    for path in ["/livez/ping", "/readyz/store", "/healthz/ping"] {
        let answer = api.get(path);
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"), "{path}");
    }
    assert_eq!(api.get("/readyz/nonsense").status, 404);
}

fn metrics_have_the_names_that_dashboards_expect(server: &Server) {
    let mut api = server.api();
    api.get("/api/v1/namespaces").expect(200);
    let metrics = api.get("/metrics").text();
    for name in ["apiserver_request_total{", "apiserver_request_duration_seconds_bucket{", "apiserver_storage_objects{"]
    {
        assert!(metrics.lines().any(|line| line.starts_with(name)), "{name} is missing in:\n{metrics}");
    }
    let count = |line: &&str| {
        line.starts_with("apiserver_request_total{")
            && line.contains("verb=\"LIST\"")
            && line.contains("resource=\"namespaces\"")
            && line.contains("code=\"200\"")
    };
    assert!(metrics.lines().any(|line| count(&line)), "{metrics}");
}

fn each_answer_has_an_audit_id(server: &Server) {
    let mut api = server.api();
    let ids: Vec<String> = ["/version", "/nothing", "/readyz"]
        .iter()
        .map(|path| api.get(path).header("audit-id").expect("each answer has one").to_owned())
        .collect();
    assert!(ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
    let named = api.send(&Request::new("GET", "/version").header("Audit-Id", "chosen-by-the-client"));
    assert_eq!(named.header("audit-id"), Some("chosen-by-the-client"));
}
