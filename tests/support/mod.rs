//! Real processes against a real broker: what end-to-end tests have in common.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use colloquy_bus::{
    Bus, ConnectOptions, Credentials,
    embedded::{EmbeddedBroker, EmbeddedOptions},
    provision::{self, Storage},
};
use colloquy_contract::permissions::OPERATOR;
use colloquy_runtime::collector::Collector;
use colloquy_testkit::{Authorization, Broker, BrokerOptions};
use colloquy_transcribe::engine::{Engine, EngineOptions};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// The smallest model: these tests are about the platform.
pub const MODEL: &str = "whisper-tiny.en";

/// How long a call may take from post to end on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// What the processes of a test speak to.
pub enum StageBroker {
    /// The platform's own, which knows one user.
    Embedded(EmbeddedBroker),
    /// One that knows every service by its own user, who may do what the service declares.
    OfUsers(Box<Broker>),
}

impl StageBroker {
    fn connect_options(&self, user: &str) -> ConnectOptions {
        match self {
            Self::Embedded(broker) => broker.connect_options(user),
            Self::OfUsers(broker) => broker.connect_options(user),
        }
    }
}

/// A broker of the test's own, and a receiver of traces.
pub struct Stage {
    pub folder: TempDir,
    pub broker: StageBroker,
    pub collector: Collector,
    collector_url: String,
    stop: CancellationToken,
}

