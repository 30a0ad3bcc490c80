//! The certificate authority of a data directory: two PEM files, and what it signs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use thiserror::Error;

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// As long as kubeadm's: replacing the authority means replacing every kubeconfig.
const AUTHORITY_LIFETIME_DAYS: i32 = 3650;
/// Leaf certificates are signed anew at each start of the server.
const LEAF_LIFETIME_DAYS: i32 = 365;
/// Clocks of clients may be behind ours.
const BACKDATE: SignedDuration = SignedDuration::from_mins(5);

/// A certificate with its private key, both PEM.
#[derive(Clone)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// The PKCS #8 private key. Secret.
    pub key: String,
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair").field("certificate", &self.certificate).field("key", &"(secret)").finish()
    }
}

/// A name under which clients reach a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerName {
    /// A DNS name.
    Dns(String),
    /// An address.
    Address(IpAddr),
}

/// Why a key or certificate could not be made, read or kept.
#[derive(Debug, Error)]
pub enum Error {
    /// A file of the authority could not be read or written.
    #[error("cannot {operation} {}", path.display())]
    File {
        /// `read` or `write`.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        #[source]
        source: io::Error,
    },
    /// The files of the authority do not hold a certificate and its key.
    #[error("{} does not hold a usable certificate authority; restore it or remove the folder to make a new one", path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What the parser said.
        #[source]
        source: rcgen::Error,
    },
    /// A key or certificate could not be made.
    #[error("cannot sign a certificate for {subject}")]
    Sign {
        /// For whom.
        subject: String,
        /// What the library said.
        #[source]
        source: rcgen::Error,
    },
}

/// A certificate authority that signs server and client certificates.
pub struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl Authority {
    /// The authority kept in `directory` (`ca.crt`, `ca.key`, the key readable by its owner only), made at first use.
    ///
    /// # Errors
    /// When the files cannot be read or written, or hold something else. An existing authority is never overwritten.
    pub fn open(directory: &Path, now: Timestamp) -> Result<Self, Error> {
        let certificate_path = directory.join("ca.crt");
        let key_path = directory.join("ca.key");
        // The certificate is written last: if it is there, the key is complete.
        match fs::read_to_string(&certificate_path) {
            Ok(certificate) => Self::load(directory, certificate, &key_path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let pair = new_authority(now)?;
                fs::create_dir_all(directory).map_err(|source| file_error("write", directory, source))?;
                write_durably(&key_path, &pair.key, 0o600)?;
                write_durably(&certificate_path, &pair.certificate, 0o644)?;
                Self::load(directory, pair.certificate, &key_path)
            }
            Err(source) => Err(file_error("read", &certificate_path, source)),
        }
    }

    fn load(directory: &Path, certificate: String, key_path: &Path) -> Result<Self, Error> {
        let key = fs::read_to_string(key_path).map_err(|source| file_error("read", key_path, source))?;
        let unusable = |source| Error::Unusable { path: directory.to_owned(), source };
        let key = KeyPair::from_pem(&key).map_err(unusable)?;
        let issuer = Issuer::from_ca_cert_pem(&certificate, key).map_err(unusable)?;
        Ok(Self { certificate, issuer })
    }

    /// The authority's own certificate, PEM: what clients trust.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// A server certificate for `names`, valid for a year.
    ///
    /// # Errors
    /// When a DNS name is not ASCII or the key cannot be made.
    pub fn issue_server(&self, common_name: &str, names: &[ServerName], now: Timestamp) -> Result<Pair, Error> {
        let sign = |source| Error::Sign { subject: common_name.to_owned(), source };
        let mut params = leaf(common_name, now);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        for name in names {
            params.subject_alt_names.push(match name {
                ServerName::Dns(name) => SanType::DnsName(name.as_str().try_into().map_err(sign)?),
                ServerName::Address(address) => SanType::IpAddress(*address),
            });
        }
        self.sign(&params).map_err(sign)
    }

    /// A client certificate for `user` in `group`, valid for a year. One group, because the signing library keeps one
    /// value per kind of name.
    ///
    /// # Errors
    /// When the key cannot be made.
    pub fn issue_client(&self, user: &str, group: &str, now: Timestamp) -> Result<Pair, Error> {
        let mut params = leaf(user, now);
        params.distinguished_name.push(DnType::OrganizationName, group);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params).map_err(|source| Error::Sign { subject: user.to_owned(), source })
    }

    fn sign(&self, params: &CertificateParams) -> Result<Pair, rcgen::Error> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

fn new_authority(now: Timestamp) -> Result<Pair, Error> {
    let sign = |source| Error::Sign { subject: "the certificate authority".to_owned(), source };
    let mut params = params("trireme-ca", now, AUTHORITY_LIFETIME_DAYS);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate().map_err(sign)?;
    let certificate = params.self_signed(&key).map_err(sign)?;
    Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
}

fn leaf(common_name: &str, now: Timestamp) -> CertificateParams {
    let mut params = params(common_name, now, LEAF_LIFETIME_DAYS);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    params
}

fn params(common_name: &str, now: Timestamp, days: i32) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    params.distinguished_name = name;
    params.not_before = date(now - BACKDATE);
    params.not_after = date(now + DAY * days);
    params
}

fn date(at: Timestamp) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(at.as_second()).expect("jiff's range lies within time's")
}

fn write_durably(path: &Path, text: &str, mode: u32) -> Result<(), Error> {
    let temporary = path.with_extension("tmp");
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(|source| file_error("write", path, source))
}

fn file_error(operation: &'static str, path: &Path, source: io::Error) -> Error {
    Error::File { operation, path: path.to_owned(), source }
}
