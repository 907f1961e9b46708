//! Lets faults strike as planned, keeps a protocol, and heals everything at the end.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::future::join_all;
use jiff::SignedDuration;

use crate::{
    Broker, Clock, Proxy,
    faults::{FaultKind, Lane, SEED_VARIABLE, Strike, Victim, plan},
    process,
};

/// What faults are done to.
#[derive(Default)]
pub struct Targets<'a> {
    /// The servers.
    pub broker: Option<&'a Broker>,
    /// The proxies in front of them.
    pub proxies: &'a [Proxy],
    /// The services.
    pub services: Vec<&'a dyn Victim>,
    /// The clock that facts are stated with.
    pub clock: Option<&'a Clock>,
}

/// Faults that follow from a seed. If the test fails, the seed and the protocol are shown.
#[derive(Debug)]
pub struct Chaos {
    seed: u64,
    kinds: Vec<FaultKind>,
    duration: Duration,
    protocol: Mutex<Vec<Struck>>,
}

/// A fault that struck.
#[derive(Debug, Clone, PartialEq)]
pub struct Struck {
    /// As it was planned.
    pub strike: Strike,
    /// When it did, from the start.
    pub began: Duration,
    /// When it had passed, from the start.
    pub passed: Duration,
    /// What was hit, and how.
    pub what: String,
}

impl Chaos {
    /// Faults of these kinds at random times for so long.
    pub fn new(seed: u64, kinds: &[FaultKind], duration: Duration) -> Self {
        Self {
            seed,
            kinds: kinds.to_vec(),
            duration,
            protocol: Mutex::default(),
        }
    }

    /// The seed.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// What will strike: the strikes of each lane in order.
    pub fn plan(&self) -> Vec<Vec<Strike>> {
        plan(self.seed, &self.kinds, self.duration)
    }

    /// Strikes as planned, then heals everything: when this returns, all servers and services run
    /// and nothing is lost or held any more. Returns the protocol in the order of time.
    ///
    /// What would begin after the time is up, because something before it took longer than planned,
    /// is left out: a run does a beginning of each lane's plan.
    ///
    /// # Panics
    /// If the kinds need a target that is not there, or something does not come back.
    pub async fn run(&self, targets: &Targets<'_>) -> Vec<Struck> {
        targets.check(&self.kinds);
        let start = Instant::now();
        join_all(self.plan().into_iter().map(|strikes| async move {
            for strike in strikes {
                let wait = strike.at.saturating_sub(start.elapsed());
                tokio::time::sleep(wait).await;
                if start.elapsed() > self.duration {
                    return;
                }
                let began = start.elapsed();
                let what = targets.strike(&strike).await;
                let passed = start.elapsed();
                self.note(Struck {
                    strike,
                    began,
                    passed,
                    what,
                });
            }
        }))
        .await;
        targets.heal().await;
        let mut protocol = self.protocol();
        protocol.sort_by_key(|struck| struck.began);
        protocol
    }

    /// What struck so far.
    pub fn protocol(&self) -> Vec<Struck> {
        self.lock().clone()
    }

    fn note(&self, struck: Struck) {
        self.lock().push(struck);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Struck>> {
        self.protocol.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Chaos {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        process::say(&format!(
            "--- these faults struck; {SEED_VARIABLE}={} repeats them ---",
            self.seed
        ));
        for struck in self.protocol() {
            process::say(&struck.to_string());
        }
    }
}

impl fmt::Display for Struck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:7.3} s to {:7.3} s  {:<18} {}",
            self.began.as_secs_f64(),
            self.passed.as_secs_f64(),
            self.strike.kind,
            self.what
        )
    }
}

