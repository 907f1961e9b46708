//! Every service is restarted, one after the other, under load: nobody notices more than a wait.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use colloquy_bus::CancellationToken;
use colloquy_contract::FactId;
use colloquy_testkit::Victim;
use jiff::Timestamp;

use crate::{
    load::{self, Load, Pace},
    platform::Platform,
    verify::{self, Log},
};

/// Longer than any rolling restart takes; then something hangs.
const BOUND: Duration = Duration::from_secs(600);

/// How long a client may wait for its acceptance while services restart: a drain and a start.
const CLIENT_BOUND: Duration = Duration::from_secs(30);

/// The same load without restarts and with them. Returns all of it.
pub async fn run(platform: &Platform, steady: Duration, rounds: u32) -> Load {
    let never = CancellationToken::new();
    let calm = load::run(platform, "steady", Pace::STEADY, steady, &never).await;
    // What is queued must not count as the next phase's wait.
    verify::until_ended(platform, &calm).await;
    let before = platform.client.troubles();
    let done = CancellationToken::new();
    let restarting = async {
        let start = Instant::now();
        for _ in 0..rounds {
            for service in platform.services() {
                service.stop().await;
                service.start().await;
            }
        }
        done.cancel();
        start.elapsed()
    };
    let loading = load::run(platform, "rolling", Pace::STEADY, BOUND, &done);
    let (mut rolled, took) = tokio::join!(loading, restarting);
    let log = verify::until_ended(platform, &rolled).await;
    let after = platform.client.troubles();
    println!(
        "  {} processes restarted {rounds} times within {took:.1?} under {} posts and sign-ups; \
         clients repeated {} answers 'later' and {} broken connections",
        platform.services().len(),
        rolled.len(),
        after.0 - before.0,
        after.1 - before.1,
    );
    let slowest = rolled.posted().map(|posted| posted.took).max();
    let slowest = slowest.unwrap_or_default();
    let retries = rolled.posted().map(|posted| posted.retries).max();
    println!(
        "  slowest acceptance {slowest:.2?}, at most {} retries",
        retries.unwrap_or(0)
    );
    assert!(slowest < CLIENT_BOUND, "a client waited {slowest:?}");
    assert_eq!(platform.kit.dead_letters().await, 0, "dead letters");
    println!("  stage wait, from a fact to what follows from it, in milliseconds:");
    println!(
        "    {:<28} {:>22} {:>22}",
        "", "without restarts", "rolling restart"
    );
    println!(
        "    {:<28} {:>6} {:>7} {:>7} {:>6} {:>7} {:>7}",
        "", "p50", "p99", "max", "p50", "p99", "max"
    );
    let (calm_waits, rolled_waits) = (waits(&log, &calm), waits(&log, &rolled));
    for (stage, calm) in &calm_waits {
        let rolled = rolled_waits.get(stage).map_or(&[][..], Vec::as_slice);
        println!("    {stage:<28} {} {}", summary(calm), summary(rolled));
    }
    rolled.and(calm);
    rolled
}

/// For each type of fact, and for all, how long after its cause each was stated, sorted.
fn waits(log: &Log, load: &Load) -> BTreeMap<String, Vec<i64>> {
    let mut about: BTreeSet<&str> = load.posted().map(|posted| posted.id.as_str()).collect();
    about.extend(load.signups.iter().map(|(account, _)| account.as_str()));
    let mut waits = BTreeMap::<String, Vec<i64>>::new();
    for id in about {
        let facts = log.by_scope.get(id).into_iter().flatten();
        let times: BTreeMap<FactId, Timestamp> = facts
            .clone()
            .map(|logged| (logged.envelope.id, logged.envelope.time))
            .collect();
        for logged in facts {
            let envelope = &logged.envelope;
            let Some(cause) = envelope.cause.and_then(|cause| times.get(&cause)) else {
                continue;
            };
            let wait = envelope.time.duration_since(*cause).as_millis();
            let wait = i64::try_from(wait).unwrap_or(i64::MAX);
            let stage = envelope.fact_type.as_str().to_owned();
            waits.entry(stage).or_default().push(wait);
            waits.entry("all stages".to_owned()).or_default().push(wait);
        }
    }
    for times in waits.values_mut() {
        times.sort_unstable();
    }
    waits
}

fn summary(waits: &[i64]) -> String {
    let at = |part: usize| {
        let place = (waits.len() * part / 100).min(waits.len().saturating_sub(1));
        waits.get(place).map_or(-1, |wait| *wait)
    };
    format!("{:>6} {:>7} {:>7}", at(50), at(99), at(100))
}
