//! The run: conversations and sign-ups of every kind, as services would state them.

use std::{collections::BTreeMap, fs, path::PathBuf};

use colloquy_bus::Bus;
use colloquy_contract::{
    ArtifactRef, Bucket, Envelope, Fact, FactType, Scope,
    facts::Family,
    services,
    transcript::{Role, Transcript, Turn, Word},
};
use colloquy_testkit::{account, conversation};
use jiff::Timestamp;

/// What happens next to a conversation or an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A service states this.
    State(FactType),
    /// This service gives up on the last fact.
    GiveUp(&'static str),
    /// The dead letter is redriven.
    Redrive,
    /// It is processed again from this service on.
    Reprocess(&'static str),
    /// It can be found.
    UntilIndexed,
    /// Its artifacts are removed.
    Remove,
}

use FactType::{
    AccountCreated, AccountSignupRejected, AccountSignupRequested, AccountWelcomed,
    ConversationAnonymized as Anonymized, ConversationDecoded as Decoded,
    ConversationErased as Erased, ConversationErasureRequested as ErasureRequested,
    ConversationQualified as Qualified, ConversationReceived as Received,
    ConversationRejected as Rejected, ConversationTagged as Tagged,
    ConversationTranscribed as Transcribed,
};
use Step::{GiveUp, Redrive, Remove, Reprocess, State, UntilIndexed};

/// Each kind of life, by name.
pub const STORIES: [(&str, &[Step]); 10] = [
    (
        "completed",
        &[
            State(Received),
            State(Decoded),
            State(Transcribed),
            State(Tagged),
            State(Anonymized),
            State(Qualified),
            UntilIndexed,
        ],
    ),
    ("rejected", &[State(Received), State(Rejected)]),
    (
        "failed",
        &[
            State(Received),
            State(Decoded),
            State(Transcribed),
            GiveUp("tag"),
        ],
    ),
    (
        "redriven",
        &[
            State(Received),
            State(Decoded),
            GiveUp("transcribe"),
            Redrive,
            State(Transcribed),
            State(Tagged),
            State(Anonymized),
            GiveUp("qualify"),
            Redrive,
            State(Qualified),
            UntilIndexed,
        ],
    ),
    (
        "reprocessed",
        &[
            State(Received),
            State(Decoded),
            State(Transcribed),
            State(Tagged),
            State(Anonymized),
            State(Qualified),
            Reprocess("transcribe"),
            State(Transcribed),
            State(Tagged),
            State(Anonymized),
            State(Qualified),
            UntilIndexed,
            Reprocess("qualify"),
            State(Qualified),
            UntilIndexed,
        ],
    ),
    (
        "reprocessed in vain",
        &[
            State(Received),
            State(Decoded),
            State(Transcribed),
            State(Tagged),
            State(Anonymized),
            State(Qualified),
            UntilIndexed,
            Reprocess("tag"),
            GiveUp("tag"),
        ],
    ),
    (
        "rejected, then accepted",
        &[
            State(Received),
            State(Rejected),
            Reprocess("decode"),
            State(Decoded),
            State(Transcribed),
            State(Tagged),
            State(Anonymized),
            State(Qualified),
            UntilIndexed,
        ],
    ),
    (
        "erased",
        &[
            State(Received),
            State(Decoded),
            State(Transcribed),
            State(Tagged),
            State(Anonymized),
            State(Qualified),
            UntilIndexed,
            State(ErasureRequested),
            Remove,
            State(Erased),
        ],
    ),
    (
        "welcomed",
        &[
            State(AccountSignupRequested),
            State(AccountCreated),
            State(AccountWelcomed),
        ],
    ),
    (
        "turned away",
        &[State(AccountSignupRequested), State(AccountSignupRejected)],
    ),
];

/// A conversation or an account on its way.
pub struct Story {
    pub name: &'static str,
    pub scope: Scope,
    steps: std::slice::Iter<'static, Step>,
    /// The fact that the next one follows from, and where it stands.
    last: Option<(Envelope, u64)>,
    dead_letter: Option<u64>,
    artifacts: BTreeMap<String, ArtifactRef>,
}

/// A fact that was stated, to be delivered again.
#[derive(Clone)]
pub struct Told {
    pub envelope: Envelope,
    pub fact: Fact,
}

impl Story {
    pub fn all() -> Vec<Self> {
        let begin = |(name, steps): (&'static str, &'static [Step])| {
            let family = match steps[0] {
                State(first) => first.family(),
                other => unreachable!("a story does not begin with {other:?}"),
            };
            Self {
                name,
                scope: match family {
                    Family::Conversation => conversation(),
                    Family::Account => account(),
                },
                steps: steps.iter(),
                last: None,
                dead_letter: None,
                artifacts: BTreeMap::new(),
            }
        };
        STORIES.map(begin).into()
    }

    pub fn next(&mut self) -> Option<Step> {
        self.steps.next().copied()
    }

    pub fn revision(&self) -> u32 {
        let (last, _) = self.last.as_ref().unwrap();
        last.revision
    }

    /// The next service states a fact, as it follows from the last.
    pub async fn state(&mut self, bus: &Bus, fact_type: FactType) -> Told {
        let services = services::ALL.iter();
        let author = services
            .filter(|service| service.states.contains(&fact_type))
            .map(|service| service.name)
            .next()
            // Nothing erases yet.
            .unwrap_or("eraser");
        let revision = self.last.as_ref().map_or(1, |(last, _)| last.revision);
        let fact = self.data(bus, fact_type, revision).await;
        let envelope = match &self.last {
            None => Envelope::first(author, self.scope.clone(), fact_type, Timestamp::now()),
            Some((last, _)) => last.derive(author, fact_type, Timestamp::now()),
        };
        let stated = bus.state(&envelope, &fact).await.unwrap();
        assert!(!stated.repeated);
        self.last = Some((envelope.clone(), stated.sequence));
        Told { envelope, fact }
    }

    pub async fn give_up(&mut self, bus: &Bus, service: &'static str) {
        let (_, sequence) = self.last.as_ref().unwrap();
        let letter = bus
            .bury_fact(service, Family::Conversation, *sequence, 6, "no model")
            .await;
        self.dead_letter = letter.unwrap();
        assert!(self.dead_letter.is_some());
    }

    pub async fn redrive(&mut self, bus: &Bus) {
        bus.redrive(self.dead_letter.take().unwrap()).await.unwrap();
    }

    pub async fn reprocess(&mut self, bus: &Bus, service: &str) {
        let from = services::find(service).unwrap().reacts;
        let restated = bus.reprocess(&self.scope, from).await.unwrap().unwrap();
        let history = bus.history(&self.scope).await.unwrap();
        let logged = history
            .into_iter()
            .find(|logged| {
                let envelope = &logged.envelope;
                envelope.fact_type == restated.fact && envelope.revision == restated.revision
            })
            .unwrap();
        self.last = Some((logged.envelope, logged.sequence));
    }

    /// Removes its artifacts, as an eraser does.
    pub async fn remove(&mut self, bus: &Bus) {
        for reference in std::mem::take(&mut self.artifacts).into_values() {
            let found = bus.find_object(reference.bucket, &reference.name).await;
            let object = found.unwrap().unwrap();
            assert!(bus.remove_object(reference.bucket, &object).await.unwrap());
        }
    }

    /// A fact as in the contract's golden files, about artifacts that are there.
    async fn data(&mut self, bus: &Bus, fact_type: FactType, revision: u32) -> Fact {
        let file = format!("{fact_type}.v{}.json", fact_type.version());
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("platform/contract/tests/golden")
            .join(file);
        let text = fs::read(path).unwrap();
        let mut data: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let open = [Anonymized, Qualified].contains(&fact_type);
        for name in ["recording", "vocabulary", "audio", "transcript", "entities"] {
            if data.get(name).is_none() {
                continue;
            }
            let bucket = if open { Bucket::Open } else { Bucket::Vault };
            let reference = self.artifact(bus, bucket, name, revision).await;
            data[name] = serde_json::to_value(reference).unwrap();
        }
        if let Some(words) = data.get_mut("words") {
            *words = (10 * revision).into();
        }
        Fact::from_json(fact_type, data.to_string().as_bytes()).unwrap()
    }

    async fn artifact(
        &mut self,
        bus: &Bus,
        bucket: Bucket,
        name: &str,
        revision: u32,
    ) -> ArtifactRef {
        let key = format!("{bucket} {name} {revision}");
        if let Some(known) = self.artifacts.get(&key) {
            return known.clone();
        }
        let (media_type, content) = match name {
            "transcript" => (Transcript::MEDIA_TYPE, transcript(self.name, revision)),
            _ => ("application/octet-stream", key.clone().into_bytes()),
        };
        let artifacts = bus.artifacts();
        let put = artifacts.put_bytes(bucket, &self.scope, media_type, content);
        let reference = put.await.unwrap();
        self.artifacts.insert(key, reference.clone());
        reference
    }
}

/// As many turns as the revision says, so that it shows which one is held.
fn transcript(story: &str, revision: u32) -> Vec<u8> {
    let turn = |number: u32| {
        let text = format!("{story} turn{number} revision{revision}");
        let start_ms = u64::from(number) * 1_000;
        let words = text.split(' ').map(|word| Word {
            text: word.to_owned(),
            start_ms,
            end_ms: start_ms + 900,
            confidence: 1.0,
            digit_starts_ms: Vec::new(),
        });
        Turn::new(0, Role::Agent, words.collect()).unwrap()
    };
    let transcript = Transcript {
        version: Transcript::VERSION,
        language: "en".to_owned(),
        duration_ms: 30_000,
        model: "test".to_owned(),
        channels: vec![Role::Agent],
        turns: (0..revision).map(turn).collect(),
    };
    serde_json::to_vec(&transcript).unwrap()
}
