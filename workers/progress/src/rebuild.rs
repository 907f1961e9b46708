//! Brings the read model into agreement with the log while workers go on writing it.
//!
//! - **The log decides.** An entry that is wrong is replaced, one that is missing is made, one of a
//!   conversation that is not in the log goes. What agrees is left alone.
//! - **Nobody's work is undone.** Every change is a compare-and-set. An entry that knows of facts
//!   which were stated after we read the log is judged by the conversation's history, read anew.
//! - **It serves all the time.** Each entry stands until it is replaced.
//! - **Memory is bounded**: by the conversations of one of the partitions.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use colloquy_bus::{Bus, BusError, Kv, Result, log::Logged};
use colloquy_contract::{
    AccountId, ConversationId, Scope, control::RebuildFrom, facts::Family, progress::Progress,
    streams, subject::PARTITIONS,
};
use futures::{StreamExt, TryStreamExt, stream};

/// Entries that are compared at once.
const CONCURRENT_ENTRIES: usize = 16;

/// How often an entry is tried that others keep changing.
const ATTEMPTS: u32 = 32;

/// How often the log must say that it has no fact of what an entry tells, before it is believed: a
/// replica of the log may be a moment behind.
const DENIALS: u32 = 3;

/// Pause between two such questions.
const DENIAL_PAUSE: Duration = Duration::from_millis(100);

/// How far a rebuild is, and what it found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Partitions that are done, of [`PARTITIONS`].
    pub partitions: u8,
    /// Facts read.
    pub facts: u64,
    /// Messages that are no facts this program can read; they are left out.
    pub unreadable: u64,
    /// Conversations whose entries were compared with the log.
    pub compared: u64,
    /// Entries that were missing and were made.
    pub made: u64,
    /// Entries that were wrong and were replaced.
    pub replaced: u64,
    /// Entries of conversations that are not in the log, which were deleted.
    pub deleted: u64,
}

/// Rebuilds the read model from the log. `report` is told how far it is, now and then.
///
/// From a sequence or a time on, only conversations with a fact since are looked at, and no entry
/// is deleted.
///
/// # Errors
/// If the broker cannot be read or written for a while, or others keep changing an entry. What was
/// done stands; asking again goes on from the beginning and changes only what still differs.
pub async fn rebuild(
    bus: &Bus,
    from: RebuildFrom,
    report: impl FnMut(&Report) + Send,
) -> Result<Report> {
    let mut rebuild = Rebuild {
        bus,
        entries: bus.kv(streams::PROGRESS.name).await?,
        report: Report::default(),
        tell: report,
    };
    let since = match from {
        RebuildFrom::Start => None,
        RebuildFrom::Sequence(sequence) => Some(sequence),
        RebuildFrom::Time(time) => Some(bus.sequence_since(Family::Conversation, time).await?),
    };
    for partition in 0..PARTITIONS {
        match since {
            None => rebuild.partition(partition).await?,
            Some(sequence) => rebuild.partition_since(partition, sequence).await?,
        }
        rebuild.report.partitions += 1;
        (rebuild.tell)(&rebuild.report);
    }
    if since.is_none() {
        rebuild.surplus().await?;
        (rebuild.tell)(&rebuild.report);
    }
    Ok(rebuild.report)
}

/// A conversation, as a key names it.
type Owner = (AccountId, ConversationId);

struct Rebuild<'a, R> {
    bus: &'a Bus,
    entries: Kv,
    report: Report,
    tell: R,
}

/// What was done with an entry.
enum Outcome {
    Agreed,
    Made,
    Replaced,
    Deleted,
}

impl<R: FnMut(&Report) + Send> Rebuild<'_, R> {
    /// Folds all facts of a partition, and compares.
    async fn partition(&mut self, partition: u8) -> Result<()> {
        let mut folded: HashMap<Owner, Progress> = HashMap::new();
        self.read(partition, 1, |owner, logged| {
            let progress = folded
                .entry(owner)
                .or_insert_with_key(|(_, conversation)| Progress::new(*conversation));
            progress.apply(&logged.envelope, &logged.fact);
        })
        .await?;
        let folded = folded
            .into_iter()
            .map(|(owner, progress)| (owner, Some(progress)));
        self.compare(folded).await
    }

    /// Compares the conversations of a partition that have a fact since.
    async fn partition_since(&mut self, partition: u8, sequence: u64) -> Result<()> {
        let mut changed: HashSet<Owner> = HashSet::new();
        self.read(partition, sequence, |owner, _| {
            changed.insert(owner);
        })
        .await?;
        self.compare(changed.into_iter().map(|owner| (owner, None)))
            .await
    }

    /// Hands on every fact of a partition that stands in the log.
    async fn read(
        &mut self,
        partition: u8,
        from_sequence: u64,
        mut take: impl FnMut(Owner, &Logged) + Send,
    ) -> Result<()> {
        let filters = vec![format!("conversations.{partition}.>")];
        let mut log = self
            .bus
            .replay(Family::Conversation, filters, from_sequence);
        while let Some(entry) = log.next_entry().await? {
            match entry.fact {
                Ok(logged) => {
                    self.report.facts += 1;
                    if let Some(conversation) = logged.envelope.scope.conversation() {
                        let account = logged.envelope.scope.account().clone();
                        take((account, conversation), &logged);
                    }
                }
                Err(_) => self.report.unreadable += 1,
            }
        }
        Ok(())
    }

    async fn compare(
        &mut self,
        wanted: impl Iterator<Item = (Owner, Option<Progress>)> + Send,
    ) -> Result<()> {
        let (bus, entries) = (self.bus, &self.entries);
        let outcomes = stream::iter(wanted)
            .map(|(owner, folded)| agree(bus, entries, owner, folded))
            .buffer_unordered(CONCURRENT_ENTRIES);
        let mut outcomes = std::pin::pin!(outcomes);
        while let Some(outcome) = outcomes.try_next().await? {
            self.report.compared += 1;
            self.report.count(&outcome);
        }
        Ok(())
    }

    /// Deletes the entries of conversations that are not in the log. An entry that a worker makes
    /// meanwhile has its fact in the log already.
    async fn surplus(&mut self) -> Result<()> {
        let mut keys = self.entries.keys(">").await?;
        loop {
            let mut some = Vec::with_capacity(CONCURRENT_ENTRIES);
            while some.len() < CONCURRENT_ENTRIES {
                let Some(key) = keys.next().await? else { break };
                some.push(key);
            }
            if some.is_empty() {
                return Ok(());
            }
            let (bus, entries) = (self.bus, &self.entries);
            let outcomes: Vec<Outcome> = stream::iter(some)
                .map(|key| keep_or_delete(bus, entries, key))
                .buffer_unordered(CONCURRENT_ENTRIES)
                .try_collect()
                .await?;
            for outcome in &outcomes {
                self.report.count(outcome);
            }
        }
    }
}

