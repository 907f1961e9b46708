//! Downloads that continue where they broke off.
//!
//! What has come is kept in the partial file, across retries and across runs. When the whole file
//! has the wrong digest although part of it was of an earlier run, it is downloaded once more from
//! the start, as the address may have changed its content in between.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use ureq::http::{Response, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};
use url::Url;

use crate::digest::Digest;
use crate::progress::{Event, Progress};
use crate::{Settings, SourceError};

/// Attempts without progress before a download is given up.
const MAX_VAIN_ATTEMPTS: u32 = 5;

/// An attempt that brought less than this was in vain. Bounds the number of attempts, by the size.
const PROGRESS_BYTES: u64 = 1 << 20;

/// How long to wait for a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);

/// The longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_secs(20);

/// How much is read at once.
const CHUNK_BYTES: usize = 128 << 10;

/// A file to download.
pub(crate) struct Download<'a> {
    pub(crate) url: &'a Url,
    /// Its name, for messages.
    pub(crate) name: &'a str,
    /// Its digest, if it is known.
    pub(crate) sha256: Option<Digest>,
    /// Where it goes, and where an earlier run may have left part of it.
    pub(crate) path: &'a Path,
}

/// Downloads files over HTTP, or copies them if the address is that of a file.
pub(crate) struct Downloader {
    agent: Agent,
    first_pause: Duration,
}

impl Downloader {
    /// Certificates are judged by the system's trust store; proxies are those of the environment.
    pub(crate) fn new(settings: &Settings) -> Self {
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .user_agent(concat!("colloquy-assets/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT_LIMIT))
            .timeout_recv_response(Some(settings.stall_limit))
            .timeout_per_read(Some(settings.stall_limit))
            .build();
        Self {
            agent: config.into(),
            first_pause: settings.first_pause,
        }
    }

    /// Downloads a file and checks it.
    pub(crate) fn fetch(
        &self,
        download: &Download<'_>,
        progress: &mut dyn Progress,
    ) -> Result<(), SourceError> {
        let resumed = size_of(download.path) > 0;
        // An earlier run may have got all of it, and failed at something else.
        let whole = resumed && is_right(download)?;
        if !whole {
            self.complete(download, progress)?;
        }
        let result = match check(download) {
            Err(SourceError::Corrupt { .. }) if resumed => {
                self.complete(download, progress)?;
                check(download)
            }
            result => result,
        };
        progress.tell(&Event::Downloaded {
            name: download.name,
        });
        result
    }

    /// Tries until the file is complete, as long as attempts are not in vain too often.
    fn complete(
        &self,
        download: &Download<'_>,
        progress: &mut dyn Progress,
    ) -> Result<(), SourceError> {
        let mut vain_attempts = 0;
        loop {
            let before = size_of(download.path);
            let error = match self.attempt(download, progress) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let gained = size_of(download.path).saturating_sub(before);
            vain_attempts = if gained >= PROGRESS_BYTES {
                0
            } else {
                vain_attempts + 1
            };
            if !is_passing(&error) || vain_attempts >= MAX_VAIN_ATTEMPTS {
                return Err(error);
            }
            let pause = (self.first_pause * 2u32.pow(vain_attempts)).min(MAX_PAUSE);
            progress.tell(&Event::Retrying {
                name: download.name,
                error: &error,
                pause,
            });
            thread::sleep(pause);
        }
    }

    fn attempt(
        &self,
        download: &Download<'_>,
        progress: &mut dyn Progress,
    ) -> Result<(), SourceError> {
        if download.url.scheme() == "file" {
            return copy_file(download);
        }
        let mut have = size_of(download.path);
        let mut request = self.agent.get(download.url.as_str());
        if have > 0 {
            request = request.header(header::RANGE, format!("bytes={have}-"));
        }
        let response = request
            .call()
            .map_err(|source| SourceError::Transfer(Box::new(source)))?;
        match response.status().as_u16() {
            206 if range_start(&response) == Some(have) => {}
            200 => have = 0,
            // The partial file does not fit what is there now, or is whole already: the check after
            // a download from the start settles both.
            206 | 416 if have > 0 => {
                remove(download.path)?;
                return self.attempt(download, progress);
            }
            status => return Err(SourceError::Status { status }),
        }
        receive(response, have, download, progress)
    }
}

/// Writes the body after the first `have` bytes of the partial file.
fn receive(
    response: Response<Body>,
    have: u64,
    download: &Download<'_>,
    progress: &mut dyn Progress,
) -> Result<(), SourceError> {
    let total = response.body().content_length().map(|rest| have + rest);
    let fail = |source| SourceError::storage("write", download.path, source);
    let mut file = File::options()
        .create(true)
        .append(have > 0)
        .truncate(have == 0)
        .write(true)
        .open(download.path)
        .map_err(fail)?;
    let mut body = response.into_body().into_reader();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut received = have;
    loop {
        progress.tell(&Event::Received {
            name: download.name,
            received,
            total,
        });
        let count = match body.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) => return Err(SourceError::Transfer(Box::new(error.into()))),
        };
        file.write_all(&chunk[..count]).map_err(fail)?;
        received += count as u64;
    }
    match total {
        Some(total) if total != received => Err(SourceError::BrokeOff { received, total }),
        _ => Ok(()),
    }
}

/// Pip names a file when the user keeps a folder of wheels.
fn copy_file(download: &Download<'_>) -> Result<(), SourceError> {
    let origin = download.url.to_file_path().unwrap_or_default();
    fs::copy(&origin, download.path)
        .map(drop)
        .map_err(|source| SourceError::storage("copy", &origin, source))
}

/// Whether an error may be gone the next time.
fn is_passing(error: &SourceError) -> bool {
    match error {
        SourceError::Status { status } => matches!(status, 408 | 425 | 429 | 500..),
        SourceError::Transfer(source) => !matches!(
            **source,
            ureq::Error::BadUri(_)
                | ureq::Error::HostNotFound
                | ureq::Error::InvalidProxyUrl
                | ureq::Error::Rustls(_)
                | ureq::Error::Tls(_)
                | ureq::Error::TooManyRedirects
        ),
        SourceError::BrokeOff { .. } => true,
        _ => false,
    }
}

/// The first byte of the range in a partial response.
fn range_start(response: &Response<Body>) -> Option<u64> {
    let range = response
        .headers()
        .get(header::CONTENT_RANGE)?
        .to_str()
        .ok()?;
    range
        .strip_prefix("bytes ")?
        .split_once('-')?
        .0
        .parse()
        .ok()
}

/// Compares the digest, if there is one to compare with; removes a file that has another.
fn check(download: &Download<'_>) -> Result<(), SourceError> {
    let Some(expected) = download.sha256 else {
        return Ok(());
    };
    let found = digest(download)?;
    if found == expected {
        return Ok(());
    }
    remove(download.path)?;
    Err(SourceError::Corrupt {
        name: download.name.to_owned(),
        expected,
        found,
    })
}

fn is_right(download: &Download<'_>) -> Result<bool, SourceError> {
    Ok(download.sha256.is_some() && download.sha256 == Some(digest(download)?))
}

fn digest(download: &Download<'_>) -> Result<Digest, SourceError> {
    Digest::of_file(download.path)
        .map_err(|source| SourceError::storage("read", download.path, source))
}

fn remove(path: &Path) -> Result<(), SourceError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(SourceError::storage("remove", path, error))
        }
        _ => Ok(()),
    }
}

fn size_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}
