//! Many small files become one.
//!
//! That happens in a generation beside the serving one, which has the other files as links; then
//! it serves. A reader sees the small files or the one, never both, and a crash leaves either.

use std::path::PathBuf;

use crate::{
    Result, file,
    generation::Generation,
    layout::{self, FileKey},
    store::{Store, remove},
};

/// Which files are too many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SmallFiles {
    /// Small files of one stream and day, one behind the other, that are let be.
    pub(crate) allowed: usize,
    /// Size from which a file is not small.
    pub(crate) bytes: u64,
}

impl Generation {
    /// Makes one file of each row of too many small ones, if there are any, in a generation that
    /// serves from then on. Returns the old one's folder, which readers may still be reading.
    /// Blocks.
    pub(crate) fn compact(&mut self, store: &Store, small: SmallFiles) -> Result<Option<PathBuf>> {
        let runs = self.runs(small);
        if runs.is_empty() {
            return Ok(None);
        }
        let path = store.next_path()?;
        let owner = self.owner.clone();
        let mut next = Self::create(path.clone(), owner, self.places)?;
        if let Err(error) = next.fill(self, &runs).and_then(|()| store.switch(&next)) {
            // Otherwise it would lie there until the next start.
            let _ = remove(&path);
            return Err(error);
        }
        let old = std::mem::replace(self, next);
        Ok(Some(old.path))
    }

    /// Runs of small files of one day and stream that are longer than allowed.
    fn runs(&self, small: SmallFiles) -> Vec<Vec<FileKey>> {
        let mut runs: Vec<Vec<FileKey>> = Vec::new();
        let mut run: Vec<FileKey> = Vec::new();
        for (&key, extent) in &self.files {
            let goes_on = run
                .last()
                .is_some_and(|last| (last.day, last.stream) == (key.day, key.stream));
            if !goes_on {
                runs.push(std::mem::take(&mut run));
            }
            if extent.bytes < small.bytes {
                run.push(key);
            } else {
                runs.push(std::mem::take(&mut run));
            }
        }
        runs.push(run);
        runs.retain(|run| run.len() > small.allowed);
        runs
    }

    /// Takes over the files of `old`, with one in place of each run.
    fn fill(&mut self, old: &Self, runs: &[Vec<FileKey>]) -> Result<()> {
        let in_run = |key: &FileKey| runs.iter().any(|run| run.contains(key));
        let kept = old.files.iter().filter(|(key, _)| !in_run(key));
        self.take_over(&old.path, kept)?;
        for run in runs {
            let (Some(first), Some(last)) = (run.first(), run.last()) else {
                continue;
            };
            let whole = FileKey {
                last: last.last,
                ..*first
            };
            let input = |key: &FileKey| old.path.join(layout::day(key.day)).join(key.file_name());
            let inputs: Vec<PathBuf> = run.iter().map(input).collect();
            let extent = self.put(whole, |path| file::merge(path, whole.stream, &inputs))?;
            self.files.insert(whole, extent);
        }
        Ok(())
    }
}
