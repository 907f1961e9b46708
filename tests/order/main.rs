//! Whatever is delivered again, in another order, or twice: the final state is the same.
//!
//! A run of every kind of conversation and sign-up is recorded from a real broker. Then
//!
//! - its facts are delivered to the progress model in any order and several times, to the fold
//!   alone and through the service into its bucket;
//! - it is told again, all conversations at once, while facts are delivered again to the services
//!   and these are killed, restarted, and put back to earlier states. The progress model, what the
//!   index holds and finds, the warehouse's rows and the audit's verdict must be those of the
//!   undisturbed run.
//!
//! A failure prints its seed, which repeats it: `COLLOQUY_ORDER_SEED=…`.

#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, reason = "tests")]

mod raw;
mod shrink;
mod site;
mod story;

use colloquy_bus::log::Logged;
use colloquy_contract::{ConversationId, Envelope, Fact, progress::Progress, streams};
use colloquy_testkit::PATIENCE;
use jiff::Timestamp;
use rand::{SeedableRng, rngs::StdRng};

use shrink::{deliveries, in_order, shrunk};
use site::{Site, as_stored};

/// Orders of each conversation's facts that are folded.
const FOLDS: u64 = 2_000;

/// Orders of all facts that go through the service.
const DELIVERIES: u64 = 6;

/// Runs that are disturbed.
const RUNS: u64 = 4;

/// The seeds of a test: those that follow on the one that is given, or one by chance.
fn seeds(count: u64) -> std::ops::Range<u64> {
    let given = std::env::var("COLLOQUY_ORDER_SEED").ok();
    match given.map(|text| text.parse().expect("COLLOQUY_ORDER_SEED is a number")) {
        Some(seed) => seed..seed + 1,
        None => {
            let first = u64::from(rand::random::<u32>());
            first..first + count
        }
    }
}

fn fold(id: ConversationId, facts: &[(Envelope, Fact)], order: &[usize]) -> Progress {
    let mut progress = Progress::new(id);
    for &index in order {
        let (envelope, fact) = &facts[index];
        progress.apply(envelope, fact);
    }
    progress
}

/// Folds the facts of one conversation in many orders.
fn any_order_folds_to_the_same(id: ConversationId, facts: &[(Envelope, Fact)]) {
    let differs = |order: &[usize]| fold(id, facts, order) != fold(id, facts, &in_order(order));
    for seed in seeds(FOLDS) {
        let mut random = StdRng::seed_from_u64(seed);
        let order = deliveries(facts.len(), &mut random);
        if !differs(&order) {
            continue;
        }
        let order = shrunk(order, differs);
        let named: Vec<_> = order.iter().map(|&index| &facts[index].0).collect();
        panic!(
            "COLLOQUY_ORDER_SEED={seed}: in this order it is not the same: {named:#?}\n{:#?}\n{:#?}",
            fold(id, facts, &order),
            fold(id, facts, &in_order(&order))
        );
    }
}

/// The same facts as a clock tells them that knows seconds only, or days.
fn coarse(facts: &[(Envelope, Fact)], seconds: i64) -> Vec<(Envelope, Fact)> {
    let round = |(envelope, fact): &(Envelope, Fact)| {
        let mut envelope = envelope.clone();
        let second = envelope.time.as_second() / seconds * seconds;
        envelope.time = Timestamp::from_second(second).unwrap();
        (envelope, fact.clone())
    };
    facts.iter().map(round).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_in_any_order_leave_the_same_progress() {
    let mut site = Site::start().await;
    site.tell_in_order().await;
    let recorded: Vec<Vec<Logged>> = site.recorded().await;
    let mut all = Vec::new();
    for history in &recorded {
        let Some(id) = history[0].envelope.scope.conversation() else {
            continue;
        };
        let facts: Vec<_> = history
            .iter()
            .map(|logged| (logged.envelope.clone(), logged.fact.clone()))
            .collect();
        any_order_folds_to_the_same(id, &facts);
        any_order_folds_to_the_same(id, &coarse(&facts, 1));
        any_order_folds_to_the_same(id, &coarse(&facts, 24 * 3600));
        all.extend(facts);
    }
    for seed in seeds(DELIVERIES) {
        println!("COLLOQUY_ORDER_SEED={seed}");
        handled_in_any_order(&mut site, &all, seed).await;
    }
    site.stop().await;
}

/// Has all facts delivered to the service, which works on several at once, and looks at what it has
/// stored.
async fn handled_in_any_order(site: &mut Site, facts: &[(Envelope, Fact)], seed: u64) {
    let entries = site.kit.bus.kv(streams::PROGRESS.name).await.unwrap();
    let scopes = site.stories.iter().map(|story| &story.scope);
    let keys: Vec<(ConversationId, String)> = scopes
        .filter_map(|scope| {
            let id = scope.conversation()?;
            Some((id, Progress::key(scope.account(), id)))
        })
        .collect();
    for (_, key) in &keys {
        let standing = entries.get_bytes(key).await.unwrap().unwrap();
        assert!(entries.delete_at(key, standing.revision).await.unwrap());
    }
    let mut random = StdRng::seed_from_u64(seed);
    for index in deliveries(facts.len(), &mut random) {
        let (envelope, fact) = &facts[index];
        site.raw.deliver("progress", envelope, fact).await;
    }
    site.kit.settled(PATIENCE).await;
    for (id, key) in keys {
        let own = facts.iter().enumerate();
        let own = own.filter(|(_, (envelope, _))| envelope.scope.conversation() == Some(id));
        let order: Vec<usize> = own.map(|(index, _)| index).collect();
        let stored = entries.get::<Progress>(&key).await.unwrap().unwrap().value;
        assert_eq!(stored, as_stored(&fold(id, facts, &order)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disturbed_run_ends_like_an_undisturbed_one() {
    let undisturbed = async {
        let mut site = Site::start().await;
        site.tell_in_order().await;
        site.ended().await
    };
    let disturbed = seeds(RUNS).map(|seed| async move {
        println!("COLLOQUY_ORDER_SEED={seed}");
        let mut site = Site::start().await;
        site.tell_disturbed(&mut StdRng::seed_from_u64(seed)).await;
        let happened = site.happened.clone();
        (seed, happened, site.ended().await)
    });
    // They wait for the broker and for the disk most of the time, so all at once.
    let (expected, ended) = futures::join!(undisturbed, futures::future::join_all(disturbed));
    assert_eq!(expected.counts, [4, 1, 2, 1, 1, 1]);
    for (seed, happened, ended) in ended {
        assert_eq!(
            ended, expected,
            "COLLOQUY_ORDER_SEED={seed}, after {happened:#?}"
        );
    }
}
