//! An index node against a real broker.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, helpers included"
)]

mod common;

use std::{collections::BTreeSet, time::Duration};

use colloquy_contract::{
    ConversationId, FactType,
    facts::{ConversationErased, ConversationErasureRequested},
    search::{SearchReply, SearchRequest},
    subject::partition,
    transcript::Role,
};
use colloquy_index::{IndexError, IndexNode, IndexOptions};
use colloquy_testkit::eventually;
use common::{Broker, Call, PATIENCE, Running, copy_folder, highlighted, rewind};

const SUPPORT: &[(Role, &str)] = &[
    (
        Role::Agent,
        "Thank you for calling, this is [PERSON_1]. How can I help?",
    ),
    (
        Role::Customer,
        "Hi. I'd like to reset my password, please; I'm at the café [LOCATION_1].",
    ),
    (
        Role::Agent,
        "Sure. I'm resetting it now, and I will e-mail you a link.",
    ),
];

const BILLING: &[(Role, &str)] = &[
    (Role::Agent, "Billing department, good morning."),
    (Role::Customer, "I want a refund for my last bill."),
    (
        Role::Agent,
        "Of course. Shall I cancel the subscription too?",
    ),
];

fn question(query: &str) -> SearchRequest {
    SearchRequest {
        account: "acme".parse().unwrap(),
        query: query.to_owned(),
        limit: 10,
        offset: 0,
        agent: None,
        role: None,
        from: None,
        to: None,
    }
}

