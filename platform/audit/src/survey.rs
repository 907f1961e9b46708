//! Reads the log band by band and joins it with what was laid aside: whatever does not fit at
//! first sight becomes a suspect.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::Path,
    time::Duration,
};

use colloquy_bus::Bus;
use colloquy_contract::{
    AccountId, ConversationId, FactType, Scope,
    facts::Family,
    progress::Progress,
    streams,
    subject::{PARTITIONS, partition},
};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    AuditOptions, CONVERSATIONS_AT_ONCE, Result,
    collect::{
        self, Artifacts, EntryRecord, LetterRecord, ObjectRecord, Short, StrayChunks, part_of,
        short, value_of,
    },
    index::Nodes,
    judge::{ArtifactState, EntryState, Evidence, Held, Limits, Standing, judge},
    recheck::is_damaged,
    report::{Extent, Finding, FindingKind, Report},
    spill::{Spill, Spilled},
    story::{Reference, Story, Zone},
};

/// Facts that a conversation has when it is done, about; to guess how many there are.
const FACTS_PER_CONVERSATION: u64 = 8;

/// Facts about accounts that are in memory at once.
const ACCOUNT_FACTS_AT_ONCE: u64 = 200_000;

/// Contents read at once.
const DEEP_READS: usize = 4;

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Everything,
    /// Objects and chunks that nothing refers to.
    Orphans,
}

/// Something that does not fit at first sight.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Suspect {
    Conversation {
        account: AccountId,
        conversation: ConversationId,
        /// Open dead letters of it.
        letters: Vec<u64>,
    },
    Account(AccountId),
    Entry(String),
    Object {
        zone: Zone,
        name: String,
    },
    Chunks(StrayChunks),
}

/// How many conversations an index must and may hold of a partition.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Expected {
    pub(crate) must: u64,
    pub(crate) may: u64,
    /// As of this sequence of the log.
    pub(crate) through: u64,
}

/// What is expected of the index.
pub(crate) struct IndexExpected {
    pub(crate) partitions: Vec<Expected>,
    /// Partitions whose owners did not all answer.
    pub(crate) unanswered: BTreeSet<u8>,
}

pub(crate) struct Survey<'a> {
    bus: &'a Bus,
    options: &'a AuditOptions,
    reach: Reach,
    artifacts: Artifacts,
    entries: Spilled<EntryRecord>,
    letters: Spilled<LetterRecord>,
    letter_counts: crate::DeadLetterCounts,
    letter_extent: Extent,
    nodes: Nodes,
    index: IndexExpected,
    suspects: Spill<Suspect>,
}

/// What was laid aside about a band.
#[derive(Default)]
struct Band {
    objects: HashMap<(Zone, Short), ObjectRecord>,
    referenced: HashSet<(Zone, Short)>,
    incomplete: HashSet<(Zone, Short)>,
    damaged: HashSet<(Zone, Short)>,
    entries: HashMap<String, Option<Short>>,
    letters: HashMap<Scope, Vec<LetterRecord>>,
    held: HashMap<ConversationId, Vec<Held>>,
}

impl<'a> Survey<'a> {
    /// Looks over everything but the log.
    pub(crate) async fn begin(
        bus: &'a Bus,
        options: &'a AuditOptions,
        folder: &Path,
        reach: Reach,
    ) -> Result<Self> {
        let artifacts = collect::artifacts(bus, folder).await?;
        let mut letter_counts = crate::DeadLetterCounts::default();
        let mut letter_extent = Extent::default();
        let mut nodes = Nodes::default();
        let (entries, letters) = if reach == Reach::Everything {
            if options.index {
                nodes = Nodes::discover(bus).await?;
            }
            let entries = collect::entries(bus, folder).await?;
            let letters = collect::letters(bus, folder, &mut letter_counts).await?;
            let (first, last) = bus.extent(streams::DEADLETTERS.name).await?;
            letter_extent = Extent { first, last };
            (entries, letters)
        } else {
            (
                Spill::new(folder, "entries").finish()?,
                Spill::new(folder, "letters").finish()?,
            )
        };
        Ok(Self {
            bus,
            options,
            reach,
            artifacts,
            entries,
            letters,
            letter_counts,
            letter_extent,
            nodes,
            index: IndexExpected {
                partitions: vec![Expected::default(); usize::from(PARTITIONS)],
                unanswered: BTreeSet::new(),
            },
            suspects: Spill::new(folder, "suspects"),
        })
    }

