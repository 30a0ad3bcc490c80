//! Who a client certificate says its holder is. Does not verify signatures: TLS has done that before.

use thiserror::Error;
use x509_parser::prelude::{FromDer, X509Certificate};

/// A user name and its groups, as Kubernetes reads them from a client certificate: common name and organizations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user's name, never empty.
    pub user: String,
    /// The groups that the certificate claims.
    pub groups: Vec<String>,
}

/// Why a certificate names nobody.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// The bytes are no X.509 certificate in DER.
    #[error("client certificate is not valid DER")]
    Malformed(#[source] x509_parser::nom::Err<x509_parser::error::X509Error>),
    /// The subject has no common name, so there is no user.
    #[error("client certificate has no common name")]
    NoCommonName,
}

impl Identity {
    /// Reads the identity in a certificate (DER) that TLS has verified already.
    ///
    /// # Errors
    /// When the bytes are no certificate or its subject has no common name; retrying does not help.
    pub fn from_certificate(der: &[u8]) -> Result<Self, IdentityError> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(IdentityError::Malformed)?;
        let subject = certificate.subject();
        let text = |attribute: &x509_parser::x509::AttributeTypeAndValue<'_>| {
            attribute.as_str().ok().filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let user = subject.iter_common_name().find_map(text).ok_or(IdentityError::NoCommonName)?;
        Ok(Self { user, groups: subject.iter_organization().filter_map(text).collect() })
    }
}
