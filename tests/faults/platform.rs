//! The platform as it runs in production: one process for each service, each under its own user
//! at the broker, started again when it ends.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use colloquy_contract::services::{self, Reading};
use colloquy_testkit::{
    Authorization, BrokerOptions, Kit, KitOptions, PATIENCE, Process, Supervised, Victim,
    eventually,
};
use futures::future::{BoxFuture, join_all};
use tempfile::TempDir;

use crate::{client::ApiClient, receivers::Receivers};

/// A secret to sign webhooks with; the receivers do not check it.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What prints this has its consumer, or follows the log.
const READY: &str = "ready";

/// The account that conversations are posted for.
pub const ACCOUNT: &str = "acme";

/// What is started.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Seed of what is left to chance.
    pub seed: u64,
    /// Servers of the broker.
    pub nodes: usize,
    /// Whether services reach the broker through proxies that make trouble.
    pub proxied: bool,
    /// Processes of each service that shares its facts with others of its name.
    pub instances: usize,
}

/// A platform that runs. What is dropped first stands first.
pub struct Platform {
    pub client: ApiClient,
    services: Vec<Supervised>,
    pub receivers: Receivers,
    pub kit: Kit,
    folder: TempDir,
}

impl Platform {
    /// Starts everything and waits until it is ready.
    pub async fn start(shape: Shape) -> Self {
        let broker = BrokerOptions {
            nodes: shape.nodes,
            authorization: Some(Authorization::of_contract()),
            ..BrokerOptions::default()
        };
        let kit = Kit::with(KitOptions {
            broker,
            proxied: shape.proxied,
            seed: shape.seed,
        })
        .await;
        let receivers = Receivers::open(shape.seed).await;
        let folder = tempfile::tempdir().unwrap();
        let (gateway, client) = gateway(&kit, folder.path()).await;
        let mut services = vec![gateway];
        for service in services::ALL {
            let shares = service.reading == Reading::Consumer;
            if shares {
                kit.expect_settled(service.name);
            }
            let instances = match service.reading {
                Reading::Nothing => continue,
                Reading::Consumer => shape.instances,
                Reading::Log => 1,
            };
            for number in 0..instances {
                let process = match service.name {
                    "transcribe" => kit.role(service.name),
                    name => worker(&kit, name, number, folder.path(), &receivers),
                };
                services.push(Supervised::new(process));
            }
        }
        join_all(services.iter().map(Victim::start)).await;
        Self {
            client,
            services,
            receivers,
            kit,
            folder,
        }
    }

    /// Everything that can be harmed.
    pub fn victims(&self) -> Vec<Impatient<'_>> {
        self.services.iter().map(Impatient).collect()
    }

    /// Waits until every service is ready, and the test's own connection is back.
    pub async fn recovered(&self) {
        join_all(self.services.iter().map(Victim::start)).await;
        connected(&self.kit).await;
    }

    /// The services' processes.
    pub fn services(&self) -> &[Supervised] {
        &self.services
    }

    /// The warehouse's folder.
    pub fn warehouse(&self) -> PathBuf {
        self.folder.path().join("warehouse").join("warehouse")
    }

    /// Waits until every consumer has nothing queued; deliveries whose settlement was lost come
    /// again after the ack wait.
    pub async fn settled(&self) {
        self.kit.settled(2 * PATIENCE).await;
    }

    /// How services ended by themselves: the last words of those that were not ready yet, because
    /// what they need was away, with how often; and of those that had been ready.
    pub fn ends(&self) -> (BTreeMap<String, u32>, Vec<String>) {
        let (mut early, mut late) = (BTreeMap::<_, u32>::new(), Vec::new());
        for service in &self.services {
            for end in service.ends() {
                match end.was_ready {
                    false => *early.entry(end.last_line).or_default() += 1,
                    true => late.push(format!("{}: {}", service.name(), end.last_line)),
                }
            }
        }
        (early, late)
    }

    /// Asks every service to end and waits until it has.
    pub async fn stop(self) {
        join_all(self.services.iter().map(Victim::stop)).await;
    }
}

