//! The faults that there are, and when they strike: both follow from a seed.

use std::{fmt, str::FromStr, time::Duration};

use futures::future::BoxFuture;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};

/// A process that faults are done to.
pub trait Victim: Send + Sync {
    /// Its name, for the protocol.
    fn name(&self) -> &str;
    /// Kills it at once; nothing if it does not run.
    fn kill(&self);
    /// Stops it in the middle of what it does.
    fn pause(&self);
    /// Lets it go on.
    fn resume(&self);
    /// Starts it and waits until it is ready; nothing if it runs.
    fn start(&self) -> BoxFuture<'_, ()>;
    /// Asks it to end and waits until it has.
    fn stop(&self) -> BoxFuture<'_, ()>;
}

/// What a fault needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// A broker's servers.
    Broker,
    /// Proxies in front of them.
    Network,
    /// Services as processes.
    Services,
    /// The clock that facts are stated with.
    Clock,
}

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $lane:ident;)*) => {
        /// A kind of fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum FaultKind {
            $($(#[$doc])* $name,)*
        }

        impl FaultKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name, such as `broker_kill`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What it needs.
            pub const fn lane(self) -> Lane {
                match self { $(Self::$name => Lane::$lane,)* }
            }
        }
    };
}

faults! {
    /// A server is killed and comes back.
    BrokerKill = "broker_kill", Broker;
    /// A server stops in the middle of what it does and goes on.
    BrokerPause = "broker_pause", Broker;
    /// A server sends its clients away, leaves and comes back.
    BrokerLameDuck = "broker_lame_duck", Broker;
    /// A server ends gracefully and comes back.
    BrokerRestart = "broker_restart", Broker;
    /// The leaders of a stream and of a consumer step down. Needs a cluster.
    LeaderStepdown = "leader_stepdown", Broker;
    /// A server is cut off from the others, not from its clients. Needs a cluster.
    NodeIsolated = "node_isolated", Broker;
    /// All connections are cut; for a while no new ones are taken.
    ConnectionCut = "connection_cut", Network;
    /// Everything takes longer, unevenly.
    NetworkDelay = "network_delay", Network;
    /// Nothing passes, connections stand.
    NetworkStall = "network_stall", Network;
    /// Settlements of deliveries do not reach the broker.
    AckLoss = "ack_loss", Network;
    /// Acknowledgements of publishes do not reach the publisher.
    PubAckLoss = "pub_ack_loss", Network;
    /// Pieces of artifacts do not reach the broker.
    ChunkLoss = "chunk_loss", Network;
    /// Facts reach the broker twice.
    DuplicatePublish = "duplicate_publish", Network;
    /// Deliveries are handed back behind the service's back and delivered again.
    Redelivery = "redelivery", Network;
    /// A service is killed and started again.
    ServiceKill = "service_kill", Services;
    /// A service stops in the middle of what it does and goes on.
    ServicePause = "service_pause", Services;
    /// One service after the other ends gracefully and is started again.
    RollingRestart = "rolling_restart", Services;
    /// First facts are stated with times that are hours off.
    ClockSkew = "clock_skew", Clock;
}

impl FaultKind {
    /// Whether it needs a cluster.
    pub const fn needs_cluster(self) -> bool {
        matches!(self, Self::LeaderStepdown | Self::NodeIsolated)
    }

    /// Every kind that one server can suffer.
    pub fn single() -> Vec<Self> {
        let all = Self::ALL.iter().copied();
        all.filter(|kind| !kind.needs_cluster()).collect()
    }

    /// How long it lasts, in milliseconds.
    const fn lasts_ms(self) -> (u64, u64) {
        match self {
            Self::BrokerKill | Self::ServiceKill => (0, 1_500),
            Self::BrokerPause | Self::NetworkStall | Self::ServicePause => (300, 3_000),
            Self::NodeIsolated => (1_000, 4_000),
            Self::ConnectionCut => (0, 800),
            Self::NetworkDelay
            | Self::AckLoss
            | Self::PubAckLoss
            | Self::ChunkLoss
            | Self::DuplicatePublish
            | Self::Redelivery
            | Self::ClockSkew => (500, 3_000),
            Self::BrokerLameDuck
            | Self::BrokerRestart
            | Self::LeaderStepdown
            | Self::RollingRestart => (0, 0),
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for FaultKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().copied().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|kind| kind.as_str()).collect();
            format!("no fault '{text}'; there are {}", names.join(", "))
        })
    }
}

