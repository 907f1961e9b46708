//! Looks over buckets, models and dead letters once, and lays what it finds aside by part.
//!
//! Chunks are counted before objects are listed, and both before the log is read: an upload that
//! runs meanwhile then lacks chunks or facts at worst, and both are looked at again.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use colloquy_bus::{Bus, deadletters::DeadLetterFilter, scan::StoredObject};
use colloquy_contract::{
    AccountId, Bucket, ConversationId, FactType, Scope, progress::Progress, streams,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    Result,
    parts::Parts,
    report::{BucketCounts, DeadLetterCounts},
    spill::{Spill, Spilled},
    story::{Zone, owner},
};

/// Dead letters that are listed at once.
const DEAD_LETTERS_AT_ONCE: usize = 1_000;

/// The first half of a SHA-256: enough to tell things apart.
pub(crate) type Short = [u8; 16];

/// An object, laid aside in the part of the conversation in its name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ObjectRecord {
    pub(crate) zone: Zone,
    pub(crate) name: String,
    pub(crate) size_bytes: u64,
    pub(crate) sha256: String,
    /// When it was noted, in milliseconds.
    pub(crate) at_ms: i64,
}

/// The id of an object's chunks, laid aside by the id.
#[derive(Debug, Serialize, Deserialize)]
struct ClaimRecord {
    nuid: String,
    chunks: u64,
    part: u16,
    name: Short,
}

/// An entry of the progress model, laid aside in the part of its conversation.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EntryRecord {
    pub(crate) key: String,
    /// Of its value in the form that we write it; none if it cannot be read.
    pub(crate) value: Option<Short>,
}

/// A dead letter, laid aside in the part of its conversation.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LetterRecord {
    pub(crate) number: u64,
    account: AccountId,
    conversation: ConversationId,
    /// Whether the log must say that something failed.
    pub(crate) to_be_stated: bool,
}

impl LetterRecord {
    pub(crate) fn scope(&self) -> Scope {
        Scope::Conversation {
            account: self.account.clone(),
            conversation: self.conversation,
        }
    }
}

/// The dead letters.
pub(crate) struct Letters {
    pub(crate) of_conversations: Spilled<LetterRecord>,
    /// Accounts that have one, in the parts of the log of accounts.
    pub(crate) of_accounts: Spilled<AccountId>,
}

impl Letters {
    /// As if there were none.
    pub(crate) fn none(folder: &Path) -> Result<Self> {
        Ok(Self {
            of_conversations: Spill::new(folder, "letters").finish()?,
            of_accounts: Spill::new(folder, "account-letters").finish()?,
        })
    }
}

/// Chunks that no object refers to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StrayChunks {
    pub(crate) zone: Zone,
    pub(crate) nuid: String,
}

/// What is in the buckets.
pub(crate) struct Artifacts {
    pub(crate) objects: Spilled<ObjectRecord>,
    /// Objects whose chunks are not all there, by part.
    pub(crate) incomplete: Spilled<(Zone, Short)>,
    pub(crate) stray: Spilled<StrayChunks>,
    pub(crate) counts: HashMap<Zone, BucketCounts>,
}

/// The first half of the SHA-256 of some bytes.
pub(crate) fn short(bytes: impl AsRef<[u8]>) -> Short {
    let digest = Sha256::digest(bytes);
    let mut short = [0; 16];
    short.copy_from_slice(&digest[..16]);
    short
}

/// The part of the conversation in an object's name; of the name itself if there is none.
fn part_of_object(parts: Parts, name: &str) -> u16 {
    let conversation = owner(name).and_then(|scope| scope.conversation());
    conversation.map_or_else(|| parts.of_name(name), |id| parts.of(id))
}

/// The value of an entry, in the form that we write it.
pub(crate) fn value_of(progress: &Progress) -> Option<Short> {
    serde_json::to_vec(progress).ok().map(short)
}

/// Lists both buckets.
pub(crate) async fn artifacts(bus: &Bus, folder: &Path, parts: Parts) -> Result<Artifacts> {
    let mut objects = Spill::new(folder, "objects");
    let mut incomplete = Spill::new(folder, "incomplete");
    let mut stray = Spill::new(folder, "stray");
    let mut counts = HashMap::new();
    for bucket in Bucket::ALL {
        let zone = Zone::from(bucket);
        let names = match bucket {
            Bucket::Vault => ("vault-chunks", "vault-claims"),
            Bucket::Open => ("open-chunks", "open-claims"),
        };
        let mut count = BucketCounts::default();
        let by_id = Parts::for_records(bus.names_held(bucket).await?);
        let held = Spill::new(folder, names.0);
        let chunks = chunks(bus, bucket, held, by_id, &mut count).await?;
        tracing::debug!(%bucket, chunks = count.chunks, "chunks are counted");
        let mut claims = Spill::new(folder, names.1);
        let mut scan = bus.scan_objects(bucket);
        while let Some(object) = scan.next().await? {
            if object.deleted {
                count.deleted += 1;
                continue;
            }
            count.objects += 1;
            count.bytes += object.size_bytes;
            let part = part_of_object(parts, &object.name);
            let claim = ClaimRecord {
                nuid: object.nuid.clone(),
                chunks: object.chunks,
                part,
                name: short(&object.name),
            };
            claims.push(by_id.of_name(&object.nuid), &claim)?;
            objects.push(part, &record(zone, object))?;
        }
        let claims = claims.finish()?;
        for part in by_id.all() {
            join(zone, part, (&chunks, &claims), &mut incomplete, &mut stray)?;
        }
        tracing::debug!(%bucket, objects = count.objects, "objects are listed");
        counts.insert(zone, count);
    }
    Ok(Artifacts {
        objects: objects.finish()?,
        incomplete: incomplete.finish()?,
        stray: stray.finish()?,
        counts,
    })
}

