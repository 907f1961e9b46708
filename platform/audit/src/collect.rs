//! Looks over buckets, models and dead letters once, and lays what it finds aside by partition.
//!
//! Chunks are counted before objects are listed, and both before the log is read: an upload that
//! runs meanwhile then lacks chunks or facts at worst, and both are looked at again.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use colloquy_bus::{Bus, deadletters::DeadLetterFilter, scan::StoredObject};
use colloquy_contract::{
    AccountId, Bucket, ConversationId, FactType, Scope,
    progress::Progress,
    streams,
    subject::{PARTITIONS, partition},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    Result,
    report::{BucketCounts, DeadLetterCounts},
    spill::{Spill, Spilled},
    story::{Zone, owner},
};

/// Dead letters that are listed at once.
const DEAD_LETTERS_AT_ONCE: usize = 1_000;

/// The first half of a SHA-256: enough to tell things apart.
pub(crate) type Short = [u8; 16];

/// An object, laid aside in the partition of the conversation in its name.
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
    partition: u8,
    name: Short,
}

/// An entry of the progress model, laid aside in the partition of its conversation.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EntryRecord {
    pub(crate) key: String,
    /// Of its value in the form that we write it; none if it cannot be read.
    pub(crate) value: Option<Short>,
}

/// A dead letter, laid aside in the partition of its conversation or account.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LetterRecord {
    pub(crate) number: u64,
    pub(crate) account: AccountId,
    pub(crate) conversation: Option<ConversationId>,
    /// Whether the log must say that something failed.
    pub(crate) to_be_stated: bool,
}

impl LetterRecord {
    pub(crate) fn scope(&self) -> Scope {
        let account = self.account.clone();
        match self.conversation {
            Some(conversation) => Scope::Conversation {
                account,
                conversation,
            },
            None => Scope::Account { account },
        }
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
    /// Objects whose chunks are not all there, by partition.
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

/// A part for things that belong to no conversation.
pub(crate) fn part_of(bytes: impl AsRef<[u8]>) -> u8 {
    short(bytes)[0] % PARTITIONS
}

fn part_of_name(name: &str) -> u8 {
    owner(name)
        .and_then(|scope| scope.conversation())
        .map_or(0, partition)
}

/// The value of an entry, in the form that we write it.
pub(crate) fn value_of(progress: &Progress) -> Option<Short> {
    serde_json::to_vec(progress).ok().map(short)
}

/// Lists both buckets.
pub(crate) async fn artifacts(bus: &Bus, folder: &Path) -> Result<Artifacts> {
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
        let chunks = chunks(bus, bucket, Spill::new(folder, names.0), &mut count).await?;
        let mut claims = Spill::new(folder, names.1);
        let mut scan = bus.scan_objects(bucket);
        while let Some(object) = scan.next().await? {
            if object.deleted {
                count.deleted += 1;
                continue;
            }
            count.objects += 1;
            count.bytes += object.size_bytes;
            claim(&object, &mut claims)?;
            objects.push(part_of_name(&object.name), &record(zone, object))?;
        }
        let claims = claims.finish()?;
        for part in 0..PARTITIONS {
            join(zone, part, (&chunks, &claims), &mut incomplete, &mut stray)?;
        }
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

fn claim(object: &StoredObject, claims: &mut Spill<ClaimRecord>) -> Result<()> {
    let claim = ClaimRecord {
        nuid: object.nuid.clone(),
        chunks: object.chunks,
        partition: part_of_name(&object.name),
        name: short(&object.name),
    };
    claims.push(part_of(&object.nuid), &claim)
}

async fn chunks(
    bus: &Bus,
    bucket: Bucket,
    mut spill: Spill<(String, u64)>,
    count: &mut BucketCounts,
) -> Result<Spilled<(String, u64)>> {
    let mut scan = bus.scan_chunks(bucket).await?;
    while let Some((nuid, chunks)) = scan.next().await? {
        count.chunks += chunks;
        spill.push(part_of(&nuid), &(nuid, chunks))?;
    }
    spill.finish()
}

/// Which objects lack chunks, and which chunks lack an object, in one part.
fn join(
    zone: Zone,
    part: u8,
    (chunks, claims): (&Spilled<(String, u64)>, &Spilled<ClaimRecord>),
    incomplete: &mut Spill<(Zone, Short)>,
    stray: &mut Spill<StrayChunks>,
) -> Result<()> {
    let held: HashMap<String, u64> = chunks.read(part)?.collect::<Result<_>>()?;
    let mut claimed = HashSet::new();
    for claim in claims.read(part)? {
        let claim = claim?;
        if held.get(&claim.nuid).copied().unwrap_or(0) != claim.chunks {
            incomplete.push(claim.partition, &(zone, claim.name))?;
        }
        claimed.insert(claim.nuid);
    }
    for nuid in held.into_keys() {
        if !claimed.contains(&nuid) {
            stray.push(0, &StrayChunks { zone, nuid })?;
        }
    }
    Ok(())
}

/// Lists the progress model.
pub(crate) async fn entries(bus: &Bus, folder: &Path) -> Result<Spilled<EntryRecord>> {
    let mut spill = Spill::new(folder, "entries");
    let mut scan = bus.scan_values(&streams::PROGRESS);
    while let Some((key, value)) = scan.next().await? {
        let part = conversation_of(&key).map_or(0, partition);
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

/// Lists the dead letters.
pub(crate) async fn letters(
    bus: &Bus,
    folder: &Path,
    counts: &mut DeadLetterCounts,
) -> Result<Spilled<LetterRecord>> {
    let mut spill = Spill::new(folder, "letters");
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
            // A failure to handle a failure states no other.
            let fact = letter.fact();
            let conversation = scope.conversation();
            let record = LetterRecord {
                number: letter.sequence,
                account: scope.account().clone(),
                conversation,
                to_be_stated: conversation.is_some()
                    && fact.is_some_and(|fact| fact != FactType::ConversationFailed),
            };
            let part = conversation.map_or_else(|| part_of(scope.account().as_str()), partition);
            spill.push(part, &record)?;
        }
        if page.len() < DEAD_LETTERS_AT_ONCE {
            return spill.finish();
        }
    }
}
