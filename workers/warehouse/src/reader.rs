//! Reading the warehouse back: what an audit or a test needs of each row.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use parquet::{
    errors::{ParquetError, Result as ParquetResult},
    file::reader::{FileReader, SerializedFileReader},
    record::RowAccessor,
    schema::parser::parse_message_type,
};

use crate::{Result, WarehouseError, layout};

/// The columns that a [`FactRow`] has.
const PROJECTION: &str = "message fact {
    required binary stream (STRING);
    required int64 sequence;
    required binary id (STRING);
    required binary type (STRING);
}";

/// How often a scan begins anew when the generation is switched under it.
const SCAN_ATTEMPTS: u32 = 3;

/// What says which fact a row is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FactRow {
    /// The stream of the log.
    pub stream: String,
    /// Its sequence there.
    pub sequence: u64,
    /// The fact's id.
    pub id: String,
    /// The fact's type.
    pub fact_type: String,
}

/// Hands every row of the serving generation of the warehouse in this folder to `each`, file by
/// file: by day, within a day by stream and sequence. Uses little memory, whatever there is. A
/// folder without a warehouse has no rows. Blocks.
///
/// # Errors
/// If a file is damaged, or disappears because the generation was switched in the meantime; see
/// [`rows`].
pub fn scan(folder: &Path, mut each: impl FnMut(FactRow)) -> Result<()> {
    for path in files(folder)? {
        let file = File::open(&path).map_err(WarehouseError::folder("read", &path))?;
        read(file, &mut each).map_err(|source| WarehouseError::Damaged { path, source })?;
    }
    Ok(())
}

/// Every row of the serving generation, in memory: for tests and small warehouses. Begins anew if
/// the generation is switched while it reads. Blocks.
///
/// # Errors
/// If a file is damaged or cannot be read.
pub fn rows(folder: &Path) -> Result<Vec<FactRow>> {
    let mut attempt = 1;
    loop {
        let mut rows = Vec::new();
        match scan(folder, |row| rows.push(row)) {
            Ok(()) => return Ok(rows),
            Err(WarehouseError::Folder { source, .. })
                if source.kind() == io::ErrorKind::NotFound && attempt < SCAN_ATTEMPTS =>
            {
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

/// The complete files of the serving generation, in order.
fn files(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    // Resolved once, so that all files are of one generation.
    let current = match fs::canonicalize(folder.join(layout::CURRENT)) {
        Ok(current) => current,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(WarehouseError::folder("read", folder)(error)),
    };
    let mut files = BTreeSet::new();
    for (_, path) in complete_files(&current)? {
        files.insert(path);
    }
    Ok(files)
}

/// The complete files of a generation's folder.
pub(crate) fn complete_files(generation: &Path) -> Result<Vec<(layout::FileKey, PathBuf)>> {
    let failed = || WarehouseError::folder("read", generation);
    let mut found = Vec::new();
    for day in fs::read_dir(generation).map_err(failed())? {
        let day = day.map_err(failed())?;
        let Some(date) = layout::day_of(&day.file_name().to_string_lossy()) else {
            continue;
        };
        for file in fs::read_dir(day.path()).map_err(failed())? {
            let file = file.map_err(failed())?;
            let name = file.file_name();
            if let Some(key) = layout::FileKey::parse(date, &name.to_string_lossy()) {
                found.push((key, file.path()));
            }
        }
    }
    Ok(found)
}

fn read(file: File, each: &mut impl FnMut(FactRow)) -> ParquetResult<()> {
    let reader = SerializedFileReader::new(file)?;
    let projection = parse_message_type(PROJECTION)?;
    for record in reader.get_row_iter(Some(projection))? {
        let record = record?;
        let sequence = u64::try_from(record.get_long(1)?)
            .map_err(|error| ParquetError::External(error.into()))?;
        each(FactRow {
            stream: record.get_string(0)?.clone(),
            sequence,
            id: record.get_string(2)?.clone(),
            fact_type: record.get_string(3)?.clone(),
        });
    }
    Ok(())
}
