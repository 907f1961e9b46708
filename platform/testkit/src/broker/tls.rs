//! Certificates of a broker of a test: an authority of its own, and what its servers prove themselves
//! with, for an hour and for the loopback interface.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// How long they are valid: longer than a test takes.
const VALID: Duration = Duration::from_secs(3_600);

/// PEM files.
#[derive(Debug)]
pub(super) struct Certificates {
    /// The authority's certificate.
    pub(super) authority: PathBuf,
    /// The servers' certificate.
    pub(super) certificate: PathBuf,
    /// The servers' private key.
    pub(super) key: PathBuf,
}

impl Certificates {
    /// Makes them in a folder.
    pub(super) fn make(folder: &Path) -> Self {
        let mut params = params(&[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key can be made");
        let authority = params.self_signed(&key).expect("it signs itself");
        let issuer = Issuer::new(params, key);

        // A server of a cluster is its peers' client as well.
        let mut params = self::params(&["127.0.0.1", "localhost"]);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.signed_by(&key, &issuer).expect("it is signed");

        let write = |name: &str, text: String| {
            let path = folder.join(name);
            fs::write(&path, text).expect("a certificate can be written");
            path
        };
        Self {
            authority: write("ca.pem", authority.pem()),
            certificate: write("server.pem", certificate.pem()),
            key: write("server.key", key.serialize_pem()),
        }
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("these are names and addresses");
    let now = SystemTime::now();
    params.not_before = (now - VALID).into();
    params.not_after = (now + VALID).into();
    params
}
