//! The warehouse against a real broker: every fact once, whatever happens; nothing personal;
//! rebuilt while facts come in.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use colloquy_contract::{
    control::RebuildFrom,
    facts::{AccountCreated, AccountSignupRequested, Family},
};
use colloquy_warehouse::{Warehouse, WarehouseError, WarehouseOptions};
use jiff::Timestamp;
use rand::{Rng, SeedableRng, rngs::StdRng};

use common::{Broker, Running, account, files, options, texts};

#[tokio::test(flavor = "multi_thread")]
async fn every_fact_is_one_row_over_crashes() {
    // The seed of a failure reproduces its choice of moments.
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let broker = Broker::start().await;
    let folder = tempfile::tempdir().unwrap();
    // Small files become one often, so that crashes meet that, too.
    let options = WarehouseOptions {
        max_batch: 7,
        max_small_files: 3,
        ..options(folder.path())
    };
    let stating = broker.state_in_background(400);
    for _ in 0..25 {
        let running = Running::start(&broker, options.clone()).await;
        let moment = random.random_range(0..120);
        tokio::time::sleep(Duration::from_millis(moment)).await;
        running.crash().await;
    }
    stating.await.unwrap();
    let running = Running::start(&broker, options.clone()).await;
    broker.until_complete(folder.path()).await;
    running.stop().await;
    broker.is_complete(folder.path()).await;

    // The small files of a day have become few, and one generation is left after a start.
    let running = Running::start(&broker, options.clone()).await;
    running.stop().await;
    let mut per_day: BTreeMap<String, usize> = BTreeMap::new();
    for file in files(folder.path()) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let day = file.parent().unwrap().to_string_lossy().into_owned();
        let stream = name.split('-').next().unwrap().to_owned();
        *per_day.entry(format!("{day}/{stream}")).or_default() += 1;
    }
    assert!(per_day.values().all(|&count| count <= 4), "{per_day:?}");
    assert_eq!(common::generations(folder.path()).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_personal_data_reaches_a_file() {
    let broker = Broker::start().await;
    let folder = tempfile::tempdir().unwrap();
    let email = "zaphod@beeblebrox.example".to_owned();
    let name = "Zaphod Beeblebrox".to_owned();
    let company = Some("Magrathea Ltd".to_owned());
    let scope = account();
    let (signup, created) = (
        AccountSignupRequested {
            email: email.clone(),
            name: name.clone(),
            company: company.clone(),
        },
        AccountCreated {
            email,
            name,
            company,
        },
    );
    broker.state(&scope, signup).await;
    broker.state(&scope, created).await;
    broker
        .state_received("agent Marvin", "Trillian", "hoopy")
        .await;

    let running = Running::start(&broker, options(folder.path())).await;
    broker.until_complete(folder.path()).await;
    running.stop().await;
    let texts = texts(folder.path());
    assert!(texts.iter().any(|text| text == "account.signup_requested"));
    assert!(
        texts
            .iter()
            .any(|text| text.contains("\"direction\":\"inbound\""))
    );
    for secret in [
        "zaphod",
        "beeblebrox",
        "magrathea",
        "marvin",
        "trillian",
        "hoopy",
    ] {
        for text in &texts {
            assert!(!text.to_lowercase().contains(secret), "{secret} in {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_rebuilt_while_facts_are_stated() {
    let broker = Broker::start().await;
    let folder = tempfile::tempdir().unwrap();
    // Small files are let be, so that each generation is one of a rebuild.
    let options = WarehouseOptions {
        max_small_files: 1_000,
        ..options(folder.path())
    };
    let running = Running::start(&broker, options).await;
    broker.state_many(200).await;
    broker.until_complete(folder.path()).await;
    let before = common::generations(folder.path());
    // A row that stands in no log: it must be gone afterwards.
    let stray = &files(folder.path())[0];
    std::fs::copy(stray, stray.with_file_name("conversations-0-0.parquet")).unwrap();
    assert!(!broker.is_complete_now(folder.path()).await);

    let stating = broker.state_in_background(300);
    let state = running.rebuild(RebuildFrom::Start).await;
    assert_eq!(state.error, None);
    assert!(state.rebuild.is_some());
    let second = running.rebuild(RebuildFrom::Start).await;
    if second.rebuilds == 0 {
        assert!(second.error.unwrap().contains("under way"));
    }
    let state = running.until_rebuilt(1).await;
    assert_eq!((state.error, state.rebuild), (None, None));
    stating.await.unwrap();
    broker.until_complete(folder.path()).await;
    let after = common::generations(folder.path());
    assert_eq!(after.len(), 1);
    assert!(before.is_disjoint(&after), "{before:?} {after:?}");
    let state = running.state().await;
    assert_eq!(state.through, broker.last(Family::Conversation).await);
    running.stop().await;
    broker.is_complete(folder.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_from_a_place_keeps_what_lies_before() {
    let broker = Broker::start().await;
    let folder = tempfile::tempdir().unwrap();
    let options = WarehouseOptions {
        max_batch: 10,
        max_small_files: 1_000,
        ..options(folder.path())
    };
    let running = Running::start(&broker, options).await;
    broker.state_many(60).await;
    broker.until_complete(folder.path()).await;
    let inodes = |prefix: &str| common::inodes(folder.path(), prefix);
    let (conversations, accounts) = (inodes("conversations"), inodes("accounts"));

    running.rebuild(RebuildFrom::Sequence(25)).await;
    running.until_rebuilt(1).await;
    broker.until_complete(folder.path()).await;
    let kept: BTreeSet<_> = inodes("conversations");
    let same = kept.intersection(&conversations).count();
    assert!(same >= 1 && same < conversations.len(), "{same}");
    assert_eq!(inodes("accounts"), accounts, "accounts are all kept");

    let since = Timestamp::now();
    let (conversations, accounts) = (inodes("conversations"), inodes("accounts"));
    broker.state_many(20).await;
    broker.until_complete(folder.path()).await;
    running.rebuild(RebuildFrom::Time(since)).await;
    running.until_rebuilt(2).await;
    broker.until_complete(folder.path()).await;
    assert!(inodes("conversations").is_superset(&conversations));
    assert!(inodes("accounts").is_superset(&accounts));
    running.stop().await;
    broker.is_complete(folder.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_during_a_rebuild_leaves_the_old_one() {
    let broker = Broker::start().await;
    let folder = tempfile::tempdir().unwrap();
    broker.state_many(300).await;
    let mut running = Running::start(&broker, options(folder.path())).await;
    broker.until_complete(folder.path()).await;
    for _ in 0..5 {
        running.rebuild(RebuildFrom::Start).await;
        running.crash().await;
        running = Running::start(&broker, options(folder.path())).await;
        broker.is_complete(folder.path()).await;
    }
    running.stop().await;
    assert_eq!(common::generations(folder.path()).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_have_places_of_their_own_and_the_broker_may_go_away() {
    let mut broker = Broker::start().await;
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(&broker, options(folder.path())).await;
    for _ in 0..3 {
        broker.state_account().await;
    }
    broker.until_complete(folder.path()).await;
    assert_eq!(running.state().await.through, 0);
    assert_eq!(running.state().await.entries, 3);
    broker.state_many(10).await;
    broker.until_complete(folder.path()).await;
    broker.kill().await;
    broker.state_many(10).await;
    broker.until_complete(folder.path()).await;
    running.stop().await;
    broker.is_complete(folder.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_owner_and_another_log_are_refused() {
    let broker = Broker::start().await;
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    let running = Running::start(&broker, options.clone()).await;
    broker.state_many(5).await;
    broker.until_complete(folder.path()).await;
    let second = Warehouse::open(broker.bus.clone(), options.clone()).await;
    assert!(matches!(second.err(), Some(WarehouseError::InUse { .. })));
    running.stop().await;

    let other = Broker::start().await;
    let warehouse = Warehouse::open(other.bus.clone(), options).await.unwrap();
    let stop = colloquy_bus::CancellationToken::new();
    let error = warehouse.run(stop, common::PATIENCE).await.unwrap_err();
    assert!(
        error.to_string().contains("belongs to another broker"),
        "{error}"
    );
}