    /// Reads the log of conversations.
    pub(crate) async fn conversations(&mut self, report: &mut Report) -> Result<()> {
        report.dead_letters = std::mem::take(&mut self.letter_counts);
        report.log.dead_letters = self.letter_extent;
        report.progress.entries = self.entries.count();
        report.index.nodes = self.nodes.entries();
        let (first, last) = self.bus.extent(streams::CONVERSATIONS.name).await?;
        let messages = (last + 1).saturating_sub(first);
        let guess = (messages / FACTS_PER_CONVERSATION).max(self.entries.count());
        let partitions: Vec<u8> = (0..PARTITIONS).collect();
        for band in partitions.chunks(partitions_at_once(guess)) {
            let (_, last) = self.bus.extent(streams::CONVERSATIONS.name).await?;
            report.log.conversations = Extent { first, last };
            self.band(band, last, report).await?;
        }
        for stray in self.artifacts.stray.read(0)? {
            self.suspects.push(0, &Suspect::Chunks(stray?))?;
        }
        for (zone, counts) in &self.artifacts.counts {
            let bucket = zone.bucket().to_string();
            report.artifacts.insert(bucket, counts.clone());
        }
        Ok(())
    }

    /// What looked wrong, what is expected of the index, and its nodes.
    pub(crate) fn finish(self) -> Result<(Spilled<Suspect>, IndexExpected, Nodes)> {
        Ok((self.suspects.finish()?, self.index, self.nodes))
    }

    async fn band(&mut self, partitions: &[u8], last: u64, report: &mut Report) -> Result<()> {
        let stories = self.read(partitions, last, report).await?;
        let mut band = self.laid_aside(partitions)?;
        if self.options.deep && self.reach == Reach::Everything {
            band.damaged = self.read_contents(&stories, &band).await;
        }
        if self.reach == Reach::Everything && self.options.index {
            self.ask_index(partitions, last, &stories, &mut band)
                .await?;
        }
        for story in stories.into_values() {
            for reference in &story.references {
                let key = (reference.zone, short(reference.name(&story.scope)));
                band.referenced.insert(key);
            }
            if self.reach == Reach::Everything {
                self.judge(&story, &mut band, report)?;
            }
        }
        self.left_over(band)
    }

    async fn read(
        &self,
        partitions: &[u8],
        last: u64,
        report: &mut Report,
    ) -> Result<HashMap<Scope, Story>> {
        let filters = partitions
            .iter()
            .map(|number| format!("conversations.{number}.>"))
            .collect();
        let mut stories: HashMap<Scope, Story> = HashMap::new();
        let mut replay = self.bus.replay(Family::Conversation, filters, 1);
        while let Some(entry) = replay.next_entry().await? {
            if entry.sequence > last {
                break;
            }
            report.conversations.facts += 1;
            match entry.fact {
                Ok(logged) => stories
                    .entry(logged.envelope.scope.clone())
                    .or_insert_with(|| Story::new(logged.envelope.scope.clone()))
                    .add(entry.sequence, &logged.envelope, &logged.fact),
                Err(_) => report.add(unreadable(streams::CONVERSATIONS.name, entry.sequence)),
            }
        }
        Ok(stories)
    }

    fn laid_aside(&self, partitions: &[u8]) -> Result<Band> {
        let mut band = Band::default();
        for &part in partitions {
            for object in self.artifacts.objects.read(part)? {
                let object = object?;
                let key = (object.zone, short(&object.name));
                band.objects.insert(key, object);
            }
            for key in self.artifacts.incomplete.read(part)? {
                band.incomplete.insert(key?);
            }
            for entry in self.entries.read(part)? {
                let entry = entry?;
                band.entries.insert(entry.key, entry.value);
            }
            for letter in self.letters.read(part)? {
                let letter = letter?;
                if letter.conversation.is_some() {
                    band.letters.entry(letter.scope()).or_default().push(letter);
                }
            }
        }
        Ok(band)
    }

    async fn read_contents(
        &self,
        stories: &HashMap<Scope, Story>,
        band: &Band,
    ) -> HashSet<(Zone, Short)> {
        let whole = stories.values().flat_map(|story| {
            story.references.iter().filter_map(|reference| {
                let state = artifact_state(story, reference, band);
                (state == ArtifactState::Whole).then(|| reference.artifact(&story.scope))
            })
        });
        stream::iter(whole)
            .map(|artifact| async move {
                let key = (Zone::from(artifact.bucket), short(&artifact.name));
                // What cannot be read now is looked at again, as what is damaged is.
                let damaged = is_damaged(self.bus, &artifact).await.unwrap_or(true);
                damaged.then_some(key)
            })
            .buffer_unordered(DEEP_READS)
            .filter_map(|found| async move { found })
            .collect()
            .await
    }

