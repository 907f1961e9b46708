//! Whether everything that was accepted came to its end, once, everywhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use colloquy_audit::{AuditOptions, SweepOptions};
use colloquy_bus::log::Logged;
use colloquy_contract::{Fact, FactType, facts::Family, streams};
use colloquy_testkit::PATIENCE;
use colloquy_warehouse::FactRow;
use futures::StreamExt;

use crate::{load::Load, platform::Platform, receivers::Inbox, speech};

/// How long everything may take to come to its end after the last fault: an ack wait, some retries
/// with their pauses, and a slow machine.
const END_PATIENCE: Duration = Duration::from_secs(180);

/// How often the log is read while it is waited for.
const LOOK: Duration = Duration::from_millis(300);

/// A call's way, in order.
const WAY: [FactType; 7] = [
    FactType::ConversationReceived,
    FactType::ConversationDecoded,
    FactType::ConversationTranscribed,
    FactType::ConversationTagged,
    FactType::ConversationAnonymized,
    FactType::ConversationQualified,
    FactType::ConversationIndexed,
];

/// The way of what is no recording.
const REJECTED: [FactType; 2] = [
    FactType::ConversationReceived,
    FactType::ConversationRejected,
];

/// The log, by what the facts are about; and how many there are.
pub struct Log {
    pub by_scope: BTreeMap<String, Vec<Logged>>,
    pub facts: usize,
}

impl Log {
    /// Reads all of it.
    pub async fn read(platform: &Platform) -> Self {
        let (mut by_scope, mut facts) = (BTreeMap::<String, Vec<Logged>>::new(), 0);
        for (family, filter) in [
            (Family::Conversation, "conversations.>"),
            (Family::Account, "accounts.>"),
        ] {
            let filters = vec![filter.to_owned()];
            let mut replay = platform.kit.bus.replay(family, filters, 1);
            while let Some(entry) = replay.next_entry().await.expect("the log can be read") {
                let logged = entry.fact.expect("every message is a fact");
                let about = logged.envelope.scope.correlation();
                by_scope.entry(about).or_default().push(logged);
                facts += 1;
            }
        }
        Self { by_scope, facts }
    }

    pub fn all(&self) -> impl Iterator<Item = &Logged> {
        self.by_scope.values().flatten()
    }

    fn types(&self, about: &str) -> Vec<FactType> {
        let facts = self.by_scope.get(about).into_iter().flatten();
        facts.map(|logged| logged.envelope.fact_type).collect()
    }

    /// Ids of the facts of these types.
    fn ids(&self, types: &[FactType]) -> BTreeSet<String> {
        let of_type = |logged: &&Logged| types.contains(&logged.envelope.fact_type);
        let ids = self.all().filter(of_type);
        ids.map(|logged| logged.envelope.id.to_string()).collect()
    }

    /// What is not at its end yet.
    fn open(&self, load: &Load) -> Vec<String> {
        let ended = |about: &str, ends: &[FactType]| {
            let types = self.types(about);
            ends.iter().any(|end| types.contains(end))
        };
        let failed = FactType::ConversationFailed;
        let calls = load.calls.iter().map(|posted| &posted.id);
        let calls = calls.filter(|id| !ended(id, &[FactType::ConversationIndexed, failed]));
        let rejects = load.rejects.iter().map(|posted| &posted.id);
        let rejects = rejects.filter(|id| !ended(id, &[FactType::ConversationRejected, failed]));
        let signup_ends = [FactType::AccountWelcomed, FactType::AccountSignupRejected];
        let signups = load.signups.iter().map(|(account, _)| account);
        let signups = signups.filter(|id| !ended(id, &signup_ends));
        let open = calls.chain(rejects).chain(signups);
        open.map(|id| format!("{id} {:?}", self.types(id)))
            .collect()
    }
}

