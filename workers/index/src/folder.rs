//! The folder of an index: who owns it, and which of the indexes in it serves.
//!
//! A note says what the folder was made for and which generation of the index serves. A rebuild
//! makes the next generation in a sub-folder of its own and then writes the note: by rename, so
//! that a crash leaves the old note or the new one. Whatever sub-folder the note does not name is
//! left over from a crash, and goes at the next start.

use std::{
    collections::BTreeSet,
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{IndexError, IndexOptions, Result, schema};

const NOTE: &str = "layout.json";
const DATA: &str = "data";

/// What the folder was made for; another index is in another folder or made anew.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Layout {
    version: u32,
    partitions: BTreeSet<u8>,
    /// How often the index was rebuilt.
    #[serde(default)]
    generation: u64,
}

/// The folder, owned by this process.
pub(crate) struct Folder {
    path: PathBuf,
    partitions: BTreeSet<u8>,
    generation: u64,
    /// Held for as long as the index is open; the system releases it when we die.
    _lock: File,
}

impl Folder {
    /// Owns the folder, made if missing, or says who has it. An index of another format or for
    /// others than the owned partitions goes: the log has everything. Blocks.
    pub(crate) fn own(options: &IndexOptions) -> Result<Self> {
        let path = options.path.clone();
        fs::create_dir_all(&path).map_err(folder_error("create", &path))?;
        let mut folder = Self {
            _lock: lock(&path)?,
            partitions: options.partitions.clone(),
            generation: 0,
            path,
        };
        match folder.note()? {
            Some(layout) if layout == folder.layout(layout.generation) => {
                folder.generation = layout.generation;
            }
            _ => folder.empty(&options.node)?,
        }
        folder.sweep()?;
        let serving = folder.serving();
        fs::create_dir_all(serving).map_err(folder_error("create", &folder.path))?;
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The sub-folder of the index that serves.
    pub(crate) fn serving(&self) -> PathBuf {
        self.generation_folder(self.generation)
    }

    /// A new sub-folder for the next generation.
    pub(crate) fn draft(&self) -> Result<PathBuf> {
        self.sweep()?;
        let draft = self.generation_folder(self.generation + 1);
        fs::create_dir_all(&draft).map_err(folder_error("create", &self.path))?;
        Ok(draft)
    }

    /// From now on the next generation serves, after a crash too.
    pub(crate) fn promote(&mut self) -> Result<()> {
        let next = self.generation + 1;
        self.write_note(&self.layout(next))?;
        self.generation = next;
        Ok(())
    }

    /// Removes every generation but the one that serves.
    pub(crate) fn sweep(&self) -> Result<()> {
        let serving = self.serving();
        self.remove(|folder| folder != serving)
    }

    fn empty(&self, node: &str) -> Result<()> {
        if self.serving().exists() {
            tracing::warn!(
                node,
                "the index was made by another version or for other partitions; rebuilding it"
            );
        }
        self.remove(|_| true)?;
        self.write_note(&self.layout(self.generation))
    }

    fn remove(&self, unwanted: impl Fn(&Path) -> bool) -> Result<()> {
        let failed = || folder_error("empty", &self.path);
        for entry in fs::read_dir(&self.path).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            let is_data = entry
                .file_name()
                .to_str()
                .and_then(|name| name.strip_prefix(DATA))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
            if is_data && unwanted(&entry.path()) {
                fs::remove_dir_all(entry.path()).map_err(failed())?;
            }
        }
        Ok(())
    }

    fn generation_folder(&self, generation: u64) -> PathBuf {
        match generation {
            0 => self.path.join(DATA),
            later => self.path.join(format!("{DATA}.{later}")),
        }
    }

    fn layout(&self, generation: u64) -> Layout {
        Layout {
            version: schema::VERSION,
            partitions: self.partitions.clone(),
            generation,
        }
    }

    fn note(&self) -> Result<Option<Layout>> {
        match fs::read(self.path.join(NOTE)) {
            Ok(json) => Ok(serde_json::from_slice(&json).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(folder_error("read", &self.path)(error)),
        }
    }

    fn write_note(&self, layout: &Layout) -> Result<()> {
        let json = serde_json::to_vec(layout).map_err(IndexError::Document)?;
        let draft = self.path.join(format!("{NOTE}.new"));
        let writing = || {
            let mut file = File::create(&draft)?;
            file.write_all(&json)?;
            file.sync_all()?;
            fs::rename(&draft, self.path.join(NOTE))
        };
        writing().map_err(folder_error("write to", &self.path))
    }
}

/// Owns the folder, or says who cannot have it.
fn lock(path: &Path) -> Result<File> {
    let file = File::create(path.join("lock")).map_err(folder_error("lock", path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(IndexError::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(folder_error("lock", path)(error)),
    }
}

fn folder_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> IndexError {
    let path = path.to_owned();
    move |source| IndexError::Folder {
        operation,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_crash_left_over_goes() {
        let root = tempfile::tempdir().unwrap();
        let options = IndexOptions::new(root.path());
        let folder = Folder::own(&options).unwrap();
        let first = folder.serving();
        let draft = folder.draft().unwrap();
        assert_ne!(first, draft);
        assert!(matches!(
            Folder::own(&options),
            Err(IndexError::InUse { .. })
        ));
        drop(folder);

        let mut folder = Folder::own(&options).unwrap();
        assert_eq!(folder.serving(), first);
        assert!(first.exists() && !draft.exists());
        assert_eq!(folder.draft().unwrap(), draft);
        folder.promote().unwrap();
        assert_eq!(folder.serving(), draft);
        drop(folder);

        let folder = Folder::own(&options).unwrap();
        assert_eq!(folder.serving(), draft);
        assert!(draft.exists() && !first.exists());
        drop(folder);
        let half = options.with_partitions(0..32);
        assert_eq!(Folder::own(&half).unwrap().serving(), first);
        assert!(first.exists() && !draft.exists());
    }
}
