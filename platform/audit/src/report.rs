//! What an audit says: counts, findings, and what to do about each.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde::Serialize;

/// Version of [`Report`] as JSON; a change that readers would stumble over raises it.
pub const REPORT_VERSION: u16 = 1;

/// Most findings that a report lists; all are counted.
pub const MAX_LISTED: usize = 1_000;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $advice:literal;)*) => {
        /// What is wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum FindingKind {
            $($(#[$doc])* $name,)*
        }

        impl FindingKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its stable code, as in JSON.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// What to do about it.
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$name => $advice,)* }
            }
        }
    };
}

kinds! {
    /// A message of the log is not a fact that this program can read.
    UnreadableFact = "unreadable_fact",
        "read the log with the newest version of this program; if it stays unreadable, something \
         else writes to the stream";
    /// The history does not begin with its first fact.
    NoFirstFact = "no_first_fact",
        "facts were removed from the log, or stated by something else; restore the log from a copy";
    /// The same fact of the same revision stands more than once.
    RepeatedFact = "repeated_fact",
        "a service stated it without the bus's guard, or two did; find who by the ce-source headers";
    /// The cause of a fact is not in the history.
    UnknownCause = "unknown_cause",
        "facts were removed from the log; restore the log from a copy";
    /// Its newest revision has more than one end.
    TwoEnds = "two_ends",
        "two services ended it; process it again with 'colloquy reprocess'";
    /// It has no end and is in work longer than it may be.
    Overdue = "overdue",
        "see whether the service after its last fact is running and keeps up; then 'colloquy \
         reprocess'";
    /// Its erasure was asked for and is not done.
    ErasureOverdue = "erasure_overdue",
        "see whether the service that erases is running";
    /// An account's welcome is late.
    WelcomeOverdue = "welcome_overdue",
        "see whether the service notify is running and its mail server answers";
    /// A referenced artifact is not there.
    ArtifactMissing = "artifact_missing",
        "restore the bucket from a copy, or process the conversation again from the stage before";
    /// An artifact has another size or digest than its reference.
    ArtifactDiffers = "artifact_differs",
        "something else writes to the bucket; restore it from a copy, or process the conversation \
         again";
    /// The bucket does not hold all chunks of an artifact.
    ArtifactIncomplete = "artifact_incomplete",
        "restore the bucket from a copy, or process the conversation again from the stage before";
    /// The content of an artifact does not have its digest.
    ArtifactDamaged = "artifact_damaged",
        "the broker's disk may be failing: check it, then restore the bucket from a copy";
    /// A reference does not have the name that its content and conversation give it.
    ArtifactMisnamed = "artifact_misnamed",
        "a service made a reference by itself; find who by the ce-source header of the fact";
    /// An artifact of an erased conversation is still there.
    ArtifactAfterErasure = "artifact_after_erasure",
        "ask for the erasure of the conversation again";
    /// No fact references an object.
    OrphanObject = "orphan_object",
        "'colloquy artifacts sweep --yes' removes it";
    /// No object refers to chunks.
    OrphanChunks = "orphan_chunks",
        "'colloquy artifacts sweep --yes' removes them";
    /// A conversation has no entry in the progress model.
    ProgressMissing = "progress_missing",
        "see whether the service progress keeps up; else rebuild its model from the log";
    /// The entry in the progress model is not what the log says.
    ProgressDiffers = "progress_differs",
        "see whether the service progress keeps up; else rebuild its model from the log";
    /// The progress model has an entry without a conversation.
    ProgressUnknown = "progress_unknown",
        "rebuild the progress model from the log";
    /// An index node does not hold an indexed conversation.
    IndexMissing = "index_missing",
        "rebuild the index of that node from the log";
    /// An index node holds a conversation more than once.
    IndexRepeated = "index_repeated",
        "rebuild the index of that node from the log";
    /// An index node holds another number of turns than was stated.
    IndexDiffers = "index_differs",
        "rebuild the index of that node from the log";
    /// An index node holds a conversation that was to be erased.
    IndexAfterErasure = "index_after_erasure",
        "rebuild the index of that node from the log";
    /// An index node holds more conversations than the log says.
    IndexSurplus = "index_surplus",
        "rebuild the index of that node from the log";
    /// No index node answered for some partitions: they were not checked.
    IndexUnanswered = "index_unanswered",
        "start the index nodes that own these partitions, or skip the index with --without-index";
    /// A dead letter of which the log says nothing.
    DeadLetterUnstated = "dead_letter_unstated",
        "redrive it with 'colloquy deadletters redrive'";
    /// A conversation failed with a dead letter that there never was.
    DeadLetterUnknown = "dead_letter_unknown",
        "the stream DEADLETTERS was made anew: process the conversation again with 'colloquy \
         reprocess'";
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is wrong.
    pub kind: FindingKind,
    /// With what: a conversation as `<account>/<conversation>`, an artifact as
    /// `<bucket>:<name>`, a key, a sequence. Ids only.
    pub subject: String,
    /// Particulars: facts, numbers, times. No personal data.
    pub detail: String,
    /// What to do.
    pub advice: &'static str,
}

