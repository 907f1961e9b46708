//! Records that wait on disk, in as many parts as there are partitions, so that they need no
//! memory until their part is worked on.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Write},
    marker::PhantomData,
    path::{Path, PathBuf},
};

use colloquy_contract::subject::PARTITIONS;
use serde::{Serialize, de::DeserializeOwned};

use crate::{AuditError, Result};

/// Longest record in bytes; names and ids are far shorter.
const MAX_RECORD: u32 = 1 << 20;

/// Records being written.
pub(crate) struct Spill<T> {
    folder: PathBuf,
    name: &'static str,
    parts: Vec<Option<BufWriter<File>>>,
    count: u64,
    records: PhantomData<fn(T)>,
}

/// Records that were written.
pub(crate) struct Spilled<T> {
    folder: PathBuf,
    name: &'static str,
    count: u64,
    records: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> Spill<T> {
    pub(crate) fn new(folder: &Path, name: &'static str) -> Self {
        Self {
            folder: folder.to_owned(),
            name,
            parts: (0..PARTITIONS).map(|_| None).collect(),
            count: 0,
            records: PhantomData,
        }
    }

    pub(crate) fn push(&mut self, part: u8, record: &T) -> Result<()> {
        let path = path(&self.folder, self.name, part);
        let slot = &mut self.parts[usize::from(part % PARTITIONS)];
        let file = match slot {
            Some(file) => file,
            None => slot.insert(BufWriter::new(File::create(path)?)),
        };
        let bytes = postcard::to_stdvec(record).map_err(io::Error::other)?;
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        file.write_all(&length.to_le_bytes())?;
        file.write_all(&bytes)?;
        self.count += 1;
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<Spilled<T>> {
        for mut part in self.parts.into_iter().flatten() {
            part.flush()?;
        }
        Ok(Spilled {
            folder: self.folder,
            name: self.name,
            count: self.count,
            records: PhantomData,
        })
    }
}

impl<T: DeserializeOwned> Spilled<T> {
    /// How many records there are in all parts.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// The records of a part, in the order in which they were written.
    pub(crate) fn read(&self, part: u8) -> Result<Records<T>> {
        let file = match File::open(path(&self.folder, self.name, part)) {
            Ok(file) => Some(BufReader::new(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(AuditError::Scratch(error)),
        };
        Ok(Records {
            file,
            buffer: Vec::new(),
            records: PhantomData,
        })
    }
}

/// The records of a part.
pub(crate) struct Records<T> {
    file: Option<BufReader<File>>,
    buffer: Vec<u8>,
    records: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Records<T> {
    fn step(&mut self) -> io::Result<Option<T>> {
        let Some(file) = &mut self.file else {
            return Ok(None);
        };
        let mut length = [0; 4];
        match file.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let length = u32::from_le_bytes(length);
        if length > MAX_RECORD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.buffer.resize(length as usize, 0);
        file.read_exact(&mut self.buffer)?;
        postcard::from_bytes(&self.buffer)
            .map(Some)
            .map_err(io::Error::other)
    }
}

impl<T: DeserializeOwned> Iterator for Records<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().map_err(AuditError::Scratch).transpose()
    }
}

fn path(folder: &Path, name: &str, part: u8) -> PathBuf {
    folder.join(format!("{name}-{}", part % PARTITIONS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_in_their_parts() {
        let folder = tempfile::tempdir().unwrap();
        let mut spill = Spill::new(folder.path(), "numbers");
        for number in 0..1_000_u64 {
            let part = u8::try_from(number % 3).unwrap();
            spill.push(part, &(number, format!("n{number}"))).unwrap();
        }
        let spilled = spill.finish().unwrap();
        assert_eq!(spilled.count(), 1_000);
        let part: Vec<(u64, String)> = spilled.read(1).unwrap().map(Result::unwrap).collect();
        assert_eq!(part.len(), 333);
        assert_eq!(part[1], (4, "n4".to_owned()));
        assert_eq!(spilled.read(9).unwrap().count(), 0);
    }
}
