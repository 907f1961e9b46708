//! Certificates of a broker or a server of a test: an authority of its own, and what servers prove
//! themselves with, for the loopback interface.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// How long they are valid at first: longer than a test takes.
const VALID: Duration = Duration::from_secs(3_600);

/// How long the authority is valid: longer than what it signs.
const AUTHORITY_VALID: Duration = Duration::from_secs(366 * 86_400);

/// PEM files in a folder.
pub struct Certificates {
    /// The authority's certificate.
    pub authority: PathBuf,
    /// The servers' certificate.
    pub certificate: PathBuf,
    /// The servers' private key.
    pub key: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates")
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

impl Certificates {
    /// Makes them in a folder, valid for an hour.
    ///
    /// # Panics
    /// If they cannot be written.
    pub fn make(folder: &Path) -> Self {
        let mut params = params(&[], AUTHORITY_VALID);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key can be made");
        let authority = params.self_signed(&key).expect("it signs itself");
        let made = Self {
            authority: folder.join("ca.pem"),
            certificate: folder.join("server.pem"),
            key: folder.join("server.key"),
            issuer: Issuer::new(params, key),
        };
        write(&made.authority, &authority.pem());
        made.renew(VALID);
        made
    }

    /// Puts another certificate of the same authority and its key into the servers' files.
    ///
    /// # Panics
    /// If they cannot be written.
    pub fn renew(&self, valid: Duration) {
        // A server of a cluster is its peers' client as well.
        let mut params = params(&["127.0.0.1", "localhost"], valid);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.signed_by(&key, &self.issuer).expect("it is signed");
        write(&self.key, &key.serialize_pem());
        write(&self.certificate, &certificate.pem());
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("a certificate can be written");
}

fn params(names: &[&str], valid: Duration) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("these are names and addresses");
    let now = SystemTime::now();
    params.not_before = (now - VALID).into();
    params.not_after = (now + valid).into();
    params
}
