//! A real `nats-server`, or a cluster of three, that can be harmed.

mod authorization;
mod config;
mod remove;
mod routes;
mod stepdown;
mod tls;

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use colloquy_bus::{ConnectOptions, Credentials};
use colloquy_contract::permissions::connection_name;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::{monitor, process};
use routes::Routes;

pub use authorization::{Authorization, KIT};
pub use tls::Certificates;

pub(crate) use crate::monitor::Queue;

/// How long a server may take to start, and a cluster to agree on a leader, on a busy machine.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// How long a server may take to end when it is asked to; one that leaves slowly waits for clients.
const END_PATIENCE: Duration = Duration::from_secs(30);

/// How often a start on other ports is tried: somebody may take a port before the server does.
const START_ATTEMPTS: usize = 3;

/// When the broker puts what it acknowledges on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sync {
    /// Before each acknowledgement, as the embedded broker does.
    #[default]
    Always,
    /// Every two minutes, as `nats-server` does unless told otherwise.
    Periodic,
}

/// What kind of broker.
#[derive(Debug, Clone)]
pub struct BrokerOptions {
    /// Number of servers: 1, or 3 for a cluster.
    pub nodes: usize,
    /// When it syncs.
    pub sync: Sync,
    /// Who may do what; everybody everything if absent.
    pub authorization: Option<Authorization>,
    /// Whether clients and servers reach it through TLS only.
    pub tls: bool,
}

impl Default for BrokerOptions {
    fn default() -> Self {
        Self {
            nodes: 1,
            sync: Sync::default(),
            authorization: None,
            tls: false,
        }
    }
}

impl BrokerOptions {
    /// Three servers on the loopback interface.
    pub fn cluster() -> Self {
        Self {
            nodes: 3,
            ..Self::default()
        }
    }
}

/// A running broker in a temporary folder, on ports that were free.
///
/// Servers are counted from 0. A server that was killed, left or was stopped stays away until
/// [`Broker::start`]; it comes back on the same port with the same data. All servers are killed
/// when the broker is dropped or the process ends; if a test fails, the ends of their logs are
/// shown.
#[derive(Debug)]
pub struct Broker {
    options: BrokerOptions,
    nodes: Vec<Node>,
    routes: Option<Routes>,
    certificates: Option<Certificates>,
    _folder: TempDir,
}

#[derive(Debug)]
struct Node {
    name: String,
    ports: config::Ports,
    config: PathBuf,
    log: PathBuf,
    server: process::Slot,
}

impl Broker {
    /// Starts a broker and waits until it is ready: a cluster has a leader and all are current.
    ///
    /// # Panics
    /// If there is no `nats-server` in the asset cache or it does not get ready.
    pub async fn new(options: BrokerOptions) -> Self {
        assert!(
            matches!(options.nodes, 1 | 3),
            "a broker has one server or three"
        );
        let mut attempt = 1;
        loop {
            let broker = Self::prepare(options.clone()).await;
            let mut started = true;
            for node in 0..broker.nodes.len() {
                broker.launch(node);
            }
            for node in 0..broker.nodes.len() {
                started = started && broker.comes_up(node).await;
            }
            if started {
                broker.ready().await;
                return broker;
            }
            assert!(
                attempt < START_ATTEMPTS,
                "nats-server does not start; what it said:\n{}",
                fs::read_to_string(&broker.nodes[0].log).unwrap_or_default()
            );
            attempt += 1;
        }
    }

