//! A real broker, conversations in it as services would have left them, an index node that answers
//! from a table, and a way around the bus to break things.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use colloquy_audit::{AuditOptions, FindingKind, Report};
use colloquy_bus::{Bus, CancellationToken};
use colloquy_contract::{
    Bucket, ConversationId, Envelope, Fact, FactType, Scope,
    control::{Holding, Holdings, HoldingsRequest, INDEX_HOLDINGS},
    facts::{ConversationIndexed, ConversationReceived},
    progress::Progress,
    streams,
    subject::{PARTITIONS, partition},
};
use colloquy_testkit::{Broker, BrokerOptions, Kit, KitOptions, Sync, conversation, eventually};
use futures::FutureExt;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// Longest wait for a state.
pub const SOON: Duration = Duration::from_secs(20);

/// Turns that every conversation of the tests has.
pub const TURNS: u32 = 3;

pub struct Platform {
    pub bus: Bus,
    pub index: Arc<Mutex<HashMap<ConversationId, (u32, u32)>>>,
    kit: Kit,
    stop: CancellationToken,
    node: tokio::task::JoinHandle<()>,
}

impl Platform {
    /// A broker with an index node.
    pub async fn start() -> Self {
        Self::of(Kit::start().await).await
    }

    /// The same with a broker that puts on disk what it has taken when it suits it: it takes much in
    /// little time.
    pub async fn hasty() -> Self {
        let broker = BrokerOptions {
            sync: Sync::Periodic,
            ..BrokerOptions::default()
        };
        let options = KitOptions {
            broker,
            ..KitOptions::default()
        };
        Self::of(Kit::with(options).await).await
    }

    async fn of(kit: Kit) -> Self {
        let bus = kit.bus.clone();
        let index = Arc::new(Mutex::new(HashMap::new()));
        let stop = CancellationToken::new();
        let node = tokio::spawn(serve(bus.clone(), index.clone(), stop.clone()));
        let platform = Self {
            bus,
            index,
            kit,
            stop,
            node,
        };
        platform.node_answers().await;
        platform
    }

    async fn node_answers(&self) {
        let request = HoldingsRequest {
            conversations: Vec::new(),
        };
        eventually("an index node", SOON, async || {
            let mut answered = false;
            let second = Duration::from_secs(1);
            let asked = self
                .bus
                .ask_all(INDEX_HOLDINGS, &request, second, |_: Holdings| {
                    answered = true;
                    true
                });
            asked.await.is_ok() && answered
        })
        .await;
    }

    /// Stops the index node.
    pub async fn without_index(&mut self) {
        self.stop.cancel();
        (&mut self.node).await.expect("the node ends");
    }

    /// A conversation that went all the way.
    pub async fn completed(&self) -> Told {
        let mut told = self.received().await;
        for fact in [
            FactType::ConversationDecoded,
            FactType::ConversationTranscribed,
            FactType::ConversationTagged,
            FactType::ConversationAnonymized,
            FactType::ConversationQualified,
        ] {
            told.follow(self, fact).await;
        }
        self.hold(&told);
        told.say(self, "index", ConversationIndexed { turns: TURNS }.into())
            .await;
        told
    }

    /// A conversation that was accepted.
    pub async fn received(&self) -> Told {
        self.received_as(conversation(), Timestamp::now()).await
    }

    pub async fn received_as(&self, scope: Scope, at: Timestamp) -> Told {
        let fact = fact(self, &scope, FactType::ConversationReceived).await;
        let envelope = Envelope::first("gateway", scope.clone(), fact.fact_type(), at);
        let mut told = Told {
            scope,
            last: envelope.clone(),
        };
        told.state(self, envelope, fact).await;
        told
    }

    pub fn hold(&self, told: &Told) {
        let mut index = self.index.lock().expect("no panic");
        index.insert(told.id(), (1, TURNS));
    }

    pub async fn audit(&self) -> Report {
        self.audit_with(&options()).await
    }

    pub async fn audit_with(&self, options: &AuditOptions) -> Report {
        colloquy_audit::audit(&self.bus, options)
            .await
            .expect("the audit can be done")
    }

    /// Around the bus.
    pub async fn raw(&self) -> Raw {
        Raw::connect(self.kit.broker()).await
    }
}