impl Targets<'_> {
    fn check(&self, kinds: &[FaultKind]) {
        for kind in kinds {
            let there = match kind.lane() {
                Lane::Broker => self.broker.is_some(),
                Lane::Network => !self.proxies.is_empty(),
                Lane::Services => !self.services.is_empty(),
                Lane::Clock => self.clock.is_some(),
            };
            assert!(there, "{kind} needs a target of {:?}", kind.lane());
            let cluster = self.broker.is_some_and(|broker| broker.nodes() > 1);
            assert!(cluster || !kind.needs_cluster(), "{kind} needs a cluster");
        }
    }

    /// Does it, waits until it has passed, undoes it. Returns what was hit.
    async fn strike(&self, strike: &Strike) -> String {
        match strike.kind.lane() {
            Lane::Broker => self.strike_broker(strike).await,
            Lane::Network => self.strike_network(strike).await,
            Lane::Services => self.strike_service(strike).await,
            Lane::Clock => self.strike_clock(strike).await,
        }
    }

    async fn strike_broker(&self, strike: &Strike) -> String {
        let broker = self.broker.expect("it was checked");
        let node = choose(broker.nodes(), strike.draw);
        let mut what = format!("server {node}");
        match strike.kind {
            FaultKind::BrokerKill => {
                broker.kill(node);
                tokio::time::sleep(strike.lasts).await;
                broker.start(node).await;
            }
            FaultKind::BrokerPause => {
                broker.pause(node);
                tokio::time::sleep(strike.lasts).await;
                broker.resume(node);
            }
            FaultKind::BrokerLameDuck => {
                broker.lame_duck(node).await;
                broker.start(node).await;
            }
            FaultKind::BrokerRestart => broker.restart(node).await,
            FaultKind::LeaderStepdown => what = broker.step_down(strike.draw).await,
            FaultKind::NodeIsolated => {
                broker.isolate(node);
                tokio::time::sleep(strike.lasts).await;
                broker.rejoin(node);
            }
            other => unreachable!("{other} is no fault of the broker"),
        }
        // One server at a time is away: what the next one needs must be on the others first.
        broker.ready().await;
        what
    }

    async fn strike_network(&self, strike: &Strike) -> String {
        // Loss by up to a half, redelivery by up to a quarter: more only makes everything slow.
        let probability = 0.05 + 0.45 * strike.strength;
        let delay = Duration::from_millis(2) + Duration::from_millis(60).mul_f64(strike.strength);
        // A network is one; a cut hits one way into it.
        let one = choose(self.proxies.len(), strike.draw);
        let hit = match strike.kind {
            FaultKind::ConnectionCut => &self.proxies[one..=one],
            _ => self.proxies,
        };
        for proxy in hit {
            proxy.make(|trouble| match strike.kind {
                FaultKind::ConnectionCut => trouble.refuse = true,
                FaultKind::NetworkDelay => (trouble.delay, trouble.jitter) = (delay, delay),
                FaultKind::NetworkStall => trouble.stall = true,
                FaultKind::AckLoss => trouble.lose_acks = probability,
                FaultKind::PubAckLoss => trouble.lose_publish_acks = probability,
                FaultKind::ChunkLoss => trouble.lose_chunks = probability,
                FaultKind::DuplicatePublish => trouble.duplicate_publishes = probability,
                FaultKind::Redelivery => trouble.redeliver = probability / 2.0,
                other => unreachable!("{other} is no fault of the network"),
            });
            if strike.kind == FaultKind::ConnectionCut {
                proxy.cut();
            }
        }
        tokio::time::sleep(strike.lasts).await;
        for proxy in hit {
            proxy.heal();
        }
        match strike.kind {
            FaultKind::ConnectionCut => format!("proxy {one}"),
            FaultKind::NetworkDelay => format!("{delay:.1?} to {:.1?}", 2 * delay),
            FaultKind::NetworkStall => "all proxies".to_owned(),
            FaultKind::Redelivery => format!("{:.0} %", probability * 50.0),
            _ => format!("{:.0} %", probability * 100.0),
        }
    }

    async fn strike_service(&self, strike: &Strike) -> String {
        let service = self.services[choose(self.services.len(), strike.draw)];
        match strike.kind {
            FaultKind::ServiceKill => {
                service.kill();
                tokio::time::sleep(strike.lasts).await;
                service.start().await;
            }
            FaultKind::ServicePause => {
                service.pause();
                tokio::time::sleep(strike.lasts).await;
                service.resume();
            }
            FaultKind::RollingRestart => {
                for service in &self.services {
                    service.stop().await;
                    service.start().await;
                }
                return "all services".to_owned();
            }
            other => unreachable!("{other} is no fault of a service"),
        }
        service.name().to_owned()
    }

    async fn strike_clock(&self, strike: &Strike) -> String {
        let clock = self.clock.expect("it was checked");
        // Up to a day and a bit, ahead or behind.
        let minutes = i64::try_from(strike.draw % (2 * 1_560)).unwrap_or(0) - 1_560;
        clock.skew(SignedDuration::from_mins(minutes));
        tokio::time::sleep(strike.lasts).await;
        clock.skew(SignedDuration::ZERO);
        format!("{minutes} minutes")
    }

    /// Everything runs again and nothing is in the way.
    async fn heal(&self) {
        for proxy in self.proxies {
            proxy.heal();
        }
        if let Some(clock) = self.clock {
            clock.skew(SignedDuration::ZERO);
        }
        if let Some(broker) = self.broker {
            broker.heal().await;
        }
        for service in &self.services {
            service.resume();
            service.start().await;
        }
    }
}

fn choose(count: usize, draw: u64) -> usize {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    usize::try_from(draw % count).unwrap_or(0)
}
