//! A gateway on a real broker.

#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode},
};
use colloquy_bus::{Bus, CancellationToken};
use colloquy_contract::{AccountId, ConversationId, Scope};
use colloquy_gateway::{Gateway, GatewayOptions, keys, serve};
use colloquy_testkit::{Kit, KitOptions};
use opentelemetry::{global, trace::TracerProvider};
use opentelemetry_sdk::{
    propagation::TraceContextPropagator,
    trace::{SdkTracerProvider, SpanData, SpanExporter},
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::ServiceExt;
use tracing_subscriber::{Layer, layer::SubscriberExt, util::SubscriberInitExt};

/// Largest recording that the gateway of the tests takes.
const LIMIT: u64 = 1_500_000;

pub struct Platform {
    pub bus: Bus,
    pub account: AccountId,
    pub secret: String,
    router: Router,
    exported: Exported,
    kit: Option<Kit>,
    watching: CancellationToken,
}

impl Platform {
    pub async fn start() -> Self {
        Self::with(KitOptions::default(), GatewayOptions::default()).await
    }

    pub async fn with(kit: KitOptions, options: GatewayOptions) -> Self {
        let kit = Kit::with(kit).await;
        let bus = kit.connect("gateway").await;
        let mut platform = Self::on(bus, options).await;
        platform.kit = Some(kit);
        platform
    }

    /// On a broker that is there, which the gateway keeps an eye on.
    pub async fn on(bus: Bus, options: GatewayOptions) -> Self {
        let exported = trace();
        let account: AccountId = "acme".parse().unwrap();
        let secret = keys::create(&bus, &account, "tests").await.unwrap().secret;
        let options = GatewayOptions {
            max_upload_bytes: LIMIT,
            search_timeout: Duration::from_millis(500),
            metrics: Some(Arc::new(|| "metrics 1\n".to_owned())),
            ..options
        };
        let gateway = Gateway::new(options, bus.clone());
        let watching = CancellationToken::new();
        tokio::spawn(gateway.storage_watch().run(watching.clone()));
        Self {
            bus,
            account,
            secret,
            router: gateway.router(),
            exported,
            kit: None,
            watching,
        }
    }

    /// Another gateway beside it, on the same connection.
    pub fn beside(&self, options: GatewayOptions) -> Router {
        Gateway::new(options, self.bus.clone()).router()
    }

    pub fn kit(&self) -> &Kit {
        self.kit.as_ref().unwrap()
    }

    pub async fn stop_broker(self) -> Self {
        self.kit().broker().stop(0).await;
        self
    }

    /// The spans that ended so far.
    pub fn spans(&self) -> Vec<SpanData> {
        self.exported.0.lock().unwrap().clone()
    }

    pub fn scope(&self, conversation: ConversationId) -> Scope {
        Scope::Conversation {
            account: self.account.clone(),
            conversation,
        }
    }

    /// Where the claim of an idempotency key stands.
    pub fn claim_entry(&self, key: &str) -> String {
        format!("{}.{}", self.account, hex::encode(Sha256::digest(key)))
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Sent::new(Method::GET, path)).await
    }

    pub async fn send(&self, sent: Sent) -> Answer {
        self.send_to(&self.router, sent).await
    }

    pub async fn send_to(&self, router: &Router, sent: Sent) -> Answer {
        let mut request = Request::builder().method(sent.method).uri(sent.path);
        let headers = request.headers_mut().unwrap();
        headers.extend(sent.headers);
        if sent.with_key && !headers.contains_key("authorization") {
            headers.insert(
                "authorization",
                format!("Bearer {}", self.secret).parse().unwrap(),
            );
        }
        let request = request.body(sent.body).unwrap();
        let answering = async {
            let response = router.clone().oneshot(request).await.unwrap();
            let (parts, body) = response.into_parts();
            let body = to_bytes(body, 10_000_000).await.unwrap();
            Answer {
                status: parts.status,
                headers: parts.headers,
                body,
            }
        };
        tokio::time::timeout(Duration::from_secs(60), answering)
            .await
            .unwrap()
    }

    /// Serves on a socket: a client that is refused reads why though it sends on, and draining ends.
    pub async fn over_a_socket(&self) {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        let drain = CancellationToken::new();
        let grace = Duration::from_secs(10);
        let serving = tokio::spawn(serve(listener, self.router.clone(), drain.clone(), grace));
        let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST /v1/conversations HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             content-length: 4000000\r\nx-api-key: {}\r\n\r\n",
            self.secret
        );
        client.write_all(head.as_bytes()).await.unwrap();
        client.write_all(&vec![b'x'; 4_000_000]).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert!(answer.contains("/problems/too-large"), "{answer}");
        drain.cancel();
        tokio::time::timeout(Duration::from_secs(5), serving)
            .await
            .unwrap()
            .unwrap();
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.watching.cancel();
    }
}

/// Spans that ended, in memory.
#[derive(Debug, Clone, Default)]
struct Exported(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Exported {
    async fn export(&self, batch: Vec<SpanData>) -> opentelemetry_sdk::error::OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

/// Exports spans to memory, for the whole process.
fn trace() -> Exported {
    let exported = Exported::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exported.clone())
        .build();
    global::set_text_map_propagator(TraceContextPropagator::new());
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let ours = tracing_subscriber::filter::filter_fn(|metadata| {
        metadata.target().starts_with("colloquy") && *metadata.level() <= tracing::Level::INFO
    });
    tracing_subscriber::registry()
        .with(layer.with_filter(ours))
        .try_init()
        .ok();
    exported
}

pub struct Sent {
    pub path: String,
    method: Method,
    headers: HeaderMap,
    body: Body,
    with_key: bool,
}

impl Sent {
    pub fn new(method: Method, path: &str) -> Self {
        let headers = HeaderMap::new();
        Self {
            path: path.to_owned(),
            method,
            headers,
            body: Body::empty(),
            with_key: true,
        }
    }

    pub fn anonymous(mut self) -> Self {
        self.with_key = false;
        self
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().unwrap());
        self
    }

    pub fn typed(self, media_type: &str) -> Self {
        self.header("content-type", media_type)
    }

    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }
}

pub struct Answer {
    pub status: StatusCode,
    pub body: Bytes,
    headers: HeaderMap,
}

impl Answer {
    /// Empty if it is not there.
    pub fn header(&self, name: &str) -> String {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
            .unwrap_or_default()
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}", self.text()))
    }

    #[track_caller]
    pub fn id(&self) -> ConversationId {
        self.json()["id"]
            .as_str()
            .unwrap_or_else(|| panic!("{}", self.text()))
            .parse()
            .unwrap()
    }

    #[track_caller]
    pub fn is_problem(&self, status: u16, kind: &str, path: &str) {
        let text = self.text();
        assert_eq!(self.status, status, "{path}: {text}");
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{path}"
        );
        let problem = self.json();
        assert_eq!(
            problem["type"],
            format!("/problems/{kind}"),
            "{path}: {text}"
        );
        assert_eq!(problem["status"], status, "{path}");
        assert_eq!(
            problem["instance"],
            path.split('?').next().unwrap(),
            "{path}"
        );
        assert!(!problem["title"].as_str().unwrap().is_empty(), "{path}");
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{path}");
    }
}
