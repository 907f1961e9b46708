//! Tells when certificates end, so that somebody renews them in time.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use opentelemetry::{KeyValue, global};
use x509_parser::{parse_x509_certificate, pem::Pem};

/// How often the file is read: it may be replaced while the process runs.
const READ_EVERY: Duration = Duration::from_secs(60);

/// Most certificates that are read of one file; a bundle of a system has some hundred.
const MAX_CERTIFICATES: usize = 1_000;

/// Why a file of certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// It cannot be read.
    #[error("{path} cannot be read")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no certificate in it, or one that cannot be understood.
    #[error("{path} is not a file of PEM certificates: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// When the first certificate of a PEM file ends, in seconds since the epoch.
pub fn earliest_end(path: &Path) -> Result<i64, CertificateError> {
    let content = std::fs::read(path).map_err(|source| CertificateError::File {
        path: path.to_owned(),
        source,
    })?;
    let malformed = |reason: String| CertificateError::Malformed {
        path: path.to_owned(),
        reason,
    };
    let mut earliest = None;
    for block in Pem::iter_from_buffer(&content).take(MAX_CERTIFICATES) {
        let block = block.map_err(|error| malformed(error.to_string()))?;
        if block.label != "CERTIFICATE" {
            continue;
        }
        let certificate = block
            .parse_x509()
            .map_err(|error| malformed(error.to_string()))?;
        let end = certificate.validity().not_after.timestamp();
        earliest = Some(earliest.map_or(end, |earliest: i64| earliest.min(end)));
    }
    earliest.ok_or_else(|| malformed("there is no certificate in it".to_owned()))
}

/// When a certificate ends, in seconds since the epoch, or what is wrong with it.
pub fn end_of(der: &[u8]) -> Result<i64, String> {
    let parsed = parse_x509_certificate(der).map_err(|error| error.to_string())?;
    Ok(parsed.1.validity().not_after.timestamp())
}

/// Shows in the metrics when the first certificate of a file ends, under this short name of the
/// file, such as `nats-ca`. The file is read again now and then.
pub fn watch(name: &'static str, path: PathBuf) {
    let read: Mutex<Option<(Instant, Option<i64>)>> = Mutex::new(None);
    show(name, move || {
        let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, end)) = *read
            && at.elapsed() < READ_EVERY
        {
            return end;
        }
        let end = earliest_end(&path)
            .inspect_err(|error| tracing::warn!(%error, "a certificate is not watched"))
            .ok();
        *read = Some((Instant::now(), end));
        end
    });
}

/// Shows in the metrics when a certificate ends, under a short name; nothing while that is not
/// known. `end` is asked at each export and must not wait for anything.
pub fn show(name: &'static str, end: impl Fn() -> Option<i64> + Send + Sync + 'static) {
    global::meter("colloquy-process")
        .i64_observable_gauge("colloquy.tls.not_after")
        .with_unit("s")
        .with_description("When a certificate ends, seconds since the epoch")
        .with_callback(move |observer| {
            if let Some(end) = end() {
                observer.observe(end, &[KeyValue::new("colloquy.tls.file", name)]);
            }
        })
        .build();
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(year: i32) -> String {
        let mut params = CertificateParams::new(vec!["nats".to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().pem() + &key.serialize_pem()
    }

    #[test]
    fn the_first_to_end_counts() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, certificate(2040) + &certificate(2031)).unwrap();
        // 2031-01-01T00:00:00Z
        assert_eq!(earliest_end(&file).unwrap(), 1_924_992_000);
    }

    #[test]
    fn a_file_without_certificates_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let said = |file: &Path| earliest_end(file).unwrap_err().to_string();
        assert!(said(&file).contains("cannot be read"));
        std::fs::write(&file, "nothing").unwrap();
        assert!(said(&file).contains("no certificate"), "{}", said(&file));
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        std::fs::write(&file, broken).unwrap();
        assert!(said(&file).contains("not a file of PEM"), "{}", said(&file));
    }
}
