//! Records that wait on disk, in parts, so that they need no memory until their part is worked on.
//!
//! A part is gathered in memory up to a block, and a block is compressed and added to the part's
//! file. The blocks of all parts share a bound: with many parts they are written before they are
//! full. Between two blocks no file is open, so there may be as many parts as memory asks for.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader, Read, Write},
    marker::PhantomData,
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

use crate::{AuditError, Result};

/// Bytes of records that are gathered before they are written: enough to compress well.
const BLOCK: usize = 32 * 1024;

/// Most bytes that the blocks of all parts may take together: full ones of 256 parts.
const MOST_GATHERED: usize = 256 * BLOCK;

/// Largest block that is read back; a message of the log has a megabyte at most.
const MAX_BLOCK: u32 = 1 << 26;

/// Records being written.
pub(crate) struct Spill<T> {
    folder: PathBuf,
    name: &'static str,
    gathered: Vec<Vec<u8>>,
    /// Memory that is held for what is gathered, in bytes.
    held: usize,
    encoder: snap::raw::Encoder,
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
            gathered: Vec::new(),
            held: 0,
            encoder: snap::raw::Encoder::new(),
            count: 0,
            records: PhantomData,
        }
    }

    pub(crate) fn push(&mut self, part: u16, record: &T) -> Result<()> {
        let place = usize::from(part);
        if self.gathered.len() <= place {
            self.gathered.resize_with(place + 1, Vec::new);
        }
        let block = std::mem::take(&mut self.gathered[place]);
        self.held -= block.capacity();
        let block = postcard::to_extend(record, block).map_err(io::Error::other)?;
        self.held += block.capacity();
        self.gathered[place] = block;
        self.count += 1;
        if self.gathered[place].len() >= BLOCK {
            self.write(part)?;
        }
        if self.held > MOST_GATHERED {
            self.write_all()?;
        }
        Ok(())
    }

    fn write_all(&mut self) -> Result<()> {
        let parts = u16::try_from(self.gathered.len()).unwrap_or(u16::MAX);
        (0..parts).try_for_each(|part| self.write(part))
    }

    fn write(&mut self, part: u16) -> Result<()> {
        // Its memory is given back: what was gathered once is no measure for the next time.
        let block = std::mem::take(&mut self.gathered[usize::from(part)]);
        self.held -= block.capacity();
        if block.is_empty() {
            return Ok(());
        }
        let compressed = self
            .encoder
            .compress_vec(&block)
            .map_err(io::Error::other)?;
        let length = u32::try_from(compressed.len()).map_err(io::Error::other)?;
        let path = path(&self.folder, self.name, part);
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        file.write_all(&length.to_le_bytes())?;
        file.write_all(&compressed)?;
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<Spilled<T>> {
        self.write_all()?;
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
    pub(crate) fn read(&self, part: u16) -> Result<Records<T>> {
        let file = match File::open(path(&self.folder, self.name, part)) {
            Ok(file) => Some(BufReader::new(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(AuditError::Scratch(error)),
        };
        Ok(Records {
            file,
            decoder: snap::raw::Decoder::new(),
            compressed: Vec::new(),
            block: Vec::new(),
            read: 0,
            records: PhantomData,
        })
    }

    /// Forgets a part.
    pub(crate) fn remove(&self, part: u16) -> Result<()> {
        match std::fs::remove_file(path(&self.folder, self.name, part)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(AuditError::Scratch(error))
            }
            _ => Ok(()),
        }
    }
}

/// The records of a part.
pub(crate) struct Records<T> {
    file: Option<BufReader<File>>,
    decoder: snap::raw::Decoder,
    compressed: Vec<u8>,
    block: Vec<u8>,
    /// How much of the block was read.
    read: usize,
    records: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Records<T> {
    fn step(&mut self) -> io::Result<Option<T>> {
        if self.read == self.block.len() && !self.next_block()? {
            return Ok(None);
        }
        let left = &self.block[self.read..];
        let (record, rest) = postcard::take_from_bytes(left).map_err(io::Error::other)?;
        self.read = self.block.len() - rest.len();
        Ok(Some(record))
    }

    fn next_block(&mut self) -> io::Result<bool> {
        let Some(file) = &mut self.file else {
            return Ok(false);
        };
        let mut length = [0; 4];
        match file.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
        let length = u32::from_le_bytes(length);
        if length > MAX_BLOCK {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.compressed.resize(length as usize, 0);
        file.read_exact(&mut self.compressed)?;
        self.block = self
            .decoder
            .decompress_vec(&self.compressed)
            .map_err(io::Error::other)?;
        self.read = 0;
        Ok(true)
    }
}

impl<T: DeserializeOwned> Iterator for Records<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().map_err(AuditError::Scratch).transpose()
    }
}

fn path(folder: &Path, name: &str, part: u16) -> PathBuf {
    folder.join(format!("{name}-{part}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_in_their_parts() {
        let folder = tempfile::tempdir().unwrap();
        let mut spill = Spill::new(folder.path(), "numbers");
        // Several blocks a part.
        for number in 0..60_000_u64 {
            let part = u16::try_from(number % 3).unwrap();
            spill.push(part, &(number, format!("n{number}"))).unwrap();
        }
        let spilled = spill.finish().unwrap();
        assert_eq!(spilled.count(), 60_000);
        let part: Vec<(u64, String)> = spilled.read(1).unwrap().map(Result::unwrap).collect();
        assert_eq!(part.len(), 20_000);
        assert_eq!(part[1], (4, "n4".to_owned()));
        assert_eq!(part[19_999].0, 59_998);
        assert_eq!(spilled.read(9).unwrap().count(), 0);
        spilled.remove(1).unwrap();
        spilled.remove(9).unwrap();
        assert_eq!(spilled.read(1).unwrap().count(), 0);
        assert_eq!(spilled.read(2).unwrap().count(), 20_000);
    }

    #[test]
    fn memory_does_not_grow_with_the_number_of_parts() {
        let folder = tempfile::tempdir().unwrap();
        let mut spill = Spill::new(folder.path(), "numbers");
        // Full blocks of all of them would be four times the bound.
        let parts = 1_024_u16;
        let mut most = 0;
        for number in 0..40_000_u32 {
            let part = u16::try_from(number % u32::from(parts)).unwrap();
            spill.push(part, &(number, "x".repeat(1_000))).unwrap();
            most = most.max(spill.held);
        }
        let held: usize = spill.gathered.iter().map(Vec::capacity).sum();
        assert_eq!(spill.held, held, "what is held is known");
        assert!(most <= MOST_GATHERED, "{most} bytes were held");
        assert!(most > MOST_GATHERED / 2, "the bound was tried: {most}");
        let spilled = spill.finish().unwrap();
        let read = (0..parts).map(|part| spilled.read(part).unwrap().count());
        assert_eq!(read.sum::<usize>(), 40_000);
    }

    #[test]
    fn a_damaged_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut spill = Spill::new(folder.path(), "numbers");
        spill.push(0, &"some text".to_owned()).unwrap();
        let spilled = spill.finish().unwrap();
        let file = folder.path().join("numbers-0");
        let mut bytes = std::fs::read(&file).unwrap();
        bytes.truncate(bytes.len() - 1);
        std::fs::write(&file, bytes).unwrap();
        let read: Vec<Result<String>> = spilled.read(0).unwrap().take(1).collect();
        assert!(matches!(read.as_slice(), [Err(AuditError::Scratch(_))]));
    }
}