fn found(reply: &SearchReply) -> Vec<ConversationId> {
    assert_eq!(reply.error, None);
    assert_eq!(reply.total, u64::try_from(reply.hits.len()).unwrap());
    reply.hits.iter().map(|hit| hit.conversation).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_is_found_with_its_place() {
    let broker = Broker::start().await;
    let support = broker.qualify(Call::of("acme", SUPPORT)).await;
    let billing = broker
        .qualify(Call::of("acme", BILLING).agent("agent-7"))
        .await;
    let foreign = broker.qualify(Call::of("globex", SUPPORT)).await;
    let folder = tempfile::tempdir().unwrap();
    let node = Running::start(&broker, IndexOptions::new(folder.path())).await;
    broker.wait_for(FactType::ConversationIndexed, 3).await;

    let reply = node.ask(question("\"RESET my pássword\"")).await;
    assert_eq!(found(&reply), [support]);
    assert_eq!(reply.partitions, (0..64).collect::<Vec<u8>>());
    let [turn] = reply.hits[0].turns.as_slice() else {
        panic!("{:?}", reply.hits)
    };
    assert_eq!((turn.turn, turn.channel, turn.role), (1, 1, Role::Customer));
    assert_eq!((turn.start_ms, turn.end_ms), (10_000, 19_000));
    assert_eq!(turn.snippet, SUPPORT[1].1);
    assert_eq!(highlighted(turn), ["reset my password"]);

    for (query, expected) in [
        ("refund cancel", vec![billing]),
        ("\"refund cancel\"", vec![]),
        ("refund -cancel", vec![]),
        ("password NOT refund", vec![support]),
        ("refund OR cafe", vec![support, billing]),
        ("(refund OR cafe) AND subscr*", vec![billing]),
        ("passwords", vec![support]),
        ("resett*", vec![support]),
        ("\"at the cafe location_1\"", vec![support]),
        ("email", vec![]),
        ("e-mail", vec![support]),
        ("\"last bill\" \"good morning\"", vec![billing]),
        ("\"help hi\"", vec![]),
        ("-zebra", vec![support, billing]),
        ("", vec![support, billing]),
    ] {
        let hits: BTreeSet<_> = found(&node.ask(question(query)).await)
            .into_iter()
            .collect();
        assert_eq!(hits, expected.into_iter().collect(), "{query}");
    }

    let customer = SearchRequest {
        role: Some(Role::Customer),
        ..question("cancel")
    };
    assert!(found(&node.ask(customer).await).is_empty());
    let by_agent = SearchRequest {
        agent: Some("agent-7".to_owned()),
        ..question("")
    };
    assert_eq!(found(&node.ask(by_agent).await), [billing]);
    let globex = SearchRequest {
        account: "globex".parse().unwrap(),
        ..question("password")
    };
    assert_eq!(found(&node.ask(globex).await), [foreign]);
    let nobody = SearchRequest {
        account: "nobody".parse().unwrap(),
        ..question("password")
    };
    assert!(found(&node.ask(nobody).await).is_empty());

    let reply = node.ask(question("\"open zebra")).await;
    let error = reply.error.unwrap();
    assert!(
        error.contains("quotation mark") && !error.contains("zebra"),
        "{error}"
    );
    let too_many = SearchRequest {
        limit: 101,
        ..question("a")
    };
    assert!(
        node.ask(too_many)
            .await
            .error
            .unwrap()
            .contains("at most 100")
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_times_narrow_a_search() {
    let broker = Broker::start().await;
    let mut calls = Vec::new();
    for day in 1..=5 {
        let time = format!("2026-03-0{day}T12:00:00Z");
        calls.push(
            broker
                .qualify(Call::of("acme", BILLING).started(&time))
                .await,
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let node = Running::start(&broker, IndexOptions::new(folder.path())).await;
    broker.wait_for(FactType::ConversationIndexed, 5).await;

    let ids = |reply: SearchReply| -> Vec<_> {
        assert_eq!(reply.total, 5);
        reply.hits.iter().map(|hit| hit.conversation).collect()
    };
    let newest = node
        .ask(SearchRequest {
            limit: 2,
            offset: 1,
            ..question("")
        })
        .await;
    assert_eq!(ids(newest), [calls[3], calls[2]]);
    let mut paged = BTreeSet::new();
    for offset in [0, 2, 4] {
        paged.extend(ids(node
            .ask(SearchRequest {
                limit: 2,
                offset,
                ..question("bill")
            })
            .await));
    }
    assert_eq!(paged, calls.iter().copied().collect());
    let counted = node
        .ask(SearchRequest {
            limit: 0,
            ..question("bill")
        })
        .await;
    assert_eq!((counted.total, counted.hits.len()), (5, 0));
    let between = SearchRequest {
        from: Some("2026-03-02T12:00:00Z".parse().unwrap()),
        to: Some("2026-03-04T12:00:00Z".parse().unwrap()),
        ..question("")
    };
    assert_eq!(found(&node.ask(between).await), [calls[2], calls[1]]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_and_a_lost_disk_change_nothing() {
    let broker = Broker::start().await;
    let first = broker.qualify(Call::of("acme", SUPPORT)).await;
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let node = Running::start(&broker, IndexOptions::new(folder.path())).await;
    broker.wait_for(FactType::ConversationIndexed, 1).await;
    assert_eq!(found(&node.ask(question("password")).await), [first]);
    node.stop().await;

    let second = broker.qualify(Call::of("acme", SUPPORT)).await;
    let both = BTreeSet::from([first, second]);
    for path in [folder.path(), folder.path(), other.path()] {
        let node = Running::start(&broker, IndexOptions::new(path)).await;
        broker.wait_for(FactType::ConversationIndexed, 2).await;
        let hits = found(&node.ask(question("password")).await);
        assert_eq!((hits.len(), hits.into_iter().collect()), (2, both.clone()));
        node.stop().await;
    }
    assert_eq!(broker.count(FactType::ConversationIndexed).await, 2);
    assert_eq!(broker.count(FactType::ConversationFailed).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_commit_and_statement_loses_no_statement() {
    let (before, after) = (Broker::start().await, Broker::start().await);
    let calls = [
        Call::of("acme", SUPPORT),
        Call::of("acme", BILLING),
        Call::of("acme", SUPPORT),
    ];
    for call in &calls {
        before.qualify(call.clone()).await;
        // The same log as it stood when the node crashed. There is no transcript here: nothing is
        // to be indexed again.
        after.state(call, "none").await;
    }
    let (folder, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let node = Running::start(&before, IndexOptions::new(folder.path())).await;
    before.wait_for(FactType::ConversationIndexed, 3).await;
    node.stop().await;
    copy_folder(folder.path(), copy.path());
    rewind(copy.path(), 3, 1);

    let node = Running::start(&after, IndexOptions::new(copy.path())).await;
    after.wait_for(FactType::ConversationIndexed, 2).await;
    assert_eq!(found(&node.ask(question("password")).await).len(), 2);
    node.stop().await;
    assert_eq!(after.count(FactType::ConversationIndexed).await, 2);
    assert_eq!(after.count(FactType::ConversationFailed).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_share_the_partitions() {
    let broker = Broker::start().await;
    let mut calls = BTreeSet::new();
    for _ in 0..12 {
        calls.insert(broker.qualify(Call::of("acme", SUPPORT)).await);
    }
    let folder = tempfile::tempdir().unwrap();
    let half = |name: &str, partitions: std::ops::Range<u8>| IndexOptions {
        node: name.to_owned(),
        ..IndexOptions::new(folder.path().join(name)).with_partitions(partitions)
    };
    let low = Running::start(&broker, half("low", 0..32)).await;
    let high = Running::start(&broker, half("high", 32..64)).await;
    broker.wait_for(FactType::ConversationIndexed, 12).await;

    let (mut covered, mut hits) = (BTreeSet::new(), BTreeSet::new());
    for reply in broker.ask(&question("password"), 2).await {
        let ids = found(&reply);
        assert!(
            ids.iter()
                .all(|&id| reply.partitions.contains(&partition(id))),
            "{}",
            reply.node
        );
        covered.extend(reply.partitions);
        for id in ids {
            assert!(hits.insert(id), "found twice");
        }
    }
    assert_eq!(covered, (0..64).collect());
    assert_eq!(hits, calls.into_iter().take(12).collect());
    low.stop().await;
    high.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_is_not_found() {
    let broker = Broker::start().await;
    let (gone, late) = (Call::of("acme", SUPPORT), Call::of("acme", SUPPORT));
    let kept = broker.qualify(Call::of("acme", SUPPORT)).await;
    broker.qualify(gone.clone()).await;
    let requested = ConversationErasureRequested {
        reason: "subject_request".to_owned(),
    };
    broker.state_about(&late, requested).await;
    broker.qualify(late.clone()).await;
    let folder = tempfile::tempdir().unwrap();
    let node = Running::start(&broker, IndexOptions::new(folder.path())).await;
    broker.wait_for(FactType::ConversationIndexed, 2).await;
    broker
        .state_about(&gone, ConversationErased { artifacts: 2 })
        .await;
    eventually("the conversation is gone", PATIENCE, async || {
        found(&node.ask(question("password")).await) == [kept]
    })
    .await;
    node.stop().await;
    assert_eq!(broker.count(FactType::ConversationIndexed).await, 2);
    assert_eq!(broker.count(FactType::ConversationFailed).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transcript_that_is_not_there_stops_nothing() {
    let broker = Broker::start().await;
    let bad = Call::of("acme", BILLING);
    broker.state(&bad, "missing").await;
    let good = broker.qualify(Call::of("acme", SUPPORT)).await;
    let folder = tempfile::tempdir().unwrap();
    let node = Running::start(&broker, IndexOptions::new(folder.path())).await;
    broker.wait_for(FactType::ConversationFailed, 1).await;
    broker.wait_for(FactType::ConversationIndexed, 1).await;
    assert_eq!(found(&node.ask(question("")).await), [good]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_of_another_log_is_refused() {
    let broker = Broker::start().await;
    broker.qualify(Call::of("acme", SUPPORT)).await;
    let folder = tempfile::tempdir().unwrap();
    let node = Running::start(&broker, IndexOptions::new(folder.path())).await;
    broker.wait_for(FactType::ConversationIndexed, 1).await;
    let second = IndexNode::open(broker.bus().await, IndexOptions::new(folder.path())).await;
    assert!(matches!(second, Err(IndexError::InUse { .. })));
    node.stop().await;

    let other = Broker::start().await;
    let node = IndexNode::open(other.bus().await, IndexOptions::new(folder.path()))
        .await
        .unwrap();
    let ended = node
        .run(
            colloquy_bus::CancellationToken::new(),
            Duration::from_secs(5),
        )
        .await;
    assert!(
        matches!(ended, Err(IndexError::AheadOfLog { .. })),
        "{ended:?}"
    );
}
