//! The input as the demuxers see it: a part of the file, perhaps behind a header made anew.

use std::io::{Read, Result, Seek, SeekFrom};

use symphonia::core::io::MediaSource;

/// `prefix`, then the part of a file between two offsets.
pub(super) struct Source<'a, R> {
    inner: &'a mut R,
    prefix: &'a [u8],
    start: u64,
    /// Length of prefix and part together.
    len: u64,
    position: u64,
}

impl<'a, R: Read + Seek> Source<'a, R> {
    /// `prefix`, then the bytes from `start` to `end`.
    pub(super) fn new(inner: &'a mut R, prefix: &'a [u8], start: u64, end: u64) -> Result<Self> {
        inner.seek(SeekFrom::Start(start))?;
        let len = prefix.len() as u64 + end.saturating_sub(start);
        Ok(Self {
            inner,
            prefix,
            start,
            len,
            position: 0,
        })
    }
}

impl<R: Read> Read for Source<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let in_prefix = usize::try_from(self.position)
            .ok()
            .and_then(|at| self.prefix.get(at..));
        let read = match in_prefix {
            Some(rest) if !rest.is_empty() => {
                let read = rest.len().min(buffer.len());
                buffer[..read].copy_from_slice(&rest[..read]);
                read
            }
            _ => {
                let left = self.len.saturating_sub(self.position);
                let most = buffer
                    .len()
                    .min(usize::try_from(left).unwrap_or(usize::MAX));
                self.inner.read(&mut buffer[..most])?
            }
        };
        self.position += read as u64;
        Ok(read)
    }
}

impl<R: Read + Seek> Seek for Source<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => self.len.checked_add_signed(offset),
        };
        // Past the end there is nothing to read, wherever exactly that is.
        self.position = target.unwrap_or(self.len).min(self.len);
        let in_file = self.position.saturating_sub(self.prefix.len() as u64);
        self.inner.seek(SeekFrom::Start(self.start + in_file))?;
        Ok(self.position)
    }
}

impl<R: Read + Seek + Send + Sync> MediaSource for Source<'_, R> {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.len)
    }
}
