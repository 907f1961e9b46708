//! What people dictate to each other: numbers in parts, over turns, with hesitation, corrections and a
//! listener who agrees or repeats; names, addresses and dates as they are said and spelled. Made by
//! chance from a seed.
//!
//! What is left of a value is a leak, so it counts whether all of it is covered, by whatever type.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod call;
mod numbers;
mod values;
