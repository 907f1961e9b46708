//! What is run: by environment, so that a failure is repeated by copying its line.

use std::{env, str::FromStr, time::Duration};

use colloquy_testkit::{FaultKind, faults};

/// What is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether everything is run, rather than what fits into every build.
    pub long: bool,
    /// Seeds against one server.
    pub single_seeds: Vec<u64>,
    /// Seeds against three servers.
    pub cluster_seeds: Vec<u64>,
    /// How often every service is restarted under load, with one process of each and with two.
    pub restarts: u32,
    /// How long faults strike.
    pub duration: Duration,
    /// Which; all if empty.
    pub kinds: Vec<FaultKind>,
}

impl Options {
    /// `COLLOQUY_FAULTS=long` runs everything. Then count `COLLOQUY_FAULT_SEEDS` seeds for one
    /// server, `COLLOQUY_FAULT_CLUSTER_SEEDS` for three, both from `COLLOQUY_FAULT_SEED` on, and
    /// `COLLOQUY_FAULT_RESTARTS` rounds of restarts. In both forms, faults strike for
    /// `COLLOQUY_FAULT_SECONDS` and are of the `COLLOQUY_FAULT_KINDS` (comma-separated).
    pub fn read() -> Self {
        let long = text("COLLOQUY_FAULTS").as_deref() == Some("long");
        let first = faults::seed();
        let seeds = |name, absent| (first..first + number(name, absent)).collect();
        let kinds = text("COLLOQUY_FAULT_KINDS").unwrap_or_default();
        let kinds = kinds.split(',').map(str::trim);
        let kind = |name: &str| name.parse().unwrap_or_else(|error| panic!("{error}"));
        Self {
            long,
            single_seeds: seeds("COLLOQUY_FAULT_SEEDS", if long { 5 } else { 1 }),
            cluster_seeds: seeds("COLLOQUY_FAULT_CLUSTER_SEEDS", if long { 3 } else { 0 }),
            restarts: number("COLLOQUY_FAULT_RESTARTS", if long { 2 } else { 1 }),
            duration: Duration::from_secs(number(
                "COLLOQUY_FAULT_SECONDS",
                if long { 30 } else { 10 },
            )),
            kinds: kinds.filter(|name| !name.is_empty()).map(kind).collect(),
        }
    }

    /// The kinds to strike with, of those that there are.
    pub fn kinds(&self, possible: &[FaultKind]) -> Vec<FaultKind> {
        let wanted = |kind: &FaultKind| self.kinds.is_empty() || self.kinds.contains(kind);
        possible.iter().copied().filter(wanted).collect()
    }
}

/// A variable; one that is empty counts as absent, as `make` passes it.
fn text(name: &str) -> Option<String> {
    env::var(name).ok().filter(|text| !text.is_empty())
}

fn number<T: FromStr>(name: &str, absent: T) -> T {
    match text(name) {
        Some(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is a number, not '{text}'")),
        None => absent,
    }
}
