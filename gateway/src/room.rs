//! Whether the broker has room for more.
//!
//! - Above the high watermark nothing new is let in, so that what is under way has room to come to
//!   its end; it is let in again well below it. Everything else goes on as ever.
//! - [`StorageWatch`] looks every few seconds. A look that fails changes nothing.
//! - When the broker itself refuses to store something, nothing is let in for one period either:
//!   each try could leave something behind that takes up room.

use std::{
    fmt,
    str::FromStr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{extract::FromRequestParts, http::request::Parts};
use colloquy_bus::{CancellationToken, Fullest, Room};
use opentelemetry::{global, metrics::Gauge};
use tokio::time::MissedTickBehavior;

use crate::{
    problem::{Kind, Problem},
    state::Shared,
};

/// How far below the high watermark new things are let in again, so that a gateway at the mark does
/// not open and close all the time.
const HYSTERESIS: f64 = 0.05;

/// What clients are told to wait: room is made by people, and not in seconds.
const FULL_WAIT: Duration = Duration::from_secs(30);

/// The share of the broker's storage from which on nothing new is let in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Watermark(f64);

impl Watermark {
    /// The share from which on it is let in again.
    const fn low(self) -> f64 {
        self.0 - HYSTERESIS
    }
}

impl Default for Watermark {
    fn default() -> Self {
        Self(0.9)
    }
}

/// A text is not the share of something.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a watermark is a share from 0.1 to 1, such as 0.9")]
pub struct NotAShare;

impl FromStr for Watermark {
    type Err = NotAShare;

    fn from_str(text: &str) -> Result<Self, NotAShare> {
        match text.parse::<f64>() {
            Ok(share) if (0.1..=1.0).contains(&share) => Ok(Self(share)),
            _ => Err(NotAShare),
        }
    }
}

impl fmt::Display for Watermark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// When the gateway takes the broker for full.
#[derive(Debug, Clone)]
pub struct StorageOptions {
    /// From which share on nothing new is let in.
    pub high_watermark: Watermark,
    /// What is known of the broker's room besides what it tells.
    pub room: Room,
    /// How often to look. Between two looks no more should come in than the watermark leaves free.
    pub look_every: Duration,
}

impl Default for StorageOptions {
    fn default() -> Self {
        Self {
            high_watermark: Watermark::default(),
            room: Room::default(),
            look_every: Duration::from_secs(5),
        }
    }
}

/// Opens and closes ingest.
#[derive(Debug)]
pub(crate) struct Gate {
    high: Watermark,
    refusal_holds: Duration,
    state: Mutex<State>,
    share: Gauge<f64>,
    closed: Gauge<u64>,
}

#[derive(Debug, Default)]
struct State {
    /// What was too full when it was last looked at.
    full: Option<Fullest>,
    /// Until when the broker's own refusal holds.
    refused_until: Option<Instant>,
}

impl Gate {
    pub(crate) fn new(options: &StorageOptions) -> Self {
        let meter = global::meter("colloquy-gateway");
        Self {
            high: options.high_watermark,
            refusal_holds: options.look_every,
            state: Mutex::default(),
            share: meter
                .f64_gauge("colloquy.storage.share")
                .with_description("Share of its limit that the broker's fullest store uses")
                .with_unit("1")
                .build(),
            closed: meter
                .u64_gauge("colloquy.ingest.closed")
                .with_description("1 while nothing new is taken in because storage is nearly full")
                .build(),
        }
    }

    /// Whether something new may come in.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        let state = self.state();
        if let Some(full) = &state.full {
            return Err(problem(&format!(
                "Storage is nearly full: {} is at {:.0} %. Nothing new is accepted before it is \
                 below {:.0} %",
                full.what,
                full.share * 100.0,
                self.high.low() * 100.0
            )));
        }
        match state.refused_until {
            Some(until) if Instant::now() < until => Err(exhausted()),
            _ => Ok(()),
        }
    }

    /// Closes if a request failed because the broker refused to store something.
    pub(crate) fn heed(&self, problem: &Problem) {
        if problem.is_storage_full() {
            self.state().refused_until = Some(Instant::now() + self.refusal_holds);
        }
    }

    /// What a look found.
    fn seen(&self, fullest: Option<Fullest>) {
        let share = fullest.as_ref().map_or(0.0, |fullest| fullest.share);
        let mut state = self.state();
        let closed = state.full.is_some();
        let mark = if closed { self.high.low() } else { self.high.0 };
        state.full = fullest.filter(|_| share >= mark);
        match (closed, &state.full) {
            (false, Some(full)) => tracing::error!(
                what = full.what,
                share,
                "storage is nearly full; nothing new is accepted"
            ),
            (true, None) => tracing::info!(share, "there is room again; accepting"),
            _ => {}
        }
        self.share.record(share, &[]);
        self.closed.record(u64::from(state.full.is_some()), &[]);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The broker has no room left at all.
pub(crate) fn exhausted() -> Problem {
    problem("Storage is exhausted: the broker refused to store more. Nothing was accepted")
}

fn problem(what: &str) -> Problem {
    Problem::new(
        Kind::StorageFull,
        format!(
            "{what}; whoever runs this platform has to give it more room. Send it again later, \
             with the same Idempotency-Key if there was one."
        ),
    )
    .retry_after(FULL_WAIT)
}

/// Proof that there is room, taken before a request's body is read.
#[derive(Debug)]
pub(crate) struct HasRoom;

impl FromRequestParts<Shared> for HasRoom {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        app.gate.check().map(|()| Self)
    }
}

/// Looks after the broker's storage for as long as the gateway serves.
#[derive(Debug)]
pub struct StorageWatch {
    app: Shared,
}

impl StorageWatch {
    pub(crate) const fn new(app: Shared) -> Self {
        Self { app }
    }

    /// Looks, again and again, until told to drain. Cancelling it is harmless.
    pub async fn run(self, drain: CancellationToken) {
        let mut ticks = tokio::time::interval(self.app.options.storage.look_every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            tokio::select! {
                () = drain.cancelled() => return,
                _ = ticks.tick() => {}
            }
            tokio::select! {
                () = drain.cancelled() => return,
                failed = self.look(failing) => failing = failed,
            }
        }
    }

    /// Looks once; returns whether that failed. Only the first failure in a row is worth a warning.
    async fn look(&self, failing: bool) -> bool {
        // Each of its requests has a time limit.
        let looked = self
            .app
            .bus
            .fullest_store_in(&self.app.options.storage.room)
            .await;
        match looked {
            Ok(fullest) => {
                self.app.gate.seen(fullest);
                false
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                if failing {
                    tracing::debug!(error, "the broker's storage still cannot be looked at");
                } else {
                    tracing::warn!(
                        error,
                        "the broker's storage cannot be looked at; the last look holds"
                    );
                }
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(share: f64) -> Option<Fullest> {
        let what = "the account".to_owned();
        Some(Fullest { what, share })
    }

    #[test]
    fn it_opens_well_below_where_it_closed() {
        let gate = Gate::new(&StorageOptions::default());
        assert!(gate.check().is_ok(), "open until it is known to be full");
        for (share, open) in [
            (0.5, true),
            (0.89, true),
            (0.9, false),
            (0.87, false),
            (0.85, false),
            (0.84, true),
            (0.87, true),
            (1.2, false),
        ] {
            gate.seen(at(share));
            assert_eq!(gate.check().is_ok(), open, "{share}");
        }
        gate.seen(None);
        assert!(gate.check().is_ok(), "nothing is limited any more");
    }

    #[test]
    fn a_refusal_holds_for_a_while() {
        let gate = Gate::new(&StorageOptions {
            look_every: Duration::from_millis(20),
            ..StorageOptions::default()
        });
        gate.heed(&Problem::unavailable("something else"));
        assert!(gate.check().is_ok());
        gate.heed(&exhausted());
        assert!(gate.check().is_err());
        let deadline = Instant::now() + Duration::from_secs(10);
        while gate.check().is_err() {
            assert!(Instant::now() < deadline, "it holds for ever");
            std::thread::yield_now();
        }
    }

    #[test]
    fn watermarks_are_shares() {
        assert_eq!("0.9".parse(), Ok(Watermark::default()));
        assert_eq!("1".parse(), Ok(Watermark(1.0)));
        for bad in ["", "0", "0.05", "1.1", "90", "90%", "NaN", "-1"] {
            assert_eq!(bad.parse::<Watermark>(), Err(NotAShare), "{bad}");
        }
    }
}
