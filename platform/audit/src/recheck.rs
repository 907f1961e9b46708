//! Looks at suspects again, one by one and from the sources themselves, after a settle time, twice.
//! What is wrong each time in the same way is a finding.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use colloquy_bus::{Bus, BusError, Kv, deadletters::DeadLetterFilter, scan::StoredObject};
use colloquy_contract::{
    AccountId, ArtifactRef, Fact, FactType, Scope,
    facts::Family,
    progress::Progress,
    streams,
    subject::{PARTITIONS, Subject, partition},
};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;

use crate::{
    AuditError, AuditOptions, Result,
    collect::{Short, StrayChunks, conversation_of, short},
    index::{Nodes, ranges},
    judge::{ArtifactState, EntryState, Evidence, Limits, judge},
    report::{Finding, FindingKind, IndexState, Report},
    spill::{Spill, Spilled},
    story::{Reference, Story, Zone, owner},
    survey::{Expected, IndexExpected, Suspect, is_older},
};

/// Suspects that are looked at at once.
const CONCURRENT: usize = 16;

/// Stray chunks that one listing of the objects decides about.
const STRAY_AT_ONCE: usize = 100_000;

/// How often the index is asked how much it holds, before what it says is believed.
const INDEX_LOOKS: u32 = 3;

/// Relative difference of numbers that are equal but for their way through text.
const ROUNDING: f64 = 1e-9;

/// What was wrong with a suspect when it was last looked at.
#[derive(Debug, Serialize, Deserialize)]
struct Doubt {
    suspect: Suspect,
    wrong: Vec<Short>,
}

/// Looks things up one by one.
pub(crate) struct Recheck<'a> {
    bus: &'a Bus,
    options: &'a AuditOptions,
    folder: PathBuf,
    progress: Kv,
    nodes: Nodes,
}

impl<'a> Recheck<'a> {
    pub(crate) async fn new(
        bus: &'a Bus,
        options: &'a AuditOptions,
        folder: &Path,
        nodes: Nodes,
    ) -> Result<Self> {
        Ok(Self {
            bus,
            options,
            folder: folder.to_owned(),
            progress: bus.kv(streams::PROGRESS.name).await?,
            nodes,
        })
    }

    /// Reports what stays wrong.
    pub(crate) async fn run(&self, suspects: Spilled<Suspect>, report: &mut Report) -> Result<()> {
        if suspects.count() == 0 {
            return Ok(());
        }
        self.settle().await;
        let mut doubts = Spill::new(&self.folder, "doubts");
        let first = self.findings(suspects.read(0)?).try_for_each(
            |(suspect, findings): (Suspect, Vec<Finding>)| {
                let wrong = findings.iter().map(fingerprint).collect();
                let pushed = if findings.is_empty() {
                    Ok(())
                } else {
                    doubts.push(0, &Doubt { suspect, wrong })
                };
                futures::future::ready(pushed)
            },
        );
        first.await?;
        self.stray(suspects.read(0)?, |suspect, finding| {
            let wrong = vec![fingerprint(&finding)];
            doubts.push(0, &Doubt { suspect, wrong })
        })
        .await?;
        let doubts = doubts.finish()?;
        if doubts.count() == 0 {
            return Ok(());
        }
        self.settle().await;
        self.believe(&doubts, report).await
    }

    /// The second look: what is wrong again in the same way is reported.
    async fn believe(&self, doubts: &Spilled<Doubt>, report: &mut Report) -> Result<()> {
        let looks = stream::iter(doubts.read(0)?)
            .map(|doubt| async move {
                let Doubt { suspect, wrong } = doubt?;
                let mut findings = self.look(&suspect).await?;
                findings.retain(|finding| wrong.contains(&fingerprint(finding)));
                Ok::<_, crate::AuditError>(findings)
            })
            .buffer_unordered(CONCURRENT);
        let mut looks = std::pin::pin!(looks);
        while let Some(findings) = looks.try_next().await? {
            findings.into_iter().for_each(|finding| report.add(finding));
        }
        let suspects = doubts
            .read(0)?
            .map(|doubt| doubt.map(|doubt| doubt.suspect));
        self.stray(suspects, |_, finding| {
            report.add(finding);
            Ok(())
        })
        .await
    }

