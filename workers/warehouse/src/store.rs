//! The warehouse's folder: who owns it, which generation serves, and how another takes its place.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    Result, WarehouseError,
    generation::{Generation, Places, sync_folder},
    layout::{self, CURRENT, LOCK, PARTIAL},
};

/// The warehouse's folder, owned by this process.
#[derive(Debug)]
pub(crate) struct Store {
    root: PathBuf,
    owner: Arc<File>,
}

impl Store {
    /// Owns the folder, made if missing, and opens the generation that serves. Every other one is
    /// what a crash left behind, and removed. Blocks.
    pub(crate) fn open(root: &Path) -> Result<(Self, Generation)> {
        fs::create_dir_all(root).map_err(WarehouseError::folder("create", root))?;
        let owner = Arc::new(own(root)?);
        let store = Self {
            root: root.to_owned(),
            owner,
        };
        let serving = store.serving()?;
        for (_, path) in store.generations()? {
            if serving.as_ref() != Some(&path) {
                remove(&path)?;
            }
        }
        let generation = match serving {
            Some(path) => Generation::open(path, store.owner.clone())?,
            None => {
                let path = store.next_path()?;
                let first = Generation::create(path, store.owner.clone(), Places::default())?;
                store.switch(&first)?;
                first
            }
        };
        Ok((store, generation))
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A generation beside this one that has its files up to within these bounds, and reads on from
    /// there. Blocks.
    pub(crate) fn successor(&self, of: &Generation, bounds: Places) -> Result<Generation> {
        let places = of.places_before(bounds);
        let mut successor = Generation::create(self.next_path()?, self.owner.clone(), places)?;
        let kept = of
            .files
            .iter()
            .filter(|(key, _)| key.last <= places.of(key.stream));
        match successor.take_over(&of.path, kept) {
            Ok(()) => Ok(successor),
            Err(error) => {
                // Otherwise it would lie there until the next start.
                let _ = remove(&successor.path);
                Err(error)
            }
        }
    }

    /// Where the next generation goes. Blocks.
    pub(crate) fn next_path(&self) -> Result<PathBuf> {
        let numbers = self.generations()?.into_iter().map(|(number, _)| number);
        let next = numbers.max().unwrap_or(0) + 1;
        Ok(self.root.join(layout::generation(next)))
    }

    /// Makes a generation the one that serves, at once. Blocks.
    pub(crate) fn switch(&self, to: &Generation) -> Result<()> {
        let current = self.root.join(CURRENT);
        let draft = self.root.join(format!("{CURRENT}{PARTIAL}"));
        let failed = || WarehouseError::folder("switch", &current);
        let name = to.path.file_name().unwrap_or_default();
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed()(error)),
            _ => {}
        }
        // All of the generation is durable before anything points to it.
        sync_folder(&to.path)?;
        sync_folder(&self.root)?;
        symlink(name, &draft).map_err(failed())?;
        fs::rename(&draft, &current).map_err(failed())?;
        sync_folder(&self.root)
    }

    /// The folder of the generation that serves, if there is one.
    fn serving(&self) -> Result<Option<PathBuf>> {
        let current = self.root.join(CURRENT);
        let name = match fs::read_link(&current) {
            Ok(name) => name,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(WarehouseError::folder("read", &current)(error)),
        };
        let path = self.root.join(name);
        if path.is_dir() {
            return Ok(Some(path));
        }
        tracing::warn!("the warehouse's serving generation is gone; rebuilding it from the log");
        Ok(None)
    }

    fn generations(&self) -> Result<Vec<(u64, PathBuf)>> {
        let failed = || WarehouseError::folder("read", &self.root);
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            let number = layout::generation_number(&entry.file_name().to_string_lossy());
            found.extend(number.map(|number| (number, entry.path())));
        }
        Ok(found)
    }
}

/// Removes a generation. Blocks.
pub(crate) fn remove(path: &Path) -> Result<()> {
    fs::remove_dir_all(path).map_err(WarehouseError::folder("remove", path))
}