impl Stage {
    pub async fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("nats");
        let broker = EmbeddedBroker::start(EmbeddedOptions {
            program: colloquy_assets::nats_server().unwrap(),
            data,
        })
        .await
        .unwrap();
        Self::around(folder, StageBroker::Embedded(broker)).await
    }

    /// The same with a broker that gives each service the permissions of the contract; processes
    /// are to be run by [`Stage::run_as`].
    pub async fn of_users() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let broker = Broker::new(BrokerOptions {
            authorization: Some(Authorization::of_contract()),
            ..BrokerOptions::default()
        })
        .await;
        Self::around(folder, StageBroker::OfUsers(Box::new(broker))).await
    }

    /// The same without streams, buckets and consumers.
    pub async fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let broker = Broker::new(BrokerOptions {
            authorization: Some(Authorization::of_contract()),
            ..BrokerOptions::default()
        })
        .await;
        Self::beside(folder, StageBroker::OfUsers(Box::new(broker))).await
    }

    /// The same with three servers that are reached through TLS only.
    pub async fn of_users_over_tls() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let broker = Broker::new(BrokerOptions {
            authorization: Some(Authorization::of_contract()),
            tls: true,
            ..BrokerOptions::cluster()
        })
        .await;
        Self::around(folder, StageBroker::OfUsers(Box::new(broker))).await
    }

    /// The same with one server that is reached through TLS only.
    pub async fn of_one_over_tls() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let broker = Broker::new(BrokerOptions {
            authorization: Some(Authorization::of_contract()),
            tls: true,
            ..BrokerOptions::default()
        })
        .await;
        Self::around(folder, StageBroker::OfUsers(Box::new(broker))).await
    }

    async fn around(folder: TempDir, broker: StageBroker) -> Self {
        let replicas = match &broker {
            StageBroker::OfUsers(broker) => broker.nodes(),
            StageBroker::Embedded(_) => 1,
        };
        let stage = Self::beside(folder, broker).await;
        // What an operator does once: 'colloquy streams apply'.
        let bus = stage.bus().await;
        let storage = Storage {
            replicas,
            ..Storage::default()
        };
        provision::apply(&bus, storage).await.unwrap();
        bus.close().await;
        stage
    }

    async fn beside(folder: TempDir, broker: StageBroker) -> Self {
        // The first test of a process installs it; the others find it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (collector, stop) = (Collector::default(), CancellationToken::new());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let collector_url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(collector.clone().serve(listener, stop.clone()));
        Self {
            folder,
            broker,
            collector,
            collector_url,
            stop,
        }
    }

    /// The broker's address with credentials, as `--nats` takes it.
    pub fn nats_url(&self) -> String {
        self.nats_url_of(OPERATOR)
    }

    fn nats_url_of(&self, user: &str) -> String {
        if let StageBroker::OfUsers(broker) = &self.broker {
            return broker.url(user);
        }
        let ConnectOptions {
            url, credentials, ..
        } = self.broker.connect_options(user);
        let Credentials::Password { user, password } = credentials else {
            panic!("the broker asks for a password")
        };
        let (_, host) = url.rsplit_once(['/', '@']).unwrap();
        format!("nats://{user}:{password}@{host}")
    }

    /// The operator's connection.
    pub async fn bus(&self) -> Bus {
        self.bus_of(OPERATOR).await
    }

    pub async fn bus_of(&self, user: &str) -> Bus {
        let options = self.broker.connect_options(user);
        Bus::connect(options).await.unwrap()
    }

    /// Runs `colloquy ARGS…` against this broker, with its data in a folder of that name.
    pub fn run(&self, name: &str, args: &[&str]) -> Process {
        self.run_as(OPERATOR, name, args)
    }

    /// The same under a user of the broker.
    pub fn run_as(&self, user: &str, name: &str, args: &[&str]) -> Process {
        Process::start(self.command_as(user, name, args))
    }

    /// The same, to be changed before it is run.
    pub fn command_as(&self, user: &str, name: &str, args: &[&str]) -> Command {
        let data = self.folder.path().join(name);
        let mut command = colloquy();
        command
            .args(args)
            .env("COLLOQUY_NATS_URL", self.nats_url_of(user))
            .env("COLLOQUY_DATA", &data)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &self.collector_url)
            .env("OTEL_BSP_SCHEDULE_DELAY", "200");
        if let StageBroker::OfUsers(broker) = &self.broker {
            command.env("COLLOQUY_REPLICAS", broker.nodes().to_string());
            if let Some(authority) = broker.authority() {
                command.env("COLLOQUY_NATS_CA", authority);
            }
        }
        command
    }

    /// A key for the API.
    pub async fn key(&self) -> String {
        let bus = self.bus().await;
        let account = "default".parse().unwrap();
        colloquy_gateway::keys::create(&bus, &account, "test")
            .await
            .unwrap()
            .secret
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The binary under test, with nothing of the caller's environment that would change it.
pub fn colloquy() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_colloquy"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let ours = name.starts_with("COLLOQUY_") && name != "COLLOQUY_CACHE";
        if ours || name.starts_with("OTEL_") {
            command.env_remove(&*name);
        }
    }
    command.env("COLLOQUY_MODEL", MODEL).env("RUST_LOG", "info");
    command
}

/// A running process; killed when dropped. Its output is kept.
pub struct Process {
    pub child: Child,
    pub output: Arc<Mutex<String>>,
    lines: mpsc::Receiver<String>,
}

