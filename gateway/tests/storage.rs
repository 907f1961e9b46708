//! A broker that runs full: nothing new is let in, nothing that was let in is lost.

#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, reason = "tests")]

mod common;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{Method, StatusCode},
};
use colloquy_bus::{
    Bus, Room,
    embedded::{EmbeddedBroker, EmbeddedOptions},
    provision::{self, Storage},
};
use colloquy_contract::{Bucket, ConversationId, Fact, facts::Family};
use colloquy_gateway::{GatewayOptions, StorageOptions};
use colloquy_testkit::{PATIENCE, eventually};
use common::{Answer, Platform, Sent};
use opentelemetry::global;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    metrics::{
        PeriodicReader, SdkMeterProvider, Temporality,
        data::{AggregatedMetrics, MetricData, ResourceMetrics},
        exporter::PushMetricExporter,
    },
};

const POST: &str = "/v1/conversations";

/// Size of a recording.
const RECORDING_BYTES: usize = 1_000_000;

const MIB: u64 = 1024 * 1024;

/// An embedded broker with a small limit, and a gateway on it.
struct Small {
    platform: Platform,
    broker: EmbeddedBroker,
    _folder: tempfile::TempDir,
}

impl Small {
    async fn start(limit_bytes: u64, storage: StorageOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = EmbeddedOptions {
            program: colloquy_assets::nats_server().unwrap(),
            data: folder.path().to_owned(),
        };
        let broker = EmbeddedBroker::start_limited(options, Some(limit_bytes)).await;
        let broker = broker.unwrap();
        let bus = Bus::connect(broker.connect_options("gateway"))
            .await
            .unwrap();
        provision::apply(&bus, Storage::default()).await.unwrap();
        let options = GatewayOptions {
            storage,
            ..GatewayOptions::default()
        };
        let platform = Platform::on(bus, options).await;
        Self {
            platform,
            broker,
            _folder: folder,
        }
    }

    async fn stop(self) {
        self.platform.bus.close().await;
        self.broker.stop().await;
    }

    async fn post(&self, n: usize) -> Answer {
        let sent = Sent::new(Method::POST, POST).body(recording(n));
        self.platform.send(sent).await
    }

    /// Posts until nothing is taken any more; what was accepted, and the refusal.
    async fn fill(&self) -> (Vec<ConversationId>, Answer) {
        let mut accepted = Vec::new();
        for n in 0..100 {
            let answer = self.post(n).await;
            if answer.status != StatusCode::ACCEPTED {
                return (accepted, answer);
            }
            accepted.push(answer.id());
        }
        panic!("the broker takes more than it may");
    }

    /// Every accepted conversation is in the log, with its whole recording.
    async fn holds(&self, accepted: &[ConversationId]) {
        let bus = &self.platform.bus;
        for (n, &id) in accepted.iter().enumerate() {
            let history = bus.history(&self.platform.scope(id)).await.unwrap();
            let Fact::ConversationReceived(received) = &history[0].fact else {
                panic!("{history:?}");
            };
            let content = bus.artifacts().get_bytes(&received.recording).await;
            assert_eq!(content.unwrap(), recording(n));
        }
    }

    /// Removes the recording of a conversation, with its chunks.
    async fn free(&self, id: ConversationId) {
        let bus = &self.platform.bus;
        let history = bus.history(&self.platform.scope(id)).await.unwrap();
        let Fact::ConversationReceived(received) = &history[0].fact else {
            panic!("{history:?}");
        };
        let name = &received.recording.name;
        let object = bus.find_object(Bucket::Vault, name).await.unwrap().unwrap();
        assert!(bus.remove_object(Bucket::Vault, &object).await.unwrap());
    }

    async fn is_accepted_again(&self) {
        eventually("there is room again", PATIENCE, async || {
            self.post(1_000).await.status == StatusCode::ACCEPTED
        })
        .await;
    }
}

/// No two have the same content.
fn recording(n: usize) -> Vec<u8> {
    let mut content = n.to_be_bytes().to_vec();
    content.resize(RECORDING_BYTES, b'x');
    content
}

fn is_full(answer: &Answer, path: &str) {
    answer.is_problem(503, "storage-full", path);
    assert_eq!(answer.header("retry-after"), "30");
}

