//! The kit itself: a broker that is harmed and comes back, proxies that make trouble, services.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use colloquy_bus::{
    CancellationToken,
    worker::{self, Context, Failure, Policy, Service},
};
use colloquy_contract::{
    Bucket, Fact, FactType,
    facts::{ConversationErased, ConversationErasureRequested, ConversationIndexed},
};
use colloquy_testkit::{
    Authorization, Broker, BrokerOptions, Kit, KitOptions, PATIENCE, conversation, eventually,
};

/// Erases on request, as often as it may; fails as often as it is told to.
#[derive(Default)]
struct Eraser {
    fails: u32,
    handled: AtomicU32,
}

impl Service for Eraser {
    const NAME: &'static str = "eraser";
    type Input = ConversationErasureRequested;

    fn policy(&self) -> Policy {
        let usual = Policy::default();
        Policy {
            attempts: if self.fails > 0 { 2 } else { usual.attempts },
            retry_after: Duration::from_millis(20),
            ..usual
        }
    }

    async fn handle(
        &self,
        _: ConversationErasureRequested,
        _: &Context,
    ) -> Result<Vec<Fact>, Failure> {
        if self.handled.fetch_add(1, Ordering::SeqCst) < self.fails {
            return Err(Failure::Retry {
                reason: "told to".to_owned(),
            });
        }
        Ok(vec![ConversationErased { artifacts: 0 }.into()])
    }
}

fn request() -> ConversationErasureRequested {
    ConversationErasureRequested {
        reason: "test".to_owned(),
    }
}

