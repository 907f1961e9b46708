//! One Parquet file: its schema, written and read.
//!
//! A file is written under a partial name, made durable, and only then given its name.

use std::{
    fs::{self, File},
    path::Path,
    sync::Arc,
};

use parquet::{
    basic::Compression,
    column::writer::ColumnWriterImpl,
    data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type},
    errors::{ParquetError, Result as ParquetResult},
    file::{
        metadata::ParquetMetaData,
        properties::{WriterProperties, WriterPropertiesPtr},
        reader::{FileReader, SerializedFileReader},
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    record::{Row as Record, RowAccessor},
    schema::{parser::parse_message_type, types::TypePtr},
};

use crate::{
    Result, WarehouseError,
    layout::PARTIAL,
    row::{Row, Stream},
};

/// The columns. `time` is UTC; `day` is its date, by which files are grouped.
const SCHEMA: &str = "message fact {
    required binary stream (STRING);
    required int64 sequence;
    required binary id (STRING);
    required binary type (STRING);
    required int32 revision;
    required binary source (STRING);
    required int64 time (TIMESTAMP(MICROS,true));
    required int32 day (DATE);
    required binary account (STRING);
    optional binary conversation (STRING);
    optional binary cause (STRING);
    required binary data (JSON);
}";

/// Most rows that are held in memory while files become one.
const ROW_GROUP_ROWS: usize = 50_000;

/// Most bytes of rows that are held in memory while files become one.
const ROW_GROUP_BYTES: usize = 64 * 1024 * 1024;

/// What a file holds in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

/// Writes rows as a file of this name, durable when it returns but for the folder's entry.
pub(crate) fn write(path: &Path, stream: Stream, rows: &[Row]) -> Result<Extent> {
    whole(path, |writer| write_group(writer, stream, rows))
}

/// Writes the rows of files as one file, in their order.
pub(crate) fn merge<P: AsRef<Path>>(path: &Path, stream: Stream, inputs: &[P]) -> Result<Extent> {
    whole(path, |writer| {
        let mut rows: Vec<Row> = Vec::new();
        let mut bytes = 0;
        for input in inputs {
            // What fails here names the input: it was written before.
            let reader = SerializedFileReader::new(File::open(input)?)?;
            for record in reader.get_row_iter(None)? {
                let row = read_row(&record?)?;
                bytes += row.weight();
                rows.push(row);
                if rows.len() == ROW_GROUP_ROWS || bytes > ROW_GROUP_BYTES {
                    write_group(writer, stream, &rows)?;
                    rows.clear();
                    bytes = 0;
                }
            }
        }
        write_group(writer, stream, &rows)
    })
}

/// What a file holds, from its footer.
pub(crate) fn extent(path: &Path) -> Result<Extent> {
    let file = File::open(path).map_err(WarehouseError::folder("read", path))?;
    let bytes = file
        .metadata()
        .map_err(WarehouseError::folder("read", path))?
        .len();
    SerializedFileReader::new(file)
        .map(|reader| extent_of(reader.metadata(), bytes))
        .map_err(|source| WarehouseError::Damaged {
            path: path.to_owned(),
            source,
        })
}

fn extent_of(metadata: &ParquetMetaData, bytes: u64) -> Extent {
    Extent {
        rows: u64::try_from(metadata.file_metadata().num_rows()).unwrap_or(0),
        bytes,
    }
}

/// Fills a partial file, makes it durable and gives it its name.
fn whole(
    path: &Path,
    fill: impl FnOnce(&mut SerializedFileWriter<File>) -> ParquetResult<()>,
) -> Result<Extent> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(PARTIAL);
    let partial = path.with_file_name(name);
    let file = File::create(&partial).map_err(WarehouseError::folder("create", &partial))?;
    let written = (|| {
        let mut writer = SerializedFileWriter::new(file, schema()?, properties())?;
        fill(&mut writer)?;
        let metadata = writer.finish()?;
        let file = writer.inner();
        file.sync_all()?;
        Ok::<_, ParquetError>(extent_of(&metadata, file.metadata()?.len()))
    })();
    let extent = written.map_err(|source| WarehouseError::Write {
        path: path.to_owned(),
        source,
    })?;
    fs::rename(&partial, path).map_err(WarehouseError::folder("create", path))?;
    Ok(extent)
}

fn schema() -> ParquetResult<TypePtr> {
    Ok(Arc::new(parse_message_type(SCHEMA)?))
}

fn properties() -> WriterPropertiesPtr {
    // Snappy is read by everything and costs little; the columns repeat, so files are small.
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by("colloquy-warehouse".to_owned())
        .build();
    Arc::new(properties)
}

