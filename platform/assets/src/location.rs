//! Where assets are on this machine.
//!
//! One set of rules for everybody who looks for an asset. Build scripts need them too, before any
//! crate is built, so this file uses nothing but the standard library and they include it by path.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The variable that moves the cache.
pub const CACHE_VARIABLE: &str = "COLLOQUY_CACHE";

/// The asset that the build itself needs, on x86_64 Linux.
const ONEDNN: (&str, &str) = ("onednn", "3.2");

/// The cache folder: `$COLLOQUY_CACHE`, else `$XDG_CACHE_HOME/colloquy`, else `~/.cache/colloquy`.
///
/// `variable` looks up the environment and is asked only for what counts, in this order: a build
/// script watches what it was asked for. An empty variable counts as unset. Paths must be absolute,
/// because a build script runs in another folder than its user: a relative `$COLLOQUY_CACHE` is no
/// place, a relative one of the others counts as unset, as the XDG specification asks for. `None`
/// when no variable says where.
pub fn cache_root(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name: &str| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if let Some(cache) = path(CACHE_VARIABLE) {
        return cache.is_absolute().then_some(cache);
    }
    let folder = |name: &str| path(name).filter(|path| path.is_absolute());
    folder("XDG_CACHE_HOME")
        .or_else(|| folder("HOME").map(|home| home.join(".cache")))
        .map(|caches| caches.join("colloquy"))
}

/// The folder of one version of one asset. The version is part of the path, so that two checkouts
/// of different age can share a cache.
pub fn asset_folder(cache: &Path, name: &str, version: &str) -> PathBuf {
    cache.join(name).join(version)
}

/// The folder of the prebuilt oneDNN: `include/` and `lib/`.
pub fn onednn_folder(cache: &Path) -> PathBuf {
    asset_folder(cache, ONEDNN.0, ONEDNN.1)
}
