//! Every fault strikes while facts are stated and processes handle them: nothing is lost, nothing
//! is doubled. Without libtest's harness, because the services are this binary in another role.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests; no harness prints for them"
)]

use std::{sync::Arc, time::Duration};

use colloquy_bus::{
    CancellationToken,
    worker::{self, Context, Failure, Policy, Service},
};
use colloquy_contract::{
    Fact, FactType,
    facts::{ConversationErased, ConversationErasureRequested},
};
use colloquy_testkit::{BrokerOptions, Chaos, FaultKind, Kit, KitOptions, Victim, child, faults};

struct Eraser;

impl Service for Eraser {
    const NAME: &'static str = "eraser";
    type Input = ConversationErasureRequested;

    fn policy(&self) -> Policy {
        Policy {
            // Faults are no reason to give up.
            attempts: 50,
            retry_after: Duration::from_millis(100),
            retry_ceiling: Duration::from_secs(1),
            ..Policy::default()
        }
    }

    async fn handle(
        &self,
        _: ConversationErasureRequested,
        _: &Context,
    ) -> Result<Vec<Fact>, Failure> {
        Ok(vec![ConversationErased { artifacts: 0 }.into()])
    }
}

#[tokio::main]
async fn main() {
    match child::role().as_deref() {
        Some(Eraser::NAME) => serve().await,
        Some(other) => panic!("no role {other}"),
        None => {
            let seed = faults::seed();
            println!("test chaos, seed {seed}");
            one_server(seed).await;
            cluster(seed).await;
            println!("test chaos ... ok");
        }
    }
}

/// The service, until it is asked to end or killed.
async fn serve() {
    let (bus, drain) = (child::bus(Eraser::NAME).await, CancellationToken::new());
    let grace = Duration::from_secs(5);
    let serving = worker::run(bus, Arc::new(Eraser), drain.clone(), grace);
    let ending = async {
        child::ready();
        child::told_to_end().await;
        drain.cancel();
    };
    let (served, ()) = tokio::join!(serving, ending);
    served.unwrap();
}

async fn one_server(seed: u64) {
    let options = KitOptions {
        proxied: true,
        seed,
        ..KitOptions::default()
    };
    suffer(options, &FaultKind::single(), Duration::from_secs(15)).await;
}

async fn cluster(seed: u64) {
    let options = KitOptions {
        broker: BrokerOptions::cluster(),
        proxied: true,
        seed,
    };
    let kinds = [
        FaultKind::BrokerKill,
        FaultKind::LeaderStepdown,
        FaultKind::NodeIsolated,
        FaultKind::ConnectionCut,
        FaultKind::PubAckLoss,
        FaultKind::ServiceKill,
    ];
    suffer(options, &kinds, Duration::from_secs(8)).await;
}

async fn suffer(options: KitOptions, kinds: &[FaultKind], duration: Duration) {
    let chaos = Chaos::new(options.seed, kinds, duration);
    let kit = Kit::with(options).await;
    // A name that the contract does not know: somebody has to make its consumer.
    kit.run(Arc::new(Eraser)).await.drain().await;
    let services = [kit.role(Eraser::NAME), kit.role(Eraser::NAME)];
    for service in &services {
        service.start().await;
    }
    let victims: Vec<_> = services
        .iter()
        .map(|service| service as &dyn Victim)
        .collect();
    let targets = kit.targets(&victims);
    let stating = async {
        let (mut scopes, start) = (Vec::new(), std::time::Instant::now());
        while start.elapsed() < duration {
            let reason = "test".to_owned();
            scopes.push(kit.begin(ConversationErasureRequested { reason }).await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        scopes
    };
    let (protocol, scopes) = tokio::join!(chaos.run(&targets), stating);
    for struck in &protocol {
        println!("{struck}");
    }
    for kind in kinds {
        let there = protocol.iter().any(|struck| struck.strike.kind == *kind);
        let lane = kind.lane();
        let of_lane = protocol
            .iter()
            .filter(|struck| struck.strike.kind.lane() == lane)
            .count();
        assert!(there || of_lane > 0, "{lane:?} was left alone");
    }
    for scope in &scopes {
        let facts = kit.facts_until(scope, FactType::ConversationErased).await;
        let expected = [
            FactType::ConversationErasureRequested,
            FactType::ConversationErased,
        ];
        assert_eq!(facts, expected);
    }
    // Settlements that were lost are made up for after the ack wait.
    kit.settled(Duration::from_secs(120)).await;
    for service in &services {
        service.stop().await;
    }
    println!("{} conversations, {} faults", scopes.len(), protocol.len());
}
