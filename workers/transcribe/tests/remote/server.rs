//! A speech server for tests: real HTTP on a free port, answers as the test wants them.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io::Cursor,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Instant,
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Multipart, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use colloquy_audio::FlacReader;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// A request, as the server read it.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) at: Instant,
    pub(crate) number: usize,
    pub(crate) authorization: Option<String>,
    pub(crate) fields: BTreeMap<String, Vec<String>>,
    pub(crate) file_name: String,
    pub(crate) media_type: String,
    pub(crate) file_bytes: usize,
    /// The file, decoded: 16 kHz, one channel.
    pub(crate) samples: Vec<i16>,
}

impl Received {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        match self.fields.get(name).map(Vec::as_slice) {
            None => None,
            Some([one]) => Some(one),
            Some(several) => panic!("{name} is there {} times", several.len()),
        }
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.samples.len() as f64 / 16_000.0
    }
}

/// What the server does.
pub(crate) enum Reply {
    Json(Value),
    Status(u16, Value),
    RetryAfter(u16, &'static str),
    Text(String),
    /// A body that breaks off.
    Cut,
    /// No answer for longer than any test waits.
    Hang,
}

type Script = dyn Fn(&Received) -> Reply + Send + Sync;

struct Shared {
    script: Box<Script>,
    received: Mutex<Vec<Received>>,
}

pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(script: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared {
            script: Box::new(script),
            received: Mutex::default(),
        });
        let router = Router::new()
            .route("/v1/audio/transcriptions", post(transcribe))
            .layer(DefaultBodyLimit::disable())
            .with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            shared,
            serving,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn transcribe(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    mut form: Multipart,
) -> Response {
    let mut received = Received {
        at: Instant::now(),
        number: 0,
        authorization: headers
            .get("authorization")
            .map(|value| value.to_str().unwrap().to_owned()),
        fields: BTreeMap::new(),
        file_name: String::new(),
        media_type: String::new(),
        file_bytes: 0,
        samples: Vec::new(),
    };
    while let Some(part) = form.next_field().await.unwrap() {
        let name = part.name().unwrap().to_owned();
        if name == "file" {
            received.file_name = part.file_name().unwrap().to_owned();
            received.media_type = part.content_type().unwrap().to_owned();
            let file = part.bytes().await.unwrap();
            received.file_bytes = file.len();
            received.samples = if received.media_type == "audio/wav" {
                wav(&file)
            } else {
                flac(&file)
            };
        } else {
            let values = received.fields.entry(name).or_default();
            values.push(part.text().await.unwrap());
        }
    }
    {
        let mut all = shared.received.lock().unwrap();
        received.number = all.len();
        all.push(received.clone());
    }
    match (shared.script)(&received) {
        Reply::Json(answer) => Json(answer).into_response(),
        Reply::Text(text) => text.into_response(),
        Reply::Status(status, body) => {
            (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
        }
        Reply::RetryAfter(status, pause) => {
            let status = StatusCode::from_u16(status).unwrap();
            (status, [("retry-after", pause)]).into_response()
        }
        Reply::Cut => {
            let start = Ok(Bytes::from_static(b"{\"text\":"));
            let end = Err(std::io::Error::other("cut"));
            Body::from_stream(futures::stream::iter([start, end])).into_response()
        }
        Reply::Hang => std::future::pending::<Result<Response, Infallible>>()
            .await
            .unwrap(),
    }
}

fn flac(file: &[u8]) -> Vec<i16> {
    let mut reader = FlacReader::new(Cursor::new(file.to_vec())).unwrap();
    assert_eq!((reader.channels(), reader.sample_rate_hz()), (1, 16_000));
    let mut samples = Vec::new();
    while let Some(block) = reader.next_block().unwrap() {
        samples.extend_from_slice(block);
    }
    samples
}

/// The canonical form: PCM, one channel, 16 kHz, 16 bit.
fn wav(file: &[u8]) -> Vec<i16> {
    let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    assert_eq!((&file[..4], &file[8..16]), (&b"RIFF"[..], &b"WAVEfmt "[..]));
    assert_eq!(number(4) as usize + 8, file.len());
    assert_eq!((number(16), number(20)), (16, 0x1_0001));
    assert_eq!(
        (number(24), number(28), number(32)),
        (16_000, 32_000, 0x10_0002)
    );
    assert_eq!(
        (&file[36..40], number(40) as usize),
        (&b"data"[..], file.len() - 44)
    );
    let samples = file[44..].chunks_exact(2);
    samples
        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
        .collect()
}

/// An answer of one segment with a word each second, named after `name`, in OpenAI's form.
pub(crate) fn spoken(received: &Received, name: &str) -> Reply {
    let seconds = received.seconds().floor() as usize;
    let names: Vec<String> = (0..seconds).map(|at| format!("{name}{at}")).collect();
    let words: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(at, word)| {
            let start = at as f64;
            json!({ "word": word, "start": start + 0.25, "end": start + 0.75 })
        })
        .collect();
    let text = format!("{}.", names.join(", "));
    let segment = json!({
        "id": 0, "start": 0.25, "end": received.seconds(), "text": format!(" {text}"),
        "avg_logprob": -0.1, "no_speech_prob": 0.01,
    });
    Reply::Json(json!({
        "task": "transcribe", "language": "english", "duration": received.seconds(),
        "text": text, "segments": [segment], "words": words,
    }))
}

/// The same without words.
pub(crate) fn segments_only(received: &Received) -> Reply {
    let half = received.seconds() / 2.0;
    Reply::Json(json!({
        "language": "en",
        "text": "Good morning everybody. Thanks.",
        "segments": [
            { "start": 0.0, "end": half, "text": " Good morning everybody.", "avg_logprob": -0.2 },
            { "start": half, "end": half * 2.0, "text": " Thanks." },
        ],
    }))
}