    async fn settle(&self) {
        tokio::time::sleep(self.options.settle).await;
    }

    fn findings(
        &self,
        suspects: impl Iterator<Item = Result<Suspect>> + Send,
    ) -> impl futures::Stream<Item = Result<(Suspect, Vec<Finding>)>> + Send {
        stream::iter(suspects)
            .map(move |suspect| async move {
                let suspect = suspect?;
                let findings = self.look(&suspect).await?;
                Ok((suspect, findings))
            })
            .buffer_unordered(CONCURRENT)
    }

    async fn look(&self, suspect: &Suspect) -> Result<Vec<Finding>> {
        match suspect {
            Suspect::Conversation {
                account,
                conversation,
                letters,
            } => {
                let scope = Scope::Conversation {
                    account: account.clone(),
                    conversation: *conversation,
                };
                self.conversation(scope, letters).await
            }
            Suspect::Account(account) => self.account(account).await,
            Suspect::Entry(key) => self.entry(key).await,
            Suspect::Object { zone, name } => {
                let object = orphan(self.bus, *zone, name, self.options.grace).await?;
                Ok(object
                    .map(|object| {
                        let detail = format!("{} bytes, since {}", object.size_bytes, object.at);
                        let subject = format!("{}:{name}", zone.bucket());
                        Finding::new(FindingKind::OrphanObject, subject, detail)
                    })
                    .into_iter()
                    .collect())
            }
            // Decided together, by one listing of the objects.
            Suspect::Chunks(_) => Ok(Vec::new()),
        }
    }

    async fn conversation(&self, scope: Scope, letters: &[u64]) -> Result<Vec<Finding>> {
        let story = story(self.bus, scope).await?;
        let mut evidence = Evidence {
            last_dead_letter: self.bus.extent(streams::DEADLETTERS.name).await?.1,
            ..Evidence::default()
        };
        for &number in letters {
            if let Some((letter, data)) = self.bus.dead_letter(number).await? {
                evidence.has_dead_letter = true;
                // What could not be read as a fact does not say what failed.
                let stated = letter.fact().filter(|&fact| {
                    fact != FactType::ConversationFailed
                        && letter.id.is_some()
                        && Fact::from_json(fact, &data).is_ok()
                });
                evidence.to_be_stated.extend(stated.map(|_| number));
            }
        }
        if !story.lines.is_empty() {
            for reference in &story.references {
                let state = self.artifact(&story.scope, reference).await?;
                evidence.artifacts.push(state);
            }
            evidence.entry = self.entry_state(&story).await?;
            self.held(&story, &mut evidence).await?;
        }
        Ok(judge(&story, &evidence, self.limits()).1)
    }

    async fn held(&self, story: &Story, evidence: &mut Evidence) -> Result<()> {
        let asked = story.indexed_turns().is_some() || story.is_forgotten();
        if let Some(conversation) = story.scope.conversation()
            && self.options.index
            && asked
        {
            let part = partition(conversation);
            let held = self.nodes.held(self.bus, part, &[conversation]).await?;
            evidence.held = held.and_then(|mut held| held.remove(&conversation));
        }
        Ok(())
    }

    async fn artifact(&self, scope: &Scope, reference: &Reference) -> Result<ArtifactState> {
        let (bucket, name) = (reference.zone.bucket(), reference.name(scope));
        let found = self.bus.find_object(bucket, &name).await?;
        let Some(object) = found.filter(|object| !object.deleted) else {
            return Ok(ArtifactState::Missing);
        };
        if object.size_bytes != reference.size_bytes
            || object.sha256 != hex::encode(reference.sha256)
        {
            return Ok(ArtifactState::Differs);
        }
        if self.bus.count_chunks(bucket, &object.nuid).await? != object.chunks {
            return Ok(ArtifactState::Incomplete);
        }
        if self.options.deep && is_damaged(self.bus, &reference.artifact(scope)).await? {
            return Ok(ArtifactState::Damaged);
        }
        Ok(ArtifactState::Whole)
    }

