//! What every process of the platform needs besides its job.
//!
//! - [`breaker`]: leaves a system outside alone that does not answer.
//! - [`telemetry`]: logs, traces and metrics, over OTLP and for Prometheus.
//! - [`process`] and [`certificates`]: metrics of the process, and of its certificates' ends.
//! - [`identity`]: what a server proves itself with over TLS, renewed while it runs.
//! - [`lifecycle`]: the parts of a process run until a signal, then stop in order.
//! - [`collector`]: takes and keeps traces where no collector runs.
//! - [`health`]: `/livez`, `/readyz` and `/metrics` of a process without a gateway.

#![warn(missing_docs)]

pub mod breaker;
pub mod certificates;
pub mod collector;
pub mod health;
pub mod identity;
pub mod lifecycle;
pub mod process;
pub mod telemetry;
