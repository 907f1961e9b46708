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
    deadletters::{DeadLetterFilter, Redriven},
    provision,
    worker::{self, Context, Failure, Policy, Service},
};
use colloquy_contract::{
    Envelope, Fact, FactType, Scope,
    facts::{ConversationErased, ConversationErasureRequested, ConversationFailed, FactInput},
};
use jiff::Timestamp;
use tokio::task::JoinHandle;

use support::{TestBroker, conversation, limit, start};

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
    async fn start(bus: &Bus, service: Arc<Eraser>) -> Self {
        provision::service(bus, Eraser::NAME, ConversationErasureRequested::TYPES)
            .await
            .unwrap();
        Self::resume(bus, service)
    }

    /// With the consumer as it is.
    fn resume(bus: &Bus, service: Arc<Eraser>) -> Self {
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
    let running = Running::start(&test.bus, Eraser::new(|_| Ok(()))).await;
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
    let running = Running::start(&test.bus, service.clone()).await;
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
    let running = Running::start(&test.bus, service.clone()).await;
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
    let running = Running::start(&test.bus, service.clone()).await;
    let scope = request(&test).await;
    assert_eq!(
        facts_until(&test, &scope, FactType::ConversationFailed).await,
        GIVEN_UP
    );
    assert_eq!(service.handled(), 1);
    running.stop().await;
}

