//! Joins the log, part by part, with what was laid aside: whatever does not fit at first sight
//! becomes a suspect.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::{Path, PathBuf},
    time::Duration,
};

use colloquy_bus::Bus;
use colloquy_contract::{
    AccountId, Bucket, ConversationId, FactType, Scope, facts::Family, streams, subject::PARTITIONS,
};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    AuditOptions, Result,
    aside::Aside,
    collect::{self, Artifacts, EntryRecord, LetterRecord, Letters, Short, StrayChunks, short},
    facts::Messages,
    index::Nodes,
    judge::{ArtifactState, Evidence, Limits, Standing, judge},
    objects::is_damaged,
    parts::Parts,
    report::{Extent, Finding, FindingKind, Report},
    spill::{Spill, Spilled},
    story::{Story, Zone},
};

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
    folder: PathBuf,
    reach: Reach,
    parts: Parts,
    account_parts: Parts,
    artifacts: Artifacts,
    entries: Spilled<EntryRecord>,
    letters: Letters,
    letter_counts: crate::DeadLetterCounts,
    letter_extent: Extent,
    nodes: Nodes,
    index: IndexExpected,
    suspects: Spill<Suspect>,
}

impl<'a> Survey<'a> {
    /// Looks over everything but the logs.
    pub(crate) async fn begin(
        bus: &'a Bus,
        options: &'a AuditOptions,
        folder: &Path,
        reach: Reach,
    ) -> Result<Self> {
        let parts = Parts::for_records(records(bus).await?);
        let account_parts = Parts::for_records(extent(bus, streams::ACCOUNTS.name).await?.1);
        let artifacts = collect::artifacts(bus, folder, parts).await?;
        let mut letter_counts = crate::DeadLetterCounts::default();
        let mut letter_extent = Extent::default();
        let mut nodes = Nodes::default();
        let (entries, letters) = if reach == Reach::Everything {
            if options.index {
                nodes = Nodes::discover(bus).await?;
            }
            let entries = collect::entries(bus, folder, parts).await?;
            tracing::debug!(entries = entries.count(), "the progress model is listed");
            let both = (parts, account_parts);
            let letters = collect::letters(bus, folder, both, &mut letter_counts).await?;
            letter_extent = extent(bus, streams::DEADLETTERS.name).await?.0;
            (entries, letters)
        } else {
            let none = Spill::new(folder, "entries").finish()?;
            (none, Letters::none(folder)?)
        };
        Ok(Self {
            bus,
            options,
            folder: folder.to_owned(),
            reach,
            parts,
            account_parts,
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
        let (extent, _) = extent(self.bus, streams::CONVERSATIONS.name).await?;
        report.log.conversations = extent;
        for expected in &mut self.index.partitions {
            expected.through = extent.last;
        }
        let parts = self.parts;
        let part_of = |scope: &Scope| scope.conversation().map_or(0, |id| parts.of(id));
        let log = (Family::Conversation, "conversations.>");
        let foreign = |stream: &str, sequence| report.add(unreadable(stream, sequence));
        let messages = Messages::read(self.bus, &self.folder, log, extent.last, part_of, foreign);
        let messages = messages.await?;
        report.conversations.facts = messages.count();
        tracing::debug!(facts = messages.count(), "the log is laid aside");
        for part in parts.all() {
            self.part(part, &messages, report).await?;
        }
        tracing::debug!("all parts are judged");
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

    async fn part(&mut self, part: u16, messages: &Messages, report: &mut Report) -> Result<()> {
        let mut unread = |stream: &str, sequence| report.add(unreadable(stream, sequence));
        let stories = messages.stories(part, &mut unread)?;
        let letters = &self.letters.of_conversations;
        let mut aside = Aside::read(part, &self.artifacts, &self.entries, letters)?;
        if self.options.deep && self.reach == Reach::Everything {
            aside.damaged = self.read_contents(&stories, &aside).await;
        }
        if self.reach == Reach::Everything && self.options.index {
            self.ask_index(part, &stories, &mut aside).await?;
        }
        for story in stories.into_values() {
            aside.reference(&story);
            if self.reach == Reach::Everything {
                self.judge(&story, &mut aside, report)?;
            }
        }
        self.left_over(part, aside)
    }

    async fn read_contents(
        &self,
        stories: &HashMap<Scope, Story>,
        aside: &Aside,
    ) -> HashSet<(Zone, Short)> {
        let whole = stories.values().flat_map(|story| {
            story.references.iter().filter_map(|reference| {
                let state = aside.artifact(story, reference);
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
        part: u16,
        stories: &HashMap<Scope, Story>,
        aside: &mut Aside,
    ) -> Result<()> {
        let partition = self.parts.partition(part);
        let expected = &mut self.index.partitions[usize::from(partition)];
        let mut asked: Vec<ConversationId> = Vec::new();
        for story in stories.values() {
            let must = story.indexed_turns().is_some();
            // What is erased is asked for by itself; what was not qualified is in no index.
            if must {
                expected.must += 1;
            } else if story.is_forgotten() || story.has(FactType::ConversationQualified) {
                expected.may += 1;
            }
            if must || story.is_forgotten() {
                asked.extend(story.scope.conversation());
            }
        }
        match self.nodes.held(self.bus, partition, &asked).await? {
            Some(held) => aside.held = held,
            None => {
                self.index.unanswered.insert(partition);
            }
        }
        Ok(())
    }

    fn judge(&mut self, story: &Story, aside: &mut Aside, report: &mut Report) -> Result<()> {
        let letters = aside.letters.remove(&story.scope).unwrap_or_default();
        let evidence = Evidence {
            artifacts: story
                .references
                .iter()
                .map(|reference| aside.artifact(story, reference))
                .collect(),
            entry: aside.entry(story),
            held: story
                .scope
                .conversation()
                .and_then(|conversation| aside.held.remove(&conversation)),
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

    /// What was laid aside and does not belong to any conversation of the log. Names are not kept
    /// in memory: they are read again.
    fn left_over(&mut self, part: u16, mut aside: Aside) -> Result<()> {
        let now = Timestamp::now();
        for object in self.artifacts.objects.read(part)? {
            let object = object?;
            let Some(known) = aside.objects.remove(&(object.zone, short(&object.name))) else {
                // It was listed twice.
                continue;
            };
            let counts = self.artifacts.counts.entry(object.zone).or_default();
            if known.referenced {
                counts.referenced += 1;
                continue;
            }
            let at = Timestamp::from_millisecond(object.at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
            if is_older(at, now, self.options.grace) {
                let (zone, name) = (object.zone, object.name);
                self.suspects.push(0, &Suspect::Object { zone, name })?;
            } else {
                counts.young += 1;
            }
        }
        for entry in self.entries.read(part)? {
            let key = entry?.key;
            if aside.entries.remove(&short(&key)).is_some() {
                self.suspects.push(0, &Suspect::Entry(key))?;
            }
        }
        for (scope, letters) in aside.letters {
            self.suspect(&scope, &letters)?;
        }
        self.artifacts.objects.remove(part)?;
        self.entries.remove(part)
    }

    fn limits(&self) -> Limits {
        Limits {
            now: Timestamp::now(),
            in_flight: self.options.in_flight,
        }
    }

    /// Reads the log of accounts.
    pub(crate) async fn accounts(&mut self, report: &mut Report) -> Result<()> {
        let (extent, _) = extent(self.bus, streams::ACCOUNTS.name).await?;
        report.log.accounts = extent;
        let parts = self.account_parts;
        let part_of = |scope: &Scope| parts.of_name(scope.account().as_str());
        let log = (Family::Account, "accounts.>");
        let foreign = |stream: &str, sequence| report.add(unreadable(stream, sequence));
        let messages = Messages::read(self.bus, &self.folder, log, extent.last, part_of, foreign);
        let messages = messages.await?;
        for part in parts.all() {
            self.accounts_part(part, &messages, report)?;
        }
        Ok(())
    }

    fn accounts_part(&mut self, part: u16, messages: &Messages, report: &mut Report) -> Result<()> {
        let mut unread = |stream: &str, sequence| report.add(unreadable(stream, sequence));
        let stories = messages.stories(part, &mut unread)?;
        let waiting = self.letters.of_accounts.read(part)?;
        let waiting = waiting.collect::<Result<HashSet<AccountId>>>()?;
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

/// First and last sequence of a stream, and how many messages may lie between.
async fn extent(bus: &Bus, stream: &'static str) -> Result<(Extent, u64)> {
    let (first, last) = bus.extent(stream).await?;
    let messages = (last + 1).saturating_sub(first);
    Ok((Extent { first, last }, messages))
}

/// How many records about conversations there are at most, of the kind that has most of them: facts,
/// objects, or dead letters. Entries of the progress model are fewer than facts.
async fn records(bus: &Bus) -> Result<u64> {
    let mut objects = 0;
    for bucket in Bucket::ALL {
        // An object has a name and an id of its chunks.
        objects += bus.names_held(bucket).await? / 2;
    }
    let facts = extent(bus, streams::CONVERSATIONS.name).await?.1;
    let letters = extent(bus, streams::DEADLETTERS.name).await?.1;
    Ok(facts.max(objects).max(letters))
}

fn unreadable(stream: &str, sequence: u64) -> Finding {
    let subject = format!("{stream}:{sequence}");
    Finding::new(FindingKind::UnreadableFact, subject, String::new())
}

/// Whether something is older than a time.
pub(crate) fn is_older(at: Timestamp, now: Timestamp, limit: Duration) -> bool {
    Duration::try_from(now - at).is_ok_and(|age| age >= limit)
}
