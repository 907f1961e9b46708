//! Judges one conversation or account by what the log, the buckets and the read models say of it.
//!
//! It looks nothing up and remembers nothing: the same evidence gives the same findings.

use std::{collections::HashSet, time::Duration};

use colloquy_contract::{FactId, FactType};
use jiff::Timestamp;

use crate::{
    report::{Finding, FindingKind},
    story::{Line, Reference, Story},
};

/// How a referenced artifact is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ArtifactState {
    Whole,
    Missing,
    Differs,
    Incomplete,
    Damaged,
}

/// How an entry of the progress model is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryState {
    Agrees,
    Differs,
    Missing,
}

/// What one index node holds of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) node: String,
    pub(crate) documents: u32,
    pub(crate) turns: u32,
}

/// What was found about a story outside the log.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// Of each reference, in order; empty if it was not looked for.
    pub(crate) artifacts: Vec<ArtifactState>,
    /// Of the progress model; none if it was not looked for.
    pub(crate) entry: Option<EntryState>,
    /// Of each index node that owns the partition; none if they were not asked.
    pub(crate) held: Option<Vec<Held>>,
    /// Open dead letters of which the log must say that something failed.
    pub(crate) to_be_stated: Vec<u64>,
    /// Whether there is an open dead letter at all.
    pub(crate) has_dead_letter: bool,
    /// The newest dead letter that there ever was.
    pub(crate) last_dead_letter: u64,
}

/// What counts as late.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) now: Timestamp,
    pub(crate) in_flight: Duration,
}

impl Limits {
    fn is_late(&self, since: Timestamp) -> bool {
        Duration::try_from(self.now - since).is_ok_and(|age| age > self.in_flight)
    }
}

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Completed,
    Rejected,
    Failed,
    Erased,
    Created,
    Welcomed,
    InFlight,
    Unclear,
}

/// Where a story stands, and what is wrong with it.
pub(crate) fn judge(
    story: &Story,
    evidence: &Evidence,
    limits: Limits,
) -> (Standing, Vec<Finding>) {
    let mut judgement = Judgement {
        story,
        evidence,
        limits,
        findings: Vec::new(),
    };
    let standing = if story.scope.conversation().is_some() {
        judgement.conversation()
    } else {
        judgement.account()
    };
    (standing, judgement.findings)
}

struct Judgement<'a> {
    story: &'a Story,
    evidence: &'a Evidence,
    limits: Limits,
    findings: Vec<Finding>,
}

