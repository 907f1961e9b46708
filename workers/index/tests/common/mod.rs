//! A broker, calls that were qualified, and a node that runs.

#![allow(dead_code, reason = "each test file uses its part")]

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use colloquy_bus::{Bus, CancellationToken, deadletters::DeadLetterFilter};
use colloquy_contract::{
    ArtifactRef, Bucket, ConversationId, Fact, FactType, Scope, Subject,
    analysis::{Analysis, Talk},
    control::{
        Holdings, HoldingsRequest, INDEX_HOLDINGS, INDEX_REBUILD, INDEX_STATE, ModelState,
        RebuildFrom, RebuildRequest, StateRequest,
    },
    facts::{CallInfo, ConversationQualified, FactData, Family},
    search::{SUBJECT, SearchReply, SearchRequest, TurnHit},
    transcript::{Role, Transcript, Turn, Word},
};
use colloquy_index::{IndexNode, IndexOptions};
use colloquy_testkit::{Kit, eventually};
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use tokio::task::JoinHandle;

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A broker of its own for a test.
pub(crate) struct Broker {
    kit: Kit,
    bus: Bus,
}

/// A call as it comes out of the services before.
#[derive(Clone)]
pub(crate) struct Call {
    scope: Scope,
    conversation: ConversationId,
    turns: &'static [(Role, &'static str)],
    info: CallInfo,
}

impl Call {
    pub(crate) fn of(account: &str, turns: &'static [(Role, &'static str)]) -> Self {
        let conversation = ConversationId::generate();
        let scope = Scope::Conversation {
            account: account.parse().unwrap(),
            conversation,
        };
        let info = CallInfo {
            received_at: Timestamp::now(),
            agent: None,
            customer: None,
            direction: None,
            started_at: None,
            language: None,
            channel_roles: vec![Role::Agent, Role::Customer],
            labels: BTreeMap::new(),
        };
        Self {
            scope,
            conversation,
            turns,
            info,
        }
    }

    pub(crate) fn agent(mut self, agent: &str) -> Self {
        self.info.agent = Some(agent.to_owned());
        self
    }

    pub(crate) fn started(mut self, time: &str) -> Self {
        self.info.started_at = Some(time.parse().unwrap());
        self
    }

    pub(crate) const fn conversation(&self) -> ConversationId {
        self.conversation
    }

    /// The same call with other words.
    pub(crate) fn saying(&self, turns: &'static [(Role, &'static str)]) -> Self {
        Self {
            turns,
            ..self.clone()
        }
    }

    /// Turn `n` lasts from 10 n to 10 n + 9 seconds.
    fn transcript(&self) -> Transcript {
        let turn = |(index, (role, text)): (usize, &(Role, &str))| {
            let start_ms = u64::try_from(index).unwrap() * 10_000;
            let words = text.split(' ').map(|word| Word {
                text: word.to_owned(),
                start_ms,
                end_ms: start_ms + 9_000,
                confidence: 1.0,
                digit_starts_ms: Vec::new(),
            });
            let channel = u16::from(*role == Role::Customer);
            Turn::new(channel, *role, words.collect()).unwrap()
        };
        Transcript {
            version: Transcript::VERSION,
            language: "en".to_owned(),
            duration_ms: 30_000,
            model: "test".to_owned(),
            channels: vec![Role::Agent, Role::Customer],
            turns: self.turns.iter().enumerate().map(turn).collect(),
        }
    }
}

impl Broker {
    pub(crate) async fn start() -> Self {
        let kit = Kit::with_permissions(1).await;
        let bus = kit.bus.clone();
        Self { kit, bus }
    }

    /// Another connection of the node's own user.
    pub(crate) async fn bus(&self) -> Bus {
        self.kit.connect("index").await
    }

    /// Stores the call's transcript and states that it was qualified.
    pub(crate) async fn qualify(&self, call: Call) -> ConversationId {
        let transcript = self.store(&call).await;
        self.state_with(&call, transcript).await;
        call.conversation
    }

    /// Stores the call's transcript.
    pub(crate) async fn store(&self, call: &Call) -> ArtifactRef {
        let json = serde_json::to_vec(&call.transcript()).unwrap();
        self.bus
            .artifacts()
            .put_bytes(Bucket::Open, &call.scope, Transcript::MEDIA_TYPE, json)
            .await
            .unwrap()
    }

