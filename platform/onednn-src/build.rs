//! Finds the prebuilt oneDNN in the asset cache and tells dependents and the linker where it is.
//!
//! The library is brought into the target folder, because cargo adds only link folders in there to
//! the library path of `cargo run` and `cargo test`. The asset is pinned by version and checksum, so
//! its files are not watched: a refreshed cache must not rebuild the C++ that depends on this.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

#[path = "../assets/src/location.rs"]
mod location;

/// The name that the library says it has, so the one that a linked program looks for.
const SONAME: &str = "libdnnl.so.3";

/// The name that the linker looks for.
const LINK_NAME: &str = "libdnnl.so";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../assets/src/location.rs");
    require_supported_target()?;

    let onednn = find_onednn()?;
    let library = PathBuf::from(env::var("OUT_DIR")?).join("lib");
    bring_library(&onednn.join("lib").join(SONAME), &library)?;

    println!(
        "cargo::metadata=include_path={}",
        onednn.join("include").display()
    );
    println!("cargo::metadata=library_path={}", library.display());
    println!("cargo::rustc-link-search=native={}", library.display());
    println!("cargo::rustc-link-lib=dylib=dnnl");
    Ok(())
}

/// The prebuilt library is for one platform; others build CTranslate2 without this crate.
fn require_supported_target() -> Result<(), Box<dyn Error>> {
    let system = env::var("CARGO_CFG_TARGET_OS")?;
    let processor = env::var("CARGO_CFG_TARGET_ARCH")?;
    if (system.as_str(), processor.as_str()) == ("linux", "x86_64") {
        return Ok(());
    }
    Err(format!(
        "the prebuilt oneDNN is for x86_64 Linux, not for {processor} {system}: \
         on this target, build ct2rs with its feature `ruy` instead of `dnnl`"
    )
    .into())
}

/// The asset's folder, once it is sure that all that a build needs is in it.
fn find_onednn() -> Result<PathBuf, Box<dyn Error>> {
    let cache = location::cache_root(|variable| {
        println!("cargo::rerun-if-env-changed={variable}");
        env::var_os(variable)
    })
    .ok_or_else(|| {
        format!(
            "no place for the asset cache: set {} to the absolute path of a folder",
            location::CACHE_VARIABLE
        )
    })?;
    let folder = location::onednn_folder(&cache);
    let needed = [
        folder.join("lib").join(SONAME),
        folder.join("include").join("dnnl.h"),
    ];
    match needed.iter().find(|file| !file.is_file()) {
        None => Ok(folder),
        Some(missing) => Err(format!(
            "the prebuilt oneDNN is not in the asset cache ({} is missing): \
             run deploy/setup.sh, which fetches it, then build again",
            missing.display()
        )
        .into()),
    }
}

/// Puts the library into `folder` under both of its names.
fn bring_library(library: &Path, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let target = folder.join(SONAME);
    remove_if_present(&target)?;
    // A hard link costs no space; it cannot be made between file systems.
    if fs::hard_link(library, &target).is_err() {
        fs::copy(library, &target)?;
    }
    let link = folder.join(LINK_NAME);
    remove_if_present(&link)?;
    symlink(SONAME, &link)
}

fn remove_if_present(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn symlink(target: &str, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(unix))]
fn symlink(target: &str, link: &Path) -> io::Result<()> {
    fs::copy(link.with_file_name(target), link).map(drop)
}
