//! Faults strike the whole platform while people use it: nothing is lost, nothing is doubled.
//!
//! The services are real processes, each under its own user at the broker; only the speech model
//! is replaced (see `speech`). After the faults, everything that was accepted has come to one end,
//! the audit is clean, and every effect is there: documents of the index and rows of the warehouse
//! exactly once, webhooks and e-mails under exactly one key each.
//!
//! `cargo test` runs a short form with a seed by chance, `make faults` the long one; see `options`.
//! Without libtest's harness, because the stand-in for the speech model is this binary in another
//! role.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    dead_code,
    reason = "tests; no harness prints for them; modules are shared with another test"
)]

mod client;
mod load;
mod options;
mod platform;
mod receivers;
mod rolling;
mod speech;
mod verify;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use colloquy_bus::{
    CancellationToken,
    worker::{self, Service},
};
use colloquy_testkit::{Chaos, FaultKind, Struck, Victim, child, faults::SEED_VARIABLE};

use load::{Load, Pace};
use options::Options;
use platform::{Platform, Shape};
use speech::StandIn;

/// Time that handlers are given when the stand-in drains.
const GRACE: Duration = Duration::from_secs(10);

fn main() {
    // A list of tests, for runners that ask for it.
    if std::env::args().any(|argument| argument == "--list") {
        println!("faults: test");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    match child::role().as_deref() {
        Some(StandIn::NAME) => runtime.block_on(stand_in()),
        Some(other) => panic!("no role {other}"),
        None => runtime.block_on(suite(&Options::read())),
    }
}

/// The stand-in for the speech model, until it is asked to end or killed.
async fn stand_in() {
    let (bus, drain) = (child::bus(StandIn::NAME).await, CancellationToken::new());
    let serving = worker::run(bus.clone(), Arc::new(StandIn), drain.clone(), GRACE);
    let ending = async {
        child::ready();
        child::told_to_end().await;
        drain.cancel();
    };
    let (served, ()) = tokio::join!(serving, ending);
    bus.close().await;
    served.unwrap();
}

async fn suite(options: &Options) {
    let start = Instant::now();
    if options.long {
        for &seed in &options.single_seeds {
            chaos(options, seed, 1).await;
        }
        for &seed in &options.cluster_seeds {
            chaos(options, seed, 3).await;
        }
        if options.restarts > 0 {
            restarts(options.restarts).await;
        }
    } else {
        for &seed in &options.single_seeds {
            short(options, seed).await;
        }
    }
    println!("test faults ... ok ({:.1?})", start.elapsed());
}

/// One platform suffers it all: first restarts under load, then faults.
async fn short(options: &Options, seed: u64) {
    println!("faults, short, seed {seed}; {SEED_VARIABLE}={seed} repeats the plan");
    let platform = started(seed, 1, true, 1).await;
    let mut load = rolling::run(&platform, Duration::from_secs(4), options.restarts).await;
    // Restarts had their turn.
    let possible = FaultKind::single();
    let possible: Vec<_> = possible
        .into_iter()
        .filter(|kind| *kind != FaultKind::RollingRestart)
        .collect();
    load.and(suffer(&platform, options, seed, &possible).await);
    println!("  {}", verify::all(&platform, &load).await);
    platform.stop().await;
}

/// Faults of every kind against a platform of its own.
async fn chaos(options: &Options, seed: u64, nodes: usize) {
    println!("faults, seed {seed}, {nodes} server(s); {SEED_VARIABLE}={seed} repeats the plan");
    let platform = started(seed, nodes, true, 2).await;
    let possible = match nodes {
        1 => FaultKind::single(),
        _ => FaultKind::ALL.to_vec(),
    };
    let load = suffer(&platform, options, seed, &possible).await;
    println!("  {}", verify::all(&platform, &load).await);
    platform.stop().await;
}

/// Restarts under load, with one process of each service and with two.
async fn restarts(rounds: u32) {
    for instances in [1, 2] {
        println!("rolling restarts, {instances} process(es) of each service");
        let platform = started(0, 1, false, instances).await;
        let load = rolling::run(&platform, Duration::from_secs(20), rounds).await;
        println!("  {}", verify::all(&platform, &load).await);
        platform.stop().await;
    }
}

async fn started(seed: u64, nodes: usize, proxied: bool, instances: usize) -> Platform {
    let start = Instant::now();
    let platform = Platform::start(Shape {
        seed,
        nodes,
        proxied,
        instances,
    })
    .await;
    let processes = platform.services().len();
    println!(
        "  {processes} processes started within {:.1?}",
        start.elapsed()
    );
    platform
}

/// Faults strike while people use the platform. When this returns, everything is healed.
async fn suffer(platform: &Platform, options: &Options, seed: u64, possible: &[FaultKind]) -> Load {
    let kinds = options.kinds(possible);
    let chaos = Chaos::new(seed, &kinds, options.duration);
    let victims = platform.victims();
    let victims: Vec<_> = victims.iter().map(|victim| victim as &dyn Victim).collect();
    let (targets, never) = (platform.kit.targets(&victims), CancellationToken::new());
    let (protocol, load) = tokio::join!(
        chaos.run(&targets),
        load::run(platform, "chaos", Pace::STEADY, options.duration, &never),
    );
    tell(&protocol);
    platform.recovered().await;
    load
}

fn tell(protocol: &[Struck]) {
    let mut counts = BTreeMap::<_, u32>::new();
    for struck in protocol {
        println!("  {struck}");
        *counts.entry(struck.strike.kind.as_str()).or_default() += 1;
    }
    let (kinds, strikes) = (counts.len(), protocol.len());
    println!("  {strikes} faults of {kinds} kinds: {counts:?}");
}