async fn serve(
    bus: Bus,
    index: Arc<Mutex<HashMap<ConversationId, (u32, u32)>>>,
    stop: CancellationToken,
) {
    let answer = move |request: HoldingsRequest| {
        let index = index.clone();
        async move {
            let index = index.lock().expect("no panic");
            let held = request.conversations.iter().filter_map(|conversation| {
                let &(documents, turns) = index.get(conversation)?;
                Some(Holding {
                    conversation: *conversation,
                    documents,
                    turns,
                })
            });
            Holdings {
                node: "index-0".to_owned(),
                partitions: (0..PARTITIONS).collect(),
                through: 0,
                entries: index.len() as u64,
                held: held.collect(),
            }
        }
        .boxed()
    };
    bus.serve(INDEX_HOLDINGS, stop, answer)
        .await
        .expect("it can be served");
}

/// Limits that fit a test: nothing is late, everything unreferenced is an orphan.
pub fn options() -> AuditOptions {
    AuditOptions {
        grace: Duration::ZERO,
        settle: Duration::from_millis(50),
        ..AuditOptions::default()
    }
}

/// A conversation under way.
pub struct Told {
    pub scope: Scope,
    pub last: Envelope,
}

impl Told {
    pub fn id(&self) -> ConversationId {
        self.scope.conversation().expect("a conversation")
    }

    pub fn subject(&self) -> String {
        format!("{}/{}", self.scope.account(), self.id())
    }

    pub fn key(&self) -> String {
        Progress::key(self.scope.account(), self.id())
    }

    /// What the next service states.
    pub async fn follow(&mut self, platform: &Platform, fact_type: FactType) {
        let service = colloquy_contract::services::ALL
            .iter()
            .find(|service| service.states.contains(&fact_type))
            .expect("some service states it");
        let fact = fact(platform, &self.scope, fact_type).await;
        self.say(platform, service.name, fact).await;
    }

    pub async fn say(&mut self, platform: &Platform, service: &str, fact: Fact) {
        let envelope = self
            .last
            .derive(service, fact.fact_type(), Timestamp::now());
        self.state(platform, envelope, fact).await;
    }

    pub async fn state(&mut self, platform: &Platform, envelope: Envelope, fact: Fact) {
        platform
            .bus
            .state(&envelope, &fact)
            .await
            .expect("it can be stated");
        self.fold(platform, &envelope, &fact).await;
        self.last = envelope;
    }

    pub async fn fold(&self, platform: &Platform, envelope: &Envelope, fact: &Fact) {
        let entries = platform
            .bus
            .kv(streams::PROGRESS.name)
            .await
            .expect("it is there");
        entries
            .update(&self.key(), |present: Option<Progress>| {
                let mut progress = present.unwrap_or_else(|| Progress::new(self.id()));
                progress.apply(envelope, fact).then_some(progress)
            })
            .await
            .expect("it can be updated");
    }

    pub fn subject_of(&self, fact: FactType) -> String {
        format!("{}.{}", self.scope.prefix(), fact.token())
    }
}

/// A fact as in the contract's golden files, about artifacts that are there.
async fn fact(platform: &Platform, scope: &Scope, fact: FactType) -> Fact {
    let golden = match fact {
        FactType::ConversationReceived => golden("received"),
        FactType::ConversationDecoded => golden("decoded"),
        FactType::ConversationTranscribed => golden("transcribed"),
        FactType::ConversationTagged => golden("tagged"),
        FactType::ConversationAnonymized => golden("anonymized"),
        FactType::ConversationQualified => golden("qualified"),
        other => unreachable!("{other} has no artifacts"),
    };
    let mut data = golden;
    let open = matches!(
        fact,
        FactType::ConversationAnonymized | FactType::ConversationQualified
    );
    for name in ["recording", "vocabulary", "audio", "transcript", "entities"] {
        if data.get(name).is_none() {
            continue;
        }
        let bucket = if open { Bucket::Open } else { Bucket::Vault };
        // The same content each time, so that facts share their artifacts as they do in reality.
        let content = format!("{name} of {}", scope.correlation()).into_bytes();
        let artifact = platform
            .bus
            .artifacts()
            .put_bytes(bucket, scope, "text/plain", content)
            .await
            .expect("it can be stored");
        data[name] = serde_json::to_value(artifact).expect("it is JSON");
    }
    Fact::from_json(fact, data.to_string().as_bytes()).expect("it is a fact")
}