/// Waits until everything that was accepted has come to an end.
pub async fn until_ended(platform: &Platform, load: &Load) -> Log {
    let start = Instant::now();
    loop {
        let log = Log::read(platform).await;
        let open = log.open(load);
        if open.is_empty() {
            return log;
        }
        assert!(
            start.elapsed() < END_PATIENCE,
            "after {END_PATIENCE:?}, {} of {} are not at an end, such as {}",
            open.len(),
            load.len(),
            open[0]
        );
        tokio::time::sleep(LOOK).await;
    }
}

/// Looks everywhere. Everything must have been healed before.
pub async fn all(platform: &Platform, load: &Load) -> String {
    let start = Instant::now();
    until_ended(platform, load).await;
    platform.settled().await;
    let settled = start.elapsed();
    let log = Log::read(platform).await;
    conversations(load, &log);
    accounts(load, &log);
    received(platform, &log).await;
    warehouse(platform, &log).await;
    index(platform, load).await;
    let swept = audit(platform).await;
    let (early, late) = platform.ends();
    assert_eq!(late, [""; 0], "services ended by themselves");
    for (reason, times) in &early {
        println!("  {times} starts failed: {reason}");
    }
    let (crm, webhooks, mail) = (
        platform.receivers.crm.tally(),
        platform.receivers.webhooks.tally(),
        platform.receivers.mail.tally(),
    );
    let (later, broken) = platform.client.troubles();
    format!(
        "{} calls, {} rejected posts, {} sign-ups; {} facts, each one row; {} documents in the \
         index; webhooks {} (+{} repeats), CRM {} (+{}), e-mails {} (+{}); client: {later} answers \
         'later', {broken} broken; swept {swept}; settled after \
         {settled:.1?}, looked at within {:.1?}",
        load.calls.len(),
        load.rejects.len(),
        load.signups.len(),
        log.facts,
        load.calls.len(),
        webhooks.keys,
        webhooks.repeats,
        crm.keys,
        crm.repeats,
        mail.keys,
        mail.repeats,
        start.elapsed() - settled,
    )
}

/// Each conversation went its way, once, and there are no others.
fn conversations(load: &Load, log: &Log) {
    for posted in &load.calls {
        assert_eq!(log.types(&posted.id), WAY, "{}", posted.id);
    }
    for posted in &load.rejects {
        assert_eq!(log.types(&posted.id), REJECTED, "{}", posted.id);
    }
    let accepted: BTreeSet<_> = load.posted().map(|posted| posted.id.clone()).collect();
    assert_eq!(
        accepted.len(),
        load.posted().count(),
        "a key, a conversation"
    );
    let logged = log
        .all()
        .filter(|logged| logged.envelope.scope.conversation().is_some());
    let logged: BTreeSet<_> = logged
        .map(|logged| logged.envelope.scope.correlation())
        .collect();
    assert_eq!(logged, accepted, "those that were accepted and no others");
}

/// Each address has one account, who asked for a taken one was told so.
fn accounts(load: &Load, log: &Log) {
    use FactType::{
        AccountCreated, AccountSignupRejected, AccountSignupRequested, AccountWelcomed,
    };
    let mut owners = BTreeMap::<_, u32>::new();
    for (account, email) in &load.signups {
        let owned = owners.entry(email).or_default();
        match log.types(account).as_slice() {
            [AccountSignupRequested, AccountCreated, AccountWelcomed] => *owned += 1,
            [AccountSignupRequested, AccountSignupRejected] => {}
            other => panic!("{account}: {other:?}"),
        }
    }
    let strange: Vec<_> = owners.iter().filter(|(_, owned)| **owned != 1).collect();
    assert!(
        strange.is_empty(),
        "addresses without one owner: {strange:?}"
    );
}

