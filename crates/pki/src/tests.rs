use jiff::Timestamp;

use crate::{Authority, Error, Identity, ServerName};

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn der(pem: &str) -> Vec<u8> {
    x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap().1.contents
}

#[test]
fn an_authority_is_made_once_and_then_kept() {
    let directory = tempfile::tempdir().unwrap();
    let first = Authority::open(directory.path(), now()).unwrap().certificate().to_owned();
    let second = Authority::open(directory.path(), now()).unwrap().certificate().to_owned();
    assert_eq!(first, second);
}

#[test]
fn the_key_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    Authority::open(directory.path(), now()).unwrap();
    let mode = std::fs::metadata(directory.path().join("ca.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_damaged_authority_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    Authority::open(directory.path(), now()).unwrap();
    let certificate = directory.path().join("ca.crt");
    std::fs::write(&certificate, "not a certificate").unwrap();
    let error = Authority::open(directory.path(), now()).unwrap_err();
    assert!(matches!(error, Error::Unusable { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&certificate).unwrap(), "not a certificate");
}

#[test]
fn a_client_certificate_carries_user_and_groups() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::open(directory.path(), now()).unwrap();
    let pair = authority.issue_client("ada", "dev", now()).unwrap();
    let identity = Identity { user: "ada".to_owned(), groups: vec!["dev".to_owned()] };
    assert_eq!(Identity::from_certificate(&der(&pair.certificate)).unwrap(), identity);
    assert!(!format!("{pair:?}").contains("PRIVATE KEY"));
}

#[test]
fn a_certificate_without_common_name_names_nobody() {
    assert!(Identity::from_certificate(b"junk").is_err());
}

#[test]
fn a_server_certificate_is_signed_for_its_names() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::open(directory.path(), now()).unwrap();
    let names = [ServerName::Dns("localhost".to_owned()), ServerName::Address([127, 0, 0, 1].into())];
    let pair = authority.issue_server("apiserver", &names, now()).unwrap();
    let certificate = der(&pair.certificate);
    let (_, parsed) = x509_parser::parse_x509_certificate(&certificate).unwrap();
    let alternatives = parsed.subject_alternative_name().unwrap().unwrap().value.general_names.len();
    assert_eq!(alternatives, 2);
    let authority_der = der(authority.certificate());
    let (_, root) = x509_parser::parse_x509_certificate(&authority_der).unwrap();
    assert_eq!(parsed.issuer(), root.subject());
}

/// Made with openssl: `-subj /O=dev/O=ops/CN=grace`.
const TWO_GROUPS: &str = "\
-----BEGIN CERTIFICATE-----
MIIBrTCCAVOgAwIBAgIUHit2Q+ckZdjmaJIZVgVf7cbEMAgwCgYIKoZIzj0EAwIw
LDEMMAoGA1UECgwDZGV2MQwwCgYDVQQKDANvcHMxDjAMBgNVBAMMBWdyYWNlMB4X
DTI2MTEyMjE4MzMyMFoXDTM2MTExOTE4MzMyMFowLDEMMAoGA1UECgwDZGV2MQww
CgYDVQQKDANvcHMxDjAMBgNVBAMMBWdyYWNlMFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAEAG22pw0DAKG1hPhI0zlBNCbdbmc3a1C7xzYkzh1FvYFEeknbEoFqkNwn
6uBsmXuGSbL/Kph6O1OXFxwF3Kv3mKNTMFEwHQYDVR0OBBYEFJkuO6ZB3/HlHkBz
5ItDF2ln3jsHMB8GA1UdIwQYMBaAFJkuO6ZB3/HlHkBz5ItDF2ln3jsHMA8GA1Ud
EwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIhAPqHfj5JnoFiRPydB7qoLwI/
iZW7Yb1kybflUKCHtW31AiBJLi9QMQSFZtXK5oo6jMO107oAMfkYXTt5LeiLSafB
+A==
-----END CERTIFICATE-----
";

#[test]
fn every_organization_is_a_group() {
    let identity = Identity::from_certificate(&der(TWO_GROUPS)).unwrap();
    assert_eq!(identity, Identity { user: "grace".to_owned(), groups: vec!["dev".to_owned(), "ops".to_owned()] });
}