    async fn ask_index(
        &mut self,
        partitions: &[u8],
        through: u64,
        stories: &HashMap<Scope, Story>,
        band: &mut Band,
    ) -> Result<()> {
        let mut asked: HashMap<u8, Vec<ConversationId>> = HashMap::new();
        for &part in partitions {
            self.index.partitions[usize::from(part)].through = through;
        }
        for story in stories.values() {
            let Some(conversation) = story.scope.conversation() else {
                continue;
            };
            let part = partition(conversation);
            let expected = &mut self.index.partitions[usize::from(part)];
            let must = story.indexed_turns().is_some();
            // What is erased is asked for by itself; what was not qualified is in no index.
            if must {
                expected.must += 1;
            } else if story.is_forgotten() || story.has(FactType::ConversationQualified) {
                expected.may += 1;
            }
            if must || story.is_forgotten() {
                asked.entry(part).or_default().push(conversation);
            }
        }
        for &part in partitions {
            let conversations = asked.remove(&part).unwrap_or_default();
            match self.nodes.held(self.bus, part, &conversations).await? {
                Some(held) => band.held.extend(held),
                None => {
                    self.index.unanswered.insert(part);
                }
            }
        }
        Ok(())
    }

    fn judge(&mut self, story: &Story, band: &mut Band, report: &mut Report) -> Result<()> {
        let letters = band.letters.remove(&story.scope).unwrap_or_default();
        let evidence = Evidence {
            artifacts: story
                .references
                .iter()
                .map(|reference| artifact_state(story, reference, band))
                .collect(),
            entry: entry_state(story, band),
            held: story
                .scope
                .conversation()
                .and_then(|conversation| band.held.remove(&conversation)),
            to_be_stated: letters
                .iter()
                .filter(|letter| letter.to_be_stated)
                .map(|letter| letter.number)
                .collect(),
            has_dead_letter: !letters.is_empty(),
            last_dead_letter: self.letter_extent.last,
        };
        let (standing, findings) = judge(story, &evidence, self.limits());
        let counts = &mut report.conversations;
        counts.total += 1;
        *match standing {
            Standing::Completed => &mut counts.completed,
            Standing::Rejected => &mut counts.rejected,
            Standing::Failed => &mut counts.failed,
            Standing::Erased => &mut counts.erased,
            Standing::InFlight => &mut counts.in_flight,
            Standing::Created | Standing::Welcomed | Standing::Unclear => &mut counts.unclear,
        } += 1;
        if story.indexed_turns().is_some() {
            report.index.expected += 1;
        }
        let open = |number| letters.iter().any(|letter| letter.number == number);
        report.dead_letters.settled += story
            .lines
            .iter()
            .filter(|line| line.fact == FactType::ConversationFailed)
            .filter(|line| !open(line.number))
            .count() as u64;
        if findings.is_empty() {
            return Ok(());
        }
        self.suspect(&story.scope, &letters)
    }

    fn suspect(&mut self, scope: &Scope, letters: &[LetterRecord]) -> Result<()> {
        let account = scope.account().clone();
        let suspect = match scope.conversation() {
            Some(conversation) => Suspect::Conversation {
                account,
                conversation,
                letters: letters.iter().map(|letter| letter.number).collect(),
            },
            None => Suspect::Account(account),
        };
        self.suspects.push(0, &suspect)
    }

