//! Every fact of the log as a row in Parquet files, for DuckDB and friends.
//!
//! A [`Warehouse`] reads both streams of the log itself and writes
//! `<folder>/<generation>/day=YYYY-MM-DD/<stream>-<first>-<last>.parquet`. The link `current` in the
//! folder names the generation that serves: `read_parquet('warehouse/current/*/*.parquet')`.
//!
//! Promises:
//!
//! - **Every fact is one row.** Files of a batch are made durable under their names before the
//!   place up to which their stream was read; on start, files beyond that place are removed and
//!   their facts read again. The broker keeps no state of ours, so nothing can disagree with the
//!   files.
//! - **It holds no personal data.** A row has the envelope, and of the data only what is listed in
//!   this crate for its type: numbers, digests, measurements, and texts that look like codes.
//! - **What is seen is whole.** A file appears under its name when it is complete. When many small
//!   files become one, or the warehouse is rebuilt, that happens in a generation beside the serving
//!   one, and `current` is switched at once.
//! - **It is a read model.** It can be rebuilt from the log, wholly or from a place on, while the
//!   old one goes on serving and being written.
//! - **Nothing stops it, nothing is skipped.** While the broker is away it waits; a message that it
//!   cannot read becomes a dead letter, and the log goes on.

#![warn(missing_docs)]

mod compact;
mod control;
mod data;
mod error;
mod feed;
mod file;
mod generation;
mod ingest;
mod layout;
mod metrics;
mod node;
mod options;
mod reader;
mod rebuild;
mod row;
mod store;

pub use error::{Result, WarehouseError};
pub use node::Warehouse;
pub use options::WarehouseOptions;
pub use reader::{FactRow, rows, scan};

/// The service's name.
pub const SERVICE: &str = "warehouse";