impl Finding {
    pub(crate) fn new(kind: FindingKind, subject: impl Into<String>, detail: String) -> Self {
        Self {
            kind,
            subject: subject.into(),
            detail,
            advice: kind.advice(),
        }
    }
}

/// Which messages of a stream were read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Extent {
    /// The oldest there was.
    pub first: u64,
    /// The newest that was read.
    pub last: u64,
}

/// The log that was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LogRead {
    /// Of conversations: what had been stored when the reading of the last partition began.
    pub conversations: Extent,
    /// Of accounts.
    pub accounts: Extent,
    /// Of dead letters.
    pub dead_letters: Extent,
}

/// Conversations, by where they stand. Each is in exactly one of completed, rejected, failed,
/// erased, in flight and unclear.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ConversationCounts {
    /// All.
    pub total: u64,
    /// Facts about them.
    pub facts: u64,
    /// Can be searched.
    pub completed: u64,
    /// Bad input.
    pub rejected: u64,
    /// Given up on.
    pub failed: u64,
    /// Everything personal is gone.
    pub erased: u64,
    /// In work within the time.
    pub in_flight: u64,
    /// None of these: see the findings.
    pub unclear: u64,
}

/// Accounts, by where they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AccountCounts {
    /// All.
    pub total: u64,
    /// There, and welcomed.
    pub welcomed: u64,
    /// There; the welcome is under way or a dead letter.
    pub created: u64,
    /// Refused.
    pub rejected: u64,
    /// In work within the time, or a dead letter.
    pub in_flight: u64,
    /// None of these: see the findings.
    pub unclear: u64,
}

/// Artifacts of a bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BucketCounts {
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Chunks in the bucket.
    pub chunks: u64,
    /// Objects that facts reference.
    pub referenced: u64,
    /// Names of objects that were deleted.
    pub deleted: u64,
    /// Objects that no fact references, within the grace time.
    pub young: u64,
}

/// The progress model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ProgressCounts {
    /// Entries.
    pub entries: u64,
}

/// Whether the index was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IndexState {
    /// For every partition.
    Checked,
    /// Not for every partition: see the findings.
    Partly,
    /// No node answered.
    #[default]
    NotChecked,
    /// As asked.
    Skipped,
}

/// The index.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct IndexCounts {
    /// Whether it was compared.
    pub state: IndexState,
    /// Nodes that answered, by name, and the entries that each holds.
    pub nodes: BTreeMap<String, u64>,
    /// Conversations that must be held.
    pub expected: u64,
}

/// Dead letters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DeadLetterCounts {
    /// Open ones.
    pub open: u64,
    /// Open ones by service.
    pub by_service: BTreeMap<String, u64>,
    /// Failures whose dead letter was redriven or discarded.
    pub settled: u64,
}