/// Owns the folder, or says who cannot have it.
fn own(root: &Path) -> Result<File> {
    let path = root.join(LOCK);
    let file = File::create(&path).map_err(WarehouseError::folder("lock", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(WarehouseError::InUse {
            path: root.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(WarehouseError::folder("lock", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::civil::date;

    use super::*;
    use crate::{
        compact::SmallFiles,
        feed::Batch,
        reader,
        row::{Row, Stream},
    };

    /// 2026-11-03 and the day after, in microseconds since the epoch.
    const DAYS: [i64; 2] = [1_793_700_000_000_000, 1_793_786_400_000_000];

    /// Facts from `first` to `last`, every second one of the second day.
    fn batch(first: u64, last: u64) -> Batch {
        let row = |sequence| Row {
            sequence,
            id: sequence.to_string(),
            fact_type: "conversation.indexed".to_owned(),
            revision: 1,
            source: "test".to_owned(),
            time: DAYS[usize::try_from(sequence % 2).unwrap()],
            account: "acme".to_owned(),
            conversation: None,
            cause: None,
            data: "{}".to_owned(),
        };
        Batch {
            rows: (first..=last).map(row).collect(),
            ..Batch::empty(first, last)
        }
    }

    fn sequences(root: &Path) -> Vec<u64> {
        let rows = reader::rows(root).unwrap();
        let mut sequences: Vec<u64> = rows.iter().map(|row| row.sequence).collect();
        sequences.sort_unstable();
        sequences
    }

    fn generations(root: &Path) -> BTreeSet<String> {
        fs::read_dir(root)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| layout::generation_number(name).is_some())
            .collect()
    }

    #[test]
    fn whatever_a_crash_leaves_is_put_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let (_, mut generation) = Store::open(root).unwrap();
        generation
            .commit(Stream::Conversations, batch(1, 10))
            .unwrap();
        let place = fs::read(generation.path.join(layout::PLACES)).unwrap();
        generation
            .commit(Stream::Conversations, batch(11, 20))
            .unwrap();
        // Died after the files and before the place; and in the middle of another file, of a note,
        // of another generation, and of a switch.
        let path = generation.path.clone();
        drop(generation);
        fs::write(path.join(layout::PLACES), place).unwrap();
        let day = path.join(layout::day(date(2026, 11, 3)));
        assert!(day.is_dir());
        fs::write(day.join("conversations-21-30.parquet.partial"), "half").unwrap();
        fs::write(path.join("places.json.partial"), "half").unwrap();
        fs::create_dir(root.join(layout::generation(7))).unwrap();
        symlink("generation-000007", root.join("current.partial")).unwrap();

        let (store, mut generation) = Store::open(root).unwrap();
        assert_eq!(generation.places.conversations, 10);
        assert_eq!((generation.rows(), generation.files.len()), (10, 2));
        assert_eq!(sequences(root), (1..=10).collect::<Vec<_>>());
        assert_eq!(generations(root).len(), 1);
        assert_eq!(fs::read_dir(&day).unwrap().count(), 1);
        generation
            .commit(Stream::Conversations, batch(11, 20))
            .unwrap();
        store.switch(&generation).unwrap();
        assert_eq!(sequences(root), (1..=20).collect::<Vec<_>>());
    }

    #[test]
    fn many_small_files_become_one_and_rows_stay() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let (store, mut generation) = Store::open(root).unwrap();
        let small = SmallFiles {
            allowed: 3,
            bytes: 1024 * 1024,
        };
        for first in (1..=50).step_by(10) {
            generation
                .commit(Stream::Conversations, batch(first, first + 9))
                .unwrap();
        }
        generation.commit(Stream::Accounts, batch(1, 4)).unwrap();
        let old = generation.compact(&store, small).unwrap().unwrap();
        assert!(old.is_dir(), "readers may still be in it");
        assert_eq!(generation.files.len(), 4, "a file for each day and stream");
        assert_eq!(generation.rows(), 54);
        assert_eq!(generation.compact(&store, small).unwrap(), None);
        let mut expected: Vec<u64> = (1..=50).chain(1..=4).collect();
        expected.sort_unstable();
        assert_eq!(sequences(root), expected);
        // What came out can be opened, written, and shortened again.
        drop(generation);
        drop(store);
        let (store, generation) = Store::open(root).unwrap();
        assert_eq!(generations(root).len(), 1);
        let bounds = Places {
            conversations: 25,
            accounts: u64::MAX,
        };
        let next = store.successor(&generation, bounds).unwrap();
        assert_eq!((next.places.conversations, next.places.accounts), (0, 4));
        assert_eq!(next.rows(), 4);
    }

    #[test]
    fn a_successor_has_whole_batches_only() {
        let folder = tempfile::tempdir().unwrap();
        let (store, mut generation) = Store::open(folder.path()).unwrap();
        for first in [1, 11, 21] {
            generation
                .commit(Stream::Conversations, batch(first, first + 9))
                .unwrap();
        }
        for (bound, place, rows) in [(30, 30, 30), (29, 20, 20), (11, 10, 10), (9, 0, 0)] {
            let bounds = Places {
                conversations: bound,
                accounts: 0,
            };
            let next = store.successor(&generation, bounds).unwrap();
            assert_eq!((next.places.conversations, next.rows()), (place, rows));
        }
    }
}