impl Process {
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let output = Arc::new(Mutex::new(String::new()));
        let streams: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().unwrap()),
            Box::new(child.stderr.take().unwrap()),
        ];
        for stream in streams {
            let (sender, output) = (sender.clone(), output.clone());
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    output.lock().unwrap().push_str(&format!("{line}\n"));
                    let _ = sender.send(line);
                }
            });
        }
        Self {
            child,
            output,
            lines,
        }
    }

    /// Waits for a line that holds `text`; returns what follows it.
    pub fn line_after(&self, text: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    if let Some(at) = line.find(text) {
                        return line[at + text.len()..].trim().to_owned();
                    }
                }
                Err(_) => panic!("no '{text}' in:\n{}", self.output.lock().unwrap()),
            }
        }
    }

    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Asks it to end and waits until it has.
    pub fn end(mut self) {
        self.signal("-TERM");
        self.ended();
    }

    /// Waits until it has ended by itself and all that it said is read; returns how.
    pub fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let left = || deadline.saturating_duration_since(Instant::now());
                while self.lines.recv_timeout(left()).is_ok() {}
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "it does not end:\n{}",
                self.output.lock().unwrap()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A figure of /proc/PID/status in KiB, such as `VmHWM`.
    pub fn memory_kib(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client of one gateway.
#[derive(Clone)]
pub struct Api {
    http: Client,
    pub base: String,
    key: String,
}

impl Api {
    pub fn new(base: &str, key: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder()
            .timeout(Duration::from_secs(120))
            .build()
            .unwrap();
        Self {
            http,
            base: base.to_owned(),
            key: key.to_owned(),
        }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(&self.key)
    }

    pub fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// Signs somebody up; returns what was answered.
    pub async fn sign_up(&self, name: &str, email: &str) -> Value {
        let body = json!({
            "email": email,
            "name": name,
            "password": "correct horse battery staple",
        });
        let request = self.anonymous(Method::POST, "/v1/signups").json(&body);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 202);
        response.json().await.unwrap()
    }

    /// Waits until an accepted sign-up has come so far; returns what it is then.
    pub async fn decided(&self, accepted: &Value, status: &str) -> Value {
        let path = format!("/v1/signups/{}", accepted["id"].as_str().unwrap());
        for _ in 0..600 {
            let response = self.anonymous(Method::GET, &path).send().await.unwrap();
            let found: Value = response.json().await.unwrap();
            if found["status"] == status {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the sign-up is not {status} within 30 s")
    }

    pub async fn get(&self, path: &str) -> Value {
        let response = self.request(Method::GET, path).send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "GET {path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    pub async fn post_call(&self, query: &str, content: Vec<u8>) -> Response {
        let path = format!("/v1/conversations{query}");
        self.request(Method::POST, &path)
            .body(content)
            .send()
            .await
            .unwrap()
    }

    /// Posts a sample; returns its id.
    pub async fn post_sample(&self, name: &str) -> String {
        let query = "?channel_roles=agent,customer&agent=agent-17&language=en";
        let response = self
            .post_call(query, std::fs::read(sample(name)).unwrap())
            .await;
        let status = response.status();
        let accepted: Value = response.json().await.unwrap();
        assert_eq!(status, 202, "{accepted}");
        accepted["id"].as_str().unwrap().to_owned()
    }

    /// The status of a conversation once it has come to an end.
    pub async fn end_of(&self, id: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.get(&format!("/v1/conversations/{id}")).await;
            if matches!(status["status"].as_str(), Some("completed" | "error")) {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "not done within {PATIENCE:?}: {status}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub async fn completed(&self, id: &str) -> Value {
        let status = self.end_of(id).await;
        assert_eq!(status["status"], "completed", "{status}");
        status
    }
}

/// The speech model of that name, with the default options.
pub fn engine(name: &str) -> Engine {
    let manifest = colloquy_assets::Manifest::embedded().unwrap();
    let cache = colloquy_assets::Cache::locate().unwrap();
    let model = cache.folder(manifest.get(name).unwrap());
    Engine::load(&model, &EngineOptions::default()).unwrap()
}

pub fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/samples")
}

pub fn sample(name: &str) -> PathBuf {
    samples().join(name)
}

/// The names of all sample recordings.
pub fn all_samples() -> Vec<String> {
    let files = std::fs::read_dir(samples()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let other = |name: &String| {
        let other = [".json", ".md", ".py", ".toml"];
        other.iter().any(|extension| name.ends_with(extension))
    };
    let mut names: Vec<_> = names.filter(|name| !other(name)).collect();
    names.sort();
    assert!(!names.is_empty());
    names
}

/// Ground truth of a sample.
pub fn truth(name: &str) -> Value {
    let text = std::fs::read_to_string(sample(&format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}