impl Judgement<'_> {
    fn find(&mut self, kind: FindingKind, detail: String) {
        let finding = Finding::new(kind, self.story.subject(), detail);
        self.findings.push(finding);
    }

    fn conversation(&mut self) -> Standing {
        // What is erased may have lost its history and its artifacts.
        let erased = self.story.has(FactType::ConversationErased);
        if !erased {
            self.history(FactType::ConversationReceived);
        }
        self.artifacts();
        self.entry();
        self.index();
        self.dead_letters();
        if erased {
            return Standing::Erased;
        }
        if self.story.has(FactType::ConversationErasureRequested) {
            self.erasure();
        }
        self.conversation_end()
    }

    /// The history begins with its first fact, every cause is in it, and nothing stands twice.
    fn history(&mut self, first: FactType) {
        let story = self.story;
        let oldest = story.lines.iter().min_by_key(|line| line.sequence);
        if let Some(oldest) = oldest.filter(|line| line.fact != first) {
            let detail = if story.has(first) {
                format!("{} stands before {first}", oldest.fact)
            } else {
                format!("it has no {first}")
            };
            self.find(FindingKind::NoFirstFact, detail);
        }
        let ids: HashSet<FactId> = story.lines.iter().map(|line| line.id).collect();
        let mut seen = HashSet::new();
        for line in &story.lines {
            if line.cause.is_some_and(|cause| !ids.contains(&cause)) {
                let detail = format!("of {} at {}", line.fact, line.sequence);
                self.find(FindingKind::UnknownCause, detail);
            }
            // Giving up again is another fact if it is another dead letter.
            let dead_letter = match line.fact {
                FactType::ConversationFailed => line.number,
                _ => 0,
            };
            if !seen.insert((line.fact, line.revision, dead_letter)) {
                let (fact, revision, sequence) = (line.fact, line.revision, line.sequence);
                let detail = format!("{fact} of revision {revision} again at {sequence}");
                self.find(FindingKind::RepeatedFact, detail);
            }
        }
    }

    fn artifacts(&mut self) {
        let erased = self.story.has(FactType::ConversationErased);
        for name in &self.story.misnamed {
            let kind = FindingKind::ArtifactMisnamed;
            let finding = Finding::new(kind, name.clone(), self.story.subject());
            self.findings.push(finding);
        }
        let found = self.story.references.iter().zip(&self.evidence.artifacts);
        for (reference, &state) in found {
            let kind = match state {
                ArtifactState::Missing if erased => continue,
                _ if erased => FindingKind::ArtifactAfterErasure,
                // It may be gone already.
                _ if self.story.is_forgotten() => continue,
                ArtifactState::Whole => continue,
                ArtifactState::Missing => FindingKind::ArtifactMissing,
                ArtifactState::Differs => FindingKind::ArtifactDiffers,
                ArtifactState::Incomplete => FindingKind::ArtifactIncomplete,
                ArtifactState::Damaged => FindingKind::ArtifactDamaged,
            };
            let finding = Finding::new(kind, self.artifact(reference), String::new());
            self.findings.push(finding);
        }
    }

    fn artifact(&self, reference: &Reference) -> String {
        let name = reference.name(&self.story.scope);
        format!("{}:{name}", reference.zone.bucket())
    }

    fn entry(&mut self) {
        match self.evidence.entry {
            None | Some(EntryState::Agrees) => {}
            Some(EntryState::Missing) => self.find(FindingKind::ProgressMissing, String::new()),
            Some(EntryState::Differs) => self.find(FindingKind::ProgressDiffers, String::new()),
        }
    }

    fn index(&mut self) {
        let Some(nodes) = &self.evidence.held else {
            return;
        };
        let (turns, forgotten) = (self.story.indexed_turns(), self.story.is_forgotten());
        for held in nodes {
            let node = &held.node;
            let kind = match (turns, held.documents) {
                (_, 0) if turns.is_some() => FindingKind::IndexMissing,
                (_, 1..) if forgotten => FindingKind::IndexAfterErasure,
                (_, 2..) => FindingKind::IndexRepeated,
                (Some(turns), 1) if turns != u64::from(held.turns) => FindingKind::IndexDiffers,
                _ => continue,
            };
            let detail = match (kind, turns) {
                (FindingKind::IndexDiffers, Some(turns)) => {
                    format!("node {node}: {} turns instead of {turns}", held.turns)
                }
                (FindingKind::IndexRepeated, _) => format!("node {node}: {} times", held.documents),
                _ => format!("node {node}"),
            };
            self.find(kind, detail);
        }
    }

    fn dead_letters(&mut self) {
        let story = self.story;
        let failures = || {
            let failed = |line: &&Line| line.fact == FactType::ConversationFailed;
            story.lines.iter().filter(failed)
        };
        for &number in &self.evidence.to_be_stated {
            if !failures().any(|line| line.number == number) {
                let detail = format!("dead letter {number}");
                self.find(FindingKind::DeadLetterUnstated, detail);
            }
        }
        for line in failures() {
            if line.number == 0 || line.number > self.evidence.last_dead_letter {
                let detail = format!("dead letter {}", line.number);
                self.find(FindingKind::DeadLetterUnknown, detail);
            }
        }
    }

    fn erasure(&mut self) {
        let asked = self
            .story
            .lines
            .iter()
            .filter(|line| line.fact == FactType::ConversationErasureRequested)
            .map(|line| line.at)
            .min();
        if let Some(at) = asked.filter(|&at| self.limits.is_late(at)) {
            self.find(FindingKind::ErasureOverdue, format!("asked for at {at}"));
        }
    }

    /// The newest revision has one end, or is in work within its time.
    fn conversation_end(&mut self) -> Standing {
        let stands = |fact| self.story.current().any(|line| line.fact == fact);
        let mut ends = Vec::new();
        if stands(FactType::ConversationIndexed) {
            ends.push(Standing::Completed);
        }
        if stands(FactType::ConversationRejected) {
            ends.push(Standing::Rejected);
        }
        if self.has_stopped() {
            ends.push(Standing::Failed);
        }
        match ends.as_slice() {
            [end] => *end,
            [] => self.in_work(),
            _ => {
                self.find(FindingKind::TwoEnds, format!("{ends:?}").to_lowercase());
                Standing::Unclear
            }
        }
    }

    /// Whether a service on the conversation's way gave up and has not got further since. One that
    /// states nothing is beside the way: nothing waits for it.
    fn has_stopped(&self) -> bool {
        let failed = |line: &&Line| line.fact == FactType::ConversationFailed;
        self.story.current().filter(failed).any(|failure| {
            let states = failure.service.map_or(&[][..], |service| service.states);
            let further = |line: &Line| states.contains(&line.fact);
            !states.is_empty() && !self.story.current().any(further)
        })
    }

    fn in_work(&mut self) -> Standing {
        let story = self.story;
        let Some(since) = story.current().map(|line| line.at).min() else {
            return Standing::Unclear;
        };
        if story.is_forgotten() || !self.limits.is_late(since) {
            return Standing::InFlight;
        }
        let newest = story.lines.iter().max_by_key(|line| line.sequence);
        let fact = newest.map_or("none", |line| line.fact.as_str());
        self.find(
            FindingKind::Overdue,
            format!("in work since {since}, last fact {fact}"),
        );
        Standing::Unclear
    }

    fn account(&mut self) -> Standing {
        self.history(FactType::AccountSignupRequested);
        let story = self.story;
        let stated = |fact| story.lines.iter().find(|line| line.fact == fact);
        let requested = stated(FactType::AccountSignupRequested);
        let created = stated(FactType::AccountCreated);
        let rejected = stated(FactType::AccountSignupRejected);
        let waits = self.evidence.has_dead_letter;
        match (created, rejected) {
            (Some(_), Some(_)) => {
                self.find(FindingKind::TwoEnds, "both created and rejected".to_owned());
                Standing::Unclear
            }
            (None, Some(_)) => Standing::Rejected,
            (Some(_), None) if stated(FactType::AccountWelcomed).is_some() => Standing::Welcomed,
            (Some(created), None) => {
                if !waits && self.limits.is_late(created.at) {
                    let detail = format!("created at {}", created.at);
                    self.find(FindingKind::WelcomeOverdue, detail);
                }
                Standing::Created
            }
            (None, None) => match requested {
                Some(requested) if !waits && self.limits.is_late(requested.at) => {
                    let detail = format!("requested at {}", requested.at);
                    self.find(FindingKind::Overdue, detail);
                    Standing::Unclear
                }
                Some(_) => Standing::InFlight,
                None => Standing::Unclear,
            },
        }
    }
}
