//! `kill -9` of the broker during a thousand concurrent posts to the real gateway: whatever was
//! answered with 202 is there afterwards, whatever was not is repeated under its key until it is,
//! and each key makes one conversation.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    dead_code,
    reason = "tests that tell what they did; modules are shared with another test"
)]

#[path = "faults/client.rs"]
mod client;
#[path = "faults/platform.rs"]
mod platform;
#[path = "faults/receivers.rs"]
mod receivers;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use client::{ApiClient, Posted};
use colloquy_contract::{
    ArtifactRef, Fact,
    facts::{ConversationReceived, Family},
};
use colloquy_testkit::{Authorization, BrokerOptions, Kit, KitOptions, Victim, eventually, faults};
use futures::{StreamExt, stream};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Posts, of which so many are under way at once.
const POSTS: usize = 1_000;
const AT_ONCE: usize = 64;

/// Sign-ups among them: each costs the hash of a password.
const SIGNUPS: usize = 40;

/// How often the broker is killed while they are made.
const KILLS: usize = 4;

/// How long the posts may take with all that happens.
const BOUND: Duration = Duration::from_secs(240);

/// One server: nobody can answer while it is away.
#[tokio::test(flavor = "multi_thread")]
async fn every_202_outlives_kill_9_of_the_only_server() {
    posts_while_servers_die(1).await;
}

/// Three servers: the others go on, and what a leader had answered for is known to one of them.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long; 'make faults' runs it"]
async fn every_202_outlives_kill_9_of_servers_of_a_cluster() {
    posts_while_servers_die(3).await;
}

async fn posts_while_servers_die(nodes: usize) {
    let seed = faults::seed();
    println!(
        "seed {seed}; {}={seed} repeats the plan",
        faults::SEED_VARIABLE
    );
    let kit = Kit::with(KitOptions {
        broker: BrokerOptions {
            nodes,
            authorization: Some(Authorization::of_contract()),
            ..BrokerOptions::default()
        },
        seed,
        ..KitOptions::default()
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let (gateway, client) = platform::gateway(&kit, folder.path()).await;
    gateway.start().await;

    let accepted = AtomicUsize::new(0);
    let start = Instant::now();
    let working = async {
        let posts = stream::iter(0..POSTS).map(|number| post(&client, &accepted, number));
        let posts = posts.buffer_unordered(AT_ONCE).collect::<Vec<_>>();
        let signups = stream::iter(0..SIGNUPS).map(|number| sign_up(&client, number));
        let signups = signups.buffer_unordered(2).collect::<Vec<_>>();
        tokio::join!(posts, signups)
    };
    let killing = kill(&kit, &accepted, seed);
    let all = async { tokio::join!(working, killing) };
    let ((posts, signups), ()) = tokio::time::timeout(BOUND, all)
        .await
        .unwrap_or_else(|_| panic!("not done within {BOUND:?}"));
    let took = start.elapsed();
    platform::connected(&kit).await;

    let repeated = posts
        .iter()
        .filter(|(_, posted)| posted.retries > 0)
        .count();
    let replayed = posts.iter().filter(|(_, posted)| posted.replayed).count();
    let (later, broken) = client.troubles();
    println!(
        "{POSTS} posts and {SIGNUPS} sign-ups within {took:.1?}, {KILLS} kills; {later} answers \
         'later', {broken} broken connections; {repeated} posts were repeated, of which {replayed} \
         had been accepted without an answer"
    );
    everything_is_there(&kit, &posts, &signups).await;
    one_key_is_one_conversation(&client, &posts).await;
    assert_eq!(gateway.ends(), [], "the gateway ended by itself");
    gateway.stop().await;
}

fn content(number: usize) -> Vec<u8> {
    format!("recording {number}: small, and like no other").into_bytes()
}

fn key(number: usize) -> String {
    format!("post-{number}")
}

async fn post(client: &ApiClient, accepted: &AtomicUsize, number: usize) -> (usize, Posted) {
    let posted = client.post_recording(&key(number), &content(number)).await;
    accepted.fetch_add(1, Ordering::Relaxed);
    (number, posted)
}

async fn sign_up(client: &ApiClient, number: usize) -> Posted {
    let email = format!("person.{number}@example.com");
    client.sign_up(&format!("signup-{number}"), &email).await
}

/// Kills a server each time that another part of the posts was accepted, at a moment by chance.
async fn kill(kit: &Kit, accepted: &AtomicUsize, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let broker = kit.broker();
    for round in 1..=KILLS {
        let part = POSTS / (KILLS + 1);
        let mark = round * part - random.random_range(0..part / 2);
        eventually("enough posts to be accepted", BOUND, async || {
            accepted.load(Ordering::Relaxed) >= mark
        })
        .await;
        let node = random.random_range(0..broker.nodes());
        tokio::time::sleep(Duration::from_millis(random.random_range(0..20))).await;
        broker.kill(node);
        println!(
            "server {node} killed after {} 202s",
            accepted.load(Ordering::Relaxed)
        );
        tokio::time::sleep(Duration::from_millis(random.random_range(0..500))).await;
        broker.start(node).await;
        // Of a cluster one server at a time is away; what it missed must be there again.
        broker.ready().await;
    }
}

/// Each has its fact, once, and its artifact with the content that was posted; there are no others.
async fn everything_is_there(kit: &Kit, posts: &[(usize, Posted)], signups: &[Posted]) {
    let mut facts = BTreeMap::<String, Vec<Fact>>::new();
    for (family, filter) in [
        (Family::Conversation, "conversations.>"),
        (Family::Account, "accounts.>"),
    ] {
        let mut replay = kit.bus.replay(family, vec![filter.to_owned()], 1);
        while let Some(entry) = replay.next_entry().await.unwrap() {
            let logged = entry.fact.unwrap();
            let about = logged.envelope.scope.correlation();
            facts.entry(about).or_default().push(logged.fact);
        }
    }
    for (number, posted) in posts {
        let stated = facts.remove(&posted.id).unwrap_or_default();
        let [Fact::ConversationReceived(received)] = stated.as_slice() else {
            panic!("the 202 of post {number} is not in the log: {stated:?}");
        };
        let ConversationReceived { recording, .. } = received;
        assert_eq!(read(kit, recording).await, content(*number), "{number}");
    }
    for posted in signups {
        let stated = facts.remove(&posted.id).unwrap_or_default();
        assert!(
            matches!(stated.as_slice(), [Fact::AccountSignupRequested(_)]),
            "a sign-up is not in the log: {stated:?}"
        );
    }
    assert!(facts.is_empty(), "nobody was told of {:?}", facts.keys());
}

/// Size and digest are verified where it is read.
async fn read(kit: &Kit, recording: &ArtifactRef) -> Vec<u8> {
    let found = kit.bus.artifacts().get_bytes(recording).await;
    found.expect("the artifact is there").to_vec()
}

async fn one_key_is_one_conversation(client: &ApiClient, posts: &[(usize, Posted)]) {
    let ids: BTreeSet<_> = posts.iter().map(|(_, posted)| &posted.id).collect();
    assert_eq!(ids.len(), POSTS);
    let again = stream::iter(posts).map(|(number, posted)| async move {
        let again = client
            .post_recording(&key(*number), &content(*number))
            .await;
        assert!(again.replayed, "{number} was accepted before");
        assert_eq!(again.id, posted.id, "{number}");
    });
    again.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
}