/// A fault that is to strike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Strike {
    /// When, from the start.
    pub at: Duration,
    /// What.
    pub kind: FaultKind,
    /// For how long.
    pub lasts: Duration,
    /// Chooses which of the servers, proxies or services.
    pub draw: u64,
    /// How bad, between 0 and 1.
    pub strength: f64,
}

/// Pause between the faults of one lane, in milliseconds.
const PAUSE_MS: (u64, u64) = (100, 1_200);

/// The strikes of each lane in order. The same seed, kinds and duration give the same.
///
/// Lanes run side by side; within one, a fault has passed before the next strikes, and each kind
/// has had its turn before one comes again.
pub fn plan(seed: u64, kinds: &[FaultKind], duration: Duration) -> Vec<Vec<Strike>> {
    let lanes = [Lane::Broker, Lane::Network, Lane::Services, Lane::Clock];
    let strikes = lanes.into_iter().zip(0..).map(|(lane, number)| {
        // Of its own, so that leaving out a kind of one lane leaves the others as they are.
        let random = StdRng::seed_from_u64(seed.wrapping_mul(4).wrapping_add(number));
        let kinds: Vec<_> = kinds
            .iter()
            .copied()
            .filter(|kind| kind.lane() == lane)
            .collect();
        plan_lane(random, &kinds, duration)
    });
    strikes.filter(|strikes| !strikes.is_empty()).collect()
}

fn plan_lane(mut random: StdRng, kinds: &[FaultKind], duration: Duration) -> Vec<Strike> {
    let (mut strikes, mut turn, mut at) = (Vec::new(), Vec::new(), Duration::ZERO);
    if kinds.is_empty() {
        return strikes;
    }
    loop {
        at += Duration::from_millis(random.random_range(PAUSE_MS.0..=PAUSE_MS.1));
        if at > duration {
            return strikes;
        }
        if turn.is_empty() {
            turn = kinds.to_vec();
            turn.shuffle(&mut random);
        }
        let Some(kind) = turn.pop() else {
            return strikes;
        };
        let (shortest, longest) = kind.lasts_ms();
        let lasts = Duration::from_millis(random.random_range(shortest..=longest));
        let lasts = lasts.min(duration.saturating_sub(at));
        strikes.push(Strike {
            at,
            kind,
            lasts,
            draw: random.random(),
            strength: random.random(),
        });
        at += lasts;
    }
}

/// The variable that sets the seed.
pub const SEED_VARIABLE: &str = "COLLOQUY_FAULT_SEED";

/// The seed of `COLLOQUY_FAULT_SEED`, else one by chance.
///
/// # Panics
/// If the variable is no number.
pub fn seed() -> u64 {
    match std::env::var(SEED_VARIABLE) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{SEED_VARIABLE} is a number such as 42, not '{text}'")),
        // Short enough to be typed.
        Err(_) => rand::rng().random_range(0..1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(120);

    #[test]
    fn a_seed_repeats_its_plan() {
        let one = plan(42, FaultKind::ALL, LONG);
        assert_eq!(one, plan(42, FaultKind::ALL, LONG));
        assert_ne!(one, plan(43, FaultKind::ALL, LONG));
        // A longer run begins like a shorter one.
        let short = plan(42, FaultKind::ALL, LONG / 2);
        for (short, long) in short.iter().zip(&one) {
            let same = short.len() - 1;
            assert_eq!(short[..same], long[..same]);
        }
    }

    #[test]
    fn every_kind_has_its_turn_and_one_lane_does_one_thing_at_a_time() {
        assert!(FaultKind::ALL.len() >= 12);
        let lanes = plan(7, FaultKind::ALL, LONG);
        for kind in FaultKind::ALL {
            let count = lanes
                .iter()
                .flatten()
                .filter(|strike| strike.kind == *kind)
                .count();
            assert!(count >= 2, "{kind}: {count}");
        }
        for lane in &lanes {
            for pair in lane.windows(2) {
                assert!(pair[0].at + pair[0].lasts < pair[1].at);
            }
            assert!(lane.iter().all(|strike| strike.at + strike.lasts <= LONG));
        }
    }

    #[test]
    fn names_are_read() {
        for &kind in FaultKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert!(
            "flood"
                .parse::<FaultKind>()
                .unwrap_err()
                .contains("broker_kill")
        );
    }
}
