//! The world outside: a receiver of webhooks and a mail server, which keep what they were given.
//!
//! Both are at-least-once by nature, so each keeps how often a key came. Now and then they take
//! something and say that they did not, as a lost answer would.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// One in so many keys is taken and then denied, the first time.
const DENIED_ONE_IN: u64 = 20;

/// What was received, by key: the content of each time.
#[derive(Clone, Default)]
pub struct Inbox(Arc<Mutex<BTreeMap<String, Vec<u64>>>>, u64);

/// A count of what was received.
#[derive(Debug, Clone, Copy)]
pub struct Tally {
    pub keys: usize,
    pub repeats: usize,
}

impl Inbox {
    fn new(seed: u64) -> Self {
        Self(Arc::default(), seed)
    }

    /// Keeps it; whether to admit that.
    fn take(&self, key: &str, content: &[u8]) -> bool {
        let digest = hash((content, 0));
        let mut all = self.0.lock().unwrap();
        let times = all.entry(key.to_owned()).or_default();
        times.push(digest);
        times.len() > 1 || !hash((key, self.1)).is_multiple_of(DENIED_ONE_IN)
    }

    pub fn keys(&self) -> Vec<String> {
        self.0.lock().unwrap().keys().cloned().collect()
    }

    pub fn tally(&self) -> Tally {
        let all = self.0.lock().unwrap();
        let times: usize = all.values().map(Vec::len).sum();
        Tally {
            keys: all.len(),
            repeats: times - all.len(),
        }
    }

    /// Keys that came with different contents.
    pub fn contradictions(&self) -> Vec<String> {
        let all = self.0.lock().unwrap();
        let differ = |times: &&Vec<u64>| times.iter().any(|digest| *digest != times[0]);
        let differing = all.iter().filter(|(_, times)| differ(times));
        differing.map(|(key, _)| key.clone()).collect()
    }
}

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The receivers. Dropping them closes them.
pub struct Receivers {
    pub crm: Inbox,
    pub webhooks: Inbox,
    pub mail: Inbox,
    pub http_url: String,
    pub smtp_url: String,
    tasks: [JoinHandle<()>; 2],
}

impl Receivers {
    pub async fn open(seed: u64) -> Self {
        let (crm, webhooks, mail) = (Inbox::new(seed), Inbox::new(seed), Inbox::new(seed));
        let (http, http_port) = listen().await;
        let (smtp, smtp_port) = listen().await;
        let router = Router::new()
            .route("/crm", post(hook).with_state(crm.clone()))
            .route("/webhooks", post(hook).with_state(webhooks.clone()));
        let serving = tokio::spawn(async move {
            axum::serve(http, router).await.unwrap();
        });
        Self {
            tasks: [serving, tokio::spawn(mails(smtp, mail.clone()))],
            crm,
            webhooks,
            mail,
            http_url: format!("http://127.0.0.1:{http_port}"),
            smtp_url: format!("smtp://127.0.0.1:{smtp_port}"),
        }
    }
}

impl Drop for Receivers {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

async fn hook(State(inbox): State<Inbox>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let id = headers.get("webhook-id").and_then(|id| id.to_str().ok());
    let Some(id) = id else {
        return StatusCode::BAD_REQUEST;
    };
    match inbox.take(id, &body) {
        true => StatusCode::NO_CONTENT,
        false => StatusCode::BAD_GATEWAY,
    }
}

async fn mails(listener: TcpListener, inbox: Inbox) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let inbox = inbox.clone();
        // Clients are killed in the middle of what they say; that is their matter.
        connections.spawn(async move {
            let _ = mail_session(stream, &inbox).await;
        });
    }
}

/// As much of SMTP as a client needs that sends one e-mail after the other.
async fn mail_session(stream: TcpStream, inbox: &Inbox) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 test\r\n").await?;
    loop {
        let line = line(&mut stream).await?;
        let verb = line.split_whitespace().next().unwrap_or_default();
        let answer = match verb.to_ascii_uppercase().as_str() {
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                let (id, content) = mail(&mut stream).await?;
                match inbox.take(&id, content.as_bytes()) {
                    true => "250 taken",
                    false => "451 try again",
                }
            }
            "QUIT" => return stream.write_all(b"221 bye\r\n").await,
            _ => "250 fine",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}

/// An e-mail's `Message-ID` and its content, without the date, which each attempt has of its own.
async fn mail(stream: &mut BufReader<TcpStream>) -> std::io::Result<(String, String)> {
    let (mut id, mut content) = (String::new(), String::new());
    loop {
        let line = line(stream).await?;
        if line == "." {
            return Ok((id, content));
        }
        if let Some(text) = line.strip_prefix("Message-ID:") {
            id = text.trim().to_owned();
        }
        if !line.starts_with("Date:") {
            content.push_str(&line);
            content.push('\n');
        }
    }
}

async fn line(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut line = String::new();
    match stream.read_line(&mut line).await? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim_end_matches(['\r', '\n']).to_owned()),
    }
}