impl Report {
    const fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Agreed => {}
            Outcome::Made => self.made += 1,
            Outcome::Replaced => self.replaced += 1,
            Outcome::Deleted => self.deleted += 1,
        }
    }
}

/// Brings an entry into agreement with its conversation's facts; without a fold, with its history.
async fn agree(
    bus: &Bus,
    entries: &Kv,
    (account, conversation): Owner,
    mut folded: Option<Progress>,
) -> Result<Outcome> {
    let key = Progress::key(&account, conversation);
    let scope = Scope::Conversation {
        account,
        conversation,
    };
    let mut denials = 0;
    for _ in 0..ATTEMPTS {
        // The entry first, then the log: whatever the entry tells stood in the log before.
        let present = entries.get_bytes(&key).await?;
        let wanted = match folded.take() {
            Some(wanted) => wanted,
            None => match history(bus, &scope, conversation).await? {
                Some(wanted) => wanted,
                // It was erased meanwhile.
                None => return keep_or_delete(bus, entries, key).await,
            },
        };
        let Some(present) = present else {
            if entries.create(&key, &wanted).await? {
                return Ok(Outcome::Made);
            }
            continue;
        };
        let standing: Option<Progress> = serde_json::from_slice(&present.value).ok();
        if let Some(standing) = &standing {
            if *standing == as_stored(&wanted) {
                return Ok(Outcome::Agreed);
            }
            let unknown = |stage| !wanted.stages.contains(stage);
            if standing.stages.iter().any(unknown) && denials < DENIALS {
                denials += 1;
                if denials > 1 {
                    tokio::time::sleep(DENIAL_PAUSE).await;
                }
                continue;
            }
        }
        if entries
            .compare_and_set(&key, &wanted, present.revision)
            .await?
        {
            return Ok(Outcome::Replaced);
        }
    }
    Err(contended())
}

/// Deletes an entry if its conversation is not in the log.
async fn keep_or_delete(bus: &Bus, entries: &Kv, key: String) -> Result<Outcome> {
    let filter = owner(&key).map(|(account, conversation)| {
        Scope::Conversation {
            account,
            conversation,
        }
        .history_filter()
    });
    for _ in 0..ATTEMPTS {
        // The entry first, then the log.
        let Some(present) = entries.get_bytes(&key).await? else {
            return Ok(Outcome::Agreed);
        };
        let mut denials = 0;
        while let Some(filter) = &filter {
            if bus.stands(Family::Conversation, filter).await? {
                return Ok(Outcome::Agreed);
            }
            denials += 1;
            if denials == DENIALS {
                break;
            }
            tokio::time::sleep(DENIAL_PAUSE).await;
        }
        if entries.delete_at(&key, present.revision).await? {
            return Ok(Outcome::Deleted);
        }
    }
    Err(contended())
}

async fn history(
    bus: &Bus,
    scope: &Scope,
    conversation: ConversationId,
) -> Result<Option<Progress>> {
    let history = bus.history(scope).await?;
    if history.is_empty() {
        return Ok(None);
    }
    let mut progress = Progress::new(conversation);
    for logged in &history {
        progress.apply(&logged.envelope, &logged.fact);
    }
    Ok(Some(progress))
}

/// What a value is when it is read back: numbers may differ in their last digit.
fn as_stored(progress: &Progress) -> Progress {
    serde_json::to_vec(progress)
        .and_then(|json| serde_json::from_slice(&json))
        .unwrap_or_else(|_| progress.clone())
}

/// The conversation of a key; `None` if it is no key of ours.
fn owner(key: &str) -> Option<Owner> {
    let mut parts = key.split('.');
    let (account, day, conversation) = (parts.next()?, parts.next()?, parts.next()?);
    let owner = (account.parse().ok()?, conversation.parse().ok()?);
    let expected = Progress::key(&owner.0, owner.1);
    (parts.next().is_none() && !day.is_empty() && expected == key).then_some(owner)
}

fn contended() -> BusError {
    BusError::Kv {
        operation: "update",
        bucket: streams::PROGRESS.name.to_owned(),
        source: "others kept changing an entry".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_name_conversations() {
        let (account, conversation) = ("acme".parse().unwrap(), ConversationId::generate());
        let key = Progress::key(&account, conversation);
        assert_eq!(owner(&key), Some((account, conversation)));
        for bad in ["", "acme", "acme.20260101.x", &format!("{key}.more")] {
            assert_eq!(owner(bad), None, "{bad}");
        }
        let other_day = format!("acme.19700101.{conversation}");
        assert_eq!(
            owner(&other_day),
            None,
            "a day that is not the conversation's"
        );
    }
}