/// What an audit found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// [`REPORT_VERSION`].
    pub version: u16,
    /// Whether nothing is wrong.
    pub clean: bool,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was done.
    pub finished_at: Timestamp,
    /// Whether contents were read and hashed.
    pub deep: bool,
    /// Which part of the log was read.
    pub log: LogRead,
    /// Conversations.
    pub conversations: ConversationCounts,
    /// Accounts.
    pub accounts: AccountCounts,
    /// Artifacts by bucket.
    pub artifacts: BTreeMap<String, BucketCounts>,
    /// The progress model.
    pub progress: ProgressCounts,
    /// The index.
    pub index: IndexCounts,
    /// Dead letters.
    pub dead_letters: DeadLetterCounts,
    /// Things that looked wrong at first and were looked at again.
    pub looked_at_again: u64,
    /// How many findings there are.
    pub findings_total: u64,
    /// How many of each kind.
    pub findings_by_kind: BTreeMap<FindingKind, u64>,
    /// The first [`MAX_LISTED`] of them.
    pub findings: Vec<Finding>,
}

impl Report {
    pub(crate) fn add(&mut self, finding: Finding) {
        self.findings_total += 1;
        *self.findings_by_kind.entry(finding.kind).or_default() += 1;
        if self.findings.len() < MAX_LISTED {
            self.findings.push(finding);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let c = &self.conversations;
        writeln!(
            f,
            "conversations  {} ({} facts): {} completed, {} rejected, {} failed, {} erased, \
             {} in flight, {} unclear",
            c.total, c.facts, c.completed, c.rejected, c.failed, c.erased, c.in_flight, c.unclear
        )?;
        let a = &self.accounts;
        writeln!(
            f,
            "accounts       {}: {} welcomed, {} created, {} rejected, {} in flight, {} unclear",
            a.total, a.welcomed, a.created, a.rejected, a.in_flight, a.unclear
        )?;
        for (bucket, counts) in &self.artifacts {
            writeln!(
                f,
                "artifacts      {bucket}: {} objects, {} bytes, {} chunks; {} referenced, {} not \
                 yet, {} deleted",
                counts.objects,
                counts.bytes,
                counts.chunks,
                counts.referenced,
                counts.young,
                counts.deleted
            )?;
        }
        writeln!(f, "progress       {} entries", self.progress.entries)?;
        let state = match self.index.state {
            IndexState::Checked => "checked",
            IndexState::Partly => "checked in part",
            IndexState::NotChecked => "not checked: no node answered",
            IndexState::Skipped => "skipped",
        };
        writeln!(
            f,
            "index          {state}; {} nodes, {} conversations expected",
            self.index.nodes.len(),
            self.index.expected
        )?;
        let d = &self.dead_letters;
        write!(f, "dead letters   {} open", d.open)?;
        for (service, count) in &d.by_service {
            write!(f, ", {service} {count}")?;
        }
        writeln!(f, "; {} redriven or discarded", d.settled)?;
        let log = &self.log;
        writeln!(
            f,
            "log            conversations {}..{}, accounts {}..{}, dead letters {}..{}",
            log.conversations.first,
            log.conversations.last,
            log.accounts.first,
            log.accounts.last,
            log.dead_letters.first,
            log.dead_letters.last
        )?;
        if self.clean {
            return write!(f, "clean          nothing is lost, nothing is doubled");
        }
        writeln!(f, "findings       {}", self.findings_total)?;
        for (kind, count) in &self.findings_by_kind {
            writeln!(f, "  {kind}: {count}; {}", kind.advice())?;
        }
        for finding in &self.findings {
            write!(f, "\n{}  {}", finding.kind, finding.subject)?;
            if !finding.detail.is_empty() {
                write!(f, "  ({})", finding.detail)?;
            }
        }
        let unlisted = self.findings_total - self.findings.len() as u64;
        if unlisted > 0 {
            write!(f, "\nand {unlisted} more")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_json_and_unique() {
        let mut codes = std::collections::BTreeSet::new();
        for kind in FindingKind::ALL {
            let json = serde_json::to_value(kind).unwrap();
            assert_eq!(json, kind.code());
            assert!(codes.insert(kind.code()));
            assert!(!kind.advice().is_empty());
        }
    }

    #[test]
    fn all_findings_are_counted_and_some_listed() {
        let mut report = Report::default();
        for number in 0..MAX_LISTED + 5 {
            let finding = Finding::new(FindingKind::Overdue, number.to_string(), String::new());
            report.add(finding);
        }
        assert_eq!(report.findings.len(), MAX_LISTED);
        assert_eq!(report.findings_by_kind[&FindingKind::Overdue], 1_005);
        assert!(report.to_string().ends_with("and 5 more"));
    }
}
