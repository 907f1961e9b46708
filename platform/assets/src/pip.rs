//! Where a package's wheel is, as pip knows it.
//!
//! Pip is asked, because the way to the package index is set up in its configuration: a mirror, a
//! proxy, a folder of wheels. It only answers where it would download from (a dry run with a
//! report) and with which digest; the download is ours, to be shown, continued and checked. The
//! report exists since pip 22.2.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use url::Url;

use crate::{Digest, Package, SourceError};

/// How long pip may take: it asks the index a few times, with retries and time-outs of its own.
const TIME_LIMIT: Duration = Duration::from_secs(600);

/// How often to look whether pip is done.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The Python version to ask for: wheels of data are tagged with whatever their publisher had, and
/// none of them is run, so a new version finds more of them.
const PYTHON_VERSION: &str = "3.12";

/// How much of pip's complaint is handed on.
const MAX_MESSAGE_CHARS: usize = 600;

/// Where a wheel is and what its digest is, if the index tells.
#[derive(Debug)]
pub(crate) struct Wheel {
    pub(crate) url: Url,
    pub(crate) sha256: Option<Digest>,
}

#[derive(Deserialize)]
struct Report {
    install: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    download_info: DownloadInfo,
}

#[derive(Deserialize)]
struct DownloadInfo {
    url: Url,
    archive_info: Option<ArchiveInfo>,
}

#[derive(Deserialize)]
struct ArchiveInfo {
    hashes: Option<Hashes>,
}

#[derive(Deserialize)]
struct Hashes {
    sha256: Option<Digest>,
}

/// Asks pip for the wheel of a package. `scratch` is a folder for its answer.
pub(crate) fn locate(
    python: &OsString,
    package: &Package,
    scratch: &Path,
) -> Result<Wheel, SourceError> {
    let folder = tempfile::tempdir_in(scratch)
        .map_err(|source| SourceError::storage("make a folder in", scratch, source))?;
    let report = folder.path().join("report.json");
    let complaint = folder.path().join("complaint");
    let output = File::create(&complaint)
        .map_err(|source| SourceError::storage("write", &complaint, source))?;
    let missing = |source: io::Error| SourceError::PipMissing {
        program: python.to_string_lossy().into_owned(),
        source,
    };
    let mut child = command(python, package, &report)
        .stderr(output)
        .spawn()
        .map_err(missing)?;
    let status = wait(&mut child).map_err(missing)?;
    match status {
        None => Err(SourceError::PipTimedOut { limit: TIME_LIMIT }),
        Some(status) if !status.success() => {
            let text = fs::read_to_string(&complaint).unwrap_or_default();
            Err(SourceError::PipFailed {
                message: last_words(&text),
            })
        }
        Some(_) => {
            let text = fs::read(&report)
                .map_err(|source| SourceError::storage("read pip's report", &report, source))?;
            read_report(&text)
        }
    }
}

fn command(python: &OsString, package: &Package, report: &Path) -> Command {
    let mut command = Command::new(python);
    command
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-input",
            "--disable-pip-version-check",
        ])
        .args([
            "--dry-run",
            "--ignore-installed",
            "--no-deps",
            "--only-binary=:all:",
            // A new version finds a package, and then pip compares it with the one that runs pip.
            "--ignore-requires-python",
        ])
        .args([
            "--python-version",
            PYTHON_VERSION,
            "--platform",
            &package.wheel_platform,
        ])
        // Pip demands a target when the platform is not its own. A dry run leaves it alone.
        .arg("--target")
        .arg(report.with_file_name("target"))
        .arg("--report")
        .arg(report)
        .arg(&package.name)
        // Settings for real installations that a dry run with a target does not agree with.
        .env("PIP_USER", "0")
        .env("PIP_REQUIRE_VIRTUALENV", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

/// Waits for the end of a child, but not for ever: `None` if it had to be ended.
fn wait(child: &mut Child) -> io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + TIME_LIMIT;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(POLL_INTERVAL);
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

fn read_report(text: &[u8]) -> Result<Wheel, SourceError> {
    let bad = |message: String| SourceError::PipReport { message };
    let report: Report = serde_json::from_slice(text).map_err(|error| bad(error.to_string()))?;
    let [item] = <[Item; 1]>::try_from(report.install)
        .map_err(|items| bad(format!("it names {} packages instead of one", items.len())))?;
    let DownloadInfo { url, archive_info } = item.download_info;
    // Pip writes stars in place of a password.
    if url
        .password()
        .is_some_and(|password| password.contains("***"))
    {
        return Err(SourceError::PipHidesPassword);
    }
    let sha256 = archive_info
        .and_then(|info| info.hashes)
        .and_then(|hashes| hashes.sha256);
    Ok(Wheel { url, sha256 })
}

/// The end of what pip said, in one line.
fn last_words(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let joined = lines[lines.len().saturating_sub(3)..].join("; ");
    let skipped = joined.chars().count().saturating_sub(MAX_MESSAGE_CHARS);
    if joined.is_empty() {
        return "it does not say why".to_owned();
    }
    joined.chars().skip(skipped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(url: &str) -> String {
        let digest = Digest::of(b"abc");
        format!(
            r#"{{"version": "1", "install": [{{"download_info": {{"url": "{url}",
                "archive_info": {{"hash": "x", "hashes": {{"sha256": "{digest}"}}}}}}}}]}}"#
        )
    }

    #[test]
    fn a_report_tells_address_and_digest() {
        let wheel = read_report(report("https://example.org/a-1.whl").as_bytes()).unwrap();
        assert_eq!(wheel.url.as_str(), "https://example.org/a-1.whl");
        assert_eq!(wheel.sha256, Some(Digest::of(b"abc")));
    }

    #[test]
    fn a_hidden_password_is_not_used() {
        let result = read_report(report("https://me:****@example.org/a-1.whl").as_bytes());
        assert!(matches!(result, Err(SourceError::PipHidesPassword)));
    }

    #[test]
    fn a_report_without_a_package_is_refused() {
        let result = read_report(br#"{"install": []}"#);
        assert!(matches!(result, Err(SourceError::PipReport { .. })));
    }

    #[test]
    fn the_last_words_of_pip_are_kept_short() {
        assert_eq!(last_words("a\n\n b\nc\nd\n"), "b; c; d");
        assert_eq!(last_words(" \n"), "it does not say why");
        assert_eq!(last_words(&"x".repeat(10_000)).len(), MAX_MESSAGE_CHARS);
    }
}
