//! The asset cache: a folder that holds each asset under `<name>/<version>`.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use crate::{Asset, AssetError, AssetFile, Digest, Manifest, Result, location};

/// Folder of what is not finished: partial downloads and files being put together.
const STAGING: &str = ".staging";

/// Extension of a download that may be continued.
const PARTIAL: &str = "part";

/// The asset cache of this machine.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache where the environment says; see [`location::cache_root`].
    pub fn locate() -> Result<Self> {
        let root =
            location::cache_root(|name| std::env::var_os(name)).ok_or(AssetError::NoCache)?;
        Ok(Self { root })
    }

    /// The cache in a folder, which need not exist.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of an asset's files.
    pub fn folder(&self, asset: &Asset) -> PathBuf {
        location::asset_folder(&self.root, &asset.name, &asset.version)
    }

    /// Where a file of an asset is, once it was fetched.
    pub fn path(&self, asset: &Asset, file: &str) -> PathBuf {
        self.folder(asset).join(file)
    }

    /// Whether every file of the asset is there with the right size. As files appear only when they
    /// are whole, that is enough unless the disk errs; [`verify`] reads them.
    pub fn has(&self, asset: &Asset) -> bool {
        asset
            .files
            .iter()
            .all(|file| self.glance(asset, file) == FileState::Present)
    }

    /// The folder of an asset that has to be there.
    ///
    /// # Errors
    /// [`AssetError::NotFetched`] if it is not, [`AssetError::Unknown`] if there is no such asset.
    pub fn require(&self, manifest: &Manifest, name: &str) -> Result<PathBuf> {
        let asset = manifest.get(name)?;
        if self.has(asset) {
            Ok(self.folder(asset))
        } else {
            Err(AssetError::NotFetched {
                name: name.to_owned(),
            })
        }
    }

    /// The state of a file as its size tells.
    fn glance(&self, asset: &Asset, file: &AssetFile) -> FileState {
        match fs::metadata(self.path(asset, &file.path)) {
            Ok(found) if !found.is_file() => FileState::Missing,
            Ok(found) if found.len() != file.size => FileState::WrongSize { found: found.len() },
            Ok(_) => FileState::Present,
            Err(_) => FileState::Missing,
        }
    }

    /// The state of a file as its content tells.
    fn examine(&self, asset: &Asset, file: &AssetFile) -> Result<FileState> {
        let state = self.glance(asset, file);
        if state != FileState::Present {
            return Ok(state);
        }
        let path = self.path(asset, &file.path);
        let found = Digest::of_file(&path)
            .map_err(|source| AssetError::storage("read the asset file", &path, source))?;
        Ok(if found == file.sha256 {
            state
        } else {
            FileState::Corrupt { found }
        })
    }

    /// Removes the files of an asset whose content is wrong; tells whether there were any.
    pub(crate) fn remove_corrupt(&self, asset: &Asset) -> Result<bool> {
        let mut removed = false;
        for file in &asset.files {
            if let FileState::Corrupt { .. } = self.examine(asset, file)? {
                let path = self.path(asset, &file.path);
                fs::remove_file(&path)
                    .map_err(|source| AssetError::storage("remove the file", &path, source))?;
                removed = true;
            }
        }
        Ok(removed)
    }

    /// Waits until no other process fetches this asset; `waiting` is called if one does.
    pub(crate) fn lock(&self, asset: &Asset, waiting: impl FnOnce()) -> Result<Workshop> {
        let staging = self.root.join(STAGING);
        let folder = staging.join(format!("{}-{}", asset.name, asset.version));
        let lock = folder.with_added_extension("lock");
        fs::create_dir_all(&folder)
            .map_err(|source| AssetError::storage("make the folder", &folder, source))?;
        let fail = |source| AssetError::storage("lock", &lock, source);
        let mut options = File::options();
        let file = options
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock)
            .map_err(fail)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(source)) => return Err(fail(source)),
            Err(TryLockError::WouldBlock) => {
                waiting();
                file.lock().map_err(fail)?;
            }
        }
        Workshop::open(folder, file)
    }
}

/// The folder of what is not finished of one asset, held by one process at a time. It is in the
/// cache, because a rename is atomic within one file system only.
pub(crate) struct Workshop {
    folder: PathBuf,
    /// Given back when it is dropped, also by a process that dies.
    _lock: File,
}

impl Workshop {
    /// Clears away what a process that died has left, except for the partial downloads.
    fn open(folder: PathBuf, lock: File) -> Result<Self> {
        let fail = |source| AssetError::storage("tidy up", &folder, source);
        // Whoever had the lock before may have removed it.
        fs::create_dir_all(&folder).map_err(fail)?;
        for entry in fs::read_dir(&folder).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            if path.is_dir() {
                fs::remove_dir_all(&path).map_err(fail)?;
            } else if path
                .extension()
                .is_none_or(|extension| extension != PARTIAL)
            {
                fs::remove_file(&path).map_err(fail)?;
            }
        }
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a download goes.
    pub(crate) fn partial(&self, name: &str) -> PathBuf {
        self.folder.join(name).with_added_extension(PARTIAL)
    }

    /// Removes the folder when the asset is in place.
    pub(crate) fn close(self) -> Result<()> {
        fs::remove_dir_all(&self.folder)
            .map_err(|source| AssetError::storage("remove", &self.folder, source))
    }
}

/// What is known about an asset of the cache.
#[derive(Debug, Clone)]
pub struct AssetReport {
    /// The asset.
    pub asset: Asset,
    /// Where its files are, or would be.
    pub folder: PathBuf,
    /// Its files.
    pub files: Vec<FileReport>,
}

impl AssetReport {
    /// How many files are missing or wrong.
    pub fn faults(&self) -> usize {
        self.files
            .iter()
            .filter(|file| file.state != FileState::Present)
            .count()
    }
}

/// What is known about a file of the cache.
#[derive(Debug, Clone)]
pub struct FileReport {
    /// Where it is, or would be.
    pub path: PathBuf,
    /// What the manifest says about it.
    pub expected: AssetFile,
    /// What was found.
    pub state: FileState,
}

/// What was found in place of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileState {
    /// The file, as far as was looked.
    Present,
    /// Nothing.
    Missing,
    /// Something of another size.
    WrongSize {
        /// Its size in bytes.
        found: u64,
    },
    /// Something with another content.
    Corrupt {
        /// Its digest.
        found: Digest,
    },
}

/// The assets and whether they are there, by a look at sizes.
pub fn list(manifest: &Manifest, cache: &Cache) -> Vec<AssetReport> {
    let look = |asset: &Asset| report(cache, asset, |file| Ok(cache.glance(asset, file)));
    manifest
        .assets()
        .iter()
        .filter_map(|asset| look(asset).ok())
        .collect()
}

/// The named assets (all, if none is named) and whether they are what they should be: every file
/// is read.
pub fn verify(manifest: &Manifest, cache: &Cache, names: &[String]) -> Result<Vec<AssetReport>> {
    let look = |asset: &Asset| report(cache, asset, |file| cache.examine(asset, file));
    manifest.select(names)?.into_iter().map(look).collect()
}

fn report(
    cache: &Cache,
    asset: &Asset,
    state: impl Fn(&AssetFile) -> Result<FileState>,
) -> Result<AssetReport> {
    let look = |file: &AssetFile| {
        Ok(FileReport {
            path: cache.path(asset, &file.path),
            expected: file.clone(),
            state: state(file)?,
        })
    };
    Ok(AssetReport {
        asset: asset.clone(),
        folder: cache.folder(asset),
        files: asset.files.iter().map(look).collect::<Result<_>>()?,
    })
}