    async fn entry_state(&self, story: &Story) -> Result<Option<EntryState>> {
        let (Some(expected), Some(conversation)) = (&story.progress, story.scope.conversation())
        else {
            return Ok(None);
        };
        let key = Progress::key(story.scope.account(), conversation);
        let Some(found) = self.progress.get_bytes(&key).await? else {
            return Ok(Some(EntryState::Missing));
        };
        let found = serde_json::from_slice::<Progress>(&found.value).ok();
        let found = found.and_then(|found| serde_json::to_value(found).ok());
        let expected = serde_json::to_value(expected).ok();
        let agrees = matches!((expected, found), (Some(a), Some(b)) if is_same(&a, &b));
        Ok(Some(if agrees {
            EntryState::Agrees
        } else {
            EntryState::Differs
        }))
    }

    async fn account(&self, account: &AccountId) -> Result<Vec<Finding>> {
        let scope = Scope::Account {
            account: account.clone(),
        };
        let story = story(self.bus, scope).await?;
        let filter = DeadLetterFilter {
            account: Some(account.clone()),
            ..DeadLetterFilter::default()
        };
        let letters = self.bus.dead_letters(&filter, 0, 1).await?;
        let evidence = Evidence {
            has_dead_letter: !letters.is_empty(),
            ..Evidence::default()
        };
        Ok(judge(&story, &evidence, self.limits()).1)
    }

    /// An entry whose conversation was not in the log.
    async fn entry(&self, key: &str) -> Result<Vec<Finding>> {
        if self.progress.get_bytes(key).await?.is_none() {
            return Ok(Vec::new());
        }
        let account = key.split('.').next().and_then(|text| text.parse().ok());
        if let (Some(account), Some(conversation)) = (account, conversation_of(key)) {
            let scope = Scope::Conversation {
                account,
                conversation,
            };
            let is_its_key = Progress::key(scope.account(), conversation) == key;
            if is_its_key && !self.bus.history_entries(&scope).await?.is_empty() {
                return Ok(Vec::new());
            }
        }
        let kind = FindingKind::ProgressUnknown;
        Ok(vec![Finding::new(kind, key, String::new())])
    }

    /// Decides about stray chunks, many by one listing of the objects.
    async fn stray(
        &self,
        suspects: impl Iterator<Item = Result<Suspect>>,
        mut found: impl FnMut(Suspect, Finding) -> Result<()>,
    ) -> Result<()> {
        let mut batch = Vec::new();
        for suspect in suspects {
            if let Suspect::Chunks(stray) = suspect? {
                batch.push(stray);
            }
            if batch.len() == STRAY_AT_ONCE {
                self.stray_batch(std::mem::take(&mut batch), &mut found)
                    .await?;
            }
        }
        self.stray_batch(batch, &mut found).await
    }

    async fn stray_batch(
        &self,
        batch: Vec<StrayChunks>,
        found: &mut impl FnMut(Suspect, Finding) -> Result<()>,
    ) -> Result<()> {
        for (stray, chunks) in unclaimed(self.bus, batch, self.options.grace).await? {
            let detail = format!("{} chunks, newest {}", chunks.count, chunks.newest);
            let subject = format!("{}:{}", stray.zone.bucket(), stray.nuid);
            let finding = Finding::new(FindingKind::OrphanChunks, subject, detail);
            found(Suspect::Chunks(stray), finding)?;
        }
        Ok(())
    }

