//! The test kit for authors of services: a real broker, facts, and faults.
//!
//! - [`Kit`] is a broker with every stream, bucket and consumer. A test states facts with it, runs
//!   services, and waits for what follows, always with a bound. When it is dropped, nothing may be
//!   left queued.
//! - [`Broker`] is a real `nats-server`, or three of them, that can be killed, paused, sent away
//!   and cut off. It dies with the test's process, and its log is shown when the test fails.
//! - [`Proxy`] stands between clients and a server and makes [`Trouble`]: it loses
//!   acknowledgements, delays, cuts, doubles.
//! - [`Process`] is a service in a process of its own, to be killed and started again;
//!   [`Supervised`] is one that is started again by itself, as an orchestrator does.
//! - [`Chaos`] lets [faults](FaultKind) strike at random times that follow from a seed.
//!
//! What goes wrong in a test fails it: the kit panics instead of returning errors. It is a
//! dependency of tests only. The [guide](guide) begins with a service and its test.

#![warn(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test kit fails by panicking"
)]

mod artifacts;
mod broker;
mod chaos;
pub mod child;
mod clock;
mod counted;
mod expect;
pub mod faults;
mod kit;
mod monitor;
mod process;
mod proxy;
mod supervised;
mod text;

pub use broker::{Authorization, Broker, BrokerOptions, Certificates, KIT, Sync};
pub use chaos::{Chaos, Struck, Targets};
pub use child::Process;
pub use clock::Clock;
pub use counted::Counted;
pub use faults::{FaultKind, Victim};
pub use kit::{Kit, KitOptions, PATIENCE, Running, account, conversation, eventually, types};
pub use proxy::{Done, Proxy, Trouble};
pub use supervised::{End, Supervised};
pub use text::plain;

pub(crate) use kit::connect;

#[doc = include_str!("../../../docs/services.md")]
pub mod guide {}