/// Webhooks and e-mails came, each under the one key of its fact, the same each time.
async fn received(platform: &Platform, log: &Log) {
    use FactType::{AccountCreated, ConversationIndexed, ConversationRejected};
    let receivers = &platform.receivers;
    let mails = log.all().filter_map(|logged| match &logged.fact {
        Fact::AccountWelcomed(welcomed) => Some(welcomed.message_id.clone()),
        _ => None,
    });
    let ends = log.ids(&[ConversationIndexed, ConversationRejected]);
    check("webhooks", &receivers.webhooks, &ends);
    check("CRM", &receivers.crm, &log.ids(&[AccountCreated]));
    check("e-mails", &receivers.mail, &mails.collect());
}

fn check(what: &str, inbox: &Inbox, expected: &BTreeSet<String>) {
    let keys: BTreeSet<_> = inbox.keys().into_iter().collect();
    let missing: Vec<_> = expected.difference(&keys).collect();
    let unknown: Vec<_> = keys.difference(expected).collect();
    assert!(missing.is_empty(), "{what}: {missing:?} did not come");
    assert!(unknown.is_empty(), "{what}: {unknown:?} came, of no fact");
    let contradictions = inbox.contradictions();
    assert!(
        contradictions.is_empty(),
        "{what}: {contradictions:?} differ"
    );
}

/// Each fact is one row.
async fn warehouse(platform: &Platform, log: &Log) {
    let mut expected: Vec<_> = log.all().map(row).collect();
    expected.sort();
    let (folder, start) = (platform.warehouse(), Instant::now());
    loop {
        let folder = folder.clone();
        let rows = tokio::task::spawn_blocking(move || colloquy_warehouse::rows(&folder));
        let mut rows = rows.await.unwrap().expect("the warehouse can be read");
        rows.sort();
        if rows == expected {
            return;
        }
        let doubled = rows.windows(2).find(|pair| pair[0] == pair[1]);
        assert!(doubled.is_none(), "two rows of one fact: {doubled:?}");
        assert!(
            start.elapsed() < PATIENCE,
            "{} rows, {} facts",
            rows.len(),
            expected.len()
        );
        tokio::time::sleep(LOOK).await;
    }
}

fn row(logged: &Logged) -> FactRow {
    let envelope = &logged.envelope;
    let family = match envelope.scope.conversation() {
        Some(_) => Family::Conversation,
        None => Family::Account,
    };
    FactRow {
        stream: streams::of(family).name.to_owned(),
        sequence: logged.sequence,
        id: envelope.id.to_string(),
        fact_type: envelope.fact_type.as_str().to_owned(),
    }
}

/// Each call is found by its own word, alone.
async fn index(platform: &Platform, load: &Load) {
    let searches = load.calls.iter().map(|posted| async {
        let found = platform.client.search(&speech::own_word(&posted.id)).await;
        assert_eq!(
            found.as_slice(),
            std::slice::from_ref(&posted.id),
            "found once"
        );
    });
    let searched = futures::stream::iter(searches).buffer_unordered(16);
    searched.collect::<Vec<_>>().await;
}

/// The audit is clean, with every artifact's content; and after a sweep of what was begun and not
/// ended, it is without any grace. Says what was swept.
async fn audit(platform: &Platform) -> String {
    let bus = &platform.kit.bus;
    let mut options = AuditOptions {
        in_flight: Duration::ZERO,
        settle: Duration::from_millis(300),
        deep: true,
        ..AuditOptions::default()
    };
    let report = colloquy_audit::audit(bus, &options)
        .await
        .expect("an audit");
    assert!(report.clean, "{report}");
    let sweep = SweepOptions {
        grace: Duration::ZERO,
        remove: true,
    };
    let swept = colloquy_audit::sweep(bus, sweep).await.expect("a sweep");
    (options.grace, options.deep) = (Duration::ZERO, false);
    let report = colloquy_audit::audit(bus, &options)
        .await
        .expect("an audit");
    assert!(report.clean, "after the sweep: {report}");
    format!("{} objects, {} stray uploads", swept.objects, swept.stray)
}