    /// Stores the call's transcript and states anew that it was qualified.
    pub(crate) async fn requalify(&self, call: &Call, revision: u32) {
        let transcript = self.store(call).await;
        let history = self.bus.history(&call.scope).await.unwrap();
        let first = history
            .iter()
            .find(|logged| logged.envelope.fact_type == FactType::ConversationQualified);
        let envelope = &first.unwrap().envelope;
        let again = envelope.revise("test", revision, Timestamp::now());
        let fact = Fact::from(qualified(call, transcript));
        self.bus.state(&again, &fact).await.unwrap();
    }

    /// The sequence of the log's end.
    pub(crate) async fn end(&self) -> u64 {
        self.bus.last_sequence(Family::Conversation).await.unwrap()
    }

    /// Gives every dead letter back; returns how many there were.
    pub(crate) async fn redrive(&self) -> usize {
        let all = DeadLetterFilter::default();
        let letters = self.bus.dead_letters(&all, 0, 100).await.unwrap();
        for letter in &letters {
            self.bus.redrive(letter.sequence).await.unwrap();
        }
        letters.len()
    }

    /// States that the call was qualified, with a transcript that is not there.
    pub(crate) async fn state(&self, call: &Call, name: &str) {
        self.state_with(call, artifact(name)).await;
    }

    pub(crate) async fn state_about(&self, call: &Call, data: impl FactData) {
        self.bus
            .state_first("test", call.scope.clone(), data)
            .await
            .unwrap();
    }

    pub(crate) async fn state_with(&self, call: &Call, transcript: ArtifactRef) {
        self.state_about(call, qualified(call, transcript)).await;
    }

    /// How many facts of a type are in the log.
    pub(crate) async fn count(&self, fact: FactType) -> u64 {
        let filters = vec![Subject::filter(fact)];
        let mut replay = self.bus.replay(Family::Conversation, filters, 1);
        let mut count = 0;
        while replay.next_unread().await.unwrap().is_some() {
            count += 1;
        }
        count
    }

    /// Waits until there are so many facts of a type, and not more.
    pub(crate) async fn wait_for(&self, fact: FactType, expected: u64) {
        eventually(fact.as_str(), PATIENCE, async || {
            self.count(fact).await >= expected
        })
        .await;
        assert_eq!(self.count(fact).await, expected, "{fact}");
    }

    /// Asks all nodes and takes so many replies.
    pub(crate) async fn ask(&self, request: &SearchRequest, nodes: usize) -> Vec<SearchReply> {
        let mut replies = Vec::new();
        let gather = |reply: SearchReply| {
            replies.push(reply);
            replies.len() == nodes
        };
        self.bus
            .ask_all(SUBJECT, request, PATIENCE, gather)
            .await
            .unwrap();
        assert_eq!(replies.len(), nodes);
        replies
    }
}

fn qualified(call: &Call, transcript: ArtifactRef) -> ConversationQualified {
    ConversationQualified {
        call: call.info.clone(),
        duration_ms: 30_000,
        language: "en".to_owned(),
        transcript,
        audio: artifact("audio"),
        analysis: Analysis {
            version: Analysis::VERSION,
            duration_ms: 30_000,
            turns: 3,
            words: 30,
            speakers: Vec::new(),
            talk: Talk::default(),
            categories: Vec::new(),
            sentiment: None,
        },
    }
}

fn artifact(name: &str) -> ArtifactRef {
    ArtifactRef {
        bucket: Bucket::Open,
        name: name.to_owned(),
        size_bytes: 1,
        sha256: "0".repeat(64),
        media_type: "application/octet-stream".to_owned(),
    }
}

/// A node that runs and has caught up.
pub(crate) struct Running {
    /// An operator's, who asks it.
    operator: Bus,
    drain: CancellationToken,
    task: JoinHandle<colloquy_index::Result<()>>,
}

