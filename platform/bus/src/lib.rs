//! The way to the broker, and the only crate that speaks JetStream.
//!
//! - [`Bus`] is the connection. It [states facts](Bus::state_first) for good: a fact is stored
//!   once however often it is stated, and `Ok` means that the stream has acknowledged it.
//! - [`worker`] is the kit that services run in: it pulls, bounds, heartbeats, traces, publishes,
//!   settles, retries, dead-letters and drains, so that a service is only its handler;
//!   [`deadletters`] is what operators do with what it gave up on.
//! - [`artifacts`] keeps heavy things under content-hash names and verifies what it reads.
//! - [`kv`] is compare-and-set over key-value buckets, [`log`] reads facts back, [`rpc`] asks and
//!   answers, [`provision`] makes the broker agree with the contract.
//! - [`backup`] saves every stream to files and makes them again.
//! - [`embedded`] supervises a `nats-server` child for a platform that fits on one machine.

#![warn(missing_docs)]

pub mod artifacts;
pub mod backup;
mod certificate;
mod connect;
pub mod deadletters;
mod denied;
pub mod embedded;
mod error;
pub mod examine;
pub mod kv;
pub mod log;
mod metrics;
pub mod provision;
mod publish;
mod pull;
mod reprocess;
pub mod rpc;
pub mod scan;
mod settle;
mod storage;
mod time;
mod trace;
mod walk;
pub mod worker;

pub use artifacts::Artifacts;
pub use certificate::{BrokerCertificate, Shown};
pub use connect::{Bus, ConnectOptions, Credentials};
pub use error::{BusError, Result, chain};
pub use kv::Kv;
pub use publish::Stated;
pub use reprocess::Restated;
pub use storage::{DISK_RESERVE_BYTES, Fullest, Room};
pub use tokio_util::sync::CancellationToken;