    /// Whether the index answers for every partition and holds no more than the log says.
    pub(crate) async fn index(&self, expected: &IndexExpected, report: &mut Report) -> Result<()> {
        let mut unanswered: BTreeSet<u8> = (0..PARTITIONS).collect();
        let mut surplus: Option<BTreeMap<String, (u64, u64)>> = None;
        let mut answered = false;
        for look in 0..INDEX_LOOKS {
            if look > 0 {
                self.settle().await;
            }
            let nodes = Nodes::discover(self.bus).await?;
            answered |= nodes.each().next().is_some();
            let unowned: BTreeSet<u8> = nodes.unowned().into_iter().collect();
            unanswered = &unanswered & &unowned;
            let more = self.surplus(&nodes, expected).await?;
            let still = |node: &String| surplus.as_ref().is_none_or(|s| s.contains_key(node));
            let more: BTreeMap<_, _> = more.into_iter().filter(|(n, _)| still(n)).collect();
            let done = more.is_empty() && unanswered.is_empty();
            surplus = Some(more);
            if done {
                break;
            }
        }
        // What was not answered while the log was read was not compared.
        unanswered.extend(&expected.unanswered);
        report.index.state = match (answered, unanswered.is_empty()) {
            (_, true) => IndexState::Checked,
            (true, false) => IndexState::Partly,
            (false, false) => IndexState::NotChecked,
        };
        if !unanswered.is_empty() {
            let partitions: Vec<u8> = unanswered.into_iter().collect();
            let subject = format!("partitions {}", ranges(&partitions));
            let kind = FindingKind::IndexUnanswered;
            report.add(Finding::new(kind, subject, String::new()));
        }
        for (node, (holds, most)) in surplus.into_iter().flatten() {
            let detail = format!("it holds {holds}, the log says at most {most}");
            report.add(Finding::new(FindingKind::IndexSurplus, node, detail));
        }
        Ok(())
    }

    /// Nodes that hold more than the log says, with how many they hold and may hold.
    async fn surplus(
        &self,
        nodes: &Nodes,
        expected: &IndexExpected,
    ) -> Result<BTreeMap<String, (u64, u64)>> {
        let most = self.most(expected).await?;
        let surplus = nodes.each().filter_map(|node| {
            let may: u64 = node
                .partitions
                .iter()
                .filter_map(|&part| most.get(usize::from(part)))
                .sum();
            (node.entries > may).then(|| (node.node.clone(), (node.entries, may)))
        });
        Ok(surplus.collect())
    }

    /// How many conversations the index may hold of each partition: those of the audit, and those
    /// that were qualified since.
    async fn most(&self, expected: &IndexExpected) -> Result<Vec<u64>> {
        let mut most: Vec<u64> = expected
            .partitions
            .iter()
            .map(|Expected { must, may, .. }| must + may)
            .collect();
        let from = expected.partitions.iter().map(|part| part.through).min();
        let filters = vec![Subject::filter(FactType::ConversationQualified)];
        let from = from.unwrap_or(0) + 1;
        let mut replay = self.bus.replay(Family::Conversation, filters, from);
        while let Some(entry) = replay.next_entry().await? {
            let conversation = entry
                .fact
                .ok()
                .and_then(|logged| logged.envelope.scope.conversation());
            let Some(part) = conversation.map(|id| usize::from(partition(id))) else {
                continue;
            };
            if entry.sequence > expected.partitions[part].through {
                most[part] += 1;
            }
        }
        Ok(most)
    }

    fn limits(&self) -> Limits {
        Limits {
            now: Timestamp::now(),
            in_flight: self.options.in_flight,
        }
    }
}

/// The object, if no fact references it and it is older than the grace time.
pub(crate) async fn orphan(
    bus: &Bus,
    zone: Zone,
    name: &str,
    grace: Duration,
) -> Result<Option<StoredObject>> {
    let found = bus.find_object(zone.bucket(), name).await?;
    let Some(object) = found.filter(|object| !object.deleted) else {
        return Ok(None);
    };
    if !is_older(object.at, Timestamp::now(), grace) {
        return Ok(None);
    }
    // What a conversation references lies under its own name, or its reference is a finding.
    if let Some(scope) = owner(name) {
        let full = format!("{}:{name}", zone.bucket());
        let story = story(bus, scope).await?;
        let referenced = story
            .references
            .iter()
            .any(|reference| reference.zone == zone && reference.name(&story.scope) == name);
        if referenced || story.misnamed.contains(&full) {
            return Ok(None);
        }
    }
    Ok(Some(object))
}

