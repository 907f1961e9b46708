//! Fetching: from the first source that has an asset into the cache.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use crate::cache::Workshop;
use crate::download::{Download, Downloader};
use crate::progress::{Event, Progress};
use crate::unpack::{self, Piece};
use crate::{
    Asset, AssetError, Attempt, Cache, Digest, Manifest, Package, Result, Source, SourceError, pip,
};

/// How to fetch.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The Python interpreter whose pip is asked for packages.
    pub python: OsString,
    /// How long a server may send nothing before the connection counts as broken.
    pub stall_limit: Duration,
    /// The pause before a download is continued; it doubles with each attempt in vain.
    pub first_pause: Duration,
    /// Whether to read the files that are there, and to replace those that are wrong.
    pub check_present: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            python: std::env::var_os("COLLOQUY_PYTHON").unwrap_or_else(|| "python3".into()),
            stall_limit: Duration::from_secs(30),
            first_pause: Duration::from_millis(500),
            check_present: false,
        }
    }
}

/// What became of an asset.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Its name.
    pub name: String,
    /// Where its files are.
    pub folder: PathBuf,
    /// Whether there was anything to do.
    pub outcome: Outcome,
}

/// Whether an asset had to be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was there.
    Present,
    /// It was fetched.
    Installed,
}

/// Brings the named assets (all, if none is named) into the cache. Those that are there stay as
/// they are.
pub fn fetch(
    manifest: &Manifest,
    cache: &Cache,
    names: &[String],
    progress: &mut dyn Progress,
) -> Result<Vec<Fetched>> {
    Fetcher::new(Settings::default()).fetch(manifest, cache, names, progress)
}

/// Brings assets into a cache.
pub struct Fetcher {
    settings: Settings,
    downloader: Downloader,
}

impl Fetcher {
    /// A fetcher with these settings.
    pub fn new(settings: Settings) -> Self {
        Self {
            downloader: Downloader::new(&settings),
            settings,
        }
    }

    /// Brings the named assets (all, if none is named) into the cache. The first that cannot be had
    /// ends it; those before it are in place.
    pub fn fetch(
        &self,
        manifest: &Manifest,
        cache: &Cache,
        names: &[String],
        progress: &mut dyn Progress,
    ) -> Result<Vec<Fetched>> {
        let ensure = |asset: &Asset| {
            Ok(Fetched {
                name: asset.name.clone(),
                folder: cache.folder(asset),
                outcome: self.ensure(asset, cache, progress)?,
            })
        };
        manifest.select(names)?.into_iter().map(ensure).collect()
    }

    fn ensure(&self, asset: &Asset, cache: &Cache, progress: &mut dyn Progress) -> Result<Outcome> {
        if self.settings.check_present {
            cache.remove_corrupt(asset)?;
        }
        if cache.has(asset) {
            return Ok(Outcome::Present);
        }
        let workshop = cache.lock(asset, || progress.tell(&Event::Waiting { asset }))?;
        // Whoever had the lock may have done the work.
        if cache.has(asset) {
            workshop.close()?;
            return Ok(Outcome::Present);
        }
        self.install(asset, cache, &workshop, progress)?;
        workshop.close()?;
        progress.tell(&Event::Installed {
            asset,
            folder: &cache.folder(asset),
        });
        Ok(Outcome::Installed)
    }

    /// Tries one source after the other.
    fn install(
        &self,
        asset: &Asset,
        cache: &Cache,
        workshop: &Workshop,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let folder = cache.folder(asset);
        let mut attempts = Vec::new();
        for source in &asset.sources {
            let label = label(source);
            progress.tell(&Event::Asking {
                asset,
                source: &label,
            });
            let result = self
                .collect(asset, source, workshop, progress)
                .and_then(|pieces| use_up(asset, &pieces, workshop, &folder));
            match result {
                Ok(()) => return Ok(()),
                Err(error) => {
                    progress.tell(&Event::SourceFailed {
                        source: &label,
                        error: &error,
                    });
                    attempts.push(Attempt {
                        source: label,
                        error,
                    });
                }
            }
        }
        Err(AssetError::Unavailable {
            asset: Box::new(asset.clone()),
            attempts,
            folder,
        })
    }

    /// Downloads all that a source has for an asset.
    fn collect<'a>(
        &self,
        asset: &'a Asset,
        source: &'a Source,
        workshop: &Workshop,
        progress: &mut dyn Progress,
    ) -> Result<Vec<Piece<'a>>, SourceError> {
        match source {
            Source::Packages { packages } => packages
                .iter()
                .map(|package| {
                    let path = self.wheel(package, workshop, progress)?;
                    Ok(Piece::Wheel { path, package })
                })
                .collect(),
            Source::Folder { folder } => asset
                .files
                .iter()
                .map(|file| {
                    let url = below(folder, &file.path);
                    let sha256 = Some(file.sha256);
                    let path = self.download(&url, sha256, workshop, progress)?;
                    Ok(Piece::Plain { path, file })
                })
                .collect(),
        }
    }

    fn wheel(
        &self,
        package: &Package,
        workshop: &Workshop,
        progress: &mut dyn Progress,
    ) -> Result<PathBuf, SourceError> {
        let wheel = pip::locate(&self.settings.python, package, workshop.folder())?;
        self.download(&wheel.url, wheel.sha256, workshop, progress)
    }

    /// Downloads into the workshop, under a name that tells the address and the digest, so
    /// that only a download of the same thing is continued.
    fn download(
        &self,
        url: &Url,
        sha256: Option<Digest>,
        workshop: &Workshop,
        progress: &mut dyn Progress,
    ) -> Result<PathBuf, SourceError> {
        let name = url
            .path_segments()
            .and_then(|mut parts| parts.next_back())
            .unwrap_or("file");
        let mark = Digest::of(format!("{url} {sha256:?}").as_bytes()).to_string();
        let path = workshop.partial(&format!("{name}.{}", &mark[..12]));
        self.downloader.fetch(
            &Download {
                url,
                name,
                sha256,
                path: &path,
            },
            progress,
        )?;
        Ok(path)
    }
}

/// Installs an asset from its pieces. They go, whatever comes of it: they are of no more use, and
/// if they are wrong they must not be used again.
fn use_up(
    asset: &Asset,
    pieces: &[Piece<'_>],
    workshop: &Workshop,
    folder: &Path,
) -> Result<(), SourceError> {
    let result = unpack::install(asset, pieces, workshop.folder(), folder);
    for piece in pieces {
        fs::remove_file(piece.path())
            .map_err(|source| SourceError::storage("remove", piece.path(), source))?;
    }
    result
}

/// The address of a file below a folder's. Each part is escaped as need be.
fn below(folder: &Url, path: &str) -> Url {
    let mut url = folder.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path.split('/'));
    }
    url
}

/// A source as people call it.
fn label(source: &Source) -> String {
    match source {
        Source::Folder { folder } => folder.to_string(),
        Source::Packages { packages } => {
            let names: Vec<&str> = packages
                .iter()
                .map(|package| package.name.as_str())
                .collect();
            format!("Python index, {}", names.join(" + "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_below_its_folder() {
        for folder in ["https://example.org/a", "https://example.org/a/"] {
            let url = below(&folder.parse().unwrap(), "b/c d.h");
            assert_eq!(url.as_str(), "https://example.org/a/b/c%20d.h");
        }
    }
}
