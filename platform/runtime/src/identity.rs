//! What a server of ours proves itself with over TLS: a certificate and its key, from files.
//!
//! - Files that cannot be used are an error at the start, which says what is wrong with which.
//! - They are read again while the process runs, for certificates are renewed. New connections get
//!   what is new; those that are open stay. What cannot be used changes nothing, and the log says so.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio_util::sync::CancellationToken;

use crate::certificates::end_of;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Largest file that is read: a chain of certificates has some kilobytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Most certificates of a chain; longer ones are refused by clients.
const MAX_CHAIN: usize = 16;

/// Why a certificate and its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read.
    #[error("{} cannot be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{} cannot be used: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what should be there.
        reason: String,
    },
    /// The key is another certificate's.
    #[error(
        "the key in {} does not belong to the first certificate in {}", key.display(),
        certificate.display()
    )]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The library does not take it.
    #[error("a certificate and its key cannot be used for TLS")]
    Tls(#[from] rustls::Error),
}

/// A certificate with its key, which may be replaced while it is used.
#[derive(Debug, Clone)]
pub struct ServerIdentity(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    files: Files,
    current: RwLock<Current>,
    /// What was last read, whether or not it could be used.
    seen: Mutex<Result<Content, String>>,
}

#[derive(Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// What the files hold.
#[derive(PartialEq, Eq)]
struct Content {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Content")
    }
}

/// What is shown to clients.
#[derive(Debug)]
struct Current {
    key: Arc<CertifiedKey>,
    /// When its certificate ends, seconds since the epoch.
    end: i64,
}

/// What a look at the files came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// They are as they were.
    Same,
    /// They changed, and what is new is used.
    Taken,
    /// They changed into something that cannot be used.
    Refused,
}

impl ServerIdentity {
    /// Reads a chain of certificates, the server's own first, and the key of that one: PEM files.
    pub fn load(certificate: PathBuf, key: PathBuf) -> Result<Self, IdentityError> {
        let files = Files { certificate, key };
        let content = files.read()?;
        let current = files.parse(&content)?;
        Ok(Self(Arc::new(Inner {
            files,
            current: RwLock::new(current),
            seen: Mutex::new(Ok(content)),
        })))
    }

    /// Settings of a server of HTTP/1.1 that proves itself with this, whatever it is by then. It
    /// takes TLS 1.2 and 1.3 and asks clients for no certificate.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, IdentityError> {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth();
        let mut config = builder.with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// When the certificate that is shown now ends, in seconds since the epoch.
    pub fn not_after(&self) -> i64 {
        let current = self.0.current.read();
        current.unwrap_or_else(PoisonError::into_inner).end
    }

    /// Looks at the files until it is told to stop.
    pub async fn watch(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let identity = self.clone();
            // Files may be on a disk that hangs: not on a thread that others need.
            let _ = tokio::task::spawn_blocking(move || identity.look()).await;
        }
    }

    /// Looks at the files, and takes what is new if it can be used. Certificate and key may be
    /// replaced one after the other: what does not fit together yet is looked at again.
    pub fn look(&self) -> Look {
        let mut seen = self.seen();
        let read = self.0.files.read();
        if let (Ok(read), Ok(seen)) = (&read, &*seen)
            && read == seen
        {
            return Look::Same;
        }
        let parsed = read.and_then(|content| {
            let current = self.0.files.parse(&content)?;
            Ok((content, current))
        });
        match parsed {
            Ok((content, current)) => {
                *seen = Ok(content);
                let end = current.end;
                let shown = &self.0.current;
                *shown.write().unwrap_or_else(PoisonError::into_inner) = current;
                tracing::info!(
                    end,
                    "the certificate was read again: new connections get it"
                );
                Look::Taken
            }
            Err(error) => {
                let told = told(&error);
                if seen.as_ref().err() != Some(&told) {
                    tracing::error!(
                        error = told,
                        "the certificate was changed to what cannot be used: the one before it is \
                         shown still"
                    );
                    *seen = Err(told);
                }
                Look::Refused
            }
        }
    }

    fn seen(&self) -> MutexGuard<'_, Result<Content, String>> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolvesServerCert for ServerIdentity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.0.current.read();
        Some(current.unwrap_or_else(PoisonError::into_inner).key.clone())
    }
}

