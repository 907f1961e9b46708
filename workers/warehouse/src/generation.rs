//! A generation: the files of one state of the warehouse, and up to where they hold the log.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{
    Result, WarehouseError,
    feed::Batch,
    file::{self, Extent},
    layout::{self, FileKey, PARTIAL, PLACES},
    reader::complete_files,
    row::{Row, Stream},
};

/// A generation that several tasks use.
pub(crate) type Shared = Arc<Mutex<Generation>>;

/// The generation; a thread that panicked with it left it as it was committed.
pub(crate) fn lock(generation: &Shared) -> MutexGuard<'_, Generation> {
    generation.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Up to where each stream was read. Facts up to there are rows, and no others are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Places {
    pub(crate) conversations: u64,
    pub(crate) accounts: u64,
}

impl Places {
    pub(crate) const fn of(&self, stream: Stream) -> u64 {
        match stream {
            Stream::Conversations => self.conversations,
            Stream::Accounts => self.accounts,
        }
    }

    pub(crate) const fn set(&mut self, stream: Stream, place: u64) {
        match stream {
            Stream::Conversations => self.conversations = place,
            Stream::Accounts => self.accounts = place,
        }
    }
}

/// The files of one state of the warehouse, open for writing.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) path: PathBuf,
    pub(crate) places: Places,
    pub(crate) files: BTreeMap<FileKey, Extent>,
    /// Held for as long as anything may write; the system releases it when we die.
    pub(crate) owner: Arc<File>,
}

impl Generation {
    /// An empty generation that begins behind these places. Blocks.
    pub(crate) fn create(path: PathBuf, owner: Arc<File>, places: Places) -> Result<Self> {
        fs::create_dir(&path).map_err(WarehouseError::folder("create", &path))?;
        let generation = Self {
            path,
            places,
            files: BTreeMap::new(),
            owner,
        };
        generation.note(places)?;
        Ok(generation)
    }

    /// Opens a generation and removes what was not committed. Blocks.
    pub(crate) fn open(path: PathBuf, owner: Arc<File>) -> Result<Self> {
        let note = path.join(PLACES);
        let json = fs::read(&note).map_err(WarehouseError::folder("read", &note))?;
        let places: Places = serde_json::from_slice(&json)
            .map_err(|source| WarehouseError::Place { path: note, source })?;
        remove_partial(&path)?;
        let mut files = BTreeMap::new();
        for (key, file) in complete_files(&path)? {
            if key.last > places.of(key.stream) {
                fs::remove_file(&file).map_err(WarehouseError::folder("remove", &file))?;
            } else {
                files.insert(key, file::extent(&file)?);
            }
        }
        Ok(Self {
            path,
            places,
            files,
            owner,
        })
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> u64 {
        self.files.values().map(|extent| extent.rows).sum()
    }

    /// Makes a batch durable: its files, then its place. Blocks.
    pub(crate) fn commit(&mut self, stream: Stream, batch: Batch) -> Result<()> {
        let mut days: BTreeMap<Date, Vec<Row>> = BTreeMap::new();
        for row in batch.rows {
            days.entry(row.day()).or_default().push(row);
        }
        let mut files = Vec::new();
        for (day, rows) in days {
            let key = FileKey {
                day,
                stream,
                first: batch.first,
                last: batch.last,
            };
            let extent = self.put(key, |path| file::write(path, stream, &rows))?;
            files.push((key, extent));
        }
        let mut places = self.places;
        places.set(stream, batch.last);
        self.note(places)?;
        self.places = places;
        self.files.extend(files);
        Ok(())
    }

    /// Takes over files of another generation, as links to the same content. Blocks.
    pub(crate) fn take_over<'a>(
        &mut self,
        from: &Path,
        files: impl Iterator<Item = (&'a FileKey, &'a Extent)>,
    ) -> Result<()> {
        let mut days = BTreeMap::new();
        for (&key, &extent) in files {
            let folder = match days.get(&key.day) {
                Some(folder) => folder,
                None => days.entry(key.day).or_insert(self.day_folder(key.day)?),
            };
            let old = from.join(layout::day(key.day)).join(key.file_name());
            let new = folder.join(key.file_name());
            fs::hard_link(old, &new).map_err(WarehouseError::folder("link", &new))?;
            self.files.insert(key, extent);
        }
        for folder in days.values() {
            sync_folder(folder)?;
        }
        Ok(())
    }

    /// Adds a file that `write` makes, and makes its folder's entry durable. Blocks.
    pub(crate) fn put(
        &self,
        key: FileKey,
        write: impl FnOnce(&Path) -> Result<Extent>,
    ) -> Result<Extent> {
        let folder = self.day_folder(key.day)?;
        let extent = write(&folder.join(key.file_name()))?;
        sync_folder(&folder)?;
        Ok(extent)
    }

    /// Up to where another generation can take this one's files over, if it is to read the log
    /// again from behind `bounds`: the last places before which every file lies wholly.
    pub(crate) fn places_before(&self, bounds: Places) -> Places {
        let mut places = self.places;
        for stream in Stream::ALL {
            places.set(stream, places.of(stream).min(bounds.of(stream)));
            // A place within a file moves to before it, which may lie within another: a batch can
            // have files of several days. Each turn leaves out at least one file more.
            while let Some(key) = self.files.keys().find(|key| {
                let place = places.of(stream);
                key.stream == stream && key.first <= place && place < key.last
            }) {
                places.set(stream, key.first.saturating_sub(1));
            }
        }
        places
    }

    fn day_folder(&self, day: Date) -> Result<PathBuf> {
        let folder = self.path.join(layout::day(day));
        if !folder.is_dir() {
            fs::create_dir(&folder).map_err(WarehouseError::folder("create", &folder))?;
            sync_folder(&self.path)?;
        }
        Ok(folder)
    }

    /// Writes the places down, by rename: a crash leaves the old ones or the new ones.
    fn note(&self, places: Places) -> Result<()> {
        let note = self.path.join(PLACES);
        let draft = self.path.join(format!("{PLACES}{PARTIAL}"));
        let json = serde_json::to_vec(&places).map_err(|source| WarehouseError::Place {
            path: note.clone(),
            source,
        })?;
        let written = File::create(&draft).and_then(|mut file| {
            file.write_all(&json)?;
            file.sync_all()
        });
        written
            .and_then(|()| fs::rename(&draft, &note))
            .map_err(WarehouseError::folder("write", &note))?;
        sync_folder(&self.path)
    }
}

/// Makes the entries of a folder durable.
pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(WarehouseError::folder("sync", path))
}

/// Removes files that were not completed, in the generation's folder and those of its days.
fn remove_partial(path: &Path) -> Result<()> {
    let failed = || WarehouseError::folder("clean up", path);
    for entry in fs::read_dir(path).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.ends_with(PARTIAL) {
            fs::remove_file(entry.path()).map_err(failed())?;
        } else if layout::day_of(&name).is_some() {
            remove_partial(&entry.path())?;
        }
    }
    Ok(())
}