fn record(zone: Zone, object: StoredObject) -> ObjectRecord {
    ObjectRecord {
        zone,
        name: object.name,
        size_bytes: object.size_bytes,
        sha256: object.sha256,
        at_ms: object.at.as_millisecond(),
    }
}

async fn chunks(
    bus: &Bus,
    bucket: Bucket,
    mut spill: Spill<(String, u64)>,
    parts: Parts,
    count: &mut BucketCounts,
) -> Result<Spilled<(String, u64)>> {
    let mut scan = bus.scan_chunks(bucket);
    while let Some((nuid, chunks)) = scan.next().await? {
        count.chunks += chunks;
        spill.push(parts.of_name(&nuid), &(nuid, chunks))?;
    }
    spill.finish()
}

/// Which objects lack chunks, and which chunks lack an object, in one part.
fn join(
    zone: Zone,
    part: u16,
    (chunks, claims): (&Spilled<(String, u64)>, &Spilled<ClaimRecord>),
    incomplete: &mut Spill<(Zone, Short)>,
    stray: &mut Spill<StrayChunks>,
) -> Result<()> {
    let held: HashMap<String, u64> = chunks.read(part)?.collect::<Result<_>>()?;
    let mut claimed = HashSet::new();
    for claim in claims.read(part)? {
        let claim = claim?;
        if held.get(&claim.nuid).copied().unwrap_or(0) != claim.chunks {
            incomplete.push(claim.part, &(zone, claim.name))?;
        }
        claimed.insert(claim.nuid);
    }
    for nuid in held.into_keys() {
        if !claimed.contains(&nuid) {
            stray.push(0, &StrayChunks { zone, nuid })?;
        }
    }
    chunks.remove(part)?;
    claims.remove(part)
}

/// Lists the progress model.
pub(crate) async fn entries(
    bus: &Bus,
    folder: &Path,
    parts: Parts,
) -> Result<Spilled<EntryRecord>> {
    let mut spill = Spill::new(folder, "entries");
    let mut scan = bus.scan_values(&streams::PROGRESS);
    while let Some((key, value)) = scan.next().await? {
        let conversation = conversation_of(&key);
        let part = conversation.map_or_else(|| parts.of_name(&key), |id| parts.of(id));
        let value = serde_json::from_slice::<Progress>(&value)
            .ok()
            .and_then(|progress| value_of(&progress));
        spill.push(part, &EntryRecord { key, value })?;
    }
    spill.finish()
}

/// The conversation of a key of the progress model.
pub(crate) fn conversation_of(key: &str) -> Option<ConversationId> {
    key.rsplit('.').next()?.parse().ok()
}

/// Lists the dead letters, by the parts of the logs of conversations and accounts.
pub(crate) async fn letters(
    bus: &Bus,
    folder: &Path,
    (conversations, accounts): (Parts, Parts),
    counts: &mut DeadLetterCounts,
) -> Result<Letters> {
    let mut of_conversations = Spill::new(folder, "letters");
    let mut of_accounts = Spill::new(folder, "account-letters");
    let filter = DeadLetterFilter::default();
    let mut after = 0;
    loop {
        let page = bus
            .dead_letters(&filter, after, DEAD_LETTERS_AT_ONCE)
            .await?;
        for letter in &page {
            after = after.max(letter.sequence);
            counts.open += 1;
            *counts.by_service.entry(letter.service.clone()).or_default() += 1;
            let Some(scope) = letter.scope() else {
                continue;
            };
            match scope {
                Scope::Conversation {
                    account,
                    conversation,
                } => {
                    // A failure to handle a failure states no other.
                    let fact = letter.fact();
                    let record = LetterRecord {
                        number: letter.sequence,
                        account,
                        conversation,
                        to_be_stated: fact.is_some_and(|fact| fact != FactType::ConversationFailed),
                    };
                    of_conversations.push(conversations.of(conversation), &record)?;
                }
                Scope::Account { account } => {
                    of_accounts.push(accounts.of_name(account.as_str()), &account)?;
                }
            }
        }
        if page.len() < DEAD_LETTERS_AT_ONCE {
            return Ok(Letters {
                of_conversations: of_conversations.finish()?,
                of_accounts: of_accounts.finish()?,
            });
        }
    }
}