impl Running {
    pub(crate) async fn start(broker: &Broker, options: IndexOptions) -> Self {
        let bus = broker.bus().await;
        let node = IndexNode::open(bus, options).await.unwrap();
        let mut caught_up = node.caught_up();
        let drain = CancellationToken::new();
        let task = tokio::spawn(node.run(drain.clone(), PATIENCE));
        let ready = tokio::time::timeout(PATIENCE, caught_up.wait_for(|&is| is));
        ready.await.unwrap().unwrap();
        let operator = broker.bus.clone();
        Self {
            operator,
            drain,
            task,
        }
    }

    /// Asks; only for tests with one node.
    pub(crate) async fn ask(&self, request: SearchRequest) -> SearchReply {
        one_answer(&self.operator, SUBJECT, &request).await
    }

    /// How the index stands.
    pub(crate) async fn state(&self) -> ModelState {
        one_answer(&self.operator, INDEX_STATE, &StateRequest {}).await
    }

    /// Which of these are held; at most as many as one request may ask for.
    pub(crate) async fn holdings(&self, conversations: &[ConversationId]) -> Holdings {
        let conversations = conversations.to_vec();
        let request = HoldingsRequest { conversations };
        one_answer(&self.operator, INDEX_HOLDINGS, &request).await
    }

    /// Begins a rebuild.
    pub(crate) async fn rebuild(&self, from: RebuildFrom) -> ModelState {
        one_answer(&self.operator, INDEX_REBUILD, &RebuildRequest { from }).await
    }

    /// Rebuilds, and waits for the end.
    pub(crate) async fn rebuild_all(&self, from: RebuildFrom) {
        let began = self.rebuild(from).await;
        assert_eq!(began.error, None);
        let rebuilt = async || {
            let state = self.state().await;
            assert_eq!(state.error, None);
            state.rebuilds > began.rebuilds
        };
        eventually("it is rebuilt", PATIENCE, rebuilt).await;
    }

    /// A connection that may ask the node.
    pub(crate) fn operator(&self) -> Bus {
        self.operator.clone()
    }

    /// Ends it where it stands.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.is_err(), "the node had ended");
    }

    pub(crate) async fn stop(self) {
        self.drain.cancel();
        tokio::time::timeout(PATIENCE, self.task)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
}

/// Asks; only for tests with one node.
pub(crate) async fn one_answer<Q: Serialize + Sync, A: DeserializeOwned + Send>(
    bus: &Bus,
    subject: &'static str,
    question: &Q,
) -> A {
    let mut answer = None;
    let gather = |reply: A| {
        answer = Some(reply);
        true
    };
    bus.ask_all(subject, question, PATIENCE, gather)
        .await
        .unwrap();
    answer.expect("no reply")
}

/// The highlighted parts of a snippet.
pub(crate) fn highlighted(turn: &TurnHit) -> Vec<String> {
    let chars: Vec<char> = turn.snippet.chars().collect();
    let part = |&[start, end]: &[u32; 2]| {
        chars[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()]
            .iter()
            .collect()
    };
    turn.highlights.iter().map(part).collect()
}

/// Copies a folder that nobody writes to.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Takes conversations out of an index behind its back.
pub(crate) fn damage(folder: &Path, conversations: &[ConversationId]) {
    let index = tantivy::Index::open_in_dir(folder.join("data")).unwrap();
    let payload = index.load_metas().unwrap().payload.unwrap();
    let field = index.schema().get_field("conversation").unwrap();
    let mut writer = index
        .writer_with_num_threads::<tantivy::TantivyDocument>(1, 15_000_000)
        .unwrap();
    for conversation in conversations {
        writer.delete_term(tantivy::Term::from_field_text(
            field,
            &conversation.to_string(),
        ));
    }
    let mut prepared = writer.prepare_commit().unwrap();
    prepared.set_payload(&payload);
    prepared.commit().unwrap();
}

/// Gives an index the place that it had when a node died before it could state what it indexed.
pub(crate) fn rewind(folder: &Path, indexed_through: u64, stated_through: u64) {
    let index = tantivy::Index::open_in_dir(folder.join("data")).unwrap();
    let mut writer = index.writer_with_num_threads::<tantivy::TantivyDocument>(1, 15_000_000);
    let mut prepared = writer.as_mut().unwrap().prepare_commit().unwrap();
    let place = serde_json::json!({
        "indexed_through": indexed_through,
        "stated_through": stated_through,
    });
    prepared.set_payload(&place.to_string());
    prepared.commit().unwrap();
}
