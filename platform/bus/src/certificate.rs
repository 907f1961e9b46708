//! The certificate that the broker shows, so that somebody renews it in time.
//!
//! It is looked at on a connection of its own, which says nothing and ends when encryption stands: a
//! certificate that was renewed is told without waiting until clients connect anew, and one that has
//! ended, which nobody can connect with, is told as well.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_nats::ServerAddr;
use jiff::Timestamp;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use crate::{BusError, ConnectOptions, Result, chain, connect};

/// How long one server may take to greet and to agree on encryption.
const LOOK_PATIENCE: Duration = Duration::from_secs(10);

/// How often it is looked at while a process runs.
const LOOK_EVERY: Duration = Duration::from_secs(300);

/// How soon again after a look that came to nothing.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Most addresses that are looked at; a cluster has three or five.
const MAX_ADDRESSES: usize = 16;

/// Longest greeting of a server.
const MAX_GREETING_BYTES: usize = 64 * 1024;

/// No end is known. No certificate ended in that second.
const UNKNOWN: i64 = i64::MIN;

/// The certificate that the broker shows.
#[derive(Debug, Clone)]
pub struct BrokerCertificate {
    addresses: Vec<ServerAddr>,
    authorities: Option<PathBuf>,
    end: Arc<AtomicI64>,
}

/// What a server showed.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Host and port of the server.
    pub server: String,
    /// When its certificate ends.
    pub not_after: Timestamp,
    /// Why we do not trust it, if so.
    pub refused: Option<String>,
}

/// What a server says first, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Greeting {
    #[serde(default)]
    tls_required: bool,
    #[serde(default)]
    tls_available: bool,
}

impl BrokerCertificate {
    /// That of the servers at the address of these options. Nothing is looked at yet.
    ///
    /// # Errors
    /// If the address cannot be read.
    pub fn new(options: &ConnectOptions) -> Result<Self> {
        let mut addresses = connect::addresses_of(&options.url)?;
        addresses.truncate(MAX_ADDRESSES);
        Ok(Self {
            addresses,
            authorities: options.root_certificates.clone(),
            end: Arc::new(AtomicI64::new(UNKNOWN)),
        })
    }

    /// When the first of the certificates ends that the last look found, in seconds since the epoch.
    pub fn not_after(&self) -> Option<i64> {
        Some(self.end.load(Ordering::Relaxed)).filter(|end| *end != UNKNOWN)
    }

    /// What each server shows now; nothing of those that speak without TLS.
    ///
    /// # Errors
    /// If the authorities cannot be read, or no server was reached.
    pub async fn look(&self) -> Result<Vec<Shown>> {
        let mut shown = Vec::new();
        let (mut reached, mut failed) = (false, None);
        let tcp = self.addresses.iter().filter(|one| !one.is_websocket());
        for address in tcp {
            let looking = tokio::time::timeout(LOOK_PATIENCE, self.look_at(address));
            let looked = looking.await.unwrap_or_else(|_| {
                Err(BusError::TimedOut {
                    what: "agreeing on encryption with the broker",
                    limit: LOOK_PATIENCE,
                })
            });
            match looked {
                Ok(found) => {
                    reached = true;
                    shown.extend(found);
                }
                Err(error @ BusError::Settings(_)) => return Err(error),
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) if !reached => Err(error),
            _ => {
                let first = shown.iter().map(|one: &Shown| one.not_after.as_second());
                if let Some(first) = first.min() {
                    self.end.store(first, Ordering::Relaxed);
                }
                Ok(shown)
            }
        }
    }