/// Faults go on while a service waits for the broker to start: this long they wait for it.
const START_PATIENCE: Duration = Duration::from_millis(500);

/// A service that is started again without waiting for long until it is ready.
pub struct Impatient<'a>(&'a Supervised);

impl Victim for Impatient<'_> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn kill(&self) {
        self.0.kill();
    }

    fn pause(&self) {
        self.0.pause();
    }

    fn resume(&self) {
        self.0.resume();
    }

    fn start(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            // It gets ready later; see Platform::recovered.
            let _ = tokio::time::timeout(START_PATIENCE, self.0.start()).await;
        })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        self.0.stop()
    }
}

/// A gateway that listens on a port of its own, also after a restart, and a client of it.
pub async fn gateway(kit: &Kit, folder: &Path) -> (Supervised, ApiClient) {
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let (url, temporary) = (kit.url("gateway"), temporary(folder));
    let listen = address.clone();
    let process = Process::command("gateway", "the gateway listens on ", move || {
        let mut command = colloquy();
        command
            .args(["gateway", "--listen", &listen])
            .env("TMPDIR", &temporary)
            .env("COLLOQUY_NATS_URL", &url);
        command
    });
    let account = ACCOUNT.parse().unwrap();
    let key = colloquy_gateway::keys::create(&kit.bus, &account, "test").await;
    let client = ApiClient::new(&format!("http://{address}"), &key.unwrap().secret);
    (Supervised::new(process), client)
}

fn worker(
    kit: &Kit,
    name: &'static str,
    number: usize,
    folder: &Path,
    receivers: &Receivers,
) -> Process {
    let own = match number {
        0 => name.to_owned(),
        _ => format!("{name}-{}", number + 1),
    };
    let variables = [
        ("COLLOQUY_NATS_URL", kit.url(name)),
        ("COLLOQUY_CRM_URL", format!("{}/crm", receivers.http_url)),
        ("COLLOQUY_CRM_SECRET", SECRET.to_owned()),
        (
            "COLLOQUY_WEBHOOK_URL",
            format!("{}/webhooks", receivers.http_url),
        ),
        ("COLLOQUY_WEBHOOK_SECRET", SECRET.to_owned()),
        ("COLLOQUY_SMTP_URL", receivers.smtp_url.clone()),
        ("COLLOQUY_REDACTION_POLICY", unproved(folder)),
        // A model would take some calls' own words for names of places.
        ("COLLOQUY_ENTITY_MODEL", "none".to_owned()),
    ];
    let (data, temporary) = (folder.join(&own), temporary(folder));
    Process::command(&own, READY, move || {
        let mut command = colloquy();
        command
            .args(["worker", name])
            .env("TMPDIR", &temporary)
            .env("COLLOQUY_DATA", &data)
            .envs(variables.iter().map(|(key, value)| (key, value)));
        command
    })
}

/// A policy without proof: that takes a speech model, of which there is none here.
fn unproved(folder: &Path) -> String {
    let path = folder.join("redaction.toml");
    std::fs::write(&path, "[default.proof]\nverify = \"off\"\n").unwrap();
    path.display().to_string()
}

/// What a killed process leaves behind goes with the test.
fn temporary(folder: &Path) -> PathBuf {
    let path = folder.join("tmp");
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// Names a binary to test in place of the one that was built with this test, such as a release.
const BINARY: &str = "COLLOQUY_FAULT_BINARY";

/// The binary under test, with nothing of the caller's environment that would change it.
fn colloquy() -> Command {
    let built = || env!("CARGO_BIN_EXE_colloquy").into();
    let mut command = Command::new(std::env::var_os(BINARY).unwrap_or_else(built));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let ours = name.starts_with("COLLOQUY_") && name != "COLLOQUY_CACHE";
        if ours || name.starts_with("OTEL_") {
            command.env_remove(&*name);
        }
    }
    command.env("RUST_LOG", "warn,colloquy=info");
    command
}

/// Waits until the connection of the test itself is back.
pub async fn connected(kit: &Kit) {
    let bound = Duration::from_secs(60);
    eventually("the test's connection", bound, async || {
        kit.bus.ping().await
    })
    .await;
}
