//! A client of the gateway that repeats what was not accepted, under the same key.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use reqwest::{Client, StatusCode};
use serde_json::Value;

/// How long a client tries before it calls the platform lost.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long one request may take; a paused gateway says nothing.
const REQUEST: Duration = Duration::from_secs(20);

/// Pauses between two tries; no stampede, no long wait in a test.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(1_000));

/// A client of one gateway.
pub struct ApiClient {
    http: Client,
    base: String,
    key: String,
    /// Tries that were answered with "later".
    later: AtomicU64,
    /// Tries that were not answered.
    broken: AtomicU64,
}

/// A post that was accepted.
#[derive(Debug, Clone)]
pub struct Posted {
    /// What the gateway calls it.
    pub id: String,
    /// From the first try to the acceptance.
    pub took: Duration,
    /// Tries that were not accepted.
    pub retries: u32,
    /// Whether the gateway says that it had accepted it before.
    pub replayed: bool,
}

impl ApiClient {
    pub fn new(base: &str, key: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            http: Client::builder().timeout(REQUEST).build().unwrap(),
            base: base.to_owned(),
            key: key.to_owned(),
            later: AtomicU64::new(0),
            broken: AtomicU64::new(0),
        }
    }

    /// Tries that were answered with "later", and tries that were not answered.
    pub fn troubles(&self) -> (u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.later), read(&self.broken))
    }

    /// Posts a recording until it is accepted.
    pub async fn post_recording(&self, key: &str, content: &[u8]) -> Posted {
        let path = "/v1/conversations?channel_roles=customer&language=en";
        let octets = "application/octet-stream";
        self.post(path, octets, key, content.to_vec()).await
    }

    /// Signs somebody up until that is accepted.
    pub async fn sign_up(&self, key: &str, email: &str) -> Posted {
        let signup = serde_json::json!({
            "email": email,
            "name": "Pat Example",
            "password": "correct horse battery",
        });
        let content = signup.to_string().into_bytes();
        self.post("/v1/signups", "application/json", key, content)
            .await
    }

    /// Posts until the answer is 202. Anything but that, "later" or a broken connection fails the
    /// test: it would be an error that a client sees.
    async fn post(&self, path: &str, media_type: &str, key: &str, content: Vec<u8>) -> Posted {
        let (start, mut retries) = (Instant::now(), 0);
        loop {
            let request = self
                .http
                .post(format!("{}{path}", self.base))
                .bearer_auth(&self.key)
                .header("content-type", media_type)
                .header("idempotency-key", key)
                .body(content.clone());
            let answer = match request.send().await {
                Ok(response) => {
                    let status = response.status();
                    let replayed = response.headers().contains_key("idempotent-replayed");
                    response.text().await.map(|text| (status, text, replayed))
                }
                Err(error) => Err(error),
            };
            match answer {
                Ok((StatusCode::ACCEPTED, text, replayed)) => {
                    let accepted: Value = serde_json::from_str(&text).unwrap();
                    let id = accepted["id"].as_str().expect("it has an id").to_owned();
                    return Posted {
                        id,
                        took: start.elapsed(),
                        retries,
                        replayed,
                    };
                }
                Ok((status, text, _)) => {
                    let later = matches!(
                        status,
                        StatusCode::SERVICE_UNAVAILABLE
                            | StatusCode::TOO_MANY_REQUESTS
                            | StatusCode::REQUEST_TIMEOUT
                    );
                    assert!(later, "a client sees an error: {status} {text}");
                    self.later.fetch_add(1, Ordering::Relaxed);
                }
                Err(_) => {
                    self.broken.fetch_add(1, Ordering::Relaxed);
                }
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{path} is not accepted within {PATIENCE:?}, after {retries} retries"
            );
            tokio::time::sleep(PAUSE.1.min(PAUSE.0 * 2_u32.pow(retries.min(8)))).await;
            retries += 1;
        }
    }

    /// Ids of the conversations in which a word was said, once the search answers for all.
    pub async fn search(&self, word: &str) -> Vec<String> {
        let start = Instant::now();
        loop {
            let request = self
                .http
                .get(format!("{}/v1/search?limit=10&q={word}", self.base))
                .bearer_auth(&self.key);
            let trouble = match request.send().await {
                Ok(response) if response.status().is_success() => {
                    let found: Value = response.json().await.unwrap();
                    let hits = found["hits"].as_array().expect("there are hits");
                    let id = |hit: &Value| hit["id"].as_str().unwrap().to_owned();
                    return hits.iter().map(id).collect();
                }
                Ok(response) => response.status().to_string(),
                Err(error) => error.to_string(),
            };
            assert!(start.elapsed() < PATIENCE, "no search: {trouble}");
            tokio::time::sleep(PAUSE.0).await;
        }
    }
}