    /// Looks again and again until it is told to stop.
    pub async fn watch(self, stop: CancellationToken) {
        loop {
            let looked = tokio::select! {
                () = stop.cancelled() => return,
                looked = self.look() => looked,
            };
            let pause = match looked {
                Ok(shown) => {
                    for one in shown.iter().filter(|one| one.refused.is_some()) {
                        tracing::error!(
                            server = one.server,
                            reason = one.refused,
                            "the broker's certificate is not trusted: nobody can connect anew"
                        );
                    }
                    LOOK_EVERY
                }
                Err(error) => {
                    let error = chain(&error);
                    tracing::debug!(error, "the broker's certificate could not be looked at");
                    LOOK_AGAIN
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn look_at(&self, address: &ServerAddr) -> Result<Option<Shown>> {
        let server = format!("{}:{}", address.host(), address.port());
        let unreached = |source: io::Error| BusError::Connect {
            url: server.clone(),
            source: source.into(),
        };
        let stream = TcpStream::connect((address.host(), address.port())).await;
        let mut stream = stream.map_err(unreached)?;
        let greeting = greeting(&mut stream).await.map_err(unreached)?;
        // As the connection decides whether to encrypt.
        let asked = address.tls_required() || self.authorities.is_some();
        if !(asked && greeting.tls_available || greeting.tls_required) {
            return Ok(None);
        }
        let name = ServerName::try_from(address.host().to_owned())
            .map_err(|error| BusError::Settings(format!("{server} has no usable name: {error}")))?;
        let recorder = Arc::new(Recorder::new(self.roots().await?)?);
        let connector = TlsConnector::from(Arc::new(settings(recorder.clone())?));
        let agreed = connector.connect(name, stream).await;
        let Some(not_after) = recorder.not_after()? else {
            return match agreed {
                Ok(_) => Err(unreached(io::Error::other("it showed no certificate"))),
                Err(error) => Err(unreached(error)),
            };
        };
        let refused = match agreed {
            Ok(mut stream) => {
                // A good-bye; that it does not arrive is nobody's loss.
                let _ = stream.shutdown().await;
                None
            }
            Err(error) => Some(error.to_string()),
        };
        Ok(Some(Shown {
            server,
            not_after,
            refused,
        }))
    }

    /// Whom we trust: those of the file, or else the system's.
    async fn roots(&self) -> Result<RootCertStore> {
        let path = self.authorities.clone();
        let reading = tokio::task::spawn_blocking(move || roots(path.as_ref()));
        let read = reading.await.map_err(io::Error::other)?;
        read.map_err(BusError::Settings)
    }
}

fn roots(path: Option<&PathBuf>) -> std::result::Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let Some(path) = path else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    let failed = |error: &dyn std::error::Error| {
        format!("the file of certificate authorities cannot be read: {error}")
    };
    let all = CertificateDer::pem_file_iter(path).map_err(|error| failed(&error))?;
    for one in all {
        let one = one.map_err(|error| failed(&error))?;
        roots.add(one).map_err(|error| failed(&error))?;
    }
    Ok(roots)
}

/// The line that a server says first.
async fn greeting(stream: &mut TcpStream) -> io::Result<Greeting> {
    let mut line = Vec::new();
    // Byte for byte: what follows the line belongs to the encryption.
    while !line.ends_with(b"\n") {
        if line.len() == MAX_GREETING_BYTES {
            return Err(io::Error::other("its greeting is too long"));
        }
        line.push(stream.read_u8().await?);
    }
    let settings = line.strip_prefix(b"INFO ").unwrap_or_default();
    serde_json::from_slice(settings).map_err(|_| io::Error::other("it does not greet as NATS does"))
}

fn settings(recorder: Arc<Recorder>) -> Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    // It judges as the usual one does, which it asks; it only remembers besides.
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(recorder);
    let mut settings = builder.with_no_client_auth();
    // A resumed session shows no certificate.
    settings.resumption = Resumption::disabled();
    Ok(settings)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn unusable(error: impl std::fmt::Display) -> BusError {
    BusError::Settings(format!(
        "the broker's certificate cannot be verified: {error}"
    ))
}

/// Verifies as usual, and remembers what was shown.
#[derive(Debug)]
struct Recorder {
    usual: Arc<WebPkiServerVerifier>,
    shown: Mutex<Option<CertificateDer<'static>>>,
}

impl Recorder {
    fn new(roots: RootCertStore) -> Result<Self> {
        let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
        Ok(Self {
            usual: usual.build().map_err(unusable)?,
            shown: Mutex::default(),
        })
    }

    fn not_after(&self) -> Result<Option<Timestamp>> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(certificate) = &*shown else {
            return Ok(None);
        };
        let parsed = x509_parser::parse_x509_certificate(certificate).map_err(unusable)?;
        let end = parsed.1.validity().not_after.timestamp();
        Timestamp::from_second(end).map(Some).map_err(unusable)
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        *shown = Some(end_entity.clone().into_owned());
        let usual = &self.usual;
        usual.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let usual = &self.usual;
        usual.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let usual = &self.usual;
        usual.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}