/// Writes rows as a row group, column by column in the schema's order.
fn write_group(
    writer: &mut SerializedFileWriter<File>,
    stream: Stream,
    rows: &[Row],
) -> ParquetResult<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut group = writer.next_row_group()?;
    texts(&mut group, rows, |_| stream.name())?;
    let sequences = rows
        .iter()
        .map(|row| i64::try_from(row.sequence))
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|error| ParquetError::External(error.into()))?;
    column::<Int64Type>(&mut group, |column| {
        column.write_batch(&sequences, None, None)
    })?;
    texts(&mut group, rows, |row| &row.id)?;
    texts(&mut group, rows, |row| &row.fact_type)?;
    let revisions: Vec<i32> = rows
        .iter()
        .map(|row| i32::try_from(row.revision).unwrap_or(i32::MAX))
        .collect();
    column::<Int32Type>(&mut group, |column| {
        column.write_batch(&revisions, None, None)
    })?;
    texts(&mut group, rows, |row| &row.source)?;
    let times: Vec<i64> = rows.iter().map(|row| row.time).collect();
    column::<Int64Type>(&mut group, |column| column.write_batch(&times, None, None))?;
    let days: Vec<i32> = rows.iter().map(Row::epoch_day).collect();
    column::<Int32Type>(&mut group, |column| column.write_batch(&days, None, None))?;
    texts(&mut group, rows, |row| &row.account)?;
    optional_texts(&mut group, rows, |row| row.conversation.as_deref())?;
    optional_texts(&mut group, rows, |row| row.cause.as_deref())?;
    texts(&mut group, rows, |row| &row.data)?;
    group.close().map(drop)
}

/// Writes the next column.
fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, File>,
    write: impl FnOnce(&mut ColumnWriterImpl<'_, T>) -> ParquetResult<usize>,
) -> ParquetResult<()> {
    let mut column = group
        .next_column()?
        .ok_or_else(|| ParquetError::General("more columns than the schema has".into()))?;
    write(column.typed::<T>())?;
    column.close()
}

fn texts<'a>(
    group: &mut SerializedRowGroupWriter<'_, File>,
    rows: &'a [Row],
    text: impl Fn(&'a Row) -> &'a str,
) -> ParquetResult<()> {
    let values: Vec<ByteArray> = rows.iter().map(|row| text(row).into()).collect();
    column::<ByteArrayType>(group, |column| column.write_batch(&values, None, None))
}

fn optional_texts<'a>(
    group: &mut SerializedRowGroupWriter<'_, File>,
    rows: &'a [Row],
    text: impl Fn(&'a Row) -> Option<&'a str>,
) -> ParquetResult<()> {
    let values: Vec<ByteArray> = rows.iter().filter_map(&text).map(ByteArray::from).collect();
    let present: Vec<i16> = rows
        .iter()
        .map(|row| i16::from(text(row).is_some()))
        .collect();
    column::<ByteArrayType>(group, |column| {
        column.write_batch(&values, Some(&present), None)
    })
}

/// A row as it was written.
fn read_row(record: &Record) -> ParquetResult<Row> {
    let text = |index| record.get_string(index).cloned();
    let optional = |index| {
        if record.is_null(index)? {
            Ok(None)
        } else {
            text(index).map(Some)
        }
    };
    Ok(Row {
        sequence: u64::try_from(record.get_long(1)?).unwrap_or(0),
        id: text(2)?,
        fact_type: text(3)?,
        revision: u32::try_from(record.get_int(4)?).unwrap_or(0),
        source: text(5)?,
        time: record.get_timestamp_micros(6)?,
        account: text(8)?,
        conversation: optional(9)?,
        cause: optional(10)?,
        data: text(11)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(sequence: u64, conversation: Option<&str>) -> Row {
        Row {
            sequence,
            id: format!("id-{sequence}"),
            fact_type: "conversation.indexed".to_owned(),
            revision: 1,
            source: "test".to_owned(),
            time: 1_700_000_000_000_000 + i64::try_from(sequence).unwrap(),
            account: "acme".to_owned(),
            conversation: conversation.map(str::to_owned),
            cause: None,
            data: "{\"turns\":1}".to_owned(),
        }
    }

    fn read(path: &Path) -> Vec<Row> {
        let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
        let records = reader.get_row_iter(None).unwrap();
        records
            .map(|record| read_row(&record.unwrap()).unwrap())
            .collect()
    }

    #[test]
    fn rows_come_back_as_they_were_and_files_become_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let one = vec![row(1, Some("c")), row(2, None)];
        let two = vec![row(5, None), row(9, Some("d"))];
        let extent_one = write(&path("one"), Stream::Accounts, &one).unwrap();
        write(&path("two"), Stream::Accounts, &two).unwrap();
        assert_eq!(read(&path("one")), one);
        assert_eq!(extent(&path("one")).unwrap(), extent_one);

        let inputs = [path("one"), path("two")];
        let merged = merge(&path("both"), Stream::Accounts, &inputs).unwrap();
        assert_eq!(read(&path("both")), [one, two].concat());
        assert_eq!(merged.rows, 4);
        assert!(!path("both.partial").exists());
    }

    #[test]
    fn damage_is_explained() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bad");
        fs::write(&path, "rubbish").unwrap();
        let error = extent(&path).unwrap_err();
        assert!(error.to_string().contains("rebuilt from the log"));
    }
}
