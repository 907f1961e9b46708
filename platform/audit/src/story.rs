//! What the log says about one conversation or account, in as little memory as judging it needs.

use std::collections::BTreeSet;

use colloquy_contract::{
    AccountId, ArtifactRef, Bucket, ConversationId, Envelope, Fact, FactId, FactType, Scope,
    progress::Progress,
    services::{self, ServiceSpec},
};
use jiff::Timestamp;

/// A fact without its data.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) sequence: u64,
    pub(crate) id: FactId,
    pub(crate) cause: Option<FactId>,
    pub(crate) fact: FactType,
    pub(crate) revision: u32,
    pub(crate) at: Timestamp,
    /// Who stated it, if that is a service that we know.
    pub(crate) service: Option<&'static ServiceSpec>,
    /// The number that the fact is about: of the dead letter, or of turns.
    pub(crate) number: u64,
}

/// A referenced artifact whose name follows from its conversation and content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reference {
    pub(crate) zone: Zone,
    pub(crate) sha256: [u8; 32],
    pub(crate) size_bytes: u64,
}

/// A bucket, ordered.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub(crate) enum Zone {
    Vault,
    Open,
}

impl Zone {
    pub(crate) const fn bucket(self) -> Bucket {
        match self {
            Self::Vault => Bucket::Vault,
            Self::Open => Bucket::Open,
        }
    }
}

impl From<Bucket> for Zone {
    fn from(bucket: Bucket) -> Self {
        match bucket {
            Bucket::Vault => Self::Vault,
            Bucket::Open => Self::Open,
        }
    }
}

impl Reference {
    /// The name that it must have.
    pub(crate) fn name(&self, scope: &Scope) -> String {
        let sha256 = hex::encode(self.sha256);
        match scope.conversation() {
            Some(conversation) => format!("{}/{conversation}/{sha256}", scope.account()),
            None => format!("{}/{sha256}", scope.account()),
        }
    }

    /// As a reference that the bus reads by.
    pub(crate) fn artifact(&self, scope: &Scope) -> ArtifactRef {
        ArtifactRef {
            bucket: self.zone.bucket(),
            name: self.name(scope),
            size_bytes: self.size_bytes,
            sha256: hex::encode(self.sha256),
            media_type: "application/octet-stream".to_owned(),
        }
    }
}

/// Everything about one conversation or account.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) scope: Scope,
    pub(crate) lines: Vec<Line>,
    pub(crate) references: BTreeSet<Reference>,
    /// Names of references that do not follow from conversation and content.
    pub(crate) misnamed: BTreeSet<String>,
    /// The fold of its facts; none for an account.
    pub(crate) progress: Option<Progress>,
}

impl Story {
    pub(crate) fn new(scope: Scope) -> Self {
        Self {
            progress: scope.conversation().map(Progress::new),
            scope,
            lines: Vec::new(),
            references: BTreeSet::new(),
            misnamed: BTreeSet::new(),
        }
    }

    /// Takes the next fact of the log in.
    pub(crate) fn add(&mut self, sequence: u64, envelope: &Envelope, fact: &Fact) {
        if let Some(progress) = &mut self.progress {
            progress.apply(envelope, fact);
        }
        for artifact in references(fact).into_iter().flatten() {
            let reference = sha256(artifact).map(|sha256| Reference {
                zone: artifact.bucket.into(),
                sha256,
                size_bytes: artifact.size_bytes,
            });
            match reference {
                Some(reference) if reference.name(&self.scope) == artifact.name => {
                    self.references.insert(reference);
                }
                _ => {
                    let name = format!("{}:{}", artifact.bucket, artifact.name);
                    self.misnamed.insert(name);
                }
            }
        }
        self.lines.push(Line {
            sequence,
            id: envelope.id,
            cause: envelope.cause,
            fact: envelope.fact_type,
            revision: envelope.revision,
            at: envelope.time,
            service: services::find(&envelope.source),
            number: match fact {
                Fact::ConversationFailed(failed) => failed.dead_letter,
                Fact::ConversationIndexed(indexed) => u64::from(indexed.turns),
                _ => 0,
            },
        });
    }

    pub(crate) fn has(&self, fact: FactType) -> bool {
        self.lines.iter().any(|line| line.fact == fact)
    }

    /// The facts of the newest revision.
    pub(crate) fn current(&self) -> impl Iterator<Item = &Line> {
        let newest = self.lines.iter().map(|line| line.revision).max();
        self.lines
            .iter()
            .filter(move |line| Some(line.revision) == newest)
    }

    /// Whether its artifacts and its place in the index are to go or gone.
    pub(crate) fn is_forgotten(&self) -> bool {
        self.has(FactType::ConversationErased) || self.has(FactType::ConversationErasureRequested)
    }

    /// How many turns an index must hold of it, if it must hold it.
    pub(crate) fn indexed_turns(&self) -> Option<u64> {
        let indexed = self
            .current()
            .filter(|line| line.fact == FactType::ConversationIndexed)
            .max_by_key(|line| line.sequence)?;
        (!self.is_forgotten()).then_some(indexed.number)
    }

    /// Ids of the subject of findings.
    pub(crate) fn subject(&self) -> String {
        subject(&self.scope)
    }
}

/// How findings call a conversation or an account.
pub(crate) fn subject(scope: &Scope) -> String {
    match scope.conversation() {
        Some(conversation) => format!("{}/{conversation}", scope.account()),
        None => scope.account().to_string(),
    }
}

/// The conversation that an artifact's name belongs to.
pub(crate) fn owner(name: &str) -> Option<Scope> {
    let mut parts = name.split('/');
    let account: AccountId = parts.next()?.parse().ok()?;
    let conversation: ConversationId = parts.next()?.parse().ok()?;
    Some(Scope::Conversation {
        account,
        conversation,
    })
}

fn sha256(artifact: &ArtifactRef) -> Option<[u8; 32]> {
    let lower = artifact.sha256.bytes().all(|c| !c.is_ascii_uppercase());
    let bytes = hex::decode(&artifact.sha256).ok().filter(|_| lower)?;
    bytes.try_into().ok()
}

/// The artifacts that a fact references.
fn references(fact: &Fact) -> [Option<&ArtifactRef>; 3] {
    match fact {
        Fact::ConversationReceived(data) => [Some(&data.recording), data.vocabulary.as_ref(), None],
        Fact::ConversationDecoded(data) => [Some(&data.audio), data.vocabulary.as_ref(), None],
        Fact::ConversationTranscribed(data) => [Some(&data.audio), Some(&data.transcript), None],
        Fact::ConversationTagged(data) => [
            Some(&data.audio),
            Some(&data.transcript),
            Some(&data.entities),
        ],
        Fact::ConversationAnonymized(data) => [Some(&data.audio), Some(&data.transcript), None],
        Fact::ConversationQualified(data) => [Some(&data.audio), Some(&data.transcript), None],
        Fact::ConversationRejected(_)
        | Fact::ConversationIndexed(_)
        | Fact::ConversationFailed(_)
        | Fact::ConversationErasureRequested(_)
        | Fact::ConversationErased(_)
        | Fact::AccountSignupRequested(_)
        | Fact::AccountCreated(_)
        | Fact::AccountSignupRejected(_)
        | Fact::AccountWelcomed(_) => [None, None, None],
    }
}