#[tokio::test]
async fn what_the_broker_does_not_take_is_not_the_services_failure() {
    let test = start().await;
    let scope = request(&test).await;
    let stream = colloquy_contract::streams::CONVERSATIONS.name;
    limit(&test, stream, 1).await;
    let service = Arc::new(Eraser {
        handled: AtomicU32::new(0),
        behaviour: Box::new(|_| Ok(())),
        takes: Duration::from_millis(500),
    });
    let running = Running::start(&test.bus, service.clone()).await;
    // More often than the policy says.
    let most = service.policy().attempts;
    for _ in 0..1_000 {
        if service.handled() > most {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(service.handled() > most, "{} times", service.handled());
    limit(&test, stream, -1).await;
    facts_become(&test, &scope, &DONE).await;
    assert_eq!(test.dead_letters().await, 0);
    running.stop().await;
}

#[tokio::test]
async fn two_share_the_load() {
    let test = start().await;
    let services = [Eraser::new(|_| Ok(())), Eraser::new(|_| Ok(()))];
    let mut running = Vec::new();
    for service in &services {
        running.push(Running::start(&test.bus, service.clone()).await);
    }
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
    let running = Running::start(&test.bus, slow.clone()).await;
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
    let next = Running::start(&test.bus, Eraser::new(|_| Ok(()))).await;
    let facts = tokio::time::timeout(
        Duration::from_secs(10),
        facts_until(&test, &scope, FactType::ConversationErased),
    );
    assert_eq!(facts.await.unwrap(), DONE);
    next.stop().await;
}

/// Waits until the facts of a conversation are these.
async fn facts_become(test: &TestBroker, scope: &Scope, expected: &[FactType]) {
    let mut facts = Vec::new();
    for _ in 0..1_000 {
        let history = test.bus.history(scope).await.unwrap();
        facts = history
            .iter()
            .map(|logged| logged.envelope.fact_type)
            .collect();
        if facts == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{facts:?} instead of {expected:?}");
}

#[tokio::test]
async fn a_redriven_dead_letter_keeps_its_history_and_comes_to_its_end() {
    let test = start().await;
    let broken = Eraser::new(|_| {
        Err(Failure::Permanent {
            reason: "the disk is \u{201c}full\u{201d}".to_owned(),
        })
    });
    let running = Running::start(&test.bus, broken).await;
    let scope = request(&test).await;
    facts_become(&test, &scope, &GIVEN_UP).await;
    let all = DeadLetterFilter::default();
    let first = test.bus.dead_letters(&all, 0, 10).await.unwrap();
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].scope(), Some(scope.clone()));
    assert_eq!(
        first[0].fact(),
        Some(FactType::ConversationErasureRequested)
    );
    assert_eq!(
        (first[0].service.as_str(), first[0].attempts),
        ("eraser", 1)
    );
    // Still broken: it fails again, which is another failure and another dead letter.
    assert_eq!(test.bus.redrive(1).await.unwrap(), Redriven::Done);
    let failed = FactType::ConversationFailed;
    facts_become(&test, &scope, &[GIVEN_UP[0], failed, failed]).await;
    let second = test.bus.dead_letters(&all, 0, 10).await.unwrap();
    assert_eq!(second.len(), 1, "{second:?}");
    assert_eq!(second[0].sequence, 2);
    assert_eq!(second[0].subject, first[0].subject);
    assert_eq!(second[0].id, first[0].id, "it is the same fact");
    assert_eq!(second[0].history.len(), 1);
    assert_eq!(second[0].history[0].sequence, 1);
    assert!(second[0].history[0].error.starts_with("the disk is"));
    running.stop().await;
    // Mended.
    let running = Running::start(&test.bus, Eraser::new(|_| Ok(()))).await;
    assert_eq!(test.bus.redrive(2).await.unwrap(), Redriven::Done);
    assert_eq!(test.bus.redrive(2).await.unwrap(), Redriven::Gone);
    let erased = FactType::ConversationErased;
    facts_become(&test, &scope, &[GIVEN_UP[0], failed, failed, erased]).await;
    running.stop().await;
}

#[tokio::test]
async fn dead_letters_are_found_by_service_account_error_and_age() {
    let test = start().await;
    let broken = Eraser::new(|_| {
        Err(Failure::Permanent {
            reason: "Out of Cheese".to_owned(),
        })
    });
    let running = Running::start(&test.bus, broken).await;
    let scope = request(&test).await;
    facts_become(&test, &scope, &GIVEN_UP).await;
    running.stop().await;
    let now = jiff::Timestamp::now();
    let hour = jiff::SignedDuration::from_hours(1);
    let none = DeadLetterFilter::default;
    let text = |text: &str| Some(text.to_owned());
    for (filter, found) in [
        (
            DeadLetterFilter {
                service: text("eraser"),
                ..none()
            },
            1,
        ),
        (
            DeadLetterFilter {
                service: text("other"),
                ..none()
            },
            0,
        ),
        (
            DeadLetterFilter {
                account: "acme".parse().ok(),
                ..none()
            },
            1,
        ),
        (
            DeadLetterFilter {
                account: "acme-2".parse().ok(),
                ..none()
            },
            0,
        ),
        (
            DeadLetterFilter {
                error: text("out of cheese"),
                ..none()
            },
            1,
        ),
        (
            DeadLetterFilter {
                error: text("milk"),
                ..none()
            },
            0,
        ),
        (
            DeadLetterFilter {
                before: Some(now - hour),
                ..none()
            },
            0,
        ),
        (
            DeadLetterFilter {
                since: Some(now - hour),
                ..none()
            },
            1,
        ),
    ] {
        let letters = test.bus.dead_letters(&filter, 0, 10).await.unwrap();
        assert_eq!(letters.len(), found, "{filter:?}");
    }
    let (letter, data) = test.bus.dead_letter(1).await.unwrap().unwrap();
    assert_eq!(letter.error, "Out of Cheese");
    assert!(
        String::from_utf8(data)
            .unwrap()
            .contains("\"reason\":\"test\"")
    );
    assert!(test.bus.discard(1).await.unwrap());
    assert!(!test.bus.discard(1).await.unwrap());
    assert_eq!(test.bus.dead_letter(1).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_processed_again_is_stated_as_a_new_revision() {
    let test = start().await;
    let running = Running::start(&test.bus, Eraser::new(|_| Ok(()))).await;
    let scope = request(&test).await;
    facts_become(&test, &scope, &DONE).await;
    let reacts = ConversationErasureRequested::TYPES;
    let again = test.bus.reprocess(&scope, reacts).await.unwrap().unwrap();
    assert_eq!((again.fact, again.revision), (reacts[0], 2));
    facts_become(&test, &scope, &[DONE[0], DONE[1], DONE[0], DONE[1]]).await;
    let history = test.bus.history(&scope).await.unwrap();
    let revisions: Vec<u32> = history.iter().map(|f| f.envelope.revision).collect();
    assert_eq!(revisions, [1, 1, 2, 2]);
    // What was stated before is not stated again: the newer revision supersedes it.
    let late = test.bus.state(&history[1].envelope, &history[1].fact).await;
    assert!(late.unwrap().repeated);
    assert_eq!(test.bus.history(&scope).await.unwrap().len(), 4);
    assert_eq!(
        test.bus.reprocess(&conversation(), reacts).await.unwrap(),
        None
    );
    running.stop().await;
}

#[tokio::test]
async fn what_the_broker_gave_up_on_becomes_a_dead_letter() {
    let test = start().await;
    let service = Eraser::new(|_| Ok(()));
    provision::service(&test.bus, Eraser::NAME, ConversationErasureRequested::TYPES)
        .await
        .unwrap();
    let scope = request(&test).await;
    let sequence = test.bus.history(&scope).await.unwrap()[0].sequence;
    // A broker that gives up at once, as it would after a process died at each delivery.
    support::exhaust_deliveries(&test, "CONVERSATIONS", Eraser::NAME).await;
    let running = Running::resume(&test.bus, service.clone());
    facts_become(&test, &scope, &GIVEN_UP).await;
    let all = DeadLetterFilter::default();
    let letters = test.bus.dead_letters(&all, 0, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].stream_sequence, sequence);
    assert!(letters[0].error.contains("the broker gave up"));
    assert_eq!(service.handled(), 0);
    running.stop().await;
}

#[tokio::test]
async fn a_service_without_its_consumer_says_so() {
    let test = start().await;
    let service = Eraser::new(|_| Ok(()));
    let drain = CancellationToken::new();
    let error = worker::run(test.bus.clone(), service, drain, Duration::ZERO)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("colloquy streams apply"),
        "{error}"
    );
}

/// Keeps the order in which it was handed facts, and takes long over one conversation.
struct Scribe {
    slow: Scope,
    handled: std::sync::Mutex<Vec<(Scope, u32)>>,
}

impl Service for Scribe {
    const NAME: &'static str = "scribe";
    type Input = ConversationFailed;

    fn policy(&self) -> Policy {
        Policy {
            concurrency: 2,
            ..Policy::default()
        }
    }

    async fn handle(
        &self,
        failed: ConversationFailed,
        context: &Context,
    ) -> Result<Vec<Fact>, Failure> {
        if *context.scope() == self.slow {
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        let entry = (context.scope().clone(), failed.attempts);
        self.handled.lock().unwrap().push(entry);
        Ok(Vec::new())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conversations_keep_their_order_and_do_not_wait_for_a_slow_one() {
    const EACH: u32 = 8;
    let test = start().await;
    let (slow, others) = (conversation(), [(); 4].map(|()| conversation()));
    for number in 0..EACH {
        // The slow one's facts come first each time, and would take all permits.
        for scope in std::iter::once(&slow).chain(&others) {
            let failed = ConversationFailed {
                stage: "test".to_owned(),
                error: "test".to_owned(),
                attempts: number,
                dead_letter: 0,
            };
            let fact_type = FactType::ConversationFailed;
            let envelope = Envelope::first(
                &format!("test-{number}"),
                scope.clone(),
                fact_type,
                Timestamp::now(),
            );
            test.bus.state(&envelope, &failed.into()).await.unwrap();
        }
    }
    let scribe = Arc::new(Scribe {
        slow: slow.clone(),
        handled: std::sync::Mutex::default(),
    });
    let running = test.run(scribe.clone()).await;
    let total = usize::try_from(EACH).unwrap() * (1 + others.len());
    colloquy_testkit::eventually("all are handled", Duration::from_secs(30), async || {
        scribe.handled.lock().unwrap().len() == total
    })
    .await;
    running.drain().await;
    let handled = scribe.handled.lock().unwrap().clone();
    for scope in std::iter::once(&slow).chain(&others) {
        let order: Vec<_> = handled
            .iter()
            .filter(|(about, _)| about == scope)
            .map(|(_, number)| *number)
            .collect();
        assert_eq!(order, Vec::from_iter(0..EACH));
    }
    let before_the_last_slow = handled
        .iter()
        .rposition(|(about, _)| *about == slow)
        .unwrap();
    assert_eq!(before_the_last_slow, total - 1, "the others did not wait");
    let first_slow_half = handled
        .iter()
        .take(total / 2)
        .filter(|(about, _)| *about == slow)
        .count();
    assert!(
        first_slow_half <= 3,
        "{first_slow_half} of the slow one came early"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stated_at_once_stands_once_each_or_conflicts() {
    let test = start().await;
    let bus = test.bus.clone().with_group_commit(true);
    let scopes = [(); 120].map(|()| conversation());
    let fact = |artifacts| Fact::from(ConversationErased { artifacts });
    let envelope = |scope: &Scope| {
        let fact_type = FactType::ConversationErased;
        Envelope::first("test", scope.clone(), fact_type, Timestamp::now())
    };
    // The last one stands already, and is another fact.
    let taken = scopes.last().unwrap();
    test.bus.state(&envelope(taken), &fact(1)).await.unwrap();
    // All at once, twice each.
    let envelopes: Vec<_> = scopes.iter().map(envelope).collect();
    let stating = envelopes.iter().chain(&envelopes).map(|envelope| {
        let (bus, fact) = (bus.clone(), fact(2));
        async move { (&envelope.scope, bus.state(envelope, &fact).await) }
    });
    let mut sequences = std::collections::BTreeMap::<String, Vec<u64>>::new();
    for (scope, stated) in futures::future::join_all(stating).await {
        if scope == taken {
            assert!(matches!(
                stated,
                Err(colloquy_bus::BusError::Conflict { .. })
            ));
            continue;
        }
        let of_scope = sequences.entry(scope.prefix()).or_default();
        of_scope.push(stated.unwrap().sequence);
    }
    for scope in &scopes {
        let facts = test.history(scope).await;
        assert_eq!(facts.len(), 1, "stated once");
        if let Some(told) = sequences.get(&scope.prefix()) {
            assert_eq!(
                told, &[facts[0].sequence; 2],
                "both were told where it stands"
            );
        }
    }
}