pub fn golden(name: &str) -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../contract/tests/golden");
    let path = format!("{path}/conversation.{name}.v1.json");
    let text = std::fs::read_to_string(path).expect("the golden file is there");
    serde_json::from_str(&text).expect("it is JSON")
}

/// The kinds of the findings, each once, and the subjects.
pub fn found(report: &Report) -> Vec<(FindingKind, String)> {
    let mut found: Vec<_> = report
        .findings
        .iter()
        .map(|finding| (finding.kind, finding.subject.clone()))
        .collect();
    found.sort();
    found.dedup();
    found
}

pub fn assert_clean(report: &Report) {
    assert!(report.clean && report.findings.is_empty(), "{report}");
}

/// The reference of the recording in a fact.
pub fn recording(fact: &Fact) -> &colloquy_contract::ArtifactRef {
    match fact {
        Fact::ConversationReceived(ConversationReceived { recording, .. }) => recording,
        other => unreachable!("{other:?}"),
    }
}

pub fn partition_of(told: &Told) -> u8 {
    partition(told.id())
}

/// The broker's own protocol, spoken by hand.
pub struct Raw {
    stream: BufReader<TcpStream>,
}

impl Raw {
    async fn connect(broker: &Broker) -> Self {
        let address = ("127.0.0.1", broker.port(0));
        let stream = TcpStream::connect(address).await.expect("it listens");
        let mut raw = Self {
            stream: BufReader::new(stream),
        };
        assert!(raw.line().await.starts_with("INFO"));
        let connect = json!({"verbose": false, "headers": true, "no_responders": false});
        raw.send(format!("CONNECT {connect}\r\nSUB inbox 1\r\n").as_bytes())
            .await;
        raw
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("it takes it");
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        let reading = self.stream.read_line(&mut line);
        let read = tokio::time::timeout(SOON, reading).await;
        read.expect("it says something").expect("it is there");
        line
    }

    async fn reply(&mut self) -> Value {
        loop {
            let line = self.line().await;
            match line.split_whitespace().collect::<Vec<_>>().as_slice() {
                ["MSG", .., bytes] => {
                    let mut payload = vec![0; bytes.parse::<usize>().expect("a length") + 2];
                    self.stream
                        .read_exact(&mut payload)
                        .await
                        .expect("all of it");
                    let reply: Value = serde_json::from_slice(&payload).expect("it is JSON");
                    assert!(reply.get("error").is_none(), "{reply}");
                    return reply;
                }
                ["PING"] => self.send(b"PONG\r\n").await,
                other => assert!(!other.contains(&"-ERR"), "{line}"),
            }
        }
    }

    /// Removes every message on a subject.
    pub async fn purge(&mut self, stream: &str, subject: &str) {
        let request = json!({"filter": subject}).to_string();
        let api = format!("$JS.API.STREAM.PURGE.{stream}");
        self.send(format!("PUB {api} inbox {}\r\n{request}\r\n", request.len()).as_bytes())
            .await;
        let purged = self.reply().await["purged"].as_u64();
        assert!(purged > Some(0), "{subject} holds nothing");
    }

    /// Sends a message that nobody acknowledges; see [`Raw::flush`].
    pub async fn pour(&mut self, subject: &str, headers: &[(&str, String)], payload: &[u8]) {
        let message = message(subject, "", headers, payload);
        self.send(&message).await;
    }

    /// Waits until the broker has read everything.
    pub async fn flush(&mut self) {
        self.send(b"PING\r\n").await;
        loop {
            match self.line().await.trim_end() {
                "PONG" => return,
                "PING" => self.send(b"PONG\r\n").await,
                other => assert!(!other.starts_with("-ERR"), "{other}"),
            }
        }
    }

    /// Stores a message without any guard.
    pub async fn publish(&mut self, subject: &str, headers: &[(&str, String)], payload: &[u8]) {
        let message = message(subject, "inbox ", headers, payload);
        self.send(&message).await;
        assert!(self.reply().await["seq"].is_u64());
    }
}

pub fn message(subject: &str, reply: &str, headers: &[(&str, String)], payload: &[u8]) -> Vec<u8> {
    let mut head = "NATS/1.0\r\n".to_owned();
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let (short, long) = (head.len(), head.len() + payload.len());
    let mut message = format!("HPUB {subject} {reply}{short} {long}\r\n{head}").into_bytes();
    message.extend_from_slice(payload);
    message.extend_from_slice(b"\r\n");
    message
}