#[tokio::test]
async fn a_service_is_tested() {
    let kit = Kit::start().await;
    let service = Arc::new(Eraser::default());
    let running = kit.run(service.clone()).await;
    let scope = kit.begin(request()).await;
    let facts = kit.facts_until(&scope, FactType::ConversationErased).await;
    let expected = [
        FactType::ConversationErasureRequested,
        FactType::ConversationErased,
    ];
    assert_eq!(facts, expected);
    assert_eq!(kit.history(&scope).await[1].envelope.source, "eraser");
    assert_eq!(kit.dead_letters().await, 0);
    running.drain().await;
    assert_eq!(service.handled.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_service_that_starts_while_the_broker_is_silent_waits_for_it() {
    let kit = Kit::start().await;
    let service = Arc::new(Eraser::default());
    kit.run(service.clone()).await.drain().await;
    let scope = kit.begin(request()).await;
    let bus = kit.connect(Eraser::NAME).await;
    kit.broker().pause(0);
    let drain = CancellationToken::new();
    let running = worker::run(bus, service, drain.clone(), Duration::from_secs(5));
    let mut running = tokio::spawn(running);
    // Longer than its first question waits for an answer.
    let early = tokio::time::timeout(Duration::from_secs(7), &mut running).await;
    kit.broker().resume(0);
    assert!(early.is_err(), "it gave up: {early:?}");
    kit.facts_until(&scope, FactType::ConversationErased).await;
    drain.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_left_fails_the_test() {
    let kit = Kit::start().await;
    kit.run(Arc::new(Eraser::default())).await.kill().await;
    kit.begin(request()).await;
    let dropped = tokio::task::spawn_blocking(move || drop(kit)).await;
    let message = panic_message(dropped.unwrap_err());
    assert!(message.contains("eraser has 1 facts queued"), "{message}");
}

#[tokio::test]
async fn a_dead_letter_fails_the_test_unless_it_is_allowed() {
    for allowed in [false, true] {
        let kit = Kit::start().await;
        let service = Eraser {
            fails: u32::MAX,
            ..Eraser::default()
        };
        let running = kit.run(Arc::new(service)).await;
        let scope = kit.begin(request()).await;
        kit.facts_until(&scope, FactType::ConversationFailed).await;
        running.drain().await;
        assert_eq!(kit.dead_letters().await, 1);
        if allowed {
            kit.allow_leftovers();
        }
        let dropped = tokio::task::spawn_blocking(move || drop(kit)).await;
        match dropped {
            Ok(()) => assert!(allowed),
            Err(error) => {
                let message = panic_message(error);
                assert!(!allowed && message.contains("1 dead letters"), "{message}");
            }
        }
    }
}

fn panic_message(error: tokio::task::JoinError) -> String {
    let panic = error.into_panic();
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_server_comes_back_with_what_it_acknowledged() {
    let kit = Kit::start().await;
    let broker = kit.broker();
    let mut scopes = vec![kit.begin(request()).await];
    broker.kill(0);
    assert!(!broker.is_running(0));
    broker.start(0).await;
    scopes.push(kit.begin(request()).await);
    broker.lame_duck(0).await;
    assert!(!broker.is_running(0));
    broker.start(0).await;
    scopes.push(kit.begin(request()).await);
    broker.restart(0).await;
    broker.pause(0);
    assert!(broker.is_running(0));
    let answers = tokio::time::timeout(Duration::from_millis(300), kit.bus.history(&scopes[0]));
    assert!(answers.await.is_err(), "a paused server does not answer");
    broker.heal().await;
    eventually("the connection is back", PATIENCE, async || {
        kit.bus.ping().await
    })
    .await;
    for scope in &scopes {
        assert_eq!(kit.history(scope).await.len(), 1);
    }
}

#[tokio::test]
async fn a_cluster_goes_on_without_one_of_its_servers() {
    let kit = Kit::with(KitOptions {
        broker: BrokerOptions::cluster(),
        ..KitOptions::default()
    })
    .await;
    let broker = kit.broker();
    let running = kit.run(Arc::new(Eraser::default())).await;
    let mut scopes = Vec::new();
    for node in 0..3 {
        broker.isolate(node);
        eventually("it is alone", PATIENCE, async || {
            routes_of(broker, node) == 0
        })
        .await;
        // The others' connections go on.
        let other = (node + 1) % 3;
        assert!(routes_of(broker, other) > 0);
        broker.rejoin(node);
        broker.ready().await;
        broker.kill(node);
        scopes.push(kit.begin(request()).await);
        broker.start(node).await;
        broker.ready().await;
    }
    let protocol = broker.step_down(5).await;
    assert!(
        protocol.contains("STEPDOWN") && protocol.contains(": ok"),
        "{protocol}"
    );
    for scope in &scopes {
        kit.facts_until(scope, FactType::ConversationErased).await;
    }
    broker.ready().await;
    running.drain().await;
}

fn routes_of(broker: &Broker, node: usize) -> u64 {
    use std::io::{Read, Write};
    let mut stream =
        std::net::TcpStream::connect(("127.0.0.1", broker.monitoring_port(node))).unwrap();
    stream.write_all(b"GET /routez HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let routes: serde_json::Value = serde_json::from_str(body).unwrap();
    routes["num_routes"].as_u64().unwrap()
}

#[tokio::test]
async fn a_service_does_what_it_declares_and_nothing_else() {
    let kit = Kit::with(KitOptions {
        broker: BrokerOptions {
            authorization: Some(Authorization::of_contract()),
            ..BrokerOptions::default()
        },
        ..KitOptions::default()
    })
    .await;
    let index = kit.connect("index").await;
    let indexed = ConversationIndexed { turns: 1 };
    let scope = conversation();
    index
        .state_first("index", scope.clone(), indexed)
        .await
        .unwrap();
    let foreign = index.state_first("index", scope.clone(), request()).await;
    assert!(foreign.is_err(), "it states no requests");
    // The kit may everything.
    kit.state(&scope, request()).await;
    assert_eq!(kit.history(&scope).await.len(), 2);
}

#[tokio::test]
async fn what_a_proxy_loses_is_said_again() {
    let kit = Kit::behind_a_proxy(11).await;
    let (proxy, bus) = (&kit.proxies()[0], kit.connect("test").await);

    // Acknowledgements of publishes.
    proxy.make(|trouble| trouble.lose_publish_acks = 1.0);
    let scope = conversation();
    let stating = bus.state_first("test", scope.clone(), request());
    let healing = async {
        eventually("one is lost", PATIENCE, async || {
            proxy.done().publish_acks > 0
        })
        .await;
        proxy.heal();
    };
    let (stated, ()) = tokio::join!(stating, healing);
    assert!(stated.unwrap().repeated, "it stood there already");
    assert_eq!(kit.history(&scope).await.len(), 1);

    // Publishes that come twice.
    proxy.make(|trouble| trouble.duplicate_publishes = 1.0);
    let scope = conversation();
    bus.state_first("test", scope.clone(), request())
        .await
        .unwrap();
    assert!(proxy.done().publishes > 0);
    assert_eq!(kit.history(&scope).await.len(), 1);
    proxy.heal();

    // Pieces of artifacts.
    proxy.make(|trouble| trouble.lose_chunks = 1.0);
    let artifacts = bus.artifacts();
    let put = artifacts.put_bytes(Bucket::Vault, &scope, "text/plain", b"hello".to_vec());
    let lost = tokio::time::timeout(Duration::from_secs(3), put).await;
    assert!(
        !matches!(lost, Ok(Ok(_))),
        "an artifact with a hole is none"
    );
    assert!(proxy.done().chunks > 0);
    proxy.heal();

    // Everything, for a while.
    proxy.make(|trouble| trouble.stall = true);
    let held = tokio::time::timeout(Duration::from_millis(300), bus.history(&scope)).await;
    assert!(held.is_err(), "nothing passes");
    proxy.heal();
    assert_eq!(bus.history(&scope).await.unwrap().len(), 1);

    // The connection.
    proxy.make(|trouble| trouble.refuse = true);
    proxy.cut();
    eventually("it is refused", PATIENCE, async || {
        proxy.done().connections > 1
    })
    .await;
    assert!(!bus.ping().await);
    proxy.heal();
    eventually("it is back", PATIENCE, async || bus.ping().await).await;
}

#[tokio::test]
async fn a_service_bears_redelivery_and_lost_settlements() {
    let kit = Kit::behind_a_proxy(12).await;
    let proxy = &kit.proxies()[0];
    let service = Arc::new(Eraser::default());
    let running = kit.run(service.clone()).await;
    proxy.make(|trouble| {
        trouble.redeliver = 0.3;
        trouble.duplicate_deliveries = 0.3;
        trouble.lose_acks = 0.1;
        trouble.delay = Duration::from_millis(1);
        trouble.jitter = Duration::from_millis(3);
    });
    let mut scopes = Vec::new();
    for _ in 0..40 {
        scopes.push(kit.begin(request()).await);
    }
    for scope in &scopes {
        let facts = kit.facts_until(scope, FactType::ConversationErased).await;
        assert_eq!(facts.len(), 2, "{facts:?}");
    }
    proxy.heal();
    // A settlement that was lost is made up for after the ack wait.
    kit.settled(2 * PATIENCE).await;
    running.drain().await;
    let done = proxy.done();
    assert!(done.handed_back > 0 && done.acks > 0, "{done:?}");
    assert!(
        service.handled.load(Ordering::SeqCst) > 40,
        "some were handled twice"
    );
}
