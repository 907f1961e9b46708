//! The index that serves, and how another takes its place.
//!
//! Every commit to the serving index and the switch to another happen under one lock, so that no
//! change falls between the two. Searches do not take it: each takes a view of the index that
//! serves when it begins, and ends on that.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tantivy::IndexReader;
use tokio::sync::watch;

use crate::{
    IndexError, IndexOptions, Result,
    folder::Folder,
    schema::Fields,
    store::{Position, Store},
};

/// The serving index in its folder.
pub(crate) struct Model {
    folder: Mutex<Folder>,
    store: Mutex<Store>,
    reader: watch::Sender<IndexReader>,
    writer_memory_bytes: usize,
}

/// What became of an index that was to serve.
pub(crate) enum Promoted {
    /// It serves; this is the one that did before.
    Serves(Store),
    /// The serving index has read further; this one is to read on.
    Behind(Store),
}

impl Model {
    /// Owns the folder and opens the index that serves, or makes it. Blocks.
    pub(crate) fn open(options: &IndexOptions) -> Result<Self> {
        let folder = Folder::own(options)?;
        let store = Store::open(&folder.serving(), options.writer_memory_bytes)?;
        let (reader, _) = watch::channel(store.reader());
        Ok(Self {
            folder: Mutex::new(folder),
            store: Mutex::new(store),
            reader,
            writer_memory_bytes: options.writer_memory_bytes,
        })
    }

    /// The serving index. It is held while a commit runs: do not wait for it where others wait.
    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.store)
    }

    /// The reader of the serving index, whichever that is.
    pub(crate) fn reader(&self) -> watch::Receiver<IndexReader> {
        self.reader.subscribe()
    }

    pub(crate) fn fields(&self) -> Fields {
        self.store().fields()
    }

    /// An error if the index has read more than the log has.
    pub(crate) fn check_end(&self, last: u64) -> Result<()> {
        let indexed = self.store().position().indexed_through;
        if indexed <= last {
            return Ok(());
        }
        Err(IndexError::AheadOfLog {
            path: lock(&self.folder).path().to_owned(),
            indexed,
            last,
        })
    }

    /// An empty index beside the serving one. Blocks.
    pub(crate) fn draft(&self) -> Result<Store> {
        let folder = lock(&self.folder).draft()?;
        Store::open(&folder, self.writer_memory_bytes)
    }

    /// Makes an index from [`Model::draft`] serve that holds everything up to `through`, unless
    /// the serving one has read further. Blocks.
    ///
    /// It takes over the place of the one before, not its own, which may be further: what follows
    /// from the facts in between is not stated yet.
    pub(crate) fn promote(&self, mut next: Store, through: u64) -> Result<Promoted> {
        let mut serving = self.store();
        let place = serving.position();
        if place.indexed_through > through {
            return Ok(Promoted::Behind(next));
        }
        next.commit(&[], place)?;
        lock(&self.folder).promote()?;
        self.reader.send_replace(next.reader());
        Ok(Promoted::Serves(std::mem::replace(&mut *serving, next)))
    }

    /// Removes what does not serve. Blocks.
    pub(crate) fn sweep(&self) -> Result<()> {
        lock(&self.folder).sweep()
    }

    /// Up to where the log is read.
    pub(crate) fn position(&self) -> Position {
        self.store().position()
    }

    /// Lets merges that are under way finish, and closes the index. Blocks.
    pub(crate) fn close(self) -> Result<()> {
        self.store
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .close()
    }
}

/// A thread that panicked with it left it as it was committed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
