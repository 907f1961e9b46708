//! Looks at suspects again, one by one and from the sources themselves, after a settle time, twice.
//! What is wrong each time in the same way is a finding.

mod index;

use std::path::{Path, PathBuf};

use colloquy_bus::{Bus, Kv, deadletters::DeadLetterFilter};
use colloquy_contract::{
    AccountId, Fact, FactType, Scope, progress::Progress, streams, subject::partition,
};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    AuditOptions, Result,
    collect::{Short, StrayChunks, conversation_of, short},
    index::Nodes,
    judge::{ArtifactState, EntryState, Evidence, Limits, judge},
    objects::{is_damaged, orphan, story, unclaimed},
    report::{Finding, FindingKind, Report},
    spill::{Spill, Spilled},
    story::{Reference, Story},
    survey::Suspect,
};

/// Suspects that are looked at at once.
const CONCURRENT: usize = 16;

/// Stray chunks that one listing of the objects decides about.
const STRAY_AT_ONCE: usize = 100_000;

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

    fn limits(&self) -> Limits {
        Limits {
            now: Timestamp::now(),
            in_flight: self.options.in_flight,
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