#[tokio::test(flavor = "multi_thread")]
async fn nearly_full_storage_stops_what_is_new_and_nothing_else() {
    let metrics = Metrics::install();
    let limit = 32 * MIB;
    let small = Small::start(
        limit,
        StorageOptions {
            high_watermark: "0.5".parse().unwrap(),
            room: Room {
                limit_bytes: Some(limit),
                folder: None,
            },
            look_every: Duration::from_millis(20),
        },
    )
    .await;
    assert_eq!(small.broker.room().limit_bytes, Some(limit));
    let (accepted, refused) = small.fill().await;
    is_full(&refused, POST);
    let said = refused.text();
    assert!(
        said.contains("the server is at 5") && said.contains("below 45 %"),
        "{said}"
    );
    assert!((10..25).contains(&accepted.len()), "{}", accepted.len());

    // It is refused before its body is read.
    let endless = Body::from_stream(futures::stream::pending::<std::io::Result<Bytes>>());
    let answer = small
        .platform
        .send(Sent::new(Method::POST, POST).body(endless))
        .await;
    is_full(&answer, POST);
    let endless = Body::from_stream(futures::stream::pending::<std::io::Result<Bytes>>());
    let signup = Sent::new(Method::POST, "/v1/signups").anonymous();
    let signup = signup.typed("application/json").body(endless);
    is_full(&small.platform.send(signup).await, "/v1/signups");

    // Whoever has no key learns nothing about it.
    let stranger = Sent::new(Method::POST, POST).anonymous().body("x");
    let answer = small.platform.send(stranger).await;
    answer.is_problem(401, "unauthenticated", POST);

    // Everything else goes on.
    for path in [
        POST.to_owned(),
        format!("{POST}/{}", accepted[0]),
        "/v1/deadletters".to_owned(),
        "/readyz".to_owned(),
    ] {
        let answer = small.platform.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    }
    small.holds(&accepted).await;
    let share = metrics.gauge("colloquy.storage.share");
    assert!((0.5..1.0).contains(&share), "{share}");
    assert!((metrics.gauge("colloquy.ingest.closed") - 1.0).abs() < 0.1);

    // Erasing makes room; what is left is whole.
    let (erased, kept) = accepted.split_at(accepted.len() / 2);
    for &id in erased {
        small.free(id).await;
    }
    small.is_accepted_again().await;
    assert!(metrics.gauge("colloquy.ingest.closed") < 0.1);
    for &id in kept {
        let history = small.platform.bus.history(&small.platform.scope(id)).await;
        let Fact::ConversationReceived(received) = &history.unwrap()[0].fact else {
            panic!("{id} lost its beginning");
        };
        let artifacts = small.platform.bus.artifacts();
        assert!(artifacts.check(&received.recording).await.unwrap());
    }
    small.stop().await;
}

/// Nobody told the gateway of the limit, so it runs into it.
#[tokio::test(flavor = "multi_thread")]
async fn exhausted_storage_accepts_nothing_and_loses_nothing() {
    let storage = StorageOptions {
        look_every: Duration::from_secs(1),
        ..StorageOptions::default()
    };
    let small = Small::start(8 * MIB, storage).await;
    let (accepted, refused) = small.fill().await;
    is_full(&refused, POST);
    assert!(refused.text().contains("exhausted"), "{}", refused.text());
    assert!((4..9).contains(&accepted.len()), "{}", accepted.len());
    // The gate is closed for a while: the body is not even read.
    let endless = Body::from_stream(futures::stream::pending::<std::io::Result<Bytes>>());
    let answer = small
        .platform
        .send(Sent::new(Method::POST, POST).body(endless))
        .await;
    is_full(&answer, POST);
    small.holds(&accepted).await;
    // The log holds what was accepted, and nothing else.
    let last = small.platform.bus.last_sequence(Family::Conversation).await;
    assert_eq!(last.unwrap(), accepted.len() as u64);
    for &id in &accepted[..3] {
        small.free(id).await;
    }
    small.is_accepted_again().await;
    small.stop().await;
}

/// What gauges say.
struct Metrics {
    provider: SdkMeterProvider,
    exported: Exported,
}

#[derive(Debug, Clone, Default)]
struct Exported(Arc<Mutex<Vec<(String, f64)>>>);

impl Metrics {
    /// For the whole process.
    fn install() -> Self {
        let exported = Exported::default();
        let provider = SdkMeterProvider::builder()
            .with_reader(PeriodicReader::builder(exported.clone()).build())
            .build();
        global::set_meter_provider(provider.clone());
        Self { provider, exported }
    }

    #[track_caller]
    fn gauge(&self, name: &str) -> f64 {
        self.provider.force_flush().unwrap();
        let exported = self.exported.0.lock().unwrap();
        let found = exported.iter().rev().find(|(known, _)| known == name);
        found.unwrap_or_else(|| panic!("no gauge {name}")).1
    }
}

impl PushMetricExporter for Exported {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let mut exported = self.0.lock().unwrap();
        for metric in metrics.scope_metrics().flat_map(|scope| scope.metrics()) {
            let value = match metric.data() {
                AggregatedMetrics::F64(MetricData::Gauge(gauge)) => {
                    gauge.data_points().next().map(|point| point.value())
                }
                AggregatedMetrics::U64(MetricData::Gauge(gauge)) => {
                    gauge.data_points().next().map(|point| point.value() as f64)
                }
                _ => None,
            };
            exported.extend(value.map(|value| (metric.name().to_owned(), value)));
        }
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}
