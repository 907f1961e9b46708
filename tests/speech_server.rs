//! The whole platform with a speech server in place of a model of its own: the server writes down what
//! is said, and listens to what anonymization left of it. It is a real one: it hears what it is sent.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Multipart, State},
    routing::post,
};
use colloquy_contract::{AccountId, ConversationId, Fact, Scope};
use colloquy_decode::audio::{Limits, decode_file};
use colloquy_testkit::plain;
use colloquy_transcribe::{
    FlacRecording,
    engine::{Engine, Request},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use support::{Api, MODEL, Stage, engine, truth};

/// A call whose card number, name and address have to go.
const CALL: &str = "parcel-delivery";

/// What the server calls its model.
const SERVED: &str = "whisper-of-the-house";

/// OpenAI's `/v1/audio/transcriptions`, as far as a client of it that wants words needs it.
struct Server {
    engine: Engine,
    asked: AtomicUsize,
}

impl Server {
    /// Serves on a free port; returns itself and its address.
    async fn start() -> (Arc<Self>, String) {
        let server = Arc::new(Self {
            engine: engine(MODEL),
            asked: AtomicUsize::new(0),
        });
        let router = Router::new()
            .route("/v1/audio/transcriptions", post(transcribe))
            .layer(DefaultBodyLimit::disable())
            .with_state(server.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (server, url)
    }

    fn hear(&self, file: &[u8]) -> Value {
        let folder = tempfile::tempdir().unwrap();
        let (sent, flac) = (folder.path().join("sent"), folder.path().join("flac"));
        fs::write(&sent, file).unwrap();
        let decoded = decode_file(&sent, &flac, &Limits::default(), &|| false).unwrap();
        let recording = FlacRecording::open(&flac).unwrap();
        let heard = self
            .engine
            .transcribe(&recording, &Request::default(), &|_| {}, &|| false)
            .unwrap();
        let turns = heard.transcript.turns;
        let seconds = |ms: u64| ms as f64 / 1_000.0;
        let words = turns.iter().flat_map(|turn| &turn.words).map(|word| {
            json!({
                "word": word.text,
                "start": seconds(word.start_ms),
                "end": seconds(word.end_ms),
            })
        });
        let texts: Vec<_> = turns.iter().map(|turn| turn.text.as_str()).collect();
        json!({
            "task": "transcribe",
            "language": "english",
            "duration": seconds(decoded.duration_ms),
            "text": texts.join(" "),
            "words": words.collect::<Vec<_>>(),
        })
    }
}

async fn transcribe(State(server): State<Arc<Server>>, mut form: Multipart) -> Json<Value> {
    let mut file = None;
    while let Some(part) = form.next_field().await.unwrap() {
        match part.name().unwrap() {
            "file" => file = Some(part.bytes().await.unwrap()),
            "model" => assert_eq!(part.text().await.unwrap(), SERVED),
            _ => {}
        }
    }
    server.asked.fetch_add(1, Ordering::Relaxed);
    let hearing = tokio::task::spawn_blocking(move || server.hear(&file.unwrap()));
    Json(hearing.await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_speech_server_writes_down_calls_and_proves_their_redaction() {
    let (server, url) = Server::start().await;
    let stage = Stage::set().await;
    let speech = ["--speech-url", &url, "--speech-model", SERVED];
    let platform = stage.run(
        "all",
        &[&["all", "--listen", "127.0.0.1:0"], &speech[..]].concat(),
    );
    let api = Api::new(&platform.line_after("Colloquy is up: "), &stage.key().await);
    let truth = truth(CALL);
    let id = api.post_sample(truth["file"].as_str().unwrap()).await;
    api.completed(&id).await;

    let scope = Scope::Conversation {
        account: "default".parse::<AccountId>().unwrap(),
        conversation: id.parse::<ConversationId>().unwrap(),
    };
    let bus = stage.bus().await;
    let mut proofs = 0;
    for logged in bus.history(&scope).await.unwrap() {
        match logged.fact {
            Fact::ConversationTranscribed(data) => assert_eq!(data.model, SERVED),
            Fact::ConversationAnonymized(data) => {
                let verified = data.verified.expect("it was proved");
                assert_eq!(verified.model, SERVED);
                assert!(verified.stretches > 0, "{verified:?}");
                proofs += 1;
            }
            _ => {}
        }
    }
    assert_eq!(proofs, 1);
    // Each channel of half a minute is one piece; the others are of the proof.
    let channels = truth["channels"].as_array().unwrap().len();
    let asked = server.asked.load(Ordering::Relaxed);
    assert!(asked > channels, "asked {asked} times only");
    let transcript = api
        .get(&format!("/v1/conversations/{id}/transcript"))
        .await
        .to_string();
    let transcript = plain(&transcript);
    for entity in truth["entities"].as_array().unwrap() {
        let value = plain(entity["value"].as_str().unwrap());
        assert!(!transcript.contains(&value), "{value} is still there");
    }
    platform.end();
}