/// Those chunks that no object refers to and that are older than the grace time.
pub(crate) async fn unclaimed(
    bus: &Bus,
    stray: Vec<StrayChunks>,
    grace: Duration,
) -> Result<Vec<(StrayChunks, colloquy_bus::scan::ChunksHeld)>> {
    let now = Timestamp::now();
    let mut held = HashMap::new();
    for chunks in stray {
        let found = bus.find_chunks(chunks.zone.bucket(), &chunks.nuid).await?;
        if found.count > 0 && is_older(found.newest, now, grace) {
            held.insert((chunks.zone, chunks.nuid), found);
        }
    }
    let zones: HashSet<Zone> = held.keys().map(|(zone, _)| *zone).collect();
    for zone in zones {
        let mut objects = bus.scan_objects(zone.bucket());
        while let Some(object) = objects.next().await? {
            if !object.deleted {
                held.remove(&(zone, object.nuid));
            }
        }
    }
    Ok(held
        .into_iter()
        .map(|((zone, nuid), found)| (StrayChunks { zone, nuid }, found))
        .collect())
}

/// What the log says now. A message that cannot be read was reported when the log was read.
async fn story(bus: &Bus, scope: Scope) -> Result<Story> {
    let mut story = Story::new(scope);
    for entry in bus.history_entries(&story.scope).await? {
        if let Ok(logged) = &entry.fact {
            story.add(entry.sequence, &logged.envelope, &logged.fact);
        }
    }
    Ok(story)
}

/// Whether the content of an artifact is not all there or does not have its digest.
///
/// # Errors
/// If it could not be read: that says nothing about it.
pub(crate) async fn is_damaged(bus: &Bus, artifact: &ArtifactRef) -> Result<bool> {
    let mut content = match bus.artifacts().open(artifact).await {
        Ok(content) => content,
        Err(BusError::ArtifactDamaged { .. }) => return Ok(true),
        Err(error) => return Err(error.into()),
    };
    let mut digest = Sha256::new();
    let mut block = vec![0; 64 * 1024];
    loop {
        match content.read(&mut block).await {
            Ok(0) => return Ok(hex::encode(digest.finalize()) != artifact.sha256),
            Ok(read) => digest.update(&block[..read]),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(true),
            Err(error) => {
                return Err(AuditError::Bus(BusError::ArtifactRead {
                    bucket: artifact.bucket.as_str(),
                    source: error.into(),
                }));
            }
        }
    }
}

fn fingerprint(finding: &Finding) -> Short {
    let (kind, subject) = (finding.kind.code(), &finding.subject);
    short(format!("{kind}/{subject}"))
}

/// Whether two values say the same; numbers may differ by rounding.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) if a != b => {
            let (Some(a), Some(b)) = (a.as_f64(), b.as_f64()) else {
                return false;
            };
            (a - b).abs() <= ROUNDING * a.abs().max(b.abs())
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let same = |(key, a)| b.get(key).is_some_and(|b| is_same(a, b));
            a.len() == b.len() && a.iter().all(same)
        }
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_the_same_but_for_rounding() {
        let a = json!({"x": [1, 0.1 + 0.2], "y": null});
        assert!(is_same(&a, &json!({"x": [1, 0.3], "y": null})));
        assert!(!is_same(&a, &json!({"x": [1, 0.31], "y": null})));
        assert!(!is_same(&a, &json!({"x": [1, 0.3]})));
        assert!(!is_same(&json!(1), &json!(2)));
    }
}