    /// Writes the settings of all servers.
    async fn prepare(options: BrokerOptions) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let ports = config::free_ports(options.nodes);
        let routes = match options.nodes {
            1 => None,
            _ => Some(Routes::open(&ports).await),
        };
        let certificates = options.tls.then(|| Certificates::make(folder.path()));
        let nodes = (0..options.nodes)
            .map(|index| {
                let settings = config::Settings {
                    index,
                    ports: &ports,
                    route_addresses: routes.as_ref().map(Routes::addresses),
                    data: folder.path(),
                    certificates: certificates.as_ref(),
                    options: &options,
                };
                let path = folder.path().join(format!("n{index}.conf"));
                fs::write(&path, settings.text()).expect("the settings can be written");
                Node {
                    name: config::name(index),
                    ports: ports[index],
                    config: path,
                    log: folder.path().join(format!("n{index}.log")),
                    server: process::Slot::default(),
                }
            })
            .collect();
        Self {
            options,
            nodes,
            routes,
            certificates,
            _folder: folder,
        }
    }

    /// Number of servers.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Addresses of all servers, separated by commas, with the user's name and password if the
    /// broker asks for them; see [`Broker::connect_options`].
    pub fn url(&self, user: &str) -> String {
        let ports = (0..self.nodes()).map(|node| self.port(node));
        self.url_by(user, ports.collect())
    }

    /// The same through other ports, of proxies.
    pub(crate) fn url_by(&self, user: &str, ports: Vec<u16>) -> String {
        let credentials = match self.credentials(user) {
            Credentials::Password { user, password } => format!("{user}:{password}@"),
            _ => String::new(),
        };
        let scheme = if self.options.tls { "tls" } else { "nats" };
        let urls: Vec<_> = ports
            .into_iter()
            .map(|port| format!("{scheme}://{credentials}127.0.0.1:{port}"))
            .collect();
        urls.join(",")
    }

    /// Port on which a server listens for clients.
    pub fn port(&self, node: usize) -> u16 {
        self.nodes[node].ports.client
    }

    /// Port on which a server answers `/jsz` and the like.
    pub fn monitoring_port(&self, node: usize) -> u16 {
        self.nodes[node].ports.monitoring
    }

    /// Whether group commit is worth it: where each acknowledgement waits for a sync.
    pub fn group_commit(&self) -> bool {
        self.options.sync == Sync::Always
    }

    /// How a user connects: a service's name, or [`KIT`], who may do everything. Who is no user of
    /// the broker connects as [`KIT`].
    pub fn connect_options(&self, user: &str) -> ConnectOptions {
        ConnectOptions {
            url: self.url(user),
            credentials: self.credentials(user),
            name: connection_name(user),
            root_certificates: self.authority(),
        }
    }

    /// The certificate that clients verify the servers' with, a PEM file, if they speak TLS.
    pub fn authority(&self) -> Option<PathBuf> {
        let certificates = self.certificates.as_ref()?;
        Some(certificates.authority.clone())
    }

    /// Gives the servers another certificate of the same authority, valid that long, which who
    /// connects from now on is shown. Nobody is sent away.
    ///
    /// # Panics
    /// If the broker does not speak TLS.
    pub fn renew_certificate(&self, valid: Duration) {
        let certificates = self.certificates.as_ref().expect("it speaks TLS");
        certificates.renew(valid);
        for node in &self.nodes {
            node.server.signal(Signal::HUP);
        }
    }

    fn credentials(&self, user: &str) -> Credentials {
        match &self.options.authorization {
            None => Credentials::None,
            Some(authorization) => authorization.credentials(user),
        }
    }

    /// Whether a server runs; a paused one does.
    pub fn is_running(&self, node: usize) -> bool {
        self.nodes[node].server.is_running()
    }

    /// Kills a server (`SIGKILL`).
    pub fn kill(&self, node: usize) {
        self.nodes[node].server.kill();
    }

    /// Starts a server that is away, and waits until it greets; nothing if it runs.
    pub async fn start(&self, node: usize) {
        if self.is_running(node) {
            return;
        }
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            self.launch(node);
            if self.comes_up(node).await {
                return;
            }
            // Its port may be taken for a moment by somebody's outgoing connection.
            assert!(
                Instant::now() < deadline,
                "server {node} does not start again within {START_PATIENCE:?}"
            );
            tokio::time::sleep(process::LOOK).await;
        }
    }

    /// Stops a server in the middle of what it does (`SIGSTOP`).
    pub fn pause(&self, node: usize) {
        self.nodes[node].server.signal(Signal::STOP);
    }

    /// Lets a paused server go on (`SIGCONT`).
    pub fn resume(&self, node: usize) {
        self.nodes[node].server.signal(Signal::CONT);
    }

    /// Has a server send its clients away, waits until it has left.
    pub async fn lame_duck(&self, node: usize) {
        self.end(node, Signal::USR2).await;
    }

    /// Asks a server to end, waits until it has.
    pub async fn stop(&self, node: usize) {
        self.end(node, Signal::TERM).await;
    }

    /// Ends a server gracefully and starts it again.
    pub async fn restart(&self, node: usize) {
        self.stop(node).await;
        self.start(node).await;
    }

    /// Cuts a server of a cluster off from the others, not from its clients.
    pub fn isolate(&self, node: usize) {
        self.routes().isolate(node);
    }

    /// Lets a server that was cut off find the others again.
    pub fn rejoin(&self, node: usize) {
        self.routes().rejoin(node);
    }

    /// Waits until all servers say that they are well and, in a cluster, agree on a leader and are
    /// current.
    pub async fn ready(&self) {
        let deadline = Instant::now() + START_PATIENCE;
        while !self.is_ready().await {
            assert!(
                Instant::now() < deadline,
                "the broker does not get ready within {START_PATIENCE:?}"
            );
            tokio::time::sleep(5 * process::LOOK).await;
        }
    }

    /// Undoes every harm: all servers run, connected, and are ready.
    pub async fn heal(&self) {
        for node in 0..self.nodes() {
            self.resume(node);
            if self.routes.is_some() {
                self.rejoin(node);
            }
            self.start(node).await;
        }
        self.ready().await;
    }

    /// What waits in durable consumers, and the messages of a stream, as the servers that run say.
    ///
    /// # Errors
    /// If a server does not answer: then nobody knows.
    pub(crate) fn holdings(&self) -> Result<monitor::Holdings, String> {
        let mut all = monitor::Holdings::default();
        for node in &self.nodes {
            let found = monitor::holdings(node.ports.monitoring, &node.name)
                .map_err(|error| format!("server {} does not answer: {error}", node.name))?;
            all.queues.extend(found.queues);
            all.streams.extend(found.streams);
        }
        Ok(all)
    }

    fn launch(&self, node: usize) {
        let node = &self.nodes[node];
        let program = colloquy_assets::nats_server()
            .expect("nats-server is in the asset cache; see 'colloquy assets fetch'");
        let log = || process::output_file(&node.log).expect("its log can be written");
        let mut command = Command::new(program);
        command
            .arg("--config")
            .arg(&node.config)
            .stdin(Stdio::null())
            .stdout(log())
            .stderr(log());
        if let Some(authorization) = &self.options.authorization {
            command.envs(authorization.variables());
        }
        node.server.start(command).expect("nats-server can be run");
    }

    /// Whether a server that was launched greets, rather than ends.
    async fn comes_up(&self, node: usize) -> bool {
        let deadline = Instant::now() + START_PATIENCE;
        while self.is_running(node) {
            let port = self.port(node);
            if asked(move || monitor::greets(port)).await {
                return true;
            }
            assert!(
                Instant::now() < deadline,
                "server {node} does not greet within {START_PATIENCE:?}"
            );
            tokio::time::sleep(process::LOOK).await;
        }
        false
    }

    async fn is_ready(&self) -> bool {
        let ports: Vec<_> = self.nodes.iter().map(|node| node.ports).collect();
        asked(move || {
            let healthy = |ports: &config::Ports| monitor::is_healthy(ports.monitoring);
            let leads = |ports: &config::Ports| monitor::leads_current_cluster(ports.monitoring, 3);
            ports.iter().all(healthy) && (ports.len() == 1 || ports.iter().any(leads))
        })
        .await
    }

    async fn end(&self, node: usize, signal: Signal) {
        let server = &self.nodes[node].server;
        server.signal(signal);
        assert!(
            server.is_gone_within(END_PATIENCE).await,
            "server {node} does not end within {END_PATIENCE:?}"
        );
    }

    fn routes(&self) -> &Routes {
        self.routes
            .as_ref()
            .expect("only servers of a cluster can be cut off from others")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        for node in &self.nodes {
            node.server.kill();
            process::show_on_failure(&format!("log of server {}", node.name), &node.log);
        }
    }
}

/// Asks something that blocks for a moment.
async fn asked(question: impl FnOnce() -> bool + Send + 'static) -> bool {
    tokio::task::spawn_blocking(question).await.unwrap_or(false)
}
