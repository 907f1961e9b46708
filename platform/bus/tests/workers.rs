//! The worker kit: what follows is stated once, failures are retried, nothing is lost.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use colloquy_bus::{
    Bus, CancellationToken,
    worker::{self, Context, Failure, Policy, Service},
};
use colloquy_contract::{
    Fact, FactType, Scope,
    facts::{ConversationErased, ConversationErasureRequested},
};
use tokio::task::JoinHandle;

use support::{TestBroker, conversation, start};

/// What a test service does with a request.
type Behaviour = dyn Fn(u32) -> Result<(), Failure> + Send + Sync;

/// Erases on request, in its fashion.
struct Eraser {
    handled: AtomicU32,
    behaviour: Box<Behaviour>,
    takes: Duration,
}

impl Eraser {
    fn new(behaviour: impl Fn(u32) -> Result<(), Failure> + Send + Sync + 'static) -> Arc<Self> {
        let behaviour = Box::new(behaviour);
        Arc::new(Self {
            handled: AtomicU32::new(0),
            behaviour,
            takes: Duration::ZERO,
        })
    }

    fn handled(&self) -> u32 {
        self.handled.load(Ordering::SeqCst)
    }
}

impl Service for Eraser {
    const NAME: &'static str = "eraser";
    type Input = ConversationErasureRequested;

    fn policy(&self) -> Policy {
        Policy {
            attempts: 3,
            retry_after: Duration::from_millis(20),
            deadline: Duration::from_secs(2),
            ..Policy::default()
        }
    }

    async fn handle(
        &self,
        _: ConversationErasureRequested,
        context: &Context,
    ) -> Result<Vec<Fact>, Failure> {
        self.handled.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.takes).await;
        (self.behaviour)(context.attempt)?;
        Ok(vec![ConversationErased { artifacts: 7 }.into()])
    }
}

struct Running {
    drain: CancellationToken,
    task: JoinHandle<colloquy_bus::Result<()>>,
}

impl Running {
    fn start(bus: &Bus, service: Arc<Eraser>) -> Self {
        let drain = CancellationToken::new();
        let running = worker::run(
            bus.clone(),
            service,
            drain.clone(),
            Duration::from_millis(300),
        );
        Self {
            drain,
            task: tokio::spawn(running),
        }
    }

    async fn stop(self) {
        self.drain.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(20), self.task).await;
        ended.expect("it drains in time").unwrap().unwrap();
    }
}

async fn request(test: &TestBroker) -> Scope {
    let scope = conversation();
    let request = ConversationErasureRequested {
        reason: "test".to_owned(),
    };
    test.bus
        .state_first("test", scope.clone(), request)
        .await
        .unwrap();
    scope
}

/// The facts of a conversation once there is one of this type.
async fn facts_until(test: &TestBroker, scope: &Scope, last: FactType) -> Vec<FactType> {
    for _ in 0..1_000 {
        let history = test.bus.history(scope).await.unwrap();
        let facts: Vec<_> = history
            .iter()
            .map(|logged| logged.envelope.fact_type)
            .collect();
        if facts.contains(&last) {
            return facts;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no {last} within 20 s");
}

const DONE: [FactType; 2] = [
    FactType::ConversationErasureRequested,
    FactType::ConversationErased,
];
const GIVEN_UP: [FactType; 2] = [
    FactType::ConversationErasureRequested,
    FactType::ConversationFailed,
];

#[tokio::test]
async fn what_follows_is_stated_and_caused() {
    let test = start().await;
    let running = Running::start(&test.bus, Eraser::new(|_| Ok(())));
    let scope = request(&test).await;
    assert_eq!(
        facts_until(&test, &scope, FactType::ConversationErased).await,
        DONE
    );
    let history = test.bus.history(&scope).await.unwrap();
    assert_eq!(history[1].envelope.cause, Some(history[0].envelope.id));
    assert_eq!(history[1].envelope.source, "eraser");
    running.stop().await;
}

#[tokio::test]
async fn a_failure_that_passes_is_retried() {
    let test = start().await;
    let service = Eraser::new(|attempt| match attempt {
        1 => Err(Failure::Retry {
            reason: "not yet".to_owned(),
        }),
        2 => panic!("a handler may panic"),
        _ => Ok(()),
    });
    let running = Running::start(&test.bus, service.clone());
    let scope = request(&test).await;
    assert_eq!(
        facts_until(&test, &scope, FactType::ConversationErased).await,
        DONE
    );
    assert_eq!(service.handled(), 3);
    running.stop().await;
}

#[tokio::test]
async fn attempts_used_up_become_a_dead_letter_and_an_end() {
    let test = start().await;
    let service = Eraser::new(|_| {
        Err(Failure::Retry {
            reason: "never".to_owned(),
        })
    });
    let running = Running::start(&test.bus, service.clone());
    let scope = request(&test).await;
    assert_eq!(
        facts_until(&test, &scope, FactType::ConversationFailed).await,
        GIVEN_UP
    );
    let history = test.bus.history(&scope).await.unwrap();
    let Fact::ConversationFailed(failed) = &history[1].fact else {
        panic!("no failure")
    };
    assert_eq!((failed.attempts, failed.error.as_str()), (3, "never"));
    assert_eq!((failed.stage.as_str(), failed.dead_letter), ("eraser", 1));
    running.stop().await;
    assert_eq!(service.handled(), 3, "and it is not delivered again");
}

#[tokio::test]
async fn what_never_works_is_not_retried() {
    let test = start().await;
    let service = Eraser::new(|_| {
        Err(Failure::Permanent {
            reason: "no".to_owned(),
        })
    });
    let running = Running::start(&test.bus, service.clone());
    let scope = request(&test).await;
    assert_eq!(
        facts_until(&test, &scope, FactType::ConversationFailed).await,
        GIVEN_UP
    );
    assert_eq!(service.handled(), 1);
    running.stop().await;
}

#[tokio::test]
async fn two_share_the_load() {
    let test = start().await;
    let services = [Eraser::new(|_| Ok(())), Eraser::new(|_| Ok(()))];
    let running: Vec<_> = services
        .iter()
        .map(|service| Running::start(&test.bus, service.clone()))
        .collect();
    let mut scopes = Vec::new();
    for _ in 0..60 {
        scopes.push(request(&test).await);
    }
    for scope in &scopes {
        assert_eq!(
            facts_until(&test, scope, FactType::ConversationErased).await,
            DONE
        );
    }
    let handled = services.each_ref().map(|service| service.handled());
    assert_eq!(handled.iter().sum::<u32>(), 60, "{handled:?}");
    assert!(handled.iter().all(|&count| count >= 10), "{handled:?}");
    for one in running {
        one.stop().await;
    }
}

#[tokio::test]
async fn draining_hands_back_what_is_not_done() {
    let test = start().await;
    let slow = Arc::new(Eraser {
        handled: AtomicU32::new(0),
        behaviour: Box::new(|_| Ok(())),
        takes: Duration::from_secs(600),
    });
    let running = Running::start(&test.bus, slow.clone());
    let scope = request(&test).await;
    for _ in 0..1_000 {
        if slow.handled() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(slow.handled(), 1);
    running.stop().await;
    // Handed back, not timed out: the next one has it at once.
    let next = Running::start(&test.bus, Eraser::new(|_| Ok(())));
    let facts = tokio::time::timeout(
        Duration::from_secs(10),
        facts_until(&test, &scope, FactType::ConversationErased),
    );
    assert_eq!(facts.await.unwrap(), DONE);
    next.stop().await;
}
