//! What waits for a broker and what does not: a cluster that has no leader yet is waited for, and so is
//! one where nobody listens; who is refused is told so at once, and a restore begins nothing where the
//! broker cannot tell what is there.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::{Duration, Instant};

use colloquy_bus::{
    Bus, BusError, Credentials, backup, chain,
    provision::{self, Storage},
};
use colloquy_contract::permissions::OPERATOR;
use colloquy_testkit::{Authorization, Broker, BrokerOptions, KIT};

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(600);

/// How soon an error that nothing changes must be told.
const SOON: Duration = Duration::from_secs(60);

fn three_copies() -> Storage {
    Storage {
        replicas: 3,
        ..Storage::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_has_no_leader_is_waited_for() {
    let broker = Broker::new(BrokerOptions::cluster()).await;
    for away in [1, 2] {
        broker.kill(away);
    }
    let bus = Bus::connect(broker.connect_options(KIT)).await.unwrap();
    let impatient = provision::apply_within(&bus, three_copies(), Duration::ZERO).await;
    match impatient {
        Err(BusError::Provision { .. }) => {}
        other => panic!("{other:?}"),
    }
    let waiting = tokio::spawn({
        let bus = bus.clone();
        async move { provision::apply_within(&bus, three_copies(), LONG).await }
    });
    for away in [1, 2] {
        assert!(!waiting.is_finished(), "two of three servers are away");
        broker.start(away).await;
    }
    let differed = waiting
        .await
        .unwrap()
        .unwrap_or_else(|error| panic!("{}", chain(&error)));
    assert!(!differed.is_empty(), "all of it was missing");
    let left = provision::check(&bus, three_copies()).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_not_there_yet_is_waited_for_and_a_refusal_is_not() {
    let broker = Broker::new(BrokerOptions {
        authorization: Some(Authorization::of_contract()),
        ..BrokerOptions::default()
    })
    .await;
    let options = broker.connect_options(OPERATOR);
    broker.stop(0).await;
    let early = Bus::connect(options.clone()).await;
    assert!(matches!(early, Err(BusError::Connect { .. })), "{early:?}");
    let waiting = tokio::spawn(Bus::connect_within(options.clone(), LONG));
    broker.start(0).await;
    waiting.await.unwrap().unwrap().close().await;

    let mut wrong = options;
    wrong.url = format!("nats://127.0.0.1:{}", broker.port(0));
    wrong.credentials = Credentials::Password {
        user: OPERATOR.to_owned(),
        password: "wrong".to_owned(),
    };
    let connecting = Bus::connect_within(wrong, LONG);
    let refused = tokio::time::timeout(SOON, connecting).await;
    let refused = refused.expect("waiting does not help");
    assert!(
        matches!(refused, Err(BusError::Connect { .. })),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_asked_is_neither_missing_nor_waited_for() {
    let broker = Broker::new(BrokerOptions {
        authorization: Some(Authorization::of_contract()),
        ..BrokerOptions::default()
    })
    .await;
    let operator = Bus::connect(broker.connect_options(OPERATOR))
        .await
        .unwrap();
    provision::apply(&operator, Storage::default())
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("backup");
    backup::write(&operator, &folder, |_| {}).await.unwrap();

    let decode = Bus::connect(broker.connect_options("decode"))
        .await
        .unwrap();
    let started = Instant::now();
    for denied in [
        backup::restore(&decode, &folder, None, |_| {})
            .await
            .map(drop),
        provision::apply_within(&decode, Storage::default(), LONG)
            .await
            .map(drop),
    ] {
        match denied {
            Err(BusError::Denied { subject }) => {
                assert!(subject.contains("$JS.API.STREAM.INFO."), "{subject}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(started.elapsed() < SOON);
    // To the operator, all of it is there.
    let said = backup::restore(&operator, &folder, None, |_| {}).await;
    let said = chain(&said.unwrap_err());
    assert!(said.contains("it is there already"), "{said}");
}