impl Files {
    fn read(&self) -> Result<Content, IdentityError> {
        Ok(Content {
            certificate: read(&self.certificate)?,
            key: read(&self.key)?,
        })
    }

    fn parse(&self, content: &Content) -> Result<Current, IdentityError> {
        let malformed = |path: &Path, reason: String| IdentityError::Malformed {
            path: path.to_owned(),
            reason,
        };
        let chain = CertificateDer::pem_slice_iter(&content.certificate)
            .take(MAX_CHAIN)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| malformed(&self.certificate, error.to_string()))?;
        let Some(own) = chain.first() else {
            let reason = "there is no PEM certificate in it".to_owned();
            return Err(malformed(&self.certificate, reason));
        };
        let end = end_of(own).map_err(|reason| malformed(&self.certificate, reason))?;
        let key = PrivateKeyDer::from_pem_slice(&content.key).map_err(|error| {
            let reason = format!("there is no PEM private key without a password in it ({error})");
            malformed(&self.key, reason)
        })?;
        let key = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => IdentityError::Mismatch {
                certificate: self.certificate.clone(),
                key: self.key.clone(),
            },
            rustls::Error::General(reason) => malformed(&self.key, reason),
            other => IdentityError::Tls(other),
        })?;
        Ok(Current {
            key: Arc::new(key),
            end,
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, IdentityError> {
    let reading = || {
        if std::fs::metadata(path)?.len() > MAX_FILE_BYTES {
            return Err(io::Error::other("it is too large"));
        }
        std::fs::read(path)
    };
    reading().map_err(|source| IdentityError::File {
        path: path.to_owned(),
        source,
    })
}

/// The one provider of cryptography of the platform, wherever else one may be installed.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// An error and its source.
fn told(error: &IdentityError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    /// A certificate that ends in this year, and its key.
    fn made(year: i32) -> (String, String) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    #[test]
    fn what_changes_is_taken_and_what_cannot_be_used_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        let (first, second) = (made(2031), made(2040));
        let (ends_first, ends_second) = (1_924_992_000, 2_208_988_800);
        fs::write(&certificate, &first.0).unwrap();
        fs::write(&key, &first.1).unwrap();
        let identity = ServerIdentity::load(certificate.clone(), key.clone()).unwrap();
        identity.server_config().unwrap();
        assert_eq!(identity.look(), Look::Same);
        assert_eq!(identity.not_after(), ends_first);

        // The certificate comes first, its key a moment later.
        fs::write(&certificate, &second.0).unwrap();
        assert_eq!(identity.look(), Look::Refused);
        assert_eq!(identity.look(), Look::Refused);
        assert_eq!(identity.not_after(), ends_first);
        fs::write(&key, &second.1).unwrap();
        assert_eq!(identity.look(), Look::Taken);
        assert_eq!(identity.not_after(), ends_second);

        fs::remove_file(&key).unwrap();
        assert_eq!(identity.look(), Look::Refused);
        assert_eq!(identity.not_after(), ends_second);
        // What was there before comes back.
        fs::write(&key, &second.1).unwrap();
        assert_eq!(identity.look(), Look::Taken);
        assert_eq!(identity.look(), Look::Same);
    }

    #[test]
    fn what_cannot_be_used_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        let (mine, other) = (made(2031), made(2031));
        let said = |certificate_is: &str, key_is: &str| {
            fs::write(&certificate, certificate_is).unwrap();
            fs::write(&key, key_is).unwrap();
            let loaded = ServerIdentity::load(certificate.clone(), key.clone());
            told(&loaded.unwrap_err())
        };
        let nothing = said("nothing", &mine.1);
        assert!(
            nothing.contains("tls.crt cannot be used: there is no PEM"),
            "{nothing}"
        );
        let keyless = said(&mine.0, &mine.0);
        assert!(
            keyless.contains("tls.key cannot be used: there is no PEM"),
            "{keyless}"
        );
        let foreign = said(&mine.0, &other.1);
        assert!(
            foreign.contains("does not belong to the first certificate"),
            "{foreign}"
        );
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let broken = said(broken, &mine.1);
        assert!(broken.contains("tls.crt cannot be used"), "{broken}");
        let missing = ServerIdentity::load(folder.path().join("none"), key.clone());
        assert!(told(&missing.unwrap_err()).contains("none cannot be read: No such file"));
    }
}