    /// What was laid aside and does not belong to any conversation of the log.
    fn left_over(&mut self, band: Band) -> Result<()> {
        let now = Timestamp::now();
        for (key, object) in &band.objects {
            let counts = self.artifacts.counts.entry(object.zone).or_default();
            if band.referenced.contains(key) {
                counts.referenced += 1;
                continue;
            }
            let at = Timestamp::from_millisecond(object.at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
            if is_older(at, now, self.options.grace) {
                let (zone, name) = (object.zone, object.name.clone());
                self.suspects.push(0, &Suspect::Object { zone, name })?;
            } else {
                counts.young += 1;
            }
        }
        for key in band.entries.into_keys() {
            self.suspects.push(0, &Suspect::Entry(key))?;
        }
        for (scope, letters) in band.letters {
            self.suspect(&scope, &letters)?;
        }
        Ok(())
    }

    fn limits(&self) -> Limits {
        Limits {
            now: Timestamp::now(),
            in_flight: self.options.in_flight,
        }
    }

    /// Reads the log of accounts, in as many passes as memory asks for.
    pub(crate) async fn accounts(&mut self, report: &mut Report) -> Result<()> {
        let (first, last) = self.bus.extent(streams::ACCOUNTS.name).await?;
        report.log.accounts = Extent { first, last };
        let messages = (last + 1).saturating_sub(first);
        let passes = messages
            .div_ceil(ACCOUNT_FACTS_AT_ONCE)
            .clamp(1, u64::from(PARTITIONS));
        for pass in 0..passes {
            let in_pass =
                |account: &AccountId| u64::from(part_of(account.as_str())) % passes == pass;
            self.accounts_pass(last, in_pass, pass == 0, report).await?;
        }
        Ok(())
    }

    async fn accounts_pass(
        &mut self,
        last: u64,
        in_pass: impl Fn(&AccountId) -> bool,
        first_pass: bool,
        report: &mut Report,
    ) -> Result<()> {
        let mut stories: HashMap<Scope, Story> = HashMap::new();
        let filters = vec!["accounts.>".to_owned()];
        let mut replay = self.bus.replay(Family::Account, filters, 1);
        while let Some(entry) = replay.next_entry().await? {
            if entry.sequence > last {
                break;
            }
            match entry.fact {
                Ok(logged) if in_pass(logged.envelope.scope.account()) => stories
                    .entry(logged.envelope.scope.clone())
                    .or_insert_with(|| Story::new(logged.envelope.scope.clone()))
                    .add(entry.sequence, &logged.envelope, &logged.fact),
                Err(_) if first_pass => {
                    report.add(unreadable(streams::ACCOUNTS.name, entry.sequence));
                }
                Ok(_) | Err(_) => {}
            }
        }
        let mut waiting = HashSet::new();
        for part in 0..PARTITIONS {
            for letter in self.letters.read(part)? {
                let letter = letter?;
                if letter.conversation.is_none() && in_pass(&letter.account) {
                    waiting.insert(letter.account);
                }
            }
        }
        for story in stories.into_values() {
            let evidence = Evidence {
                has_dead_letter: waiting.contains(story.scope.account()),
                ..Evidence::default()
            };
            let (standing, findings) = judge(&story, &evidence, self.limits());
            let counts = &mut report.accounts;
            counts.total += 1;
            *match standing {
                Standing::Welcomed => &mut counts.welcomed,
                Standing::Created => &mut counts.created,
                Standing::Rejected => &mut counts.rejected,
                Standing::InFlight => &mut counts.in_flight,
                _ => &mut counts.unclear,
            } += 1;
            if !findings.is_empty() {
                self.suspect(&story.scope, &[])?;
            }
        }
        Ok(())
    }
}

fn unreadable(stream: &str, sequence: u64) -> Finding {
    let subject = format!("{stream}:{sequence}");
    Finding::new(FindingKind::UnreadableFact, subject, String::new())
}

fn artifact_state(story: &Story, reference: &Reference, band: &Band) -> ArtifactState {
    let key = (reference.zone, short(reference.name(&story.scope)));
    match band.objects.get(&key) {
        None => ArtifactState::Missing,
        Some(object)
            if object.size_bytes != reference.size_bytes
                || object.sha256 != hex::encode(reference.sha256) =>
        {
            ArtifactState::Differs
        }
        Some(_) if band.incomplete.contains(&key) => ArtifactState::Incomplete,
        Some(_) if band.damaged.contains(&key) => ArtifactState::Damaged,
        Some(_) => ArtifactState::Whole,
    }
}

/// Compares the entry with the fold, and takes it out of those that are left over.
fn entry_state(story: &Story, band: &mut Band) -> Option<EntryState> {
    let (progress, conversation) = (story.progress.as_ref()?, story.scope.conversation()?);
    let key = Progress::key(story.scope.account(), conversation);
    Some(match band.entries.remove(&key) {
        None => EntryState::Missing,
        Some(value) if value.is_some() && value == value_of(progress) => EntryState::Agrees,
        Some(_) => EntryState::Differs,
    })
}

/// Whether something is older than a time.
pub(crate) fn is_older(at: Timestamp, now: Timestamp, limit: Duration) -> bool {
    Duration::try_from(now - at).is_ok_and(|age| age >= limit)
}

/// How many partitions a band has, for so many conversations.
fn partitions_at_once(conversations: u64) -> usize {
    let bands = conversations
        .div_ceil(CONVERSATIONS_AT_ONCE)
        .clamp(1, u64::from(PARTITIONS));
    usize::try_from(u64::from(PARTITIONS) / bands).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_are_bounded() {
        assert_eq!(partitions_at_once(0), 64);
        assert_eq!(partitions_at_once(30_000), 64);
        assert_eq!(partitions_at_once(60_000), 32);
        assert_eq!(partitions_at_once(1_000_000), 2);
        assert_eq!(partitions_at_once(u64::MAX), 1);
    }
}
