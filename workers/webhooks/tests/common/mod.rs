//! A broker, a receiver of webhooks, and a service that runs.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use colloquy_bus::{
    Bus, CancellationToken,
    deadletters::{DeadLetter, DeadLetterFilter},
    worker::{self, Service},
};
use colloquy_contract::{
    ArtifactRef, Bucket, ConversationId, FactType, Scope,
    facts::{CallInfo, ConversationReceived, FactData},
    ids::AccountId,
};
use colloquy_testkit::{Kit, eventually};
use colloquy_webhooks::{Endpoint, EndpointOptions, Limits};
use hmac::{Hmac, Mac};
use jiff::Timestamp;
use sha2::Sha256;
use tokio::{net::TcpListener, task::JoinHandle};

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The key as bytes and, with its prefix, as text.
const KEY: [u8; 32] = [7; 32];

pub(crate) fn account() -> Scope {
    Scope::Account {
        account: AccountId::generate(),
    }
}

pub(crate) fn conversation() -> Scope {
    Scope::Conversation {
        account: "acme".parse().unwrap(),
        conversation: ConversationId::generate(),
    }
}

pub(crate) fn received() -> ConversationReceived {
    ConversationReceived {
        call: CallInfo {
            received_at: Timestamp::now(),
            agent: None,
            customer: None,
            direction: None,
            started_at: None,
            language: None,
            channel_roles: Vec::new(),
            labels: BTreeMap::new(),
        },
        recording: ArtifactRef {
            bucket: Bucket::Vault,
            name: "recording".to_owned(),
            size_bytes: 1,
            sha256: "0".repeat(64),
            media_type: "audio/wav".to_owned(),
        },
        vocabulary: None,
    }
}

/// A broker of its own for a test.
pub(crate) struct Broker {
    pub(crate) bus: Bus,
    pub(crate) kit: Kit,
}

impl Broker {
    pub(crate) async fn start() -> Self {
        let kit = Kit::with_permissions(1).await;
        Self {
            bus: kit.bus.clone(),
            kit,
        }
    }

    pub(crate) async fn state(&self, scope: &Scope, data: impl FactData) {
        self.bus
            .state_first("test", scope.clone(), data)
            .await
            .unwrap();
    }

    /// The types of the facts about something, in order.
    pub(crate) async fn facts(&self, scope: &Scope) -> Vec<FactType> {
        let history = self.bus.history(scope).await.unwrap();
        let facts = history.iter();
        facts.map(|logged| logged.envelope.fact_type).collect()
    }

    pub(crate) async fn id_of(&self, scope: &Scope, fact: FactType) -> String {
        let history = self.bus.history(scope).await.unwrap();
        let mut facts = history.iter().map(|logged| &logged.envelope);
        let found = facts.find(|envelope| envelope.fact_type == fact);
        found.unwrap().id.to_string()
    }

    pub(crate) async fn dead_letters(&self, service: &str) -> Vec<DeadLetter> {
        let filter = DeadLetterFilter {
            service: Some(service.to_owned()),
            ..DeadLetterFilter::default()
        };
        self.bus.dead_letters(&filter, 0, 100).await.unwrap()
    }

    /// Up to which message of its stream a consumer has settled everything.
    pub(crate) async fn settled(&self, consumer: &'static str) -> u64 {
        let mut settled = 0;
        let gather = |info: serde_json::Value| {
            settled = info["ack_floor"]["stream_seq"].as_u64().unwrap();
            true
        };
        self.bus
            .ask_all(consumer, &serde_json::json!({}), PATIENCE, gather)
            .await
            .unwrap();
        settled
    }
}

/// A service that runs.
pub(crate) struct Running {
    drain: CancellationToken,
    task: JoinHandle<colloquy_bus::Result<()>>,
}

impl Running {
    /// Under the service's own user.
    pub(crate) async fn start<S: Service>(broker: &Broker, service: S) -> Self {
        let (bus, drain) = (broker.kit.connect(S::NAME).await, CancellationToken::new());
        let running = worker::run(bus, Arc::new(service), drain.clone(), PATIENCE);
        Self {
            drain,
            task: tokio::spawn(running),
        }
    }

    pub(crate) async fn stop(self) {
        self.drain.cancel();
        let ended = tokio::time::timeout(PATIENCE, self.task).await;
        ended.unwrap().unwrap().unwrap();
    }
}

/// A webhook as it came.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) id: String,
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
    pub(crate) at: Instant,
    timestamp: String,
    signature: String,
}

impl Told {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Verifies as the specification tells receivers to: signature over id, time and body, and a
    /// time that is not long ago.
    pub(crate) fn is_signed(&self) {
        let sent: i64 = self.timestamp.parse().unwrap();
        let age = Timestamp::now().as_second() - sent;
        assert!((0..300).contains(&age), "{age} s old");
        let (version, signature) = self.signature.split_once(',').unwrap();
        assert_eq!(version, "v1");
        let mut mac = Hmac::<Sha256>::new_from_slice(&KEY).unwrap();
        for part in [
            self.id.as_bytes(),
            b".",
            self.timestamp.as_bytes(),
            b".",
            &self.body,
        ] {
            mac.update(part);
        }
        mac.verify_slice(&STANDARD.decode(signature).unwrap())
            .expect("the signature is right");
    }
}

type Answer = dyn Fn(usize) -> StatusCode + Send + Sync;

/// A receiver of webhooks: a real HTTP server.
pub(crate) struct Receiver {
    url: String,
    told: Arc<Mutex<Vec<Told>>>,
    server: JoinHandle<()>,
}

struct Shared {
    told: Arc<Mutex<Vec<Told>>>,
    answer: Box<Answer>,
    location: Option<String>,
}

impl Receiver {
    /// A receiver that answers as `answer` says for each attempt, counted from 1.
    pub(crate) async fn start(
        answer: impl Fn(usize) -> StatusCode + Send + Sync + 'static,
    ) -> Self {
        Self::serve(Box::new(answer), None).await
    }

    pub(crate) async fn redirecting(location: &str) -> Self {
        let answer = |_| StatusCode::TEMPORARY_REDIRECT;
        Self::serve(Box::new(answer), Some(location.to_owned())).await
    }

    async fn serve(answer: Box<Answer>, location: Option<String>) -> Self {
        let told = Arc::default();
        let shared = Shared {
            told: Arc::clone(&told),
            answer,
            location,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/hook", post(take))
            .with_state(Arc::new(shared));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, told, server }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn endpoint(&self, limits: Limits) -> Endpoint {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let secret = format!("whsec_{}", STANDARD.encode(KEY));
        let options = EndpointOptions {
            url: self.url.clone(),
            secret: secret.parse().unwrap(),
            limits,
        };
        Endpoint::new(options).unwrap()
    }

    pub(crate) fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    /// Waits until so many webhooks came.
    pub(crate) async fn until(&self, count: usize) {
        eventually("the webhooks came", PATIENCE, async || {
            self.told().len() >= count
        })
        .await;
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let get = |name: &str| headers[name].to_str().unwrap().to_owned();
    let webhook = Told {
        id: get("webhook-id"),
        content_type: get("content-type"),
        timestamp: get("webhook-timestamp"),
        signature: get("webhook-signature"),
        body,
        at: Instant::now(),
    };
    let attempt = {
        let mut told = shared.told.lock().unwrap();
        told.push(webhook);
        told.len()
    };
    let status = (shared.answer)(attempt);
    match &shared.location {
        Some(location) => (status, [(LOCATION, location.clone())]).into_response(),
        None => status.into_response(),
    }
}
